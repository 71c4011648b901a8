"""What the label is, and what the classes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from imil.core.records import Split
from imil.datasets.layout import words
from imil.datasets.layout.candidates import ENOUGH, LabelHypothesis, clear, rank_hypotheses
from imil.datasets.layout.decisions.draft import Draft
from imil.datasets.layout.folders import level_candidates, name_candidates
from imil.datasets.layout.reading import counted
from imil.datasets.layout.relabel import apply_rules, parse_rules
from imil.datasets.layout.sheets import (
    NAMED,
    Column,
    Sheet,
    forced_candidate,
    label_candidates,
)

_TOGETHER = "each combination"
_AS_THEY_ARE = "as they are"


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
    if not ranked and not (rest and "label" in draft.decisions.answers):
        if draft.names:
            draft.decisions.tell("label: no folder, file name or column gives the images any.")
        return None
    by_choice = {candidate.choice: candidate for candidate in ranked}
    near = [c for c in ranked if c.score > ranked[0].score - 3 or c.family]
    chosen = draft.decisions.decide(
        "label",
        "Which of these is the label?",
        tuple(c.choice for c in [*near, *(c for c in ranked if c not in near)]) + tuple(rest),
        None if best is None else best.choice,
    )
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
        *level_candidates(inside, splits, level),
        *name_candidates(inside),
    ]


def _single_class(columns: Mapping[str, Column]) -> list[LabelHypothesis]:
    """Return the column that is called a label and has one value, which is told of it."""
    named = (c for c in columns.values() if words.label_prior(c.title) >= NAMED)
    found = (forced_candidate(columns, column) for column in named)
    return [replace(one, score=ENOUGH) for one in found if one.values][:1]


def decide_labels(draft: Draft, label: LabelHypothesis | None) -> dict[str, str]:
    """Return each image's label as it is to be called.

    Cells of several labels follow what is decided about them, and a person's rules rename, merge
    or leave out.
    """
    found = _single(draft, label)
    return _relabelled(draft, found) if found else found


def _single(draft: Draft, label: LabelHypothesis | None) -> dict[str, str]:
    """Return each image's label, cells of several labels by what was decided about them."""
    if label is None:
        return {}
    values = {n: label.values[n] for n in draft.names if n in label.values}
    atoms = {n: a for n, a in label.atoms.items() if n in values}
    if any(len(parts) > 1 for parts in atoms.values()):
        single = sorted({atom for parts in atoms.values() for atom in parts})
        counts = Counter(values.values())
        few = all(count > 1 for count in counts.values()) and len(counts) <= 2 * len(single)
        chosen = draft.decisions.decide(
            "several",
            f"{sum(len(p) > 1 for p in atoms.values())} images have several labels. What are "
            "the classes?",
            (_TOGETHER, *single),
            _TOGETHER if few else None,
        )
        if chosen not in (None, _TOGETHER):
            return {n: chosen if chosen in a else f"not {chosen}" for n, a in atoms.items()}
        draft.decisions.tell("label: a cell of several labels is a class of its own.")
    return values


def _relabelled(draft: Draft, labels: dict[str, str]) -> dict[str, str]:
    """Return the labels as a person's rules rename, merge or leave them out."""
    written = draft.decisions.answers.get("values", _AS_THEY_ARE)
    draft.decisions.decide(
        "values",
        "Should labels be renamed, merged or left out?",
        tuple(dict.fromkeys((_AS_THEY_ARE, written.strip()))),
        _AS_THEY_ARE,
    )
    if written == _AS_THEY_ARE:
        return labels
    kept, out = apply_rules(labels, parse_rules(written))
    draft.leave({name: f"Its label “{was}” is left out." for name, was in out.items()})
    renamed = sum(kept[name] != labels[name] for name in kept)
    draft.decisions.tell(f"label: {renamed} images renamed by your rules, {len(out)} left out.")
    return kept
