"""The entries of a zip: which are read and under which name, skipped, or a reason to refuse it."""

from __future__ import annotations

import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from imil.errors import DataError
from imil.sources.choices import Choices
from imil.sources.listing import Skipped
from imil.sources.table import is_other_table, is_table
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

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800

# Others inflate with a dictionary whose size the archive itself sets.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# Why an entry can't be read, as it is told of a file that is left out.
DAMAGED = "It is damaged in the zip."
ENCRYPTED = "It is encrypted in the zip, and needs a password."
UNUSUAL = "It is compressed in the zip in an unusual way."

# Bytes that are inflated at a time.
CHUNK = 2**20

_NESTED = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"})

# What the zip's reader raises on bytes that are not as they should be.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold; the reasons stand beside the constants."""

    files: int = MAX_FILES
    inflated_bytes: int = MAX_BYTES
    ratio: int = MAX_RATIO
    ratio_from_bytes: int = RATIO_FROM_BYTES


class EntryError(Exception):
    """One entry can't be read; its text says why."""


def checked(
    zipped: zipfile.ZipFile, archive: str, limits: Limits, skipped: list[Skipped]
) -> dict[str, zipfile.ZipInfo]:
    """Return the entries to read by sanitised name; `skipped` is told of the others.

    Raises:
        DataError: there are none, too many, one with a path that leads elsewhere or that is a link.
    """
    entries = [entry for entry in zipped.infolist() if not _is_folder(entry)]
    if not entries:
        raise DataError(
            f"“{archive}” is empty.",
            why="The zip has no files.",
            fix="Zip the folder that has the images.",
        )
    if len(entries) > limits.files:
        raise too_large(archive, f"It has {len(entries)} files, and {limits.files} are allowed.")
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


def require_readable(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raise an EntryError where the zip's list alone tells that an entry can't be read."""
    if entry.flag_bits & _ENCRYPTED:
        raise EntryError(ENCRYPTED)
    if entry.compress_type not in _METHODS:
        raise EntryError(UNUSUAL)
    if not 0 <= entry.header_offset < zipped.start_dir:
        raise EntryError(DAMAGED)


def pieces(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Inflate an entry piece by piece; EntryError where it can't be read, or is not as it was.

    The checksum is told at the end: until then, what came may be wrong.
    """
    require_readable(zipped, entry)
    try:
        with zipped.open(entry) as source:
            while piece := source.read(CHUNK):
                yield piece
    except BROKEN as cause:
        raise EntryError(DAMAGED) from cause


def find_moved(zipped: zipfile.ZipFile) -> None:
    """Point entries to where they are, in a zip that lost or gained bytes in one place.

    Its reader counts back from the end, so that all entries before that place seem to be moved by
    as much as the first one, which begins the file.
    """
    entries = zipped.infolist()
    moved = min((entry.header_offset for entry in entries), default=0)
    if not moved:
        return
    for entry in entries:
        if not _begins(zipped, entry):
            entry.header_offset -= moved
            if not _begins(zipped, entry):
                entry.header_offset += moved


def _begins(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry begins, with its name, where the zip's list says."""
    if not 0 <= entry.header_offset < zipped.start_dir:
        return False
    try:
        zipped.open(entry).close()
    # The last is what an encrypted entry raises: it can't be read, wherever it begins.
    except (*BROKEN, RuntimeError):
        return False
    return True


def require_read(archive: str, files: int, lost: Sequence[Skipped], *, whole: bool) -> None:
    """Refuse a zip of which nothing could be read, or of which all had to be.

    Args:
        archive: the zip's name.
        files: how many could be read.
        lost: those that couldn't.
        whole: whether all are needed.
    """
    if not lost or (files and not whole):
        return
    name, reasons = lost[0].name, {entry.reason for entry in lost}
    if reasons == {ENCRYPTED}:
        raise DataError(
            f"“{archive}” needs a password.",
            why=f"Its file “{name}” is encrypted.",
            fix="Make the zip again without a password.",
        )
    if reasons == {UNUSUAL}:
        raise DataError(
            f"“{archive}” can't be unpacked.",
            why=f"Its file “{name}” is compressed in an unusual way.",
            fix="Make the zip again with your system's own program.",
        )
    many = f"None of its {len(lost)} files can be read, “{name}” among them"
    one = f"Its file “{name}” can't be read"
    raise DataError(
        f"“{archive}” can't be unpacked.",
        why=f"{one if files or len(lost) == 1 else many}: {lost[0].reason}",
        fix="Make the zip again with your system's own program, or upload it again.",
    )


def require_tables(
    archive: str, readable: Collection[str], lost: Sequence[Skipped], choices: Choices
) -> None:
    """Refuse a zip whose table can't be read: labels and patients would be guessed without it.

    A table that was picked is all that is needed, and so is the convention's where one is there.
    """
    tables = [entry for entry in lost if is_table(entry.name) or is_other_table(entry.name)]
    if choices.table_file is not None:
        return
    if choices.table is not None:
        tables = [entry for entry in tables if f"/{entry.name}".endswith(f"/{choices.table}")]
    elif any(is_table(name) for name in readable):
        tables = [entry for entry in tables if is_table(entry.name)]
    if tables:
        raise DataError(
            f"The table “{tables[0].name}” in “{archive}” can't be read.",
            why=f"{tables[0].reason} Without it labels, patients and splits would be guessed.",
            fix="Make the zip again, without a password, or bring the table beside the zip.",
        )


def lost_among(skipped: Iterable[Skipped]) -> tuple[Skipped, ...]:
    """Return those that can't be read: damaged, encrypted or unusually compressed."""
    return tuple(skip for skip in skipped if skip.reason in (DAMAGED, ENCRYPTED, UNUSUAL))


@contextmanager
def also_told(lost: Sequence[Skipped]) -> Iterator[None]:
    """Let an error of a zip's content tell as well what of the zip can't be read."""
    try:
        yield
    except DataError as error:
        if not lost:
            raise
        files, name = len(lost), lost[0].name
        told = (
            f"The zip's file “{name}” can't be read"
            if files == 1
            else f"{files} files of the zip can't be read, “{name}” among them"
        )
        why = f"{error.why} {told}: {lost[0].reason}"
        raise DataError(error.what, why=why, fix=error.fix) from error


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
    """Refuse what is no ordinary file."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise DataError(
            f"“{archive}” was refused.",
            why=f"Its entry “{name}” is a link or a device, not a file.",
            fix="Replace links by the files that they mean, and make the zip again.",
        )


def too_large(archive: str, why: str) -> DataError:
    """Return the error of a zip beyond the limits."""
    return DataError(
        f"“{archive}” is too large.",
        why=why,
        fix="Bring fewer or smaller images: several thousand of 1,000 pixels are plenty.",
    )
