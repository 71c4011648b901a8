"""A stranger's zip into a folder: what can be read of it, or nothing where it is an attack."""

from __future__ import annotations

import errno
import posixpath
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from imil.datasets.archive.arrays import arrays_in
from imil.datasets.archive.entries import (
    BROKEN_ENTRY,
    CHUNK,
    EntryError,
    Limits,
    also_told,
    checked,
    find_moved,
    lost_among,
    pieces,
    require_listed,
    require_read,
    require_tables,
    too_large,
)
from imil.datasets.choices import Choices
from imil.datasets.files.pixels import IMAGE_SUFFIXES, why_not_opened
from imil.datasets.files.tree import Tries, is_image, stray, suffix_of, why_unread
from imil.datasets.folder import MADE, read_folder
from imil.datasets.listing import Listing, Skipped, with_splits
from imil.datasets.tables.sidecars import is_read, sidecars_among
from imil.datasets.tables.table import is_other_table, is_table, looked_into, may_hold_rows
from imil.errors import DataError, StoreError

_STARTS = (b"PK\x03\x04", b"PK\x05\x06")


# From a zip's entries by name to what says why one is left unread, told by name and first bytes.
Sieve: TypeAlias = Callable[[Mapping[str, zipfile.ZipInfo]], Callable[[str, bytes], str | None]]


@dataclass(frozen=True, slots=True)
class UnpackReport:
    """What was unpacked, and which entries were not, and why.

    Attributes:
        names: of the files that were written.
        inflated_bytes: of those files.
        skipped: entries that are not for a folder, and those that can't be read.
        unread: files that a sieve left out, by name, with the reason.
    """

    names: tuple[str, ...]
    inflated_bytes: int
    skipped: tuple[Skipped, ...]
    unread: Mapping[str, str]

    @property
    def lost(self) -> tuple[Skipped, ...]:
        """Those of `skipped` that can't be read."""
        return lost_among(self.skipped)


def read_archive(
    archive: Path,
    into: Path,
    *,
    name: str | None = None,
    positive: str | None = None,
    choices: Choices | None = None,
    made: Path = MADE,
    seed: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Unpack a zip of an image folder and list it; on any failure `into` is not there.

    Args and errors are those of `unpack` and `read_folder`; `name` is the archive's if None, and
    splits are made with `seed` if it is given. Files that are neither images nor tables are not
    unpacked. What can't be read of the zip is left out and told, save a table: see
    `require_tables`.
    """
    choices = choices or Choices()
    report = unpack_arrays(archive, into, on_progress=on_progress) or unpack(
        archive, into, sieve=partial(_sieve, choices), on_progress=on_progress
    )
    lost = [skip for skip in report.lost if is_image(skip.name)]
    try:
        require_tables(archive.name, report.names, report.lost, choices)
        with also_told(report.lost):
            listing = read_folder(
                into,
                name=name or archive.stem,
                positive=positive,
                choices=choices,
                made=made,
                also_skipped=[skip for skip in report.skipped if skip not in lost],
                # They count as what they are called, so that no set is made anew without them.
                unread={**report.unread, **{skip.name: skip.reason for skip in lost}},
                on_progress=on_progress,
            )
            return listing if seed is None else with_splits(listing, seed=seed)
    except BaseException:
        shutil.rmtree(into)
        raise


def _sieve(
    choices: Choices, entries: Mapping[str, zipfile.ZipInfo]
) -> Callable[[str, bytes], str | None]:
    """Return what lets images and the tables pass that are looked into."""
    sizes = {
        name: entry.file_size
        for name, entry in entries.items()
        if is_table(name) or is_other_table(name)
    }
    images = [name for name in entries if is_image(name)]
    beside = {} if choices.table_file is not None else sidecars_among(entries, images)
    tables = looked_into(sizes, images, picked=choices.answered.get("table"))

    tries = Tries()

    def why_left(name: str, head: bytes) -> str | None:
        if is_read(name, entries[name].file_size, beside):
            return None
        idle = name in sizes and (name not in tables or not may_hold_rows(name, head))
        reason = stray(name) if idle else why_unread(name, head)
        # A small file is tried at once: writing it first would take longer.
        if (
            reason is None
            and suffix_of(name) in IMAGE_SUFFIXES
            and entries[name].file_size == len(head)
        ):
            reason = why_not_opened(head)
            tries.note(name, reason)
        return reason

    return why_left


def unpack(
    archive: Path,
    into: Path,
    *,
    limits: Limits | None = None,
    whole: bool = False,
    sieve: Sieve | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> UnpackReport:
    """Unpack a zip into a new folder.

    Entries are written to a folder beside `into`, renamed when complete. Sizes are counted while
    inflating, never believed from the archive. System files, archives in the archive, doubled names
    and entries that can't be read are skipped; their folders are made. Backslashes part folders, as
    some Windows programs write them; control characters in names become "_".

    Args:
        archive: the zip file.
        into: a folder that does not exist, or is empty.
        limits: of files and bytes; `Limits()` if None.
        whole: refuse the zip if a single entry can't be read.
        sieve: says which files are not worth writing; all are written if None.
        on_progress: told (0, 0) after each file: no image is read yet.

    Raises:
        DataError: no zip, its list broken or cut off, empty, too large, or nothing in it can be
            read; an entry with a path that leads elsewhere, or that is a link. `into` is left as
            it was.
        StoreError: the disk is full.
        ValueError: `into` has files.
    """
    limits = limits or Limits()
    if into.exists() and any(into.iterdir()):
        raise ValueError("the folder to unpack into is not empty")
    with opened(archive) as zipped:
        skipped: list[Skipped] = []
        plan = checked(zipped, archive.name, limits, skipped)
        into.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
        try:
            writing = _Writing(zipped, unfinished, limits, None if sieve is None else sieve(plan))
            for name, entry in plan.items():
                writing.write(name, entry)
                if on_progress is not None:
                    on_progress(0, 0)
            readable = len(writing.names) + len(writing.unread)
            require_read(archive.name, readable, writing.lost, whole=whole)
            if into.exists():
                into.rmdir()
            unfinished.rename(into)
        except BaseException:
            shutil.rmtree(unfinished)
            raise
    return UnpackReport(
        tuple(writing.names), writing.written, (*skipped, *writing.lost), writing.unread
    )


def unpack_arrays(
    archive: Path, into: Path, *, on_progress: Callable[[int, int], None] | None = None
) -> UnpackReport | None:
    """Write the images of a zip's arrays into a new folder; None where it has no such set.

    See `imil.datasets.archive.arrays`; arguments and errors are those of `unpack`.
    """
    with opened(archive) as zipped:
        if not any(name.endswith((".npy", ".npz")) for name in zipped.namelist()):
            return None
        skipped: list[Skipped] = []
        entries = checked(zipped, archive.name, Limits(), skipped)
        with arrays_in(zipped, entries, archive.name) as arrays:
            if arrays is None:
                return None
            into.parent.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
            try:
                names = arrays.write(unfinished, on_progress)
                if into.exists():
                    into.rmdir()
                unfinished.rename(into)
            except BaseException:
                shutil.rmtree(unfinished)
                raise
    written = sum((into / name).stat().st_size for name in names)
    return UnpackReport(names, written, tuple(skipped), {})


@contextmanager
def opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip; whatever is wrong with its bytes, then or later, is a DataError."""
    if not archive.is_file():
        raise DataError(
            f"There is no file “{archive.name}”.",
            why="Nothing is there by that name, or it is a folder.",
            fix="Check the zip's path.",
        )
    if archive.stat().st_size == 0:
        raise DataError(
            f"“{archive.name}” is empty.",
            why="It has 0 bytes, as after an upload that was cut off.",
            fix="Make the zip again, or upload it again.",
        )
    try:
        _require_zip_start(archive)
        require_listed(archive)
        with zipfile.ZipFile(archive) as zipped:
            find_moved(zipped)
            yield zipped
    except BROKEN_ENTRY as cause:
        raise _broken(archive.name) from cause
    except OSError as cause:
        if cause.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(
            f"“{archive.name}” can't be unpacked.",
            why="The disk is full.",
            fix="Delete studies that are no longer needed, or bring fewer images.",
        ) from cause


def _broken(archive: str) -> DataError:
    return DataError(
        f"“{archive}” can't be unpacked.",
        why="The file is damaged, incomplete, or not a zip.",
        fix="Make the zip again with your system's own program, or upload it again.",
    )


def _require_zip_start(archive: Path) -> None:
    """Refuse files that are something else at their start and a zip only at their end."""
    with archive.open("rb") as file:
        if file.read(4) not in _STARTS:
            raise zipfile.BadZipFile("the first bytes are not a zip's")


@dataclass(slots=True)
class _Writing:
    """Entries being written below a folder.

    What inflates before an entry turns out to be damaged counts for the limits as well.
    """

    zipped: zipfile.ZipFile
    folder: Path
    limits: Limits
    why_left: Callable[[str, bytes], str | None] | None
    names: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    lost: list[Skipped] = field(default_factory=list)
    written: int = 0
    inflated: int = 0
    folders: set[str] = field(default_factory=set)

    def write(self, name: str, entry: zipfile.ZipInfo) -> None:
        """Write an entry, unless it can't be read or is not to be."""
        source, size = pieces(self.zipped, entry), 0
        try:
            head = next(source, b"")
            reason = None if self.why_left is None else self.why_left(name, head)
            if reason is not None:
                self.unread[name] = reason
                return
            size = self._copy(name, entry, chain((head,), source))
        except EntryError as error:
            self._folder_of(name)
            self.lost.append(Skipped(name, str(error)))
            # Whatever did not come may have been inflated too.
            size = min(entry.file_size, self._size_of(name) + CHUNK)
            (self.folder / name).unlink(missing_ok=True)
            self._require_size(entry, name, size)
        else:
            self.names.append(name)
            self.written += size
        self.inflated += size

    def _copy(self, name: str, entry: zipfile.ZipInfo, source: Iterable[bytes]) -> int:
        size = 0
        with Path(self._folder_of(name), posixpath.basename(name)).open("xb") as file:
            for piece in source:
                size += file.write(piece)
                self._require_size(entry, name, size)
        return size

    def _folder_of(self, name: str) -> str:
        """Return the folder that a file goes to, made once."""
        folder = str(self.folder / posixpath.dirname(name))
        if folder not in self.folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.folders.add(folder)
        return folder

    def _size_of(self, name: str) -> int:
        file = self.folder / name
        return file.stat().st_size if file.exists() else 0

    def _require_size(self, entry: zipfile.ZipInfo, name: str, size: int) -> None:
        """Refuse a zip of which one entry, or all so far, have inflated too much."""
        archive, limits = Path(self.zipped.filename or "").name, self.limits
        if self.inflated + size > limits.inflated_bytes:
            raise too_large(
                archive, f"It inflates to more than {limits.inflated_bytes / 2**30:.3g} GB."
            )
        if size > max(limits.ratio_from_bytes, limits.ratio * entry.compress_size):
            raise too_large(
                archive,
                f"Its file “{name}” inflates more than {limits.ratio}-fold, which no image does.",
            )
