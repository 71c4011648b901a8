"""A store in a folder of this machine."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from imil.errors import StoreError
from imil.storage.base import (
    RECORDS,
    Saved,
    by_file_name,
    check_name,
    is_record,
    name_taken_error,
    study_of,
    tombstone_file,
)

# While a file is being written it carries this ending, which no stored name may have.
_UNFINISHED = ".unfinished"


class LocalStore:
    """Keeps each name as a file under `root`; written aside, synced, then renamed.

    Args:
        root: the folder.
        trouble: why nothing leaves this machine although it was meant to; None where it was not.
        writing: what is open while the content of a name is written.
    """

    def __init__(
        self,
        root: Path,
        *,
        trouble: StoreError | None = None,
        writing: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._root = root
        self._trouble = trouble
        self._writing = writing

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
        with self._writing(name):
            self._put(name, content, replace=True)

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:  # noqa: ARG002  # nowhere
        """Set the content of a new name; StoreError if it is taken or can't be kept."""
        with self._writing(name):
            self._put(name, content, replace=False)

    def hide(self, study_id: str) -> None:
        """Nothing is shown."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted."""
        folder = self._root / prefix.rpartition("/")[0]
        if not folder.is_dir():
            return ()
        found = (p.relative_to(self._root).as_posix() for p in folder.rglob("*") if p.is_file())
        return tuple(sorted(n for n in found if n.startswith(prefix) and _UNFINISHED not in n))

    def there(self, names: Collection[str]) -> frozenset[str]:
        """Return which of the names there are."""
        return frozenset(name for name in names if (self._root / check_name(name)).is_file())

    def published(self, study_id: str) -> dict[str, bytes]:  # noqa: ARG002  # of none
        """Return nothing: there is no data set."""
        return {}

    def of_study(self, study_id: str) -> tuple[str, ...]:
        """Return the names of a study's records, in the order of their file names."""
        mine = (name for name in self.names(RECORDS) if _belongs(name, study_id))
        return tuple(sorted(mine, key=by_file_name))

    def forget(self, study_id: str) -> None:
        """Remove everything of a study but its tombstone; StoreError if something stays."""
        own = f"studies/{study_id}/"
        for name in (*self.of_study(study_id), *self.names(own)):
            if name != tombstone_file(study_id):
                self.remove(name)
        for folder in sorted((self._root / own).glob("**/"), reverse=True):
            with suppress(OSError):  # an empty folder left behind tells nothing
                folder.rmdir()

    def saved(self, study_id: str) -> Saved:  # noqa: ARG002  # the same for every study
        """Return that nothing leaves this machine."""
        return Saved(trouble=self._trouble)

    def remove(self, name: str) -> None:
        """Remove what is under a name, if anything; StoreError if it stays."""
        try:
            (self._root / check_name(name)).unlink(missing_ok=True)
        except OSError as cause:
            raise StoreError(
                f"“{name}” can't be removed.",
                why=f"The system says: {cause.strerror}.",
                fix="Check the rights of IMIL_HOME's folder, then delete the study again.",
            ) from cause

    def _put(self, name: str, content: bytes, *, replace: bool) -> None:
        path = self._root / check_name(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content, replace=replace)
        except OSError as cause:
            if not replace and path.exists():
                raise name_taken_error(name) from cause
            full = cause.errno in {errno.ENOSPC, errno.EDQUOT}
            raise StoreError(
                f"“{name}” could not be saved.",
                why="The disk is full." if full else f"The system says: {cause.strerror}.",
                fix="Free some space and save again; what was saved before is still there."
                if full
                else "Check that the folder of IMIL_HOME can be written to, then save again.",
            ) from cause


def _belongs(name: str, study_id: str) -> bool:
    return is_record(name) and study_of(name) == study_id


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
