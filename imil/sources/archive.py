"""A stranger's zip into a folder, or not at all."""

from __future__ import annotations

import errno
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from imil.errors import DataError, StoreError
from imil.sources.folder import read_folder
from imil.sources.listing import Listing, Skipped
from imil.sources.tree import is_system_file

# Twice what a study of 100,000 images with a mask each needs.
MAX_FILES = 400_000

# All files together, inflated: 100,000 images of 200 kB, and well within a Space's 50 GB disk.
MAX_BYTES = 20 * 2**30

# No image format inflates more than this, save blank ones; deflate itself reaches 1,032.
MAX_RATIO = 200

# Blank masks in uncompressed formats do inflate a thousandfold, so the ratio counts from here on.
# An uncompressed 16-bit mammogram has 60 MB.
RATIO_FROM_BYTES = 64 * 2**20

# The longest name that common file systems store, in bytes.
MAX_NAME_BYTES = 255

# The longest path inside the archive, in bytes; systems allow 4,096 with all that stands before.
MAX_PATH_BYTES = 1024

_CHUNK = 2**20
_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800

# Others inflate with a dictionary whose size the archive itself sets.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_NESTED = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"})

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold; the reasons stand beside the constants."""

    files: int = MAX_FILES
    inflated_bytes: int = MAX_BYTES
    ratio: int = MAX_RATIO
    ratio_from_bytes: int = RATIO_FROM_BYTES


@dataclass(frozen=True, slots=True)
class UnpackReport:
    """How much was unpacked, and which entries were not, and why."""

    files: int
    inflated_bytes: int
    skipped: tuple[Skipped, ...]


def read_archive(
    archive: Path,
    into: Path,
    *,
    name: str | None = None,
    positive: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Unpack a zip of an image folder and list it; on any failure `into` is not there.

    Args and errors are those of `unpack` and `read_folder`; `name` is the archive's if None.
    """
    report = unpack(archive, into)
    try:
        return read_folder(
            into,
            name=name or archive.stem,
            positive=positive,
            also_skipped=report.skipped,
            on_progress=on_progress,
        )
    except BaseException:
        shutil.rmtree(into)
        raise


def unpack(archive: Path, into: Path, *, limits: Limits | None = None) -> UnpackReport:
    """Unpack a zip into a new folder, all or nothing.

    Entries are written to a folder beside `into`, renamed when complete. Sizes are counted while
    inflating, never believed from the archive. System files, archives in the archive and doubled
    names are skipped. Backslashes part folders, as some Windows programs write them; control
    characters in names become "_".

    Args:
        archive: the zip file.
        into: a folder that does not exist, or is empty.
        limits: of files and bytes; `Limits()` if None.

    Raises:
        DataError: no zip, broken, empty, encrypted or too large; an entry with a path that leads
            elsewhere, or that is a link. `into` is left as it was.
        StoreError: the disk is full.
        ValueError: `into` has files.
    """
    limits = limits or Limits()
    if into.exists() and any(into.iterdir()):
        raise ValueError("the folder to unpack into is not empty")
    with _opened(archive) as zipped:
        skipped: list[Skipped] = []
        plan = _checked(zipped, archive.name, limits, skipped)
        into.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
        try:
            written = _write(zipped, plan, unfinished, limits)
            if into.exists():
                into.rmdir()
            unfinished.rename(into)
        except BaseException:
            shutil.rmtree(unfinished)
            raise
    return UnpackReport(len(plan), written, tuple(skipped))


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
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
            yield zipped
    except _BROKEN as cause:
        raise _broken(archive.name) from cause
    except OSError as cause:
        if cause.errno == errno.EINVAL:  # the archive points before its own beginning
            raise _broken(archive.name) from cause
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


def _checked(
    zipped: zipfile.ZipFile, archive: str, limits: Limits, skipped: list[Skipped]
) -> dict[str, zipfile.ZipInfo]:
    """Return the entries to write by sanitised name; DataError before anything is written."""
    entries = [entry for entry in zipped.infolist() if not _is_folder(entry)]
    if not entries:
        raise DataError(
            f"“{archive}” is empty.",
            why="The zip has no files.",
            fix="Zip the folder that has the images.",
        )
    if len(entries) > limits.files:
        raise _too_large(archive, f"It has {len(entries)} files, and {limits.files} are allowed.")
    plan: dict[str, zipfile.ZipInfo] = {}
    names = [_safe_name(entry, archive) for entry in entries]
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    for name, entry in zip(names, entries, strict=True):
        _require_plain(entry, name, archive)
        if is_system_file(name):
            continue
        reason = _why_skipped(name, plan, folders)
        if reason is None:
            plan[name] = entry
        else:
            skipped.append(Skipped(name, reason))
    return plan


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith(("/", "\\"))


def _why_skipped(name: str, taken: dict[str, zipfile.ZipInfo], folders: set[str]) -> str | None:
    if not name:
        return "It has no name."
    if PurePosixPath(name).suffix.lower() in _NESTED:
        return "An archive inside the zip is not unpacked."
    if name in taken:
        return "The zip has two files of this name; the first was taken."
    if name in folders:
        return "The zip has a folder of the same name."
    longest = max(len(part.encode()) for part in name.split("/"))
    if longest > MAX_NAME_BYTES or len(name.encode()) > MAX_PATH_BYTES:
        return "Its name is too long."
    return None


def _safe_name(entry: zipfile.ZipInfo, archive: str) -> str:
    """Return the entry's path with "/", in Unicode NFC; DataError if it leads out of the folder."""
    written = _decoded_name(entry).replace("\\", "/")
    # Sanitised first, checked afterwards: ".. " is harmless only until its blank is gone.
    parts = [_printable(part).strip(" ") for part in written.split("/")]
    if written.startswith("/") or written[1:2] == ":" or ".." in parts or "\0" in written:
        raise DataError(
            f"“{archive}” was refused.",
            why=f"Its file “{_printable(written)}” would be written outside of the study's folder.",
            fix="Make the zip again from the folder that has the images.",
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _decoded_name(entry: zipfile.ZipInfo) -> str:
    """Return the name; macOS writes UTF-8 without saying so, which then reads as code page 437."""
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8:
        # What fails here is what it says it is: a name in code page 437.
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return unicodedata.normalize("NFC", name)


def _printable(name: str) -> str:
    return "".join("_" if unicodedata.category(c).startswith("C") else c for c in name)


def _require_plain(entry: zipfile.ZipInfo, name: str, archive: str) -> None:
    """Refuse what is no ordinary file, or can't be read without a password."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise DataError(
            f"“{archive}” was refused.",
            why=f"Its entry “{name}” is a link or a device, not a file.",
            fix="Replace links by the files that they mean, and make the zip again.",
        )
    if entry.flag_bits & _ENCRYPTED:
        raise DataError(
            f"“{archive}” needs a password.",
            why=f"Its file “{name}” is encrypted.",
            fix="Make the zip again without a password.",
        )
    if entry.compress_type not in _METHODS:
        raise DataError(
            f"“{archive}” can't be unpacked.",
            why=f"Its file “{name}” is compressed in an unusual way.",
            fix="Make the zip again with your system's own program.",
        )


def _write(
    zipped: zipfile.ZipFile, plan: dict[str, zipfile.ZipInfo], folder: Path, limits: Limits
) -> int:
    """Write the entries below `folder`; return their bytes, counted as they inflate."""
    written = 0
    archive = Path(zipped.filename or "").name
    for name, entry in plan.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipped.open(entry) as source, target.open("xb") as file:
            for size in _inflate(source, file):
                written += size
                if written > limits.inflated_bytes:
                    raise _too_large(
                        archive, f"It inflates to more than {_gigabytes(limits.inflated_bytes)}."
                    )
                inflated = file.tell()
                if inflated > max(limits.ratio_from_bytes, limits.ratio * entry.compress_size):
                    raise _too_large(
                        archive,
                        f"Its file “{name}” inflates more than {limits.ratio}-fold, "
                        "which no image does.",
                    )
    return written


def _inflate(source: IO[bytes], file: IO[bytes]) -> Iterator[int]:
    """Copy piece by piece, yielding the size of each."""
    while piece := source.read(_CHUNK):
        file.write(piece)
        yield len(piece)


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.3g} GB"


def _too_large(archive: str, why: str) -> DataError:
    return DataError(
        f"“{archive}” is too large.",
        why=why,
        fix="Bring fewer or smaller images: several thousand of 1,000 pixels are plenty.",
    )
