"""The log of one study: every act written once, in order, and looked at for tampering."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Sequence

from imil.errors import StoreError
from imil.store.acts import (
    PROGRAM,
    Act,
    Chain,
    Head,
    What,
    act_file,
    acts_folder,
    chained,
    check_links,
    encode_act,
    first_link,
    read_act,
)
from imil.store.base import Store

# How often an act is put after those of another process before it counts as not written.
MOST_TRIES = 50


class ActLog:
    """Writes a study's acts; safe to use from several threads, and beside other processes.

    Writing never fails: what was done stays done, and an act that could not be written is told of
    by the next one that can.

    Args:
        store: where the acts are kept.
        study_id: whose.
        catch_up: given the acts that are there when this process first writes, returns those to
            write before: the study's beginning, and a gap where something happened unseen.
        known: the last act that was known before; a log that lacks it was tampered with.
    """

    def __init__(
        self,
        store: Store,
        study_id: str,
        *,
        catch_up: Callable[[tuple[Act, ...]], Sequence[Act]] = lambda _: (),
        known: Head | None = None,
    ) -> None:
        self._store = store
        self._study_id = study_id
        self._catch_up = catch_up
        self._known = known
        self._lock = threading.RLock()
        # Number and digest of the last act; None until the log was read.
        self._last: tuple[int, str] | None = None
        self._intact = True
        self._missed: list[Act] = []
        self._why = ""
        self._waiting: deque[Callable[[], Act]] = deque()
        self._writing = False
        self._queue = threading.Condition()

    def append(self, act: Act) -> None:
        """Write an act after those that wait; when this returns it is in the store."""
        self.settle()
        self._append(act)

    def later(self, make: Callable[[], Act]) -> None:
        """Write the act that `make` returns in the background, in the order of these calls.

        `make` must not fail: the acts after it would wait for ever.
        """
        with self._queue:
            self._waiting.append(make)
            if self._writing:
                return
            self._writing = True
        threading.Thread(target=self._write, daemon=True).start()

    def settle(self) -> None:
        """Wait until nothing waits to be written."""
        with self._queue:
            self._queue.wait_for(lambda: not self._writing)

    @property
    def head(self) -> Head | None:
        """The last act that can be vouched for; None before this process has written.

        What is known of a log that was tampered with stays as it was, or the evidence would go.
        """
        with self._lock:
            if self._last is None or not self._intact or self._last[0] < 0:
                return None
            return Head(*self._last)

    @property
    def behind(self) -> bool:
        """Whether acts could not be written yet, of which the next one will tell."""
        return bool(self._missed)

    def read(self, known: Sequence[Head] = ()) -> Chain:
        """Return the log as it is in the store now, checked against heads that are known.

        Raises:
            StoreError: it can't be read, or was written by a newer version.
        """
        self.settle()
        with self._lock:
            found = self._found()
        heads = (*known, *([self._known] if self._known else ()))
        broken = check_links(self._study_id, found)
        for head in heads:
            broken = broken or check_links(self._study_id, found, head)
        return Chain(tuple(act for _, act in found if act is not None), broken)

    # ---- inside ---------------------------------------------------------------------------------

    def _write(self) -> None:
        while (make := self._next()) is not None:
            self._append(make())

    def _next(self) -> Callable[[], Act] | None:
        """Return what is to be written next; None ends the thread that writes."""
        with self._queue:
            if self._waiting:
                return self._waiting.popleft()
            self._writing = False
            self._queue.notify_all()
            return None

    def _append(self, act: Act) -> None:
        with self._lock:
            try:
                if self._last is None:
                    self._take_up()
                if self._missed:
                    self._put(self._gap(act.time))
                    self._missed = []
                self._put(act)
            except StoreError as error:
                self._missed.append(act)
                self._why = error.what

    def _gap(self, time: str) -> Act:
        missed = [{"what": act.what, "time": act.time, "who": act.who} for act in self._missed]
        details = {"not_written": missed, "why": self._why}
        return Act(What.GAP, time, PROGRAM, details=details)

    def _take_up(self) -> None:
        found = self._found()
        self._intact = check_links(self._study_id, found, self._known) is None
        self._last = self._end(found)
        try:
            for act in self._catch_up(tuple(act for _, act in found if act is not None)):
                self._put(act)
        except StoreError:
            self._last = None  # the next act tries again
            raise

    def _put(self, act: Act) -> None:
        for _ in range(MOST_TRIES):
            seq, previous = self._last or (-1, "")
            placed = chained(act, seq=seq + 1, previous=previous)
            name = act_file(self._study_id, placed.seq)
            try:
                self._store.add(name, encode_act(placed))
            except StoreError:
                if self._store.read(name) is None:
                    raise
                # Another process wrote an act of that number: this one comes after it.
                self._last = self._end(self._found())
                continue
            self._last = placed.seq, placed.digest
            return
        raise StoreError(
            "An act could not be written to the log.",
            why="Other processes write to the same log without a pause.",
            fix="Use one process for one study; the log tells of the gap.",
        )

    def _found(self) -> list[tuple[int, Act | None]]:
        """Return each file's number and act; None for a file that was changed."""
        folder = acts_folder(self._study_id)
        numbered = [
            (int(number), name)
            for name in self._store.names(folder)
            if (number := name.removeprefix(folder).removesuffix(".json")).isdecimal()
        ]
        return [(number, self._act(name)) for number, name in sorted(numbered)]

    def _act(self, name: str) -> Act | None:
        content = self._store.read(name)
        return None if content is None else read_act(content)

    def _end(self, found: Sequence[tuple[int, Act | None]]) -> tuple[int, str]:
        """Return the number and digest that the next act follows."""
        if not found:
            return -1, first_link(self._study_id)
        number, act = found[-1]
        if act is not None:
            return number, act.digest
        changed = self._store.read(act_file(self._study_id, number)) or b""
        return number, hashlib.sha256(changed).hexdigest()


def broken_content(
    store: Store, acts: Sequence[Act], *, missing_too: bool = True
) -> tuple[int, str] | None:
    """Return the first file that an act names by its digest and that is another one now.

    Args:
        store: where the files are.
        acts: whose details name them: `files` is {name in the store: SHA-256}.
        missing_too: whether a file that is not there counts.

    Returns:
        The act's number and the file's name; None where every file is the one that was named.
    """
    for act in acts:
        for name, digest in dict(act.details.get("files", {})).items():
            content = store.read(name)
            if content is None and not missing_too:
                continue
            if content is None or hashlib.sha256(content).hexdigest() != digest:
                return act.seq, name
    return None
