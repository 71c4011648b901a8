"""A store in memory, for trials and tests."""

from __future__ import annotations

import threading
from collections.abc import Collection

from imil.storage.base import (
    Saved,
    by_file_name,
    check_name,
    is_record,
    name_taken_error,
    study_of,
    tombstone_file,
)


class MemoryStore:
    """Keeps bytes as long as the process lives."""

    def __init__(self) -> None:
        self._content: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        """Return the content, or None where there is none."""
        return self._content.get(check_name(name))

    def write(self, name: str, content: bytes) -> None:
        """Set the content, replacing what was there."""
        with self._lock:
            self._content[check_name(name)] = content

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:  # noqa: ARG002  # nowhere
        """Set the content of a new name; StoreError if the name is taken."""
        with self._lock:
            if check_name(name) in self._content:
                raise name_taken_error(name)
            self._content[name] = content

    def hide(self, study_id: str) -> None:
        """Nothing is shown."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted."""
        with self._lock:
            return tuple(sorted(name for name in self._content if name.startswith(prefix)))

    def there(self, names: Collection[str]) -> frozenset[str]:
        """Return which of the names there are."""
        return frozenset(names) & self._content.keys()

    def published(self, study_id: str) -> dict[str, bytes]:  # noqa: ARG002  # of none
        """Return nothing: there is no data set."""
        return {}

    def of_study(self, study_id: str) -> tuple[str, ...]:
        """Return the names of a study's records, in the order of their file names."""
        mine = (n for n in self.names("data/") if is_record(n) and study_of(n) == study_id)
        return tuple(sorted(mine, key=by_file_name))

    def forget(self, study_id: str) -> None:
        """Remove everything of a study but its tombstone."""
        kept = tombstone_file(study_id)
        with self._lock:
            for name in [n for n in self._content if study_of(n) == study_id and n != kept]:
                del self._content[name]

    def saved(self, study_id: str) -> Saved:  # noqa: ARG002  # the same for every study
        """Return that nothing leaves this machine."""
        return Saved()
