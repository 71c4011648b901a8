"""A store in memory, for trials and tests."""

from __future__ import annotations

import threading

from imil.store.base import check_name, taken


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

    def add(self, name: str, content: bytes) -> None:
        """Set the content of a new name; StoreError if the name is taken."""
        with self._lock:
            if check_name(name) in self._content:
                raise taken(name)
            self._content[name] = content

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted."""
        with self._lock:
            return tuple(sorted(name for name in self._content if name.startswith(prefix)))
