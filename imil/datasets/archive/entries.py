"""The entries of a zip: which are read and under which name, skipped, or a reason to refuse it."""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imil.datasets.choices import Choices
from imil.datasets.files.tree import is_system_file, suffix_of
from imil.datasets.files.volumes import is_volume
from imil.datasets.listing import Skipped, cut
from imil.datasets.tables.spelling import code_page
from imil.datasets.tables.table import is_packed, is_sheet, is_table
from imil.errors import DataError

# Twice what a study of 100,000 images with a mask each needs.
MAX_FILES = 400_000

# Folders that a file may lie in: no data set nests more than a few.
MAX_DEPTH = 32

# Bytes of the zip's list of files: `MAX_FILES` of usual names.
MAX_LIST_BYTES = 64 * 2**20

# All files together, inflated: 100,000 images of 200 kB, and well within a Space's 50 GB disk.
MAX_UNPACKED_BYTES = 20 * 2**30

# No image format inflates more than this, save blank ones; deflate itself reaches 1,032.
MAX_RATIO = 200

# Blank masks in uncompressed formats do inflate a thousandfold, so the ratio counts from here on.
# An uncompressed 16-bit mammogram has 60 MB.
RATIO_FROM_BYTES = 64 * 2**20

# All files together may inflate by that ratio from here on.
RATIO_OF_ALL_FROM_BYTES = 2 * 2**30

# The longest name that common file systems store, in bytes.
MAX_NAME_BYTES = 255

# The longest path inside the archive, in bytes; systems allow 4,096 with all that stands before.
MAX_PATH_BYTES = 1024

# Where the record that ends a zip lies: before a comment of up to 64 kB.
_MOST_END = 2**16 + 22

# Bytes of the list that a file takes beside its name.
_LEAST_LISTED = 46

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800

# Deflate inflates a byte to no more than this.
_MOST_DEFLATED = 1032

# Others inflate with a dictionary whose size the archive itself sets.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# Why an entry can't be read, as it is told of a file that is left out.
DAMAGED = "It is damaged in the zip."
ENCRYPTED = "It is encrypted in the zip, and needs a password."
UNUSUAL = "It is compressed in the zip in an unusual way."

# Bytes that are inflated at a time, and at first: from few it is told what is not to be read.
CHUNK, _FIRST = 2**20, 4096

_NESTED = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"})

# What the zip's reader raises on bytes that are not as they should be.
BROKEN_ENTRY = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold; the reasons stand beside the constants."""

    files: int = MAX_FILES
    inflated_bytes: int = MAX_UNPACKED_BYTES
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
    _require_sizes(zipped, entries, archive, limits)
    plan: dict[str, zipfile.ZipInfo] = {}
    page = _code_page(entries)
    named = [(_safe_name(entry, archive, page), entry) for entry in entries]
    folders = _folders(name for name, _ in named)
    if len(entries) + len(folders) > limits.files:
        count = f"{len(entries)} files in {len(folders)} folders"
        raise too_large(archive, f"It has {count}, and {limits.files} are allowed in all.")
    for name, entry in named:
        _require_plain(entry, name, archive)
        if is_system_file(name):
            continue
        reason = _why_skipped(name, plan, folders)
        if reason is None:
            plan[name] = entry
        else:
            skipped.append(Skipped(name, reason))
    return plan


def _require_sizes(
    zipped: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], archive: str, limits: Limits
) -> None:
    """Refuse a zip that says itself that it holds too much; its reader inflates no more."""
    if len(entries) > limits.files:
        raise too_large(archive, f"It has {len(entries)} files, and {limits.files} are allowed.")
    # No entry inflates more than deflate can, whatever it says.
    stated = sum(min(e.file_size, _MOST_DEFLATED * (e.compress_size + 1)) for e in entries)
    if stated > limits.inflated_bytes:
        raise too_large(
            archive, f"It inflates to more than {limits.inflated_bytes / 2**30:.3g} GB."
        )
    if stated > max(RATIO_OF_ALL_FROM_BYTES, limits.ratio * zipped.start_dir):
        raise too_large(archive, f"It inflates more than {limits.ratio}-fold, which no images do.")


def _folders(names: Iterable[str]) -> set[str]:
    """Return every folder that files lie in, as far down as files are read."""
    found: set[str] = set()
    for name in names:
        folder = "/".join(name.split("/")[: min(name.count("/"), MAX_DEPTH)])
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def require_listed(archive: Path) -> None:
    """Refuse a zip whose list of files is too long, before its reader makes an object of each."""
    at, size = _list_at(archive)
    if size > MAX_LIST_BYTES:
        why = f"Its list of files has more than {MAX_LIST_BYTES // 2**20} MB."
        raise too_large(archive.name, why)
    if size > _LEAST_LISTED * MAX_FILES and sum(1 for _ in _listed(archive, at, size)) > MAX_FILES:
        raise too_large(archive.name, f"It has more than {MAX_FILES} files and folders.")


def lists(archive: Path, name: str) -> bool:
    """Return whether a zip's list of files, where it isn't too long, has a name in it."""
    at, size = _list_at(archive)
    return size <= MAX_LIST_BYTES and name.encode() in _listed(archive, at, size)


def _list_at(archive: Path) -> tuple[int, int]:
    """Return where the list of files begins, and how long it is, as a zip's last bytes say."""
    with archive.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        start = max(0, length - _MOST_END)
        file.seek(start)
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) < end + 22:
            return 0, 0
        size = int(struct.unpack_from("<L", tail, end + 12)[0])
        # Of a zip with very many files, a longer record before this one has the size.
        if size == 2**32 - 1 and end >= 76 and tail[end - 20 : end - 16] == b"PK\x06\x07":
            end -= 76
            if tail[end : end + 4] != b"PK\x06\x06":
                return 0, 0
            size = int(struct.unpack_from("<Q", tail, end + 40)[0])
    return max(0, start + end - size), size


def _listed(archive: Path, at: int, size: int) -> Iterator[bytes]:
    """Yield the names in the list of files, as they are written there."""
    with archive.open("rb") as file:
        file.seek(at)
        raw = file.read(size)
    at = 0
    while raw[at : at + 4] == b"PK\x01\x02" and len(raw) >= at + _LEAST_LISTED:
        name, extra, comment = struct.unpack_from("<3H", raw, at + 28)
        yield raw[at + _LEAST_LISTED : at + _LEAST_LISTED + name]
        at += _LEAST_LISTED + name + extra + comment


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
    if not entry.file_size:
        return
    try:
        with zipped.open(entry) as source:
            piece = source.read(_FIRST)
            while piece:
                yield piece
                piece = source.read(CHUNK)
    except BROKEN_ENTRY as cause:
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
    except (*BROKEN_ENTRY, RuntimeError):
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
    tables = [entry for entry in lost if is_sheet(entry.name)]
    picked = choices.answered.get("table")
    if choices.table_file is not None or picked == "none":
        return
    if picked not in (None, "all"):
        tables = [entry for entry in tables if f"/{entry.name}".endswith(f"/{picked}")]
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
    if suffix_of(name) in _NESTED and not (is_volume(name) or is_packed(name)):
        return "An archive inside the zip is not unpacked."
    if name in taken:
        return "The zip has two files of this name; the first was taken."
    if name in folders:
        return "The zip has a folder of the same name."
    return _why_not_stored(name)


def _why_not_stored(name: str) -> str | None:
    parts = name.split("/")
    if len(name.encode()) > MAX_PATH_BYTES or max(map(_size, parts)) > MAX_NAME_BYTES:
        return "Its name is too long."
    if len(parts) > MAX_DEPTH:
        return f"It lies in more than {MAX_DEPTH - 1} folders."
    return None


def _size(text: str) -> int:
    return len(text.encode())


def _safe_name(entry: zipfile.ZipInfo, archive: str, page: str) -> str:
    """Return the entry's path with "/", in Unicode NFC; DataError if it leads out of the folder."""
    written = _decoded_name(entry, page).replace("\\", "/")
    # Sanitised first, checked afterwards: ".. " is harmless only until its blank is gone.
    parts = [_printable(part).strip(" ") for part in written.split("/")]
    if written.startswith("/") or written[1:2] == ":" or ".." in parts or "\0" in written:
        raise DataError(
            f"“{archive}” was refused.",
            why=f"Its file “{cut(_printable(written))}” would be written outside of the study's "
            "folder.",
            fix="Make the zip again from the folder that has the images.",
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _decoded_name(entry: zipfile.ZipInfo, page: str) -> str:
    """Return the name; macOS writes UTF-8 without saying so, which then reads as code page 437.

    Args:
        entry: of the zip.
        page: code page of names that are not UTF-8, see `_code_page`.
    """
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8:
        # What fails here is what it says it is: a name in code page 437.
        for encoding in ("utf-8", page):
            with suppress(UnicodeError):
                name = name.encode("cp437").decode(encoding)
                break
    return unicodedata.normalize("NFC", name)


def _code_page(entries: Iterable[zipfile.ZipInfo]) -> str:
    """Return the code page that names were written in which are not UTF-8."""
    names = [entry.orig_filename for entry in entries if not entry.flag_bits & _UTF8]
    try:
        return code_page([name.encode("cp437") for name in names]) or "cp437"
    except UnicodeError:
        return "cp437"


def _printable(name: str) -> str:
    if name.isprintable():
        return name
    return "".join("_" if unicodedata.category(c).startswith("C") else c for c in name)


def _require_plain(entry: zipfile.ZipInfo, name: str, archive: str) -> None:
    """Refuse what is no ordinary file."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise DataError(
            f"“{archive}” was refused.",
            why=f"Its entry “{cut(name)}” is a link or a device, not a file.",
            fix="Replace links by the files that they mean, and make the zip again.",
        )


def too_large(archive: str, why: str) -> DataError:
    """Return the error of a zip beyond the limits."""
    return DataError(
        f"“{archive}” is too large.",
        why=why,
        fix="Bring fewer or smaller images: several thousand of 1,000 pixels are plenty.",
    )
