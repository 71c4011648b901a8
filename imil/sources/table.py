"""A metadata.csv into rows: whatever spreadsheet program wrote it."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from imil.errors import DataError

# The table of a folder in the ImageFolder convention.
TABLE_NAME = "metadata.csv"

# What spreadsheet programs put between columns, depending on the country.
_DELIMITERS = (",", ";", "\t")

# Tried in this order: UTF-8 with or without a mark, then what older Windows programs write.
_ENCODINGS = ("utf-8-sig", "cp1252")


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


@dataclass(frozen=True, slots=True)
class Table:
    """A metadata.csv: whether it has a column `label`, and its rows in order."""

    has_label: bool
    rows: tuple[Row, ...]


def read_table(file: Path, name: str) -> Table:
    """Return the rows of a metadata.csv; unknown columns are ignored, empty rows left out.

    Args:
        file: text in UTF-8, UTF-16 or Windows-1252; columns parted by comma, semicolon or tab.
        name: what to call it in errors.

    Raises:
        DataError: it is no such table, or has no column `file_name`.
    """
    text = _decoded(file.read_bytes(), name)
    first = text.partition("\n")[0]
    delimiter = next((d for d in _DELIMITERS if "file_name" in _header(first, d)), None)
    if delimiter is None:
        raise DataError(
            f"“{name}” has no column “file_name”.",
            why="Its first row must name the columns, and file_name says which image a row is for.",
            fix="Add a first row with file_name and label, parted by commas.",
        )
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [cell.strip().lower() for cell in next(lines)]
        rows = [_row(columns, cells, lines.line_num) for cells in lines if any(cells)]
    except csv.Error as cause:
        raise _unreadable(name) from cause
    return Table("label" in columns, tuple(rows))


def _header(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in line.split(delimiter)]


def _row(columns: list[str], cells: list[str], line: int) -> Row:
    # Short rows lack their last columns; cells beyond the header belong to none.
    named = dict(zip(columns, cells, strict=False))

    def cell(column: str) -> str | None:
        return unicodedata.normalize("NFC", named.get(column, "").strip()) or None

    return Row(
        line,
        file_name=cell("file_name"),
        label=cell("label"),
        patient=cell("patient_id"),
        group=cell("group"),
        relevant_file_name=cell("relevant_file_name"),
        reference_label=cell("reference_label"),
    )


def _decoded(raw: bytes, name: str) -> str:
    encodings = ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else _ENCODINGS
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _unreadable(name)


def _unreadable(name: str) -> DataError:
    return DataError(
        f"“{name}” can't be read as a table.",
        why="It is not text with comma-separated columns.",
        fix="Save it again from your spreadsheet program as “CSV UTF-8”.",
    )
