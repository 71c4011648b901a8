"""Images being read: it goes on while the page is closed, and never twice for one press."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from imil.errors import DataError, ImilError
from imil.study.study import Study

# Sets read at the same time; others wait. Each keeps a core busy.
AT_ONCE = 2
# Seconds in which the same press again is the rest of a double click.
DOUBLE_CLICK = 3.0
# Finished ones that a page may still ask for.
_KEPT = 500


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """How far a reading is.

    Attributes:
        done: images read.
        total: of so many; 0 while it is unknown.
        study_id: of the study that came of it; None until then.
        error: why there is none.
    """

    done: int = 0
    total: int = 0
    study_id: str | None = None
    error: ImilError | None = None

    @property
    def active(self) -> bool:
        """Whether it is still going on, or waits."""
        return self.study_id is None and self.error is None


class _Stopped(Exception):  # noqa: N818  # no failure: the visitor asked for it
    """Raised inside a reading that was told to stop."""


@dataclass(slots=True)
class _Import:
    key: Hashable
    status: ImportStatus = field(default_factory=ImportStatus)
    stop: threading.Event = field(default_factory=threading.Event)
    ended: float | None = None


class Imports:
    """All readings of this process, by an id that only the visitor's browser knows.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: dict[str, _Import] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(AT_ONCE)

    def begin(
        self,
        key: Hashable,
        make: Callable[[Callable[[int, int], None]], Study],
        *,
        ended: Callable[[], None] = lambda: None,
    ) -> str:
        """Start a reading and return its id; one of the same key that goes on is not begun again.

        Args:
            key: who asks, and for what.
            make: begins the study; it is given what to tell (done, total) after each image.
            ended: called once at the end, whatever came of it, also where `make` was never begun.
        """
        with self._lock:
            for known_id, known in self._known.items():
                if known.key == key and self._fresh(known):
                    ended()
                    return known_id
            self._forget()
            import_id, begun = secrets.token_hex(8), _Import(key)
            self._known[import_id] = begun
        threading.Thread(target=self._read, args=(begun, make, ended), daemon=True).start()
        return import_id

    def status(self, import_id: str) -> ImportStatus | None:
        """Return how far a reading is; None where this process knows of none."""
        with self._lock:
            known = self._known.get(import_id)
            return None if known is None else known.status

    def stop(self, import_id: str) -> None:
        """End a reading at its next image; what it had read is removed."""
        with self._lock:
            known = self._known.get(import_id)
        if known is not None:
            known.stop.set()

    def _fresh(self, known: _Import) -> bool:
        if known.status.active:
            return not known.stop.is_set()
        failed = known.status.error is not None
        return not failed and known.ended is not None and self._clock() < known.ended + DOUBLE_CLICK

    def _forget(self) -> None:
        ended = [name for name, known in self._known.items() if not known.status.active]
        for name in ended[: max(0, len(ended) - _KEPT)]:
            del self._known[name]

    def _read(
        self,
        begun: _Import,
        make: Callable[[Callable[[int, int], None]], Study],
        ended: Callable[[], None],
    ) -> None:
        def tell(done: int, total: int) -> None:
            begun.status = ImportStatus(done, total)
            if begun.stop.is_set():
                raise _Stopped

        try:
            study = self._made(make, tell, ended)
            begun.status = ImportStatus(study_id=study.study_id)
        except _Stopped:
            begun.status = ImportStatus(error=_stopped())
        except ImilError as error:
            begun.status = ImportStatus(error=error)
        except BaseException:
            begun.status = ImportStatus(error=_fault())
            raise
        finally:
            begun.ended = self._clock()

    def _made(
        self,
        make: Callable[[Callable[[int, int], None]], Study],
        tell: Callable[[int, int], None],
        ended: Callable[[], None],
    ) -> Study:
        try:
            with self._turn:
                tell(0, 0)
                return make(tell)
        finally:
            ended()


def _stopped() -> DataError:
    return DataError(
        "Reading was stopped.",
        why="You asked for it; nothing of it is kept.",
        fix="Start again when you like.",
    )


def _fault() -> DataError:
    return DataError(
        "The images could not be read.",
        why="The app met a fault of its own, and has written it to its log.",
        fix="Tell whoever runs this app, and try other images meanwhile.",
    )
