"""What says which images are for training, validation and testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imil.core.records import Split
from imil.datasets.layout import words
from imil.datasets.layout.candidates import LabelHypothesis
from imil.datasets.layout.decisions.draft import NONE, Draft
from imil.datasets.layout.reading import counted
from imil.datasets.layout.sheets import Column, Sheet


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
    order = ("folders", *sorted(c for c in useful if c.startswith("column")), "tables")
    best = next((choice for choice in order if choice in useful), NONE)
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
    by_table: dict[str, str] = {}
    # An image that several name is for the strictest: it was seen by nobody in training.
    for split in Split:
        for sheet in sheets:
            if sheet.labelled() and words.split_word(sheet.name) is split:
                by_table |= dict.fromkeys((f for own in sheet.files for f in own), split)
    return sources | {"folders": dict(folders), "tables": by_table}


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
