"""Tables beside images: which column names the files, and what the other columns may mean."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from imil.datasets.layout import words
from imil.datasets.layout.candidates import LabelHypothesis, atoms_of, in_one_spelling, plausibility
from imil.datasets.layout.matching import SURE_OF_MATCH, Files
from imil.datasets.tables.table import Grid

# Cells of a column that are looked at to tell whether it names files.
SAMPLE = 300
# Share of a column's cells that must name files, or of the images that it must name.
LEAST_NAMED, LEAST_REACHED = 0.2, 0.5
# Candidates of a table; a spreadsheet with more columns of findings is asked about by name.
MOST_COLUMNS = 200
# How columns of 0 and 1 are picked together.
TOGETHER = "columns of 0 and 1 together"
# From which prior a column is called a label.
NAMED = 3.0
_ONE, _UNSURE = frozenset({"1", "1.0", "x", "✓", "✔", "true"}), frozenset({"-1", "-1.0"})
_BINARY = _ONE | _UNSURE | {"0", "0.0", "", "false", "-"}
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
        return None
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


def label_candidates(sheets: Sequence[Sheet], images: int) -> list[LabelHypothesis]:
    """Return the columns that may hold the labels, one-hot columns together among them."""
    true = [sheet for sheet in sheets if sheet.labelled()]
    columns = columns_of(true)
    together = _one_hot(columns, images)
    family = {key for _, keys in together for key in keys}
    found = [candidate for candidate, _ in together]
    exclusive = any(not candidate.family for candidate in found)
    boxes = words.BOXES if len(columns.keys() & words.BOXES) > 1 else frozenset()
    for key, column in columns.items():
        if (key in family and exclusive) or key in boxes:
            continue
        readers = _readers(columns, column)
        candidate = _of_column(column, readers, images, binary=key in family)
        if candidate is not None:
            found.append(candidate)
    return found


def forced_candidate(columns: Mapping[str, Column], column: Column) -> LabelHypothesis:
    """Return a column that need not look like labels, for a person who knows better."""
    return _candidate(column, *_pooled(column, _readers(columns, column), binary=False))


def _of_column(
    column: Column, readers: Column | None, images: int, *, binary: bool
) -> LabelHypothesis | None:
    marks = _only_marks(column)
    found = _candidate(column, *_pooled(column, readers, binary=binary or marks))
    kinds = len({atom for parts in found.atoms.values() for atom in parts})
    score = plausibility(found.values, images, atoms=kinds)
    if score is None:
        return None
    prior = words.label_prior(column.title.rpartition(".")[2])
    return replace(
        found,
        score=score + prior + _convention(column),
        family="one-hot" if binary else "",
        named=prior >= NAMED,
    )


def _candidate(
    column: Column, values: Mapping[str, str], left: Mapping[str, str], notes: Sequence[str]
) -> LabelHypothesis:
    values, spelled = in_one_spelling(values)
    return LabelHypothesis(
        f"column {column.title}",
        f"column “{column.title}”",
        values,
        score=0.0,
        where=f"column {column.title}",
        atoms=atoms_of(values),
        left=left,
        rows=(*notes, *spelled),
        empty=frozenset(
            f for f in left if f in column.cells and all(not c.strip() for c in column.cells[f])
        ),
    )


def _convention(column: Column) -> float:
    """Return what it counts that a table keeps to the ImageFolder convention."""
    own = all(s.column == "file_name" and column.title == "label" for s in column.sheets)
    return 2.0 * own


def _pooled(
    column: Column, readers: Column | None, *, binary: bool
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Return each file's one value, files without any and why, and by which rule rows joined."""
    titles = {words.plain_word(title) for s in column.sheets for title in s.grid.names}
    boxes = len(titles & words.BOXES) > 1 or any("bbox" in title for title in titles)
    values: dict[str, str] = {}
    left: dict[str, str] = {}
    several = 0
    zero = next((c for cells in column.cells.values() for c in cells if c in ("0", "0.0")), "0")
    for file, cells in column.cells.items():
        known = [c for c in cells if not words.is_unknown(c)]
        if binary:
            known = [c or zero for c in cells if c not in _UNSURE]
        counts = Counter(known)
        if not counts:
            unsure = binary and any(c in _UNSURE for c in cells)
            left[file] = (
                f"“{column.title}” is uncertain (−1) for it."
                if unsure
                else f"Its cell of “{column.title}” is empty or says that nothing is known."
            )
            continue
        several += len(counts) > 1
        by_reader = _said_by_most(file, cells, readers)
        first, *rest = counts.most_common()
        if by_reader:
            values[file] = "|".join(by_reader)
        elif not rest or (readers and first[1] > rest[0][1]):
            values[file] = first[0]
        elif boxes:
            values[file] = "|".join(sorted(counts))
        else:
            left[file] = "It is named more than once, with different labels."
    return values, left, _rule(several, column.title, readers=bool(readers), boxes=boxes)


def _readers(columns: Mapping[str, Column], column: Column) -> Column | None:
    """Return the column of those who read the images, where all tables of another one have it."""
    named = (
        c for c in columns.values() if words.has(c.title, words.READER_WORDS) and c is not column
    )
    return next((c for c in named if _same(c.sheets, column.sheets)), None)


def _same(ones: Sequence[Sheet], others: Sequence[Sheet]) -> bool:
    return [id(one) for one in ones] == [id(other) for other in others]


def _said_by_most(file: str, cells: Sequence[str], readers: Column | None) -> list[str]:
    """Return the labels that most readers of an image give it, whatever rows each wrote."""
    who = () if readers is None else readers.cells.get(file, ())
    if len(who) != len(cells):
        return []
    said: dict[str, set[str]] = {}
    for cell, reader in zip(cells, who, strict=True):
        if not words.is_unknown(cell):
            said.setdefault(cell, set()).add(reader)
    return sorted(label for label, own in said.items() if 2 * len(own) > len(set(who)))


def _rule(several: int, title: str, *, readers: bool, boxes: bool) -> tuple[str, ...]:
    if not several:
        return ()
    rule = "the rows that disagree were left out"
    if boxes:
        rule = "all labels of an image count"
    if readers:
        rule = "what most readers say counts"
    return (f"{several} images have rows with different “{title}”: {rule}.",)


def _one_hot(
    columns: Mapping[str, Column], images: int
) -> list[tuple[LabelHypothesis, tuple[str, ...]]]:
    """Return columns of 0 and 1, of which one in each row says the label, as one candidate.

    Where columns of other things are among them, those whose names are of labels count alone.
    """
    keys = tuple(
        key
        for key, column in columns.items()
        if _is_binary(column) and words.label_prior(column.title) >= 0
    )
    shared = tuple(
        k for k in keys if len(columns[k].sheets) == max(len(columns[o].sheets) for o in keys)
    )
    named = tuple(key for key in shared if words.label_prior(columns[key].title) > 0)
    all_ones = _ones(columns, shared)
    if len(named) > 1 and _several(all_ones) and not _several(_ones(columns, named)):
        shared, all_ones = named, _ones(columns, named)
    if len(shared) < 2:
        return []
    first = columns[shared[0]].cells
    unsure = any(
        c in _UNSURE for key in shared for f in first for c in columns[key].cells.get(f, ())
    )
    values = {file: "|".join(ones) for file, ones in all_ones.items() if ones}
    none = [file for file, ones in all_ones.items() if not ones]
    many = _several(all_ones) or unsure
    score = plausibility(values, images)
    if score is None:
        return []
    whole = not many and len(values) >= 0.9 * max(len(first), 1)
    titles = ", ".join(f"“{columns[key].title}”" for key in shared[:4])
    more = f" and {len(shared) - 4} more" if len(shared) > 4 else ""
    candidate = LabelHypothesis(
        TOGETHER,
        f"the one of the columns {titles}{more} that is 1",
        values,
        score + (3.0 if whole else 0.0),
        where="one-hot columns",
        family="" if whole else "one-hot",
        atoms=atoms_of(values),
        left=dict.fromkeys(none, "None of the columns of findings is 1 for it."),
    )
    found = [candidate]
    if not many and len(none) > 1:
        # Those without any may be a class too: what is neither.
        rest = {**values, **dict.fromkeys(none, "none of these")}
        with_none = replace(
            candidate,
            choice=f"{TOGETHER}, or none of them",
            told=f"{candidate.told}, or none of them",
            values=rest,
            score=3 * len(rest) / max(images, 1) + (3.0 if whole else 0.0),
            atoms={},
            left={},
        )
        found.append(with_none)
    return [(each, shared) for each in found]


def _ones(columns: Mapping[str, Column], keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the titles of the columns that are 1 for each file."""
    files = columns[keys[0]].cells if keys else ()
    return {
        file: tuple(
            columns[key].title for key in keys if _mostly_one(columns[key].cells.get(file, ()))
        )
        for file in files
    }


def _several(ones: Mapping[str, tuple[str, ...]]) -> bool:
    return any(len(own) > 1 for own in ones.values())


def _only_marks(column: Column) -> bool:
    """Return whether a column marks some images and leaves the cells of others empty."""
    seen = {cell.lower() for cells in column.cells.values() for cell in cells}
    return "" in seen and bool(seen - {""}) and seen - {""} <= _ONE and len(seen) == 2


def _is_binary(column: Column) -> bool:
    seen = {cell.lower() for cells in column.cells.values() for cell in cells}
    return seen <= _BINARY and bool(seen - {"", "-", *_UNSURE})


def _mostly_one(cells: Sequence[str]) -> bool:
    known = [c for c in cells if c]
    return bool(known) and 2 * sum(c.lower() in _ONE for c in known) > len(known)
