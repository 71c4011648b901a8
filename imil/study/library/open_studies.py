"""The studies that a process has open: bounded, and each open once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

from imil.storage.base import Store, is_study_id, tombstone_file
from imil.storage.records.studies import study_file
from imil.study.study import Study

# Studies kept open that nobody holds, 0.5 MB each or more. Our choice.
MOST_OPEN = 256


class Handles:
    """Open studies by id; whoever uses it holds a lock.

    The last used are kept. Others go once nobody holds them: a study that a visitor's event, a
    training or a thread still works on is found here for as long as it does, so none is open twice.

    Args:
        most: studies to keep that nobody holds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: OrderedDict[str, Study] = OrderedDict()
        self._alive: WeakValueDictionary[str, Study] = WeakValueDictionary()

    def get(self, study_id: str) -> Study | None:
        """Return a study, which counts as used now; None where it is not open."""
        study = self._alive.get(study_id)
        if study is not None:
            self[study_id] = study
        return study

    def __contains__(self, study_id: str) -> bool:
        return self.get(study_id) is not None

    def __getitem__(self, study_id: str) -> Study:
        study = self.get(study_id)
        if study is None:
            raise KeyError(study_id)
        return study

    def __setitem__(self, study_id: str, study: Study) -> None:
        self._alive[study_id] = self._used[study_id] = study
        self._used.move_to_end(study_id)
        for oldest in list(self._used)[: max(0, len(self._used) - self._most)]:
            if not self._used[oldest].has_news:
                del self._used[oldest]

    def pop(self, study_id: str, default: Study | None = None) -> Study | None:
        """Forget a study, and return it; `default` where it is not open."""
        self._used.pop(study_id, None)
        return self._alive.pop(study_id, default)

    def clear(self) -> None:
        """Forget every study."""
        self._used.clear()
        self._alive.clear()

    def values(self) -> tuple[Study, ...]:
        """Return every study that is open."""
        return tuple(self._alive.values())


class OpenStudies:
    """The studies that are open, for several threads; none is opened twice at once.

    Args:
        read: from an id to what is saved of that study; StoreError if there is none.
        most: studies to keep that nobody holds.
    """

    def __init__(self, read: Callable[[str], Study], most: int = MOST_OPEN) -> None:
        self._read = read
        self._handles = Handles(most)
        self._opening: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def open(self, study_id: str) -> Study:
        """Return a study, opened where it is not yet; as `read`."""
        while True:
            with self._lock:
                if study_id in self._handles:
                    return self._handles[study_id]
                # Whoever comes while another opens this study waits; other studies don't.
                opening = self._opening.get(study_id)
                if opening is None:
                    opening = self._opening[study_id] = threading.Event()
                    break
            opening.wait()
        try:
            study = self._read(study_id)
            with self._lock:
                self._handles[study_id] = study
            return study
        finally:
            with self._lock:
                del self._opening[study_id]
            opening.set()

    def get(self, study_id: str) -> Study | None:
        """Return a study; None where it is not open."""
        with self._lock:
            return self._handles.get(study_id)

    def close(self, study_id: str) -> None:
        """Forget a study: it is opened anew when it is asked for."""
        with self._lock:
            self._handles.pop(study_id, None)

    def clear(self) -> None:
        """Forget every study."""
        with self._lock:
            self._handles.clear()

    def values(self) -> tuple[Study, ...]:
        """Return every study that is open."""
        with self._lock:
            return self._handles.values()


def known_studies(store: Store, study_ids: Iterable[str]) -> frozenset[str]:
    """Return which studies there are, without opening any; StoreError if it can't be told."""
    files = {study_file(each): each for each in study_ids if is_study_id(each)}
    dead = {tombstone_file(each): each for each in files.values()}
    found = store.there([*files, *dead])
    deleted = {dead[name] for name in found & dead.keys()}
    return frozenset(files[name] for name in found & files.keys()) - deleted
