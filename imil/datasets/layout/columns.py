"""Columns of tables as hypotheses of the label: one column, or columns of 0 and 1 together."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from imil.datasets.layout import words
from imil.datasets.layout.candidates import LabelHypothesis, atoms_of, in_one_spelling, plausibility
from imil.datasets.layout.sheets import Column, Sheet, columns_of
from imil.datasets.tables.sidecars import WORDED

# How columns of 0 and 1 are picked together.
TOGETHER = "columns of 0 and 1 together"
# From which prior a column is called a label.
NAMED = 3.0
_ONE, _UNSURE = frozenset({"1", "1.0", "x", "✓", "✔", "true"}), frozenset({"-1", "-1.0"})
_ANSWERS = frozenset({"yes", "no", "none"})
# Runs of pixels: where each begins, and how long it is.
_RUNS = re.compile(r"\d+ \d+( \d+ \d+)*")
_MARKED, _UNMARKED = "marked", "not marked"
# Words of a label that stands in a file of its own.
_MOST_WORDS = 3
_BINARY = _ONE | _UNSURE | {"0", "0.0", "", "false", "-"}


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


def table_candidate(sheets: Sequence[Sheet], images: int) -> list[LabelHypothesis]:
    """Return the names of tables as labels, where each is a list of the images of one class."""
    true = [sheet for sheet in sheets if sheet.labelled()]
    names = {sheet.name: _list_name(sheet.name) for sheet in true}
    if len(set(names.values())) < 2 or any(words.split_word(n) for n in names.values()):
        return []
    of: dict[str, set[str]] = {}
    for sheet in true:
        for file in sheet.reached:
            of.setdefault(file, set()).add(names[sheet.name])
    values = {file: min(own) for file, own in of.items() if len(own) == 1}
    score = plausibility(values, images)
    if score is None or len(values) < 0.9 * len(of):
        return []
    return [LabelHypothesis("tables", "the table that lists it", values, score, where="tables")]


def _list_name(table: str) -> str:
    """Return what a list is called: its sheet, or its file without the suffix."""
    if table.endswith("]"):
        return table.rpartition(" [")[2].removesuffix("]")
    return posixpath.basename(table).partition(".")[0]


def drawn_candidates(columns: Mapping[str, Column], images: int) -> list[LabelHypothesis]:
    """Return columns of regions written as runs of pixels as labels: whether any is marked."""
    found = []
    for column in columns.values():
        marked = {
            file: any(_RUNS.fullmatch(cell.strip()) for cell in cells)
            for file, cells in column.cells.items()
        }
        rest = {
            c.strip() for file, cells in column.cells.items() if not marked[file] for c in cells
        }
        if not any(marked.values()) or not all(words.is_unknown(c) or c in _UNSURE for c in rest):
            continue
        values = {file: _MARKED if any_ else _UNMARKED for file, any_ in marked.items()}
        score = plausibility(values, images)
        if score is not None:
            choice = f"whether column {column.title} marks anything"
            told = f"whether column “{column.title}” marks any pixels"
            found.append(LabelHypothesis(choice, told, values, score, where="marked pixels"))
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
    prior = words.label_prior(words.last_part(column.title))
    seen = set(found.values.values())
    sentences = column.title == WORDED and any(len(one.split()) > _MOST_WORDS for one in seen)
    if sentences:
        # A report says more than a label does.
        prior = -1.0
    if sentences or (prior <= 0 and {label.lower() for label in seen} <= _ANSWERS):
        # Any question has answers: whether there is diabetes is not what an eye's image shows.
        score -= 1.5 * words.class_share(seen)
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
