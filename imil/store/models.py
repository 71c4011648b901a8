"""The port for files too large for the store: checkpoints, kept where a study's visitor agreed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from imil.errors import StoreError
from imil.store.base import check_name


class Models(Protocol):
    """Where large files are kept. Names are relative, with `/`, as those of the store."""

    def put(self, files: Mapping[str, Path]) -> None:
        """Keep files by name, all or none, replacing what was there. StoreError if it can't be."""

    def get(self, name: str, path: Path) -> bool:
        """Put a file where `path` says; False only where there is none. StoreError if unread."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, a folder's and "/", sorted."""

    def forget(self, prefix: str) -> None:
        """Remove all names that begin with `prefix`, a folder's and "/"."""


class LocalModels:
    """Keeps large files in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, files: Mapping[str, Path]) -> None:
        """Keep files by name; StoreError if the disk is full or can't be written to."""
        try:
            for name, path in files.items():
                copied(path, self._root / check_name(name))
        except OSError as cause:
            raise StoreError(
                "A checkpoint could not be kept.",
                why=f"The system says: {cause.strerror}.",
                fix="Free some space; masks and results are saved apart from it.",
            ) from cause

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


def copied(source: Path, target: Path) -> None:
    """Copy a file; it appears under its name only when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)
