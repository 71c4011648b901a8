"""The log of one study: every act written once, in order, and looked at for tampering."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from imil.errors import StoreError
from imil.storage.base import Store
from imil.storage.records.acts import (
    LONGEST_DETAIL,
    PROGRAM,
    Act,
    ActKind,
    Chain,
    ChainHead,
    act_file,
    acts_folder,
    chained,
    check_head,
    check_links,
    encode_act,
    files_of,
    first_link,
    read_act,
)

# How often an act is put after those of another process before it counts as not written.
MOST_TRIES = 50
# The longest that anybody waits for acts that are written in the background, seconds.
SETTLING = 10.0
# Acts that a gap names; the rest are counted.
MOST_NAMED = 100


class ActLog:
    """Writes a study's acts; safe to use from several threads, and beside other processes.

    Writing never fails: what was done stays done. An act that could not be written is told on
    stderr, and in the log by a gap as soon as anything can be written there.

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
        known: ChainHead | None = None,
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
        self._waiting: deque[tuple[Act, Callable[[], Act]]] = deque()
        self._writing = False
        self._queue = threading.Condition()
        # The log as it was when it was last read and found intact.
        self._seen: tuple[Act, ...] | None = None

    def append(self, act: Act, make: Callable[[], Act] | None = None) -> None:
        """Write an act; when this returns it is in the store, or counts as not written.

        It waits for the store alone, never for what `later` makes.

        Args:
            act: the act; where `make` fails, what is told of.
            make: makes the act that is written; None for `act` itself.
        """
        with self._lock:
            try:
                if self._last is None:
                    self._take_up()
                self._do(self._put_gap)
                self._put(act if make is None else make())
            except Exception as error:  # noqa: BLE001  # the study goes on; the log tells of a gap
                self._miss(act, error)

    def later(self, act: Act, make: Callable[[], Act]) -> None:
        """Write what `make` returns in the background, after what was given to it before.

        Args:
            act: what is told of where `make` fails.
            make: makes the act; whatever it raises is told of, and ends nothing.
        """
        with self._queue:
            self._waiting.append((act, make))
            if self._writing:
                return
            self._writing = True
        try:
            threading.Thread(target=self._write, daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            with self._queue:
                self._writing = False
                left, self._waiting = self._waiting, deque()
                self._queue.notify_all()
            for each, _ in left:
                self._miss(each, error)

    def flush(self, timeout: float = SETTLING) -> bool:
        """Wait until nothing waits to be written, `timeout` seconds at most; return whether so."""
        with self._queue:
            return self._queue.wait_for(lambda: not self._writing, timeout)

    @property
    def waiting(self) -> int:
        """How many acts are not in the store yet: made in the background, or not writable now."""
        with self._queue:
            made = len(self._waiting) + self._writing
        return made + len(self._missed)

    @property
    def head(self) -> ChainHead | None:
        """The last act that can be vouched for; None before this process has written.

        What is known of a log that was tampered with stays as it was, or the evidence would go.
        """
        with self._lock:
            if self._last is None or not self._intact or self._last[0] < 0:
                return None
            return ChainHead(*self._last)

    @property
    def behind(self) -> bool:
        """Whether acts could not be written yet, of which the next one will tell."""
        return bool(self._missed)

    def catch_up(self, *, begin: bool = False) -> None:
        """Write what happened unseen, unless that is done or the log is broken.

        What is broken is left as it was found: what is written after it could hide it.

        Args:
            begin: write it also where the log has no act yet.
        """
        with self._lock:
            if self._last is not None:
                return
            found = self._found()
            if (found or begin) and check_links(self._study_id, found, self._known) is None:
                self._do(partial(self._take_up, found))

    def read(self, known: Sequence[ChainHead] = (), *, whole: bool = True) -> Chain:
        """Return the log as it is in the store now, checked against heads that are known.

        Args:
            known: acts that the log must contain.
            whole: check every act. Otherwise those that this process has found intact before are
                believed, and only the last of them and what came after it is read.

        Raises:
            StoreError: it can't be read, or was written by a newer version.
        """
        heads = (*known, *([self._known] if self._known else ()))
        acts = None if whole else self._longer()
        if acts is None:
            found = self._found()
            acts = tuple(act for _, act in found if act is not None)
            broken = check_links(self._study_id, found)
            self._seen = None if broken else acts
            if broken:
                return Chain(acts, broken)
        differing = (check_head(acts, head) for head in heads)
        return Chain(acts, next((each for each in differing if each is not None), None))

    # ---- inside ---------------------------------------------------------------------------------

    def _write(self) -> None:
        while (waiting := self._next()) is not None:
            act, make = waiting
            try:
                made = make()
            except BaseException as error:  # noqa: BLE001  # told of; what follows is written
                self._miss(act, error)
                continue
            self.append(made)

    def _next(self) -> tuple[Act, Callable[[], Act]] | None:
        """Return what is to be written next; None ends the thread that writes."""
        with self._queue:
            if self._waiting:
                return self._waiting.popleft()
            self._writing = False
            self._queue.notify_all()
            return None

    def _do(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:  # noqa: BLE001  # tried again by the next act
            _say(error)

    def _miss(self, act: Act, error: BaseException) -> None:
        """Note an act that could not be written, and tell of it in the log if that is possible."""
        _say(error)
        with self._lock:
            self._missed.append(act)
            if isinstance(error, StoreError):
                self._why = error.what
                return
            # What could be made or written of any other act is no reason to be silent now.
            self._why = f"It could not be made or written: {type(error).__name__}."
            self._do(self._put_gap)

    def _put_gap(self) -> None:
        if self._missed and self._last is not None:
            named = [_named(act) for act in self._missed[:MOST_NAMED]]
            details = {"not_written": named, "acts": len(self._missed), "why": self._why}
            self._put(Act(ActKind.GAP, _time(self._missed[-1]), PROGRAM, details=details))
            self._missed = []

    def _take_up(self, found: list[tuple[int, Act | None]] | None = None) -> None:
        found = self._found() if found is None else found
        self._intact = check_links(self._study_id, found, self._known) is None
        self._last = self._end(found)
        try:
            for act in self._catch_up(tuple(act for _, act in found if act is not None)):
                self._put(act)
        except Exception:
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

    def _longer(self) -> tuple[Act, ...] | None:
        """Return the log as it was last seen and what came after it; None where that fails."""
        if not self._seen:
            return None
        acts, last = self._seen, self._seen[-1]
        if self._act(act_file(self._study_id, last.seq)) != last:
            return None
        new: list[Act] = []
        while (content := self._store.read(act_file(self._study_id, last.seq + 1))) is not None:
            act = read_act(content)
            if act is None or (act.seq, act.previous) != (last.seq + 1, last.digest):
                return None
            new.append(act)
            last = act
        if new:
            acts = self._seen = (*acts, *new)
        return acts

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


def broken_content(store: Store, acts: Sequence[Act]) -> tuple[int, str] | None:
    """Return the first file that an act names by its digest and that is gone or another one now.

    A file that a later act names again, as one that was written anew, is that act's alone.

    Args:
        store: where the files are.
        acts: whose details name them: `files` is {name in the store: SHA-256}.

    Returns:
        The act's number and the file's name; None where every file is the one that was named.
    """
    named = {name: (act.seq, digest) for act in acts for name, digest in files_of(act).items()}
    for name, (seq, digest) in named.items():
        try:
            content = store.read(name)
        except ValueError:  # no name that the app gives
            return seq, name
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            return seq, name
    return None


def _named(act: Act) -> dict[str, str]:
    """Return what a gap tells of an act: nothing that could keep the gap from being written."""
    who = act.who.encode("utf-8", "replace").decode() if isinstance(act.who, str) else ""
    return {"what": ActKind(act.what).value, "time": _time(act), "who": who[:LONGEST_DETAIL]}


def _time(act: Act) -> str:
    try:
        return datetime.fromisoformat(act.time).isoformat()
    except (ValueError, TypeError):
        return datetime.now(UTC).isoformat()


def _say(error: BaseException) -> None:
    """Say on stderr that the log could not be written; without content, names or ids."""
    with suppress(Exception):  # there may be no stderr any more
        sys.stderr.write(f"A study's log could not be written: {type(error).__name__}.\n")
