"""Whose image each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imil.datasets.layout.decisions.draft import NONE, Draft
from imil.datasets.layout.owners import IN_NAMES, Owners, owners_of, shared
from imil.datasets.layout.sheets import Column, Sheet


def pick_owners(
    draft: Draft,
    sheets: Sequence[Sheet],
    columns: Mapping[str, Column],
    headers: Mapping[str, str],
    labels: Mapping[str, str],
    splits: Mapping[str, str],
) -> dict[str, str]:
    """Return whose image each is, as far as that is known.

    Args:
        draft: what was found so far.
        sheets: tables that name images.
        columns: of these tables, joined.
        headers: patients by DICOM header.
        labels: of the images.
        splits: of the images, where they are known.
    """
    names = [name for name in draft.names if name in labels]
    written = draft.decisions.answers.get("patient", "")
    found = owners_of(names, labels, sheets, columns, headers, written)
    best = next(iter(found.useful), NONE)
    likely: str | None = best
    if best in found.inferred and best != written:
        likely = _likely(draft, found, splits, images=len(names))
    titles = sorted(f"column {column.title}" for column in columns.values())
    chosen = draft.decisions.decide(
        "patient",
        "What says whose image each is? Images of one patient stay in one split.",
        tuple(dict.fromkeys((*found.useful, *titles, NONE))),
        likely,
    )
    if chosen in (None, NONE):
        draft.decisions.tell("patients: unknown.")
        return found.useful.get(best, {}) if chosen is None else {}
    own = found.useful.get(chosen, {})
    draft.decisions.tell(f"patients: by {chosen}: {len(set(own.values()))} of {len(own)} images.")
    if chosen in found.inferred:
        return own
    return {**{n: headers[n] for n in names if n in headers}, **own}


def _likely(draft: Draft, found: Owners, splits: Mapping[str, str], *, images: int) -> str | None:
    """Return what is likely where names alone speak for it; None where a person must say."""
    best = next(iter(found.useful))
    owners = found.useful[best]
    groups, twice = len(set(owners.values())), shared(owners, splits)
    if best in found.doubtful:
        draft.decisions.tell(
            "patients: file names look as if they named them: "
            f"“{best.removeprefix(IN_NAMES)}” sorts the {images} images into {groups} groups."
        )
        return NONE
    if twice:
        draft.decisions.tell(f"patients: by {best}, {twice} of {groups} have images in two splits.")
        return None
    return best
