"""What the label is: a folder, a column, or a part of the file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from imil.core.records import Split
from imil.datasets.layout import words
from imil.datasets.layout.candidates import ENOUGH, LabelHypothesis, clear, rank_hypotheses
from imil.datasets.layout.columns import (
    NAMED,
    drawn_candidates,
    forced_candidate,
    label_candidates,
    table_candidate,
)
from imil.datasets.layout.decisions.draft import Draft
from imil.datasets.layout.folders import level_candidates, name_candidates
from imil.datasets.layout.reading import counted
from imil.datasets.layout.sheets import Column, Sheet, columns_of


def pick_label(
    draft: Draft,
    sheets: Sequence[Sheet],
    columns: Mapping[str, Column],
    level: int | None,
    splits: Mapping[str, Split],
) -> LabelHypothesis | None:
    """Decide what the label is; None where nothing gives the images any.

    Args:
        draft: what was found so far.
        sheets: tables that name images.
        columns: of these tables, joined.
        level: depth of the folders that name splits; None where none do.
        splits: of the images in these folders.
    """
    found = _hypotheses(draft, sheets, level, splits)
    ranked = rank_hypotheses(found) or _single_class(columns)
    best = clear(ranked)
    known = {candidate.choice for candidate in found}
    rest = {
        choice: column
        for column in columns.values()
        if (choice := f"column {column.title}") not in known
    }
    if not ranked and "label" not in draft.decisions.answers:
        # What is said to be something else, such as the sex, is not asked about by itself.
        rest = {c: column for c, column in rest.items() if words.label_prior(column.title) >= 0}
    if not ranked and not rest:
        if draft.names:
            draft.decisions.tell("label: no folder, file name or column gives the images any.")
        return None
    by_choice = {candidate.choice: candidate for candidate in ranked}
    near = [c for c in ranked if c.score > ranked[0].score - 3 or c.family]
    chosen = draft.decisions.decide(
        "label",
        "Which of these is the label?",
        tuple(c.choice for c in [*near, *(c for c in ranked if c not in near)]) + _likeliest(rest),
        None if best is None else best.choice,
    )
    if chosen is None and not ranked:
        draft.decisions.tell("label: no column says by its name or cells that it is the one.")
        return None
    if chosen in rest:
        picked = forced_candidate(columns, rest[chosen])
    else:
        picked = by_choice[chosen] if chosen else ranked[0]
    kinds = counted(list(picked.values.values()))
    draft.decisions.tell(
        f"label: {picked.told}"
        + (" (provisional)" if chosen is None else "")
        + f": {len(kinds)} different in {len(picked.values)} images."
    )
    for row in picked.rows:
        draft.decisions.tell(f"label: {row}")
    return picked


def _hypotheses(
    draft: Draft, sheets: Sequence[Sheet], level: int | None, splits: Mapping[str, Split]
) -> list[LabelHypothesis]:
    """Return what tables, folders and file names may say of labels."""
    inside = [name for name in draft.names if not splits or name in splits]
    reached = {file for sheet in sheets if sheet.labelled() for file in sheet.reached}
    images = len(reached & set(draft.names)) or len(draft.names)
    return [
        *label_candidates(sheets, min(len(draft.names), max(images, len(draft.names) // 2))),
        *drawn_candidates(columns_of(s for s in sheets if s.labelled()), images),
        *table_candidate(sheets, len(draft.names)),
        *level_candidates(inside, splits, level),
        *name_candidates(inside),
    ]


def _single_class(columns: Mapping[str, Column]) -> list[LabelHypothesis]:
    """Return the column that is called a label and has one value, which is told of it."""
    named = (c for c in columns.values() if words.label_prior(c.title) >= NAMED)
    found = (forced_candidate(columns, column) for column in named)
    return [replace(one, score=ENOUGH) for one in found if one.values][:1]


def _likeliest(rest: Mapping[str, Column]) -> tuple[str, ...]:
    """Return columns that do not look like labels, those first whose name says least against it."""
    return tuple(sorted(rest, key=lambda choice: (-words.label_prior(rest[choice].title), choice)))
