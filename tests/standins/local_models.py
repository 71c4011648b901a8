"""A stand-in for the Hub's model repository."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from imil.storage.base import check_name
from imil.storage.models import copied


class LocalModels:
    """Keeps large files in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, files: Mapping[str, Path]) -> None:
        """Keep files by name."""
        for name, path in files.items():
            copied(path, self._root / check_name(name))

    def get(self, name: str, path: Path) -> bool:
        """Put a file where `path` says; False where there is none."""
        kept = self._root / check_name(name)
        if not kept.exists():
            return False
        copied(kept, path)
        return True

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted."""
        folder = self._root / prefix
        files = (path for path in folder.rglob("*") if path.is_file())
        return tuple(sorted(path.relative_to(self._root).as_posix() for path in files))

    def forget(self, prefix: str) -> None:
        """Remove all names that begin with `prefix`."""
        shutil.rmtree(self._root / check_name(prefix.rstrip("/")), ignore_errors=True)
