"""A table of images into rows: whatever spreadsheet program wrote it."""

from __future__ import annotations

import csv
import posixpath
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from imil.errors import DataError, how_to_install

# The table of a folder in the ImageFolder convention.
TABLE_NAME = "metadata.csv"
# How tables are named.
SUFFIXES = frozenset({".csv", ".tsv", ".xlsx"})

# What spreadsheet programs put between columns, depending on the country.
_DELIMITERS = (",", ";", "\t")

# Tried in this order: UTF-8 with or without a mark, then what older Windows programs write.
_ENCODINGS = ("utf-8-sig", "cp1252")

# Bytes of a table, inflated: a million rows of 200.
MAX_BYTES = 200 * 2**20
# Bytes of a workbook, inflated: what is read of it takes several times that in memory.
MAX_BOOK_BYTES = 100 * 2**20
# Columns read of it; spreadsheets of a clinic have dozens.
MAX_COLUMNS = 500
# Rows: as many as files are read, see `imil.datasets.archive.entries`.
MAX_ROWS = 400_000
# Cells: those of `MAX_ROWS` rows of 25 columns.
MAX_CELLS = 10_000_000
# Characters of the header in which the sign between columns is sought.
MAX_HEADER = 2**16
# Characters kept of a cell: no name of a file or class is longer, and reports of doctors are.
MAX_CELL = 1000

# What openpyxl and the zip around a workbook raise where that is damaged.
_BROKEN_BOOK = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ParseError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
    EOFError,
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column means what; None where none does.

    Attributes:
        file: which image a row is for: its path, name, name without suffix, or DICOM UID.
        label: its class.
        patient: whose image it is.
        group: a site, or whether a known shortcut is present.
        split: train, validation or test.
        frame: which frame of a DICOM file, counted from 1.
    """

    file: str | None
    label: str | None = None
    patient: str | None = None
    group: str | None = None
    split: str | None = None
    frame: str | None = None


# The names in the ImageFolder convention, and ours beside it.
CONVENTION = Columns("file_name", "label", "patient_id", "group", "split", "frame")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: names as written, stripped and in Unicode NFC; None where the cell is empty."""

    line: int
    file_name: str | None
    label: str | None
    patient: str | None
    group: str | None
    relevant_file_name: str | None
    reference_label: str | None = None
    split: str | None = None
    frame: str | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as it is: column names in lower case, and each row's line and cells, none empty."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def column(self, name: str) -> list[str]:
        """Return the cells of a column that are not empty."""
        at = self.names.index(name)
        return [cells[at] for _, cells in self.rows if at < len(cells) and cells[at]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: whether it has a column of labels, and its rows in order.

    `lenient` says that a row may name a file without its folder or suffix.
    """

    has_label: bool
    rows: tuple[Row, ...]
    lenient: bool = False


def is_table(name: str) -> bool:
    """Return whether a file is the table of its folder, by the convention."""
    return posixpath.basename(name).lower() == TABLE_NAME


def is_other_table(name: str) -> bool:
    """Return whether a file is a table that is not named as the convention has it."""
    return posixpath.splitext(name)[1].lower() in SUFFIXES and not is_table(name)


def read_table(file: Path, name: str) -> Table:
    """Return the rows of a metadata.csv; unknown columns are ignored, empty rows left out.

    Args:
        file: text in UTF-8, UTF-16 or Windows-1252; columns parted by comma, semicolon or tab.
        name: what to call it in errors.

    Raises:
        DataError: it is no such table, or has no column `file_name`.
    """
    grid = read_grid(file, name)
    if CONVENTION.file not in grid.names:
        raise DataError(
            f"“{name}” has no column “file_name”.",
            why="Its first row must name the columns, and file_name says which image a row is for.",
            fix="Add a first row with file_name and label, parted by commas.",
        )
    return rows_of(grid, CONVENTION)


def rows_of(grid: Grid, columns: Columns, *, lenient: bool = False) -> Table:
    """Return the rows of a table whose columns mean what `columns` says."""
    meant = {
        "file_name": columns.file,
        "label": columns.label,
        "patient": columns.patient,
        "group": columns.group,
        "split": columns.split,
        "frame": columns.frame,
        "relevant_file_name": "relevant_file_name",
        "reference_label": "reference_label",
    }
    at = {field: grid.names.index(name) for field, name in meant.items() if name in grid.names}

    def row(line: int, cells: tuple[str, ...]) -> Row:
        # Short rows lack their last columns; cells beyond the header belong to none.
        found = {field: cells[i] or None if i < len(cells) else None for field, i in at.items()}
        return Row(line, **{**dict.fromkeys(meant), **found})

    return Table("label" in at, tuple(row(*each) for each in grid.rows), lenient)


def read_grid(file: Path, name: str) -> Grid:
    """Return a table as it is; rows without any content are left out.

    Args:
        file: CSV as `read_table` has it, or the first sheet of an .xlsx.
        name: what to call it in errors.

    Raises:
        DataError: it can't be read, has more bytes, rows or cells than are read, or is an .xlsx and
            the program that reads those is not installed.
    """
    if file.suffix.lower() == ".xlsx":
        return _grid(_sheet(file, name), name)
    if file.stat().st_size > MAX_BYTES:
        raise _too_large(name, f"It has more than {MAX_BYTES // 2**20} MB.")
    return _grid(_lines(file, name), name)


def _grid(lines: Iterable[tuple[int, list[str]]], name: str) -> Grid:
    """Return lines as a table; DataError where there are too many."""
    names: tuple[str, ...] | None = None
    rows: list[tuple[int, tuple[str, ...]]] = []
    left = MAX_CELLS
    for line, cells in lines:
        if names is None:
            names = tuple(_clean(cell).lower() for cell in cells[:MAX_COLUMNS])
        elif any(cells):
            rows.append((line, tuple(_clean(cell) for cell in cells[:MAX_COLUMNS])))
            left -= len(cells)
        if len(rows) > MAX_ROWS:
            raise _too_large(name, f"It has more than {MAX_ROWS:,} rows.")
        if left < 0:
            raise _too_large(name, f"It has more than {MAX_CELLS // 10**6} million cells.")
    return Grid(names or (), tuple(rows))


def _clean(cell: str) -> str:
    return unicodedata.normalize("NFC", cell[:MAX_CELL].strip())


def _lines(file: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    quotes = 0
    last: list[str] = []

    def counted(lines: Iterable[str]) -> Iterator[str]:
        nonlocal quotes
        for line in lines:
            quotes += line.count('"')
            yield line

    with file.open(encoding=_encoding(file, name), newline="") as text:
        first = text.readline(MAX_HEADER)
        text.seek(0)
        # The one that parts the header into most names.
        delimiter = max(_DELIMITERS, key=first.count)
        lines = csv.reader(counted(text), delimiter=delimiter)
        try:
            for last in lines:
                yield lines.line_num, last
        except csv.Error as cause:
            raise unreadable(name) from cause
    if quotes % 2 and any("\n" in cell for cell in last):
        raise DataError(
            f"“{name}” can't be read as a table.",
            why="A quotation mark in it is opened and never closed, so that rows would be lost.",
            fix="Save it again from your spreadsheet program as “CSV UTF-8”.",
        )


def _sheet(file: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a workbook's first sheet, its cells as they would be typed."""
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  # an extra, see pyproject.toml
        from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415  # the same
    except ImportError as cause:
        raise DataError(
            f"“{name}” can't be read here.",
            why="Reading .xlsx needs openpyxl, which is not installed.",
            fix="Save it as “CSV UTF-8” from your spreadsheet program. " + how_to_install("xlsx"),
        ) from cause
    try:
        # Opened here: of a damaged one, openpyxl leaves its own file open.
        with file.open("rb") as opened, zipfile.ZipFile(opened) as zipped:
            # A zip's reader stops at the size that is stated, so stated sizes bound the work.
            if sum(entry.file_size for entry in zipped.infolist()) > MAX_BOOK_BYTES:
                raise _too_large(name, f"It has more than {MAX_BOOK_BYTES // 2**20} MB.")
            book = load_workbook(opened, read_only=True, data_only=True, keep_links=False)
            try:
                sheet = book.worksheets[0]
                # What a sheet says of its own size may be wrong, and rows would be lost.
                sheet.reset_dimensions()
                # No program writes more rows; a damaged number of one would have us count to it.
                rows = sheet.iter_rows(max_row=2**20, max_col=MAX_COLUMNS, values_only=True)
                for line, cells in enumerate(rows, start=1):
                    if any(cell is not None for cell in cells):
                        yield line, _trimmed([_typed(cell) for cell in cells])
            finally:
                book.close()
    except (InvalidFileException, *_BROKEN_BOOK) as cause:
        raise unreadable(name) from cause


def _trimmed(cells: list[str]) -> list[str]:
    """Return a row without the empty cells at its end."""
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _typed(cell: Any) -> str:
    """Return a cell as somebody would type it: 12 for 12.0, and a day without its midnight."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and (cell.hour, cell.minute, cell.second) == (0, 0, 0):
        return cell.date().isoformat()
    return str(cell)


def _encoding(file: Path, name: str) -> str:
    with file.open("rb") as opened:
        marked = opened.read(2) in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if marked else _ENCODINGS:
        try:
            with file.open(encoding=encoding, newline="") as text:
                while text.read(2**20):
                    pass
        except UnicodeError:
            continue
        return encoding
    raise unreadable(name)


def _too_large(name: str, why: str) -> DataError:
    return DataError(
        f"“{name}” is too large.",
        why=why,
        fix="Leave out the rows and columns that say nothing about the images.",
    )


def unreadable(name: str) -> DataError:
    """Return the error of a file that is no table."""
    return DataError(
        f"“{name}” can't be read as a table.",
        why="It is not text with comma-separated columns, nor a workbook.",
        fix="Save it again from your spreadsheet program as “CSV UTF-8”.",
    )
