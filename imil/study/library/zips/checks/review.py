"""What readers did in a `study.zip`: masks, decisions on labels, images passed over."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from imil.core.images import ImageSet
from imil.core.records import MOST_ROUNDS, LabelDecision, Split, Triage
from imil.core.review.readers import reader_name
from imil.storage.base import Store
from imil.storage.codec import decode_masks, read_rows
from imil.storage.records.runs import decode_run_rows
from imil.storage.records.studies import StudyRecord
from imil.study.library.zips.checks.record import asked_of
from imil.study.library.zips.checks.refusals import damage_told, require

# All masks of a study are in memory while it is open, a byte a pixel.
_MOST_MASKED_PIXELS = 2 * 10**9


def check_review(
    state: Store, record: StudyRecord, images: ImageSet, size_of: Callable[[str], tuple[int, int]]
) -> None:
    """Raise a StoreError if masks, decisions or passed-over images don't fit the study's images.

    Args:
        state: of the zip.
        record: of the study, checked.
        images: of the study.
        size_of: from an image's id to (height, width).
    """
    known = {sample.sample_id: sample for sample in images.samples}
    names = set()
    pixels = 0
    with damage_told():
        for name in state.of_study(record.study_id):
            content = state.read(name) or b""
            if name.startswith("data/masks/"):
                names.add(name)
                pixels += _check_masks(content, record.study_id, known, size_of)
                require(pixels <= _MOST_MASKED_PIXELS)
            else:
                decode_run_rows(content)
        for skipped in record.skips.values():
            require(all(each in known for each in skipped))
        for triage in (record.triage, *(asked.triage for asked in asked_of(record))):
            _check_triage(triage, images)
        for asked in asked_of(record):
            require(set(asked.masks) <= names)


def _check_masks(
    content: bytes,
    study_id: str,
    known: Mapping[str, Any],
    size_of: Callable[[str], tuple[int, int]],
) -> int:
    """Return how many pixels the one mask of a file has; ValueError where it fits no image."""
    for row in read_rows("A file of masks", content, 1, most=1):
        # The size is told before a pixel is decoded.
        with Image.open(io.BytesIO(row["mask"]["bytes"]), formats=["PNG"]) as header:
            require(header.size[::-1] == size_of(row["image_name"]))
    (mask,) = decode_masks(content)
    require(mask.study == study_id and known[mask.sample_id].split is Split.TRAIN)
    require(0 <= mask.seconds < float("inf") and 0 <= mask.confidence <= 1)
    require(0 <= mask.round <= MOST_ROUNDS)
    require(mask.reader in {"", reader_name(mask.reader)} and mask.time.tzinfo is not None)
    require(all(type(each) is str for each in (mask.label, mask.prediction, mask.source)))
    require(mask.image is None and mask.edited_image is None)
    return mask.irrelevant.size


def _check_triage(triage: Sequence[Triage], images: ImageSet) -> None:
    for each in triage:
        require(images.sample(each.sample_id).split is Split.TRAIN)
        relabelled = each.decision is LabelDecision.RELABEL
        require(each.label in images.classes if relabelled else not each.label)
