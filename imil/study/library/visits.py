"""Studies that nobody has visited for long: when that was, and what is in them."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from imil.storage.local import write_atomic
from imil.storage.records.acts import Act, ActKind

# In a study's folder: when it was last visited, UTC, ISO 8601.
USED = "used"
# A page asks for its study every second; the disk is told of it this often.
NOTE_EVERY = timedelta(hours=1)

# A study whose log has nothing else holds nothing that a person drew, decided or found.
_NO_WORK = frozenset(
    {
        ActKind.STUDY_BEGUN,
        ActKind.PLAN_SET,
        ActKind.DEPLOYMENT_SET,
        ActKind.TRAINING_STARTED,
        ActKind.TRAINING_STOPPED,
        ActKind.TRAINING_FINISHED,
        ActKind.SELECTION_SET,
        ActKind.FOLDS_STARTED,
        ActKind.EXPORTED,
        ActKind.FILES_NOTED,
    }
)


class Visits:
    """When each study was last visited, on disk; safe to use from several threads.

    Args:
        folder: from a study's id to its folder.
        now: the time.
    """

    def __init__(self, folder: Callable[[str], Path], now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now
        self._noted: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def note(self, study_id: str) -> None:
        """Note that a study is visited now."""
        now = self._now()
        with self._lock:
            noted = self._noted.get(study_id)
            if noted is not None and now - noted < NOTE_EVERY:
                return
            self._noted[study_id] = now
        folder = self._folder(study_id)
        # On a full disk a study opens all the same; until a restart the visit is known.
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / USED, now.isoformat().encode())

    def last(self, study_id: str, created: str) -> datetime:
        """Return when a study was last visited: when it was begun, where nothing else is known."""
        with self._lock:
            noted = self._noted.get(study_id)
        if noted is not None:
            return noted
        try:
            return datetime.fromisoformat((self._folder(study_id) / USED).read_text())
        except (FileNotFoundError, ValueError):
            return datetime.fromisoformat(created)

    def forget(self, study_id: str) -> None:
        """Forget a study whose folder is gone."""
        with self._lock:
            self._noted.pop(study_id, None)


def expiry_failed(study_id: str, error: Exception) -> None:
    """Say on stderr which study could not be looked at, and where that failed; no content."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    sys.stderr.write(f"Study {study_id} could not be read: {type(error).__name__} in {where}.\n")


def untouched(acts: Iterable[Act]) -> bool:
    """Return whether nothing in a log is a person's work."""
    return all(act.what in _NO_WORK for act in acts)
