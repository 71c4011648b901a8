"""What a zip holds, told before its images are read: tables, names of patients, what is lost."""

from __future__ import annotations

import tempfile
import zipfile
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imil.datasets.archive.entries import (
    EntryError,
    Limits,
    checked,
    pieces,
    require_read,
    require_readable,
    require_tables,
)
from imil.datasets.archive.read import opened
from imil.datasets.choices import Choices
from imil.datasets.files import dicom
from imil.datasets.files.tree import ALIASES, is_data, is_image, suffix_of, wrapping
from imil.datasets.listing import MAX_SKIPPED, Skipped
from imil.datasets.tables import claims
from imil.datasets.tables.claims import MOST_TABLES, largest, likeliest, require_few_tables
from imil.datasets.tables.names import MOST_CLASSES, FileNames
from imil.datasets.tables.patients import Guess, guess_pattern
from imil.datasets.tables.table import MAX_BYTES, Columns, is_other_table, is_table

# Tables that are named; a zip with more is hardly a table and its images.
MAX_NAMED = 1000

# Bytes of a zip that are read to find what is damaged: it takes a second or two, as a look may.
MAX_TRIED = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Look:
    """What an archive seems to hold.

    Attributes:
        images: files that are images by their names.
        dicom: how many of them are DICOM.
        tables: tables in it, by path, `MAX_NAMED` at most; those of the convention first.
        table: the one that would be read; None where none names an image.
        names: that table's columns.
        columns: what they seem to mean; None without a table.
        pattern: how file names seem to name patients; None where they don't.
        skipped: the first `MAX_SKIPPED` files that will be left out, as far as they were tried.
        tried: whether all were; damaged ones of a large zip are met when it is read.
        more_skipped: how many more than `skipped` names.
        classes: labels that the table gives, else class folders; empty where they are not plain.
    """

    images: int
    dicom: int
    tables: tuple[str, ...]
    table: str | None = None
    names: tuple[str, ...] = ()
    columns: Columns | None = None
    pattern: Guess | None = None
    skipped: tuple[Skipped, ...] = ()
    tried: bool = True
    more_skipped: int = 0
    classes: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        """How many files will be left out, as far as they were tried."""
        return len(self.skipped) + self.more_skipped

    @classmethod
    def of(cls, told: dict[str, Any]) -> Look:
        """Return the look that `asdict` made JSON of."""
        columns, pattern = told["columns"], told["pattern"]
        skipped = (Skipped(**each) for each in told["skipped"])
        known = {
            "tables": tuple(told["tables"]),
            "names": tuple(told["names"]),
            "columns": None if columns is None else Columns(**columns),
            "pattern": None if pattern is None else Guess(**pattern),
            "skipped": tuple(skipped),
            "classes": tuple(told["classes"]),
        }
        return cls(**{**told, **known})


def look_into(archive: Path, *, table: Path | None = None, most_tried: int = MAX_TRIED) -> Look:
    """Return what a zip holds, from its list of files and its tables; no image is opened.

    Args:
        archive: the zip file.
        table: a table that lies beside it, and is looked into instead of those inside.
        most_tried: bytes to read in search of damaged files.

    Raises:
        DataError: as `read_archive`, as far as it can be told so.
    """
    with opened(archive) as zipped:
        skipped: list[Skipped] = []
        entries = checked(zipped, archive.name, Limits(), skipped)
        lost, tried = _tried(zipped, entries, most_tried)
        entries = {name: entry for name, entry in entries.items() if name not in lost}
        skipped += lost.values()
        require_read(archive.name, len(entries), [*lost.values()], whole=False)
        require_tables(archive.name, entries, [*lost.values()], Choices(table_file=table))
        names = [name for name in entries if is_data(name) or is_other_table(name)]
        top = wrapping(entries, set(names))
        names = [name.removeprefix(top) for name in names if name.startswith(top)]
        images = [name for name in names if is_image(name)]
        inside = sorted(
            (name for name in names if not is_image(name)), key=lambda name: not is_table(name)
        )
        require_few_tables(inside)
        sizes = {name: entries[top + name].file_size for name in inside}
        with tempfile.TemporaryDirectory(prefix="imil-look-") as folder:
            if table is None:
                copied = {
                    name: _copied(zipped, entries[top + name], Path(folder) / str(number), name)
                    for number, name in enumerate(_looked(inside, sizes))
                    if sizes[name] <= MAX_BYTES
                }
                files = {name: file for name, file in copied.items() if file is not None}
            else:
                files = {table.name: table}
            own = {name: file for name, file in files.items() if is_table(name)}
            best = likeliest(own or files, FileNames.of(images if files else ()))
    return Look(
        images=len(images),
        dicom=sum(suffix_of(name) in dicom.SUFFIXES for name in images),
        tables=tuple(inside[:MAX_NAMED]),
        table=None if best is None else best.table,
        names=() if best is None else tuple(name for name in best.names if name),
        columns=None if best is None else best.columns,
        pattern=guess_pattern(images),
        skipped=tuple(skip.short() for skip in skipped[:MAX_SKIPPED]),
        tried=tried,
        more_skipped=max(0, len(skipped) - MAX_SKIPPED),
        classes=_classes(best, images),
    )


def _classes(best: claims.Guess | None, images: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that are known before a zip is read, where there are few of them."""
    labels: Iterable[str]
    if best is not None:
        labels = best.labels
    else:
        folders = (name.split("/")[:-1] for name in images)
        inside = ((f[1:] if f and f[0].lower() in ALIASES else f) for f in folders)
        labels = {each[0] for each in inside if each}
    found = sorted(labels)
    return tuple(found) if 2 <= len(found) <= MOST_CLASSES else ()


def _looked(inside: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
    """Return the tables that are looked into: those of the convention, or the largest others."""
    own = [name for name in inside if is_table(name)]
    kept = own[:MOST_TABLES] or largest(sizes)
    return [name for name in inside if name in kept]


def _tried(
    zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], most: int
) -> tuple[dict[str, Skipped], bool]:
    """Return what can't be read, by name, and whether all was tried; tables come first."""
    lost: dict[str, Skipped] = {}
    left = most
    for name in sorted(entries, key=lambda name: not (is_table(name) or is_other_table(name))):
        entry = entries[name]
        # A zip's reader stops at the size that is stated, so stated sizes bound the work.
        left -= entry.file_size + entry.compress_size
        try:
            require_readable(zipped, entry)
            if left >= 0:
                deque(pieces(zipped, entry), maxlen=0)
        except EntryError as error:
            lost[name] = Skipped(name, str(error))
    return lost, left >= 0


def _copied(
    zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, name: str
) -> Path | None:
    """Write a table to a folder of its own; None where it turns out to be damaged."""
    folder.mkdir()
    file = folder / Path(name).name
    try:
        with file.open("xb") as target:
            target.writelines(pieces(zipped, entry))
    except EntryError:
        return None
    return file
