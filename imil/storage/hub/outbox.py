"""What waits for the Hub: markers on disk, so that a killed process forgets none."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from imil.storage.base import check_name, study_of
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


class MarkingStore(LocalStore):
    """A disk from which another process sends: what is written here is marked for its next start.

    For a command that runs beside the app: packs are filled by one process alone.
    """

    def __init__(self, root: Path, outbox: Path) -> None:
        super().__init__(root)
        self._outbox = Outbox(LocalStore(outbox))

    def write(self, name: str, content: bytes) -> None:
        """Set the content and mark it; StoreError if it can't be kept."""
        with self._outbox.putting(name):
            super().write(name, content)

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:
        """Set the content of a new name and mark it; StoreError if taken or it can't be kept."""
        with self._outbox.putting(name):
            super().add(name, content, shown=shown)
