"""A stranger's zip into a folder: what can be read of it, or nothing where it is an attack."""

from __future__ import annotations

import errno
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imil.errors import DataError, StoreError
from imil.sources.choices import Choices
from imil.sources.entries import (
    BROKEN,
    CHUNK,
    EntryError,
    Limits,
    also_told,
    checked,
    find_moved,
    lost_among,
    pieces,
    require_read,
    require_tables,
    too_large,
)
from imil.sources.folder import MADE, read_folder
from imil.sources.listing import Listing, Skipped

_STARTS = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True, slots=True)
class UnpackReport:
    """How much was unpacked, and which entries were not, and why."""

    files: int
    inflated_bytes: int
    skipped: tuple[Skipped, ...]

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
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Unpack a zip of an image folder and list it; on any failure `into` is not there.

    Args and errors are those of `unpack` and `read_folder`; `name` is the archive's if None. What
    can't be read of the zip is left out and told, save a table: see `require_tables`.
    """
    report = unpack(archive, into)
    try:
        there = {file.relative_to(into).as_posix() for file in into.rglob("*.*") if file.is_file()}
        require_tables(archive.name, there, report.lost, choices or Choices())
        with also_told(report.lost):
            return read_folder(
                into,
                name=name or archive.stem,
                positive=positive,
                choices=choices,
                made=made,
                also_skipped=report.skipped,
                on_progress=on_progress,
            )
    except BaseException:
        shutil.rmtree(into)
        raise


def unpack(
    archive: Path, into: Path, *, limits: Limits | None = None, whole: bool = False
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
            files, written, lost = _write(zipped, plan, unfinished, limits)
            require_read(archive.name, files, lost, whole=whole)
            if into.exists():
                into.rmdir()
            unfinished.rename(into)
        except BaseException:
            shutil.rmtree(unfinished)
            raise
    return UnpackReport(files, written, (*skipped, *lost))


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
        with zipfile.ZipFile(archive) as zipped:
            find_moved(zipped)
            yield zipped
    except BROKEN as cause:
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
        why="It is damaged, was cut off, or is no zip.",
        fix="Make the zip again with your system's own program, or upload it again.",
    )


def _require_zip_start(archive: Path) -> None:
    """Refuse files that are something else at their start and a zip only at their end."""
    with archive.open("rb") as file:
        if file.read(4) not in _STARTS:
            raise zipfile.BadZipFile("the first bytes are not a zip's")


def _write(
    zipped: zipfile.ZipFile, plan: dict[str, zipfile.ZipInfo], folder: Path, limits: Limits
) -> tuple[int, int, list[Skipped]]:
    """Write the entries below `folder`; return how many, their bytes, and those it can't read.

    What inflates before an entry turns out to be damaged counts for the limits as well.
    """
    files, written, inflated = 0, 0, 0
    lost: list[Skipped] = []
    for name, entry in plan.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        try:
            with target.open("xb") as file:
                for piece in pieces(zipped, entry):
                    size += file.write(piece)
                    _require_size(zipped, entry, name, size, inflated + size, limits)
        except EntryError as error:
            target.unlink()
            lost.append(Skipped(name, str(error)))
            # The piece that did not come was inflated too.
            size = min(entry.file_size, size + CHUNK)
            _require_size(zipped, entry, name, size, inflated + size, limits)
        else:
            files, written = files + 1, written + size
        inflated += size
    return files, written, lost


def _require_size(
    zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, size: int, all_: int, limits: Limits
) -> None:
    """Refuse a zip of which one entry, or all so far, have inflated too much."""
    archive = Path(zipped.filename or "").name
    if all_ > limits.inflated_bytes:
        raise too_large(
            archive, f"It inflates to more than {limits.inflated_bytes / 2**30:.3g} GB."
        )
    if size > max(limits.ratio_from_bytes, limits.ratio * entry.compress_size):
        raise too_large(
            archive,
            f"Its file “{name}” inflates more than {limits.ratio}-fold, which no image does.",
        )
