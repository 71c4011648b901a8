"""What lies in a folder: its files by name, its split folders, and what is stray."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imil.core.records import Split
from imil.sources import dicom
from imil.sources.listing import Skipped
from imil.sources.pixels import SUFFIXES
from imil.sources.table import is_other_table, is_table

# Folder names that mean a split, beside the three of the convention.
ALIASES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "validation": Split.VALIDATION,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}

# What operating systems leave in folders and zips; names that begin with a dot count as well.
SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir"})


@dataclass(slots=True)
class Findings:
    """What the import has to tell, as it goes along."""

    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        """Note a file or row that is not taken."""
        self.skipped.append(Skipped(name, reason))


@dataclass(frozen=True, slots=True)
class Tree:
    """All files below `root` by their NFC "/"-names (no system files), and the split folders."""

    root: Path
    files: Mapping[str, Path]
    splits: Mapping[str, Split]

    def split(self, name: str) -> Split | None:
        """Return the split whose folder a file lies in."""
        return self.splits.get(name.partition("/")[0])

    def folder_label(self, name: str) -> str | None:
        """Return the class folder of a file: the topmost folder, below the split's."""
        folders = name.split("/")[:-1]
        inside = folders[1:] if self.split(name) else folders
        return inside[0] if inside else None


def is_system_file(name: str) -> bool:
    """Return whether a "/"-separated name is an operating system's own, or hidden."""
    return any(p.startswith(".") or p.lower() in SYSTEM_NAMES for p in name.split("/"))


def is_image(name: str) -> bool:
    """Return whether a file is an image by its name."""
    return Path(name).suffix.lower() in SUFFIXES | dicom.SUFFIXES


def is_dicom(name: str, file: Path) -> bool:
    """Return whether a file is DICOM: by its name, or by its content where no suffix tells."""
    suffix = Path(name).suffix.lower()
    if suffix in dicom.SUFFIXES:
        return True
    # Discs of scanners have names such as IM000001 or 1.2.840.113.
    known = suffix in SUFFIXES or is_table(name) or is_other_table(name)
    return not known and dicom.is_dicom(file)


def is_data(name: str) -> bool:
    """Return whether a file is an image by its name, or a table of images."""
    return is_image(name) or is_table(name)


def stray(name: str) -> str:
    """Say why a file is not taken that is neither a table nor where images belong."""
    if is_image(name):
        return "It lies outside of the folder with the data."
    if is_other_table(name):
        return "No column of it names the images, or another table was read."
    return "By its name it is not a PNG, JPEG, TIFF, BMP, WebP, GIF or DICOM image."


def scan(root: Path, findings: Findings) -> Tree:
    """Return the files of a folder, looking through a single folder that wraps them all.

    System files are counted in a note; links that lead nowhere, unreadable folders and names that
    are not Unicode are skipped with a reason.
    """
    files = _named_files(root, findings)
    top = wrapping(files, {name for name, file in files.items() if _counts(name, file)})
    for name in sorted(files):
        if not name.startswith(top):
            findings.skip(name, stray(name))
    inside = {name.removeprefix(top): files[name] for name in sorted(files) if name.startswith(top)}
    # Taken from a file's own path, since the disk's spelling of a name may not be NFC.
    inner = next((file.parents[name.count("/")] for name, file in inside.items()), root)
    return Tree(inner, inside, _split_folders(inner, findings))


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
        findings.notes.append(f"{system} hidden or system {were} left out.")
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


def _counts(name: str, file: Path) -> bool:
    return is_data(name) or is_other_table(name) or is_dicom(name, file)


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
        if folder.lower() in ALIASES:
            return top
        inside = [name.partition("/")[2] for name in inside if "/" in name]
        top = f"{top}{folder}/"


def _split_folders(root: Path, findings: Findings) -> dict[str, Split]:
    """Return the folders that are splits: where one of them is train, or all are splits."""
    folders = sorted(f.name for f in root.iterdir() if f.is_dir() and not is_system_file(f.name))
    splits = {name: ALIASES[name.lower()] for name in folders if name.lower() in ALIASES}
    if Split.TRAIN not in splits.values() and len(splits) < len(folders):
        return {}
    for name, split in splits.items():
        if name != split:
            findings.notes.append(f"The folder “{name}” was read as {split}.")
    return splits
