"""A store in a folder of this machine."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from imil.errors import StoreError
from imil.store.base import check_name, taken

# While a file is being written it carries this ending, which no stored name may have.
_UNFINISHED = ".unfinished"


class LocalStore:
    """Keeps each name as a file under `root`; written aside, synced, then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> bytes | None:
        """Return the content, or None where there is none; StoreError if it can't be read."""
        path = self._root / check_name(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise StoreError(
                f"“{name}” can't be read.",
                why=f"The system says: {cause.strerror}.",
                fix="Check the folder's rights and disk, then try again. Nothing was changed.",
            ) from cause

    def write(self, name: str, content: bytes) -> None:
        """Set the content, replacing what was there; StoreError if it can't be kept."""
        self._put(name, content, replace=True)

    def add(self, name: str, content: bytes) -> None:
        """Set the content of a new name; StoreError if it is taken or can't be kept."""
        self._put(name, content, replace=False)

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted."""
        folder = self._root / prefix.rpartition("/")[0]
        if not folder.is_dir():
            return ()
        found = (p.relative_to(self._root).as_posix() for p in folder.rglob("*") if p.is_file())
        return tuple(sorted(n for n in found if n.startswith(prefix) and _UNFINISHED not in n))

    def _put(self, name: str, content: bytes, *, replace: bool) -> None:
        path = self._root / check_name(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content, replace=replace)
        except OSError as cause:
            if not replace and path.exists():
                raise taken(name) from cause
            full = cause.errno in {errno.ENOSPC, errno.EDQUOT}
            raise StoreError(
                f"“{name}” could not be saved.",
                why="The disk is full." if full else f"The system says: {cause.strerror}.",
                fix="Free some space and save again; what was saved before is still there."
                if full
                else "Check that the folder of IMIL_HOME can be written to, then save again.",
            ) from cause


def write_atomic(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file so that a kill at any moment leaves the old or the new content, whole.

    Raises:
        FileExistsError: `replace` is False and the file is there.
        OSError: as the system gives it.
    """
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_UNFINISHED}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            unfinished.replace(path)
        else:
            os.link(unfinished, path)  # fails if the name is taken, unlike a rename
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
