"""The port for files too large for the store: checkpoints, kept where a study's visitor agreed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


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


def copied(source: Path, target: Path) -> None:
    """Copy a file; it appears under its name only when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)
