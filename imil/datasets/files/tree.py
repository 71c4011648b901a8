"""What lies in a folder: its files by name, its split folders, and what is stray."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imil.datasets.files import dicom
from imil.datasets.files.pixels import IMAGE_SUFFIXES, kind_of
from imil.datasets.files.volumes import is_volume
from imil.datasets.layout.words import SPLITS
from imil.datasets.listing import MAX_SKIPPED, Skipped, cut
from imil.datasets.tables.table import is_other_table, is_sheet, is_table, is_text_table
from imil.errors import DataError

_IMAGES = IMAGE_SUFFIXES | dicom.DICOM_SUFFIXES

# Images that may turn out to be none, and their share of those tried so far, until that is all.
MOST_FAILED, MOST_FAILED_SHARE = 2000, 0.9

# What operating systems leave in folders and zips; names that begin with a dot count as well.
SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir"})


@dataclass(slots=True)
class Findings:
    """What the import has to tell, as it goes along.

    Attributes:
        skipped: the first `MAX_SKIPPED` files and rows that are not taken.
        more_skipped: how many more there are.
        last: the last of them all.
        notes: sentences.
    """

    skipped: list[Skipped] = field(default_factory=list)
    more_skipped: int = 0
    last: Skipped | None = None
    notes: list[str] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        """Note a file or row that is not taken."""
        self.last = Skipped(name, reason).short()
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(self.last)
        else:
            self.more_skipped += 1

    def note(self, sentence: str) -> None:
        """Note a sentence, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


@dataclass(slots=True)
class Tries:
    """How many images were tried so far, and how many of them can't be read.

    Each costs time, so that it is no use to try hundreds of thousands when none can be read.
    """

    tried: int = 0
    failed: int = 0

    def note(self, name: str, reason: str | None) -> None:
        """Count an image; `reason` says why it can't be read, None if it can.

        Raises:
            DataError: more than `MOST_FAILED` can't be read, and hardly any can.
        """
        self.tried += 1
        self.failed += reason is not None
        if reason and self.failed > max(MOST_FAILED, MOST_FAILED_SHARE * self.tried):
            raise DataError(
                "Most images can't be read.",
                why=f"Of the first {self.tried}, {self.failed} can't, “{cut(name)}” among them: "
                f"{cut(reason)}",
                fix="Open them in an image viewer and save them again as PNG or JPEG.",
            )


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a folder.

    Attributes:
        root: the folder.
        top: "" or the path, with its last "/", of a single folder around all data.
        files: all files below that by their NFC "/"-names; no system files.
        unread: why files can't be read that are known without being on the disk, by name.
    """

    root: Path
    top: str
    files: Mapping[str, Path]
    unread: Mapping[str, str] = field(default_factory=dict)


def is_system_file(name: str) -> bool:
    """Return whether a "/"-separated name is an operating system's own, or hidden."""
    return any(p.startswith(".") or p.lower() in SYSTEM_NAMES for p in name.split("/"))


def suffix_of(name: str) -> str:
    """Return a file's suffix in lower case, as ".png"; "" where it has none."""
    return posixpath.splitext(name)[1].lower()


def is_image(name: str) -> bool:
    """Return whether a file is an image by its name."""
    return suffix_of(name) in _IMAGES or is_volume(name)


def is_dicom_file(name: str, file: Path) -> bool:
    """Return whether a file is DICOM: by its name, or by its content where no suffix tells."""
    if suffix_of(name) in dicom.DICOM_SUFFIXES:
        return True
    return may_be_dicom(name) and dicom.is_dicom(file)


def may_be_dicom(name: str) -> bool:
    """Return whether a file's content has to tell if it is DICOM.

    Discs of scanners have names such as IM000001 or 1.2.840.113.
    """
    known = is_image(name) or is_table(name) or is_other_table(name)
    return not known and not is_directory(name)


def is_directory(name: str) -> bool:
    """Return whether a file lists what is on a disc: the standard has one name for it."""
    return posixpath.basename(name).upper() == "DICOMDIR"


def why_unread(name: str, head: bytes) -> str | None:
    """Return why a file can't be read, told by its name and first bytes; None if it may be read.

    Args:
        name: of the file.
        head: its first bytes, `HEAD` of `imil.datasets.files.pixels` where it has so many.
    """
    if suffix_of(name) in IMAGE_SUFFIXES:
        return kind_of(head)
    if suffix_of(name) in dicom.DICOM_SUFFIXES or may_be_dicom(name):
        if is_text_table(name, head):
            return None
        reason = dicom.NO_HEADER if suffix_of(name) in dicom.DICOM_SUFFIXES else stray(name)
        return None if dicom.begins_as_dicom(head) else reason
    return None


def is_data(name: str) -> bool:
    """Return whether a file is an image by its name, or a table of images."""
    return is_image(name) or is_sheet(name)


def stray(name: str) -> str:
    """Say why a file is not taken that is neither a table nor where images belong."""
    if is_directory(name):
        return dicom.DIRECTORY
    if is_image(name):
        return "It lies outside of the folder with the data."
    if is_sheet(name):
        return "No column of it names the images, or it is not read."
    return "By its name it is not a PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI image."


def scan(root: Path, findings: Findings, unread: Mapping[str, str] | None = None) -> Tree:
    """Return the files of a folder, looking through a single folder that wraps them all.

    System files are counted in a note; links that lead nowhere, unreadable folders and names that
    are not Unicode are skipped with a reason.

    Args:
        root: the folder.
        findings: what is skipped is told them.
        unread: files that belong to the folder and can't be read, by name, with the reason; they
            are not on the disk.
    """
    unread = unread or {}
    files = _named_files(root, findings) | {name: root / name for name in unread}
    data = {n for n in files if is_data(n)}
    data |= {
        n
        for n, file in files.items()
        if n not in data and n not in unread and is_dicom_file(n, file)
    }
    top = wrapping(files, data)
    for name in sorted(files):
        if not name.startswith(top):
            findings.skip(name, stray(name))
    inside = {name.removeprefix(top): files[name] for name in sorted(files) if name.startswith(top)}
    # Taken from a file's own path, since the disk's spelling of a name may not be NFC.
    there = (name for name in inside if top + name not in unread)
    inner = next((inside[name].parents[name.count("/")] for name in there), root / top)
    left = {n.removeprefix(top): why for n, why in unread.items() if n.startswith(top)}
    return Tree(inner, top, inside, left)


def _named_files(root: Path, findings: Findings) -> dict[str, Path]:
    files: dict[str, Path] = {}
    system = 0
    for file in _walk(root, findings):
        name = unicodedata.normalize("NFC", file.relative_to(root).as_posix())
        if is_system_file(name):
            system += 1
        elif (reason := _unusable(name, file, files)) is not None:
            findings.skip(name.encode(errors="replace").decode(), reason)
        else:
            files[name] = file
    if system:
        were = "file was" if system == 1 else "files were"
        findings.note(f"{system} hidden or system {were} left out.")
    return files


def _unusable(name: str, file: Path, files: Mapping[str, Path]) -> str | None:
    """Say why a file can't be listed at all; None if it can."""
    if name in files:
        return "Another file has the same name, spelled with other Unicode characters."
    if not file.is_file():
        return "It is no ordinary file, or a link that leads nowhere."
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "Its name is not valid Unicode."
    return None


def _walk(root: Path, findings: Findings) -> Iterator[Path]:
    """Yield all files below a folder; links to folders are followed, once each."""

    def cannot_open(error: OSError) -> None:
        folder = Path(error.filename).relative_to(root).as_posix()
        findings.skip(folder, "This program may not open the folder.")

    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, onerror=cannot_open, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def wrapping(names: Iterable[str], data: Collection[str]) -> str:
    """Return "" or the path, with its last "/", of the single folder that all data lies in.

    Args:
        names: of all files.
        data: those of them that are images or tables.
    """
    top, inside = "", list(names)
    while True:
        folders = {name.partition("/")[0] for name in inside if "/" in name}
        if len(folders) != 1 or any("/" not in name and top + name in data for name in inside):
            return top
        (folder,) = folders
        if folder.lower() in SPLITS:
            return top
        inside = [name.partition("/")[2] for name in inside if "/" in name]
        top = f"{top}{folder}/"
