"""A mask that is handed in: stored once, or refused in place."""

from __future__ import annotations

from typing import Any

from imil.app.painter.painter import Painted, changed_value, refusal
from imil.core.records import Queue
from imil.errors import ImilError, MaskChangedError
from imil.study.library.studies import Studies
from imil.study.study import Study


def store_mask(study: Study, painted: Painted, *, opened_from: Queue) -> None:
    """Store a mask, once however often it comes.

    Args:
        study: the mask's own, which is not always the page's.
        painted: the mask. It names its queue where it was handed in while another was shown.
        opened_from: the queue where it names none.

    Raises:
        MaskError: as `Study.submit_mask`.
    """
    study.review.submit(
        painted.sample_id,
        painted.irrelevant,
        reader=painted.reader,
        seconds=painted.seconds,
        queue=painted.queue or opened_from,
        origin=painted.origin,
        replaces=painted.base,
    )


def refuse_mask(studies: Studies, painted: Painted, error: ImilError) -> dict[str, Any]:
    """Return what the painter says in place; where another tab was first, with its mask."""
    if not isinstance(error, MaskChangedError):
        return refusal(painted, error)
    study, own = studies.open(painted.study_id), (painted.sample_id, painted.reader)
    stored = study.review.irrelevant(*own)
    if stored is None:
        return refusal(painted, error)
    base, origin = study.review.mask_name(*own), study.review.origin(*own)
    return changed_value(painted, error, base=base, stored=stored, origin=origin)
