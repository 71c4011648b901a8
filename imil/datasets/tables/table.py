"""A table of images into rows: whatever spreadsheet program wrote it."""

from __future__ import annotations

import csv
import gzip
import posixpath
import re
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from imil.datasets.tables.records import record_lines, trimmed, typed
from imil.datasets.tables.spelling import code_page
from imil.errors import DataError, how_to_install

# The table of a folder in the ImageFolder convention.
TABLE_NAME = "metadata.csv"
# How tables are named: those of columns, lists, and records.
_LISTS = frozenset({".txt", ".lst"})
_RECORDS = frozenset({".json", ".jsonl", ".ndjson", ".parquet", ".xml"})
SHEETS = frozenset({".csv", ".tsv", ".xlsx", ".parquet", ".jsonl", ".ndjson"})
TABLE_SUFFIXES = SHEETS | _LISTS | _RECORDS
# Tables that are looked into: others than the convention's, and those, one a split and class.
MOST_TABLES, MOST_OWN_TABLES = 40, 1000

# Tables that are packed by themselves, and bytes that are inflated at a time.
_PACKED, _PIECE = (".csv.gz", ".tsv.gz"), 2**20

# What spreadsheet programs put between columns, depending on the country.
_DELIMITERS = (",", ";", "\t")

# Bytes from which the code page of a table is told.
_BEGIN = 2**20

# Bytes of a table, inflated: a million rows of 200.
MAX_TABLE_BYTES = 200 * 2**20
# Bytes of a workbook, inflated: what is read of it takes several times that in memory.
MAX_BOOK_BYTES = 100 * 2**20
# Columns read of it; spreadsheets of a clinic have dozens.
MAX_COLUMNS = 500
# Rows: as many as files are read, see `imil.datasets.archive.entries`.
MAX_TABLE_ROWS = 400_000
# Cells: those of `MAX_TABLE_ROWS` rows of 25 columns.
MAX_CELLS = 10_000_000
# Characters of the header in which the sign between columns is sought.
MAX_HEADER = 2**16
# Characters kept of a cell: no name of a file or class is longer, and reports of doctors are.
MAX_CELL = 1000

# Rows in which a header is sought below titles, and sheets of a workbook that are read.
MAX_TITLES, MAX_SHEETS = 10, 20

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
class Grid:
    """A table as it is: column names, and each row's line and cells, no row empty."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def picked(self, table: str, first: str, *others: str) -> Iterator[tuple[str, ...]]:
        """Yield the cells of some columns, "" where one is not there; DataError without the first.

        Args:
            table: what to call it in the error.
            first: the column that must be there, in any case, as the others.
            others: more columns.
        """
        at = {name.lower(): number for number, name in reversed(list(enumerate(self.names)))}
        if first not in at:
            raise DataError(
                f"“{table}” has no column “{first}”.",
                why=f"Its first row must name the columns, and {first} says which image a row is "
                "for.",
                fix=f"Add a first row with {', '.join((first, *others))}, parted by commas.",
            )
        wanted = [at.get(name, len(self.names)) for name in (first, *others)]
        for _, cells in self.rows:
            yield tuple(cells[i] if i < min(len(cells), len(self.names)) else "" for i in wanted)


def is_table(name: str) -> bool:
    """Return whether a file is the table of its folder, by the convention."""
    return posixpath.basename(name).lower() == TABLE_NAME


def is_sheet(name: str) -> bool:
    """Return whether a file is a table by its name alone, as lists and records may not be."""
    return _suffix(name) in SHEETS


def file_of(table: str) -> str:
    """Return the file of a table; sheets of a workbook bear their title in brackets behind it."""
    return re.sub(r"(\.xlsx) \[.*\]$", r"\1", table)


def is_other_table(name: str) -> bool:
    """Return whether a file may be a table that is not named as the convention has it."""
    return _suffix(name) in TABLE_SUFFIXES and not is_table(name)


def is_text_table(name: str, head: bytes) -> bool:
    """Return whether a file without a suffix begins like a table."""
    first, newline, _ = head.partition(b"\n")
    parted = any(sign.encode() in first for sign in _DELIMITERS)
    return "." not in posixpath.basename(name) and bool(newline) and parted and b"\0" not in head


def may_hold_rows(name: str, head: bytes) -> bool:
    """Return whether a file that may be a table by its name may be one by its first bytes."""
    listed = posixpath.splitext(name)[1].lower() in _LISTS
    return not listed or (b"\n" in head and b"\0" not in head)


def looked_into(
    sizes: Mapping[str, int], images: Iterable[str], *, picked: str | None = None
) -> frozenset[str]:
    """Return the tables that are read: those of the convention, and the likeliest others.

    Args:
        sizes: bytes of each file that may be a table.
        images: a table that is called as an image, but for its suffix, is about that one alone.
        picked: read in any case; its path, or the end of it.

    Raises:
        DataError: there are more of the convention than `MOST_OWN_TABLES`.
    """
    own = [name for name in sizes if is_table(name)]
    if len(own) > MOST_OWN_TABLES:
        raise DataError(
            f"There are {len(own)} tables named {TABLE_NAME}.",
            why=f"One a split or class is read, and {MOST_OWN_TABLES} at most.",
            fix="Join them into one, with a column of file names and one of labels.",
        )
    called = [posixpath.basename(name) for name in images]
    stems = {*called, *(posixpath.splitext(name)[0] for name in called)}
    others = sorted(
        (n for n in sizes if not is_table(n) and (is_sheet(n) or _stem(n) not in stems)),
        key=lambda name: (not is_sheet(name), -sizes[name], name),
    )
    kept = {name for name in sizes if picked is not None and f"/{name}".endswith(f"/{picked}")}
    return frozenset((*kept, *own, *others[:MOST_TABLES]))


def _stem(name: str) -> str:
    return posixpath.splitext(posixpath.basename(name))[0]


def read_grids(file: Path, name: str) -> dict[str, Grid]:
    """Return the tables of a file by name, each sheet of a workbook under one of its own.

    Args:
        file: CSV in UTF-8, UTF-16, Windows-1252, GB 18030, Big5 or Shift JIS, parted by comma,
            semicolon, tab, bar or, in a list, blanks; an .xlsx; Parquet; records in JSON, JSON
            lines or XML.
        name: what to call it in errors.

    Raises:
        DataError: it can't be read, has more bytes, rows or cells than are read, or is an .xlsx and
            the program that reads those is not installed.
    """
    suffix = _suffix(name)
    if suffix == ".xlsx":
        return _sheets(file, name)
    if is_packed(name):
        return {name: _unpacked(file, name)}
    if file.stat().st_size > MAX_TABLE_BYTES:
        raise _too_large(name, f"It has more than {MAX_TABLE_BYTES // 2**20} MB.")
    if suffix in _RECORDS:
        return {name: _grid(record_lines(file, name, suffix), name)}
    return {name: _grid(_lines(file, name), name)}


def is_packed(name: str) -> bool:
    """Return whether a file is a table packed by itself."""
    return name.lower().endswith(_PACKED)


def _suffix(name: str) -> str:
    """Return how a table's name ends, but for its packing."""
    whole = name.lower()
    return posixpath.splitext(whole.removesuffix(".gz") if is_packed(name) else whole)[1]


def _unpacked(file: Path, name: str) -> Grid:
    """Return the rows of a packed table; DataError where it is damaged or too large."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "table"
        try:
            with gzip.open(file) as packed, plain.open("wb") as out:
                while piece := packed.read(_PIECE):
                    out.write(piece)
                    if out.tell() > MAX_TABLE_BYTES:
                        raise _too_large(name, f"It has more than {MAX_TABLE_BYTES // 2**20} MB.")
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"“{name}” can't be read.",
                why="It is damaged, or not packed as its name says.",
                fix="Unpack it, and bring the table itself.",
            ) from error
        return _grid(_lines(plain, name), name)


def read_grid(file: Path, name: str) -> Grid:
    """Return the first table of a file; see `read_grids`."""
    return next(iter(read_grids(file, name).values()))


def _grid(lines: Iterable[tuple[int, list[str]]], name: str) -> Grid:
    """Return lines as a table, without titles above its header; DataError where it is too large."""
    names: tuple[str, ...] | None = None
    rows: list[tuple[int, tuple[str, ...]]] = []
    left = MAX_CELLS
    source = iter(lines)
    first = list(islice(source, MAX_TITLES))
    for line, cells in chain(first[_titles(first) :], source):
        if names is None:
            names = tuple(_clean(cell) for cell in cells[:MAX_COLUMNS])
        elif any(cells):
            rows.append((line, tuple(_clean(cell) for cell in cells[:MAX_COLUMNS])))
            left -= len(cells)
        if len(rows) > MAX_TABLE_ROWS:
            raise _too_large(name, f"It has more than {MAX_TABLE_ROWS:,} rows.")
        if left < 0:
            raise _too_large(name, f"It has more than {MAX_CELLS // 10**6} million cells.")
    return Grid(names or (), tuple(rows))


def _titles(first: Sequence[tuple[int, list[str]]]) -> int:
    """Return how many rows stand above the header: of one cell or none, where others have more."""
    filled = [sum(bool(cell.strip()) for cell in cells) for _, cells in first]
    if max(filled, default=0) < 2:
        return 0
    return next(at for at, cells in enumerate(filled) if cells > 1)


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
        told = re.fullmatch(r"\"?sep=(.)\"?", first.strip("\r\n \ufeff"))
        if told is None:
            text.seek(0)
        delimiter = told[1] if told else _delimiter(first, name)
        lines = csv.reader(counted(text), delimiter=delimiter, skipinitialspace=delimiter == " ")
        try:
            for last in lines:
                yield lines.line_num + (told is not None), last
        except csv.Error as cause:
            raise _unreadable(name) from cause
    if quotes % 2 and any("\n" in cell for cell in last):
        raise DataError(
            f"“{name}” can't be read as a table.",
            why="A quotation mark in it is opened and never closed, so that rows would be lost.",
            fix="Save it again from your spreadsheet program as “CSV UTF-8”.",
        )


def _delimiter(first: str, name: str) -> str:
    """Return the sign that parts the first line into most names; blanks part lists alone."""
    best = max(_DELIMITERS, key=first.count)
    if first.count(best) == 0 and "|" in first:
        return "|"
    listed = posixpath.splitext(name)[1].lower() in _LISTS
    return " " if listed and first.count(best) == 0 and " " in first.strip() else best


def _sheets(file: Path, name: str) -> dict[str, Grid]:
    """Return the sheets of a workbook, their cells as they would be typed; empty ones are none."""
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
                if not book.worksheets:
                    raise _unreadable(name)
                sheets = [(s.title, _grid(_rows(s), name)) for s in book.worksheets[:MAX_SHEETS]]
            finally:
                book.close()
    except (InvalidFileException, *_BROKEN_BOOK) as cause:
        raise _unreadable(name) from cause
    filled = {f"{name} [{title}]": grid for title, grid in sheets if grid.rows}
    alone = len(filled) < 2 and (not filled or sheets[0][1].rows)
    return {name: sheets[0][1]} if alone else filled


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    # What a sheet says of its own size may be wrong, and rows would be lost.
    sheet.reset_dimensions()
    # No program writes more rows; a damaged number of one would have us count to it.
    rows = sheet.iter_rows(max_row=2**20, max_col=MAX_COLUMNS, values_only=True)
    for line, cells in enumerate(rows, start=1):
        if any(cell is not None for cell in cells):
            yield line, trimmed([typed(cell) for cell in cells])


def _encoding(file: Path, name: str) -> str:
    with file.open("rb") as opened:
        begin = opened.read(_BEGIN)
    # Up to the end of a line, where no character is cut in two.
    page = code_page([begin if len(begin) < _BEGIN else begin[: begin.rfind(b"\n") + 1]])
    marked = begin[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if marked else ("utf-8-sig", page, "cp1252"):
        if encoding is None:
            continue
        with suppress(UnicodeError), file.open(encoding=encoding, newline="") as text:
            while text.read(2**20):
                pass
            return encoding
    raise _unreadable(name)


def _too_large(name: str, why: str) -> DataError:
    return DataError(
        f"“{name}” is too large.",
        why=why,
        fix="Leave out the rows and columns that say nothing about the images.",
    )


def _unreadable(name: str) -> DataError:
    """Return the error of a file that is no table."""
    return DataError(
        f"“{name}” can't be read as a table.",
        why="It is not text with comma-separated columns, nor a workbook.",
        fix="Save it again from your spreadsheet program as “CSV UTF-8”.",
    )
