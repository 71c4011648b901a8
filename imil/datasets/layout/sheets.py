"""Tables beside images: which column names the files, and what the other columns may mean."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from imil.datasets.layout import words
from imil.datasets.layout.matching import SURE_OF_MATCH, Files
from imil.datasets.tables.table import Grid

# Cells of a column that are looked at to tell whether it names files.
SAMPLE = 300
# Share of a column's cells that must name files, or of the images that it must name.
LEAST_NAMED, LEAST_REACHED = 0.2, 0.5
# Candidates of a table; a spreadsheet with more columns of findings is asked about by name.
MOST_COLUMNS = 200
# Columns of a table of a row for each image and finding, and findings that it may have.
_PAIR, _MOST_FINDINGS = 2, 50
_FILE_WORDS = frozenset({"file", "filename", "image", "img", "path", "name", "id", "dicom"})


@dataclass(frozen=True)
class Sheet:
    """A table whose rows name images.

    Attributes:
        name: its path.
        grid: its columns and rows.
        at: index of the column of files.
        kind: how that column writes them, see `SURE_OF_MATCH`.
        files: of each row.
        others: indices of columns that name other images than `at` does, such as masks.
        equal: those of them that nothing says are masks or made of others, as of a second eye.
    """

    name: str
    grid: Grid
    at: int
    kind: str
    files: tuple[tuple[str, ...], ...]
    others: frozenset[int]
    equal: frozenset[int] = frozenset()

    @property
    def column(self) -> str:
        """The name of the column of files."""
        return self.grid.names[self.at]

    @property
    def reached(self) -> set[str]:
        """The images that rows are for."""
        return {file for own in self.files for file in own}

    def cells(self, at: int) -> list[str]:
        """Return a column's cells, "" where a row is too short."""
        return [row[at] if at < len(row) else "" for _, row in self.grid.rows]

    def labelled(self) -> bool:
        """Return whether it may hold what is true, which a sample of predictions does not."""
        return not words.has(posixpath.basename(self.name), words.NOT_TRUTH)


def understood(name: str, grid: Grid, files: Files, column: str | None = None) -> Sheet | None:
    """Return a table with its column of files; None where no column names enough images.

    Args:
        name: the table's path.
        grid: the table.
        files: the images.
        column: the column of files, where a person named it.
    """
    grid = _with_header(name, grid, files)
    rated: list[tuple[float, int, str]] = []
    for at, title in enumerate(grid.names[:MOST_COLUMNS]):
        if column is not None and title.casefold() != column.casefold():
            continue
        score, kind = _named(name, grid, at, files)
        if kind:
            rated.append((score, -at, kind))
    if not rated:
        spread = None if column is not None else _spread(name, grid, files)
        return None if spread is None else understood(name, spread, files)
    _, minus, kind = max(rated)
    found = _found(name, grid, -minus, kind, files)
    others = frozenset(
        -less
        for _, less, other in rated
        if less != minus
        and other == "name"
        and _apart(found, _found(name, grid, -less, other, files))
    )
    idle = words.MASKS | words.DERIVED | {"relevant"}
    equal = frozenset(at for at in others if not words.has(grid.names[at], idle))
    return Sheet(name, grid, -minus, kind, found, others, equal)


def _spread(name: str, grid: Grid, files: Files) -> Grid | None:
    """Return a table of a row for each image and finding as one of a row for each image.

    Its rows are called as in “scan7_edema”, and the only other column has the values.
    """
    if len(grid.names) != _PAIR:
        return None
    parts = [cells[0].rpartition("_")[::2] for _, cells in grid.rows if len(cells) == _PAIR]
    findings = tuple(dict.fromkeys(finding for _, finding in parts))
    named = {one for one, _ in parts[:SAMPLE] if len(files.find(name, one, "stem")) == 1}
    if len(parts) < len(grid.rows) or not named or not 1 < len(findings) <= _MOST_FINDINGS:
        return None
    told: dict[str, dict[str, str]] = {}
    for (one, finding), (_, cells) in zip(parts, grid.rows, strict=True):
        told.setdefault(one, {})[finding] = cells[1]
    rows = (
        (line, (one, *(own.get(finding, "") for finding in findings)))
        for line, (one, own) in enumerate(told.items(), start=2)
    )
    return Grid((grid.names[0], *findings), tuple(rows))


def with_equal(sheet: Sheet, files: Files) -> Sheet:
    """Return a table whose rows are for the images of all columns that are alike."""
    columns = [sheet.files]
    columns += [_found(sheet.name, sheet.grid, at, "name", files) for at in sorted(sheet.equal)]
    joined = tuple(tuple(dict.fromkeys(chain(*row))) for row in zip(*columns, strict=True))
    return replace(sheet, files=joined)


def _with_header(name: str, grid: Grid, files: Files) -> Grid:
    """Return a table whose first row names no image: one that does is a row, not the header."""
    for at, cell in enumerate(grid.names):
        path = "/" in cell or "\\" in cell
        if (
            ("." in cell and files.find(name, cell, "name"))
            or (path and files.find(name, cell, "folder"))
            or (
                re.search(r"\d", cell)
                and files.find(name, cell, "stem")
                and _goes_on(name, grid, at, files)
            )
        ):
            names = tuple(f"column {number}" for number in range(1, len(grid.names) + 1))
            return Grid(names, ((1, grid.names), *grid.rows))
    return grid


def _goes_on(name: str, grid: Grid, at: int, files: Files) -> bool:
    """Return whether the cells below a column's first one name images as that one does."""
    cells = [row[at] for _, row in grid.rows[:SAMPLE] if at < len(row)]
    return 2 * sum(bool(files.find(name, cell, "stem")) for cell in cells) > len(cells)


def _named(name: str, grid: Grid, at: int, files: Files) -> tuple[float, str]:
    """Return how much a column seems to name files, and in which way of writing."""
    cells = [row[at] for _, row in grid.rows if at < len(row) and row[at]]
    sample = cells[:: 1 + len(cells) // SAMPLE]
    if not sample:
        return 0.0, ""
    best = (0.0, "")
    for kind, sure in SURE_OF_MATCH.items():
        reached = [files.find(name, cell, kind) for cell in sample]
        several = kind in ("folder", "start")
        meant = [r for r in reached if (r if several else len(r) == 1)]
        hits, different = len(meant), len(set(meant))
        if not hits:
            continue
        whole = different * len(cells) / len(sample)
        if hits < LEAST_NAMED * len(sample) and whole < LEAST_REACHED * len(files.names):
            continue
        if several and different < 2:
            continue
        score = sure * hits / len(sample) + 0.5 * different / hits
        if score > best[0] + 0.01:
            best = (score, kind)
    if best[1]:
        own = set(words.words(grid.names[at]))
        spoiled = own & (words.MASKS | words.DERIVED)
        best = (best[0] + 0.2 * bool(own & _FILE_WORDS) - bool(spoiled), best[1])
    return best


def _apart(images: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]) -> bool:
    """Return whether a column names images, and mostly others than those its rows are for."""
    named = [(one, other) for one, other in zip(images, others, strict=True) if other]
    return 2 * sum(one != other for one, other in named) > len(named)


def _found(name: str, grid: Grid, at: int, kind: str, files: Files) -> tuple[tuple[str, ...], ...]:
    several = kind in ("folder", "start")
    cached: dict[str, tuple[str, ...]] = {}
    found = []
    for _, row in grid.rows:
        cell = row[at] if at < len(row) else ""
        if cell not in cached:
            cached[cell] = files.find(name, cell, kind)
        reached = cached[cell]
        found.append(reached if several or len(reached) == 1 else ())
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Column:
    """One column, joined over the tables that have it: each file's cells, in order of the rows.

    Attributes:
        title: its name, as first written.
        cells: by file.
        sheets: the tables.
    """

    title: str
    cells: Mapping[str, tuple[str, ...]]
    sheets: tuple[Sheet, ...]


def columns_of(sheets: Iterable[Sheet]) -> dict[str, Column]:
    """Return the columns of tables, joined by their names, without that of the files."""
    cells: dict[str, dict[str, list[str]]] = {}
    titles: dict[str, str] = {}
    of: dict[str, list[Sheet]] = {}
    for sheet in sheets:
        for at, title in enumerate(sheet.grid.names[:MOST_COLUMNS]):
            key = words.plain_word(title)
            if at == sheet.at or at in sheet.others or not key:
                continue
            titles.setdefault(key, title)
            of.setdefault(key, []).append(sheet)
            mine = cells.setdefault(key, {})
            for named, cell in zip(sheet.files, sheet.cells(at), strict=True):
                for file in named:
                    mine.setdefault(file, []).append(cell)
    return {
        key: Column(titles[key], {f: tuple(c) for f, c in cells[key].items()}, tuple(of[key]))
        for key in titles
    }


def any_column(columns: Mapping[str, Column]) -> dict[str, dict[str, str]]:
    """Return every column by how it is picked, with the first cell of each image."""
    return {
        f"column {column.title}": {f: cells[0] for f, cells in column.cells.items() if cells[0]}
        for column in columns.values()
    }
