"""The studies that a process has open: bounded, and each open once."""

from __future__ import annotations

from collections import OrderedDict
from weakref import WeakValueDictionary

from imil.study.study import Study


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
