"""What says which images are for training, validation and testing."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from imil.core.records import Split
from imil.datasets.layout import words
from imil.datasets.layout.candidates import LabelHypothesis
from imil.datasets.layout.decisions.draft import NONE, Draft
from imil.datasets.layout.reading import counted
from imil.datasets.layout.sheets import Column, Sheet

# How tables are picked that are called as splits.
TABLES = "tables"


def pick_splits(
    draft: Draft,
    sheets: Sequence[Sheet],
    columns: Mapping[str, Column],
    folders: Mapping[str, Split],
    label: LabelHypothesis | None,
) -> dict[str, str]:
    """Return the split of each image with a label; none where all would be for training.

    Args:
        draft: what was found so far.
        sheets: tables that name images.
        columns: of these tables, joined.
        folders: splits of the images in folders that name them.
        label: what the label is.
    """
    labelled = set(label.values) & set(draft.names) if label else set(draft.names)
    useful = _useful(_sources(sheets, columns, folders), labelled)
    order = ("folders", *sorted(c for c in useful if c.startswith("column")), TABLES)
    best: str | None = next((choice for choice in order if choice in useful), NONE)
    folds = tuple(sorted(c for c in useful if c.startswith(f"{TABLES} in ")))
    if best in (TABLES, NONE) and folds:
        # Lists of several folders part the images differently, as for cross-validation.
        order, best = folds, None
    chosen = draft.decisions.decide(
        "split",
        "What says which images are for training and for testing?",
        (*(c for c in order if c in useful), NONE),
        best,
    )
    if chosen in (None, NONE):
        if folders and not useful:
            draft.decisions.tell("split: all images with a label are for training; none is used.")
        return {}
    counts = ", ".join(f"{s} {n}" for s, n in counted(list(useful[chosen].values())).items())
    draft.decisions.tell(f"split: by {chosen}: {counts}.")
    why = (
        "It lies outside of the split folders."
        if chosen == "folders"
        else "Nothing says whether it is for training or testing."
    )
    draft.leave(dict.fromkeys(labelled - useful[chosen].keys(), why))
    return useful[chosen]


def _sources(
    sheets: Sequence[Sheet], columns: Mapping[str, Column], folders: Mapping[str, Split]
) -> dict[str, dict[str, str]]:
    """Return the splits of images, by what says so."""
    sources: dict[str, dict[str, str]] = {}
    for column in columns.values():
        own = _split_cells(column)
        if own:
            sources[f"column {column.title}"] = own
    listed = [sheet for sheet in sheets if sheet.labelled()]
    lists = {posixpath.dirname(sheet.name) for sheet in listed if _split_of(sheet)}
    apart = {
        f"{TABLES} in {folder}": _by_table(s for s in listed if posixpath.dirname(s.name) == folder)
        for folder in lists
    }
    kept = {choice: own for choice, own in apart.items() if len(set(own.values())) > 1}
    differ = any(
        one.get(file, split) != split
        for one, other in combinations(kept.values(), 2)
        for file, split in other.items()
    )
    by_table = _by_table(listed)
    return sources | {"folders": dict(folders), TABLES: by_table} | (kept if differ else {})


def _by_table(sheets: Iterable[Sheet]) -> dict[str, str]:
    """Return the splits that tables are called as, of the images that they name."""
    found: dict[str, str] = {}
    own = [(sheet, _split_of(sheet)) for sheet in sheets]
    # An image that several name is for the strictest: it was seen by nobody in training.
    for split in Split:
        for sheet, told in own:
            if told is split:
                found |= dict.fromkeys(sheet.reached, split)
    return found


def _split_of(sheet: Sheet) -> Split | None:
    """Return the split that a table is called as, else its folders."""
    return words.split_word(posixpath.basename(sheet.name)) or words.split_word(sheet.name)


def _useful(
    sources: Mapping[str, Mapping[str, str]], labelled: set[str]
) -> dict[str, dict[str, str]]:
    """Return the sources that part at least half of the images with a label."""
    own = {c: {n: str(s) for n, s in all_.items() if n in labelled} for c, all_ in sources.items()}
    return {
        choice: splits
        for choice, splits in own.items()
        if (len(set(splits.values())) > 1 or (splits and "train" not in splits.values()))
        and len(splits) >= 0.5 * len(labelled)
    }


def _split_cells(column: Column) -> dict[str, str]:
    """Return the splits that a column names; nothing if a cell of it names anything else."""
    cells = {cell.lower() for own in column.cells.values() for cell in own if cell}
    if not cells or not cells <= words.SPLITS.keys():
        return {}
    return {f: words.SPLITS[own[0].lower()] for f, own in column.cells.items() if own[0]}
