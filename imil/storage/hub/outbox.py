"""What waits for the Hub, and the one thread that sends it, for all visitors together."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from imil.errors import StoreError
from imil.storage.base import check_name, study_of
from imil.storage.hub.errors import FAILURES, Failure, failure_of
from imil.storage.local import LocalStore


class Outbox:
    """Names whose content the Hub has not acknowledged, each with a marker under `markers`.

    A marker is on disk before the content is, and goes after the Hub has acknowledged just that
    content: whenever the process is killed, nothing is left out, and what is sent twice is equal.
    """

    def __init__(self, markers: LocalStore) -> None:
        self._markers = markers
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._waiting = {name: next(self._numbers) for name in markers.names("")}
        self._written: Counter[str] = Counter()

    @contextmanager
    def putting(self, name: str) -> Iterator[None]:
        """Mark a name while its content is written; StoreError if the marker can't be kept."""
        with self._lock:
            self._written[check_name(name)] += 1
        try:
            self._markers.write(name, b"")
            yield
        finally:
            # Also where it failed: perhaps some of it is there, and sending twice does no harm.
            with self._lock:
                self._waiting[name] = next(self._numbers)
                self._written[name] -= 1

    def mark(self, names: Iterable[str]) -> None:
        """Have names sent whose content is on disk; StoreError if a marker can't be kept."""
        for name in names:
            with self._lock:
                waits = name in self._waiting
            if not waits:
                with self.putting(name):
                    pass

    def ready(self, most: int) -> dict[str, int]:
        """Return up to `most` names, oldest first, with what `sent` wants to hear of each."""
        with self._lock:
            oldest = sorted(self._waiting.items(), key=lambda item: item[1])
            return dict([(n, number) for n, number in oldest if not self._written[n]][:most])

    def sent(self, names: Mapping[str, int]) -> None:
        """Take off what the Hub has acknowledged, unless it has been written anew meanwhile."""
        with self._lock:
            for name, number in names.items():
                if self._waiting.get(name) == number and not self._written[name]:
                    self._markers.remove(name)
                    del self._waiting[name]

    def drop(self, study_id: str) -> None:
        """Take off all of a study: it is to be sent no more."""
        with self._lock:
            for name in [name for name in self._waiting if study_of(name) == study_id]:
                self._markers.remove(name)
                del self._waiting[name]

    def waiting(self, study_id: str | None = None) -> int:
        """Return how many names of a study wait; of all studies if None."""
        with self._lock:
            return sum(study_id in {None, study_of(name)} for name in self._waiting)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is committed; all in seconds.

    Attributes:
        interval: between the beginnings of two commits. 30 make 120 in an hour; the Hub takes 128.
        first: of waiting after a first failure; doubled with each one in a row.
        most: of waiting after a failure.
        quota: of waiting at least, after too many commits.
        flush: that an app which ends waits for its last commit.
        look: between two looks at the data set while nothing is sent. Our choice.
    """

    interval: float = 30.0
    first: float = 1.0
    most: float = 60.0
    quota: float = 60.0
    flush: float = 10.0
    look: float = 300.0

    def wait(self, failure: Failure, in_a_row: int, chance: random.Random) -> float:
        """Return how long to wait after a failure; never the same for two processes."""
        longest = min(self.most, self.first * 2.0 ** min(in_a_row - 1, 16))
        if not failure.passes:
            longest = self.most
        jitter = longest * chance.uniform(0.5, 1.0)
        return self.quota + jitter if failure.quota else jitter


class Committer:
    """Calls `send` in a thread of its own, as often as `pace` allows, until nothing is left.

    Args:
        repo: the data set's id, for the words of errors.
        send: sends some of what waits and returns whether anything did; raises what went wrong.
            Called now and then where nothing waits, too.
        pace: how often.
    """

    def __init__(self, repo: str, send: Callable[[], bool], pace: Pace) -> None:
        self._repo = repo
        self._send = send
        self._pace = pace
        self._chance = random.Random()
        self._changed = threading.Condition()
        self._asked = True  # whatever an earlier process has left behind
        self._closing = self._over = False
        self._failed_since: float | None = None
        self._trouble: StoreError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="committer")
        self._thread.start()

    def ask(self) -> None:
        """Say that something waits."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    @property
    def silent(self) -> float | None:
        """Seconds since the Hub began to fail; None where the last attempt went well."""
        since = self._failed_since
        return None if since is None else time.monotonic() - since

    @property
    def trouble(self) -> StoreError | None:
        """What does not pass by itself; None where nothing is in the way."""
        return self._trouble

    def close(self) -> None:
        """Send what waits, now, for at most `pace.flush` seconds; what is left stays on disk."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(self._pace.flush)
        self._over = True

    def _run(self) -> None:
        try:
            self._work()
        except BaseException:
            self._trouble = StoreError(
                "Nothing goes to the Hub any more.",
                why="Something in the app broke; its log says what.",
                fix="Start the app again. Everything is kept on this machine.",
            )
            raise

    def _work(self) -> None:
        failures = 0
        while not self._over:
            with self._changed:
                self._changed.wait_for(lambda: self._asked or self._closing, self._pace.look)
                self._asked = False
            begun = time.monotonic()
            try:
                sent = self._send()
            except (StoreError, *FAILURES) as cause:
                failures += 1
                failure = failure_of(cause, self._repo)
                self._failed_since = self._failed_since or begun
                self._trouble = None if failure.passes else failure.error
                self.ask()
                if self._closing and not failure.passes:
                    return
                self._rest(begun, self._pace.wait(failure, failures, self._chance))
                if self._closing:  # soon, but not at once
                    time.sleep(self._pace.first)
                continue
            failures, self._failed_since, self._trouble = 0, None, None
            if sent:
                self.ask()
                self._rest(begun, self._pace.interval)
            elif self._closing:
                return

    def _rest(self, begun: float, seconds: float) -> None:
        """Wait until so long after `begun`; one that is being closed does not."""
        with self._changed:
            left = begun + seconds - time.monotonic()
            self._changed.wait_for(lambda: self._closing, max(0.0, left))
