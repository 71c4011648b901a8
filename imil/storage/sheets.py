"""CSV files that a spreadsheet program can open without running anything."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

# A cell that begins with one of these is a formula to a spreadsheet program (OWASP, CSV injection);
# the wide forms are what some locales read the plain ones as.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV. Every CSV file of the app is written here, so that every cell is safe.

    Args:
        rows: the header first. None becomes an empty cell.
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return sink.getvalue()


def safe_cell(cell: object) -> object:
    """Return a cell that no spreadsheet program takes for a formula.

    Text that begins as a formula does gets an apostrophe before it, which spreadsheet programs take
    as "this is text". Numbers stay as they are, also those that are written as text.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool | int | float):
        return cell
    written = str(cell)
    return f"'{written}" if written.startswith(_FORMULA) and not _NUMBER.match(written) else written
