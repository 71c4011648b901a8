"""Predicted regions of every training image: made for the arm that uses them, and exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from imil.core.disk import new_array
from imil.core.images import open_cache
from imil.core.records import Origin, Region, Split
from imil.core.review.irrelevance import (
    IrrelevancePredictor,
    learn_irrelevance,
    predict_in_batches,
    region_at,
)
from imil.core.review.masks import working_region
from imil.errors import MaskError
from imil.jobs.training.task import TrainingTask, stages_for
from imil.storage.codec import MaskRecord, write_masks
from imil.study.workspace import Workspace, read_logits, regions_key

# Who is named as the reader of a predicted mask.
MODEL = "model"
EXPORT_FILE = "predicted_masks.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """What masks predict for every training image, (N, S, S), read from disk as it is used."""

    predictor: IrrelevancePredictor
    regions: NDArray[np.bool_]


def learn_from(
    workspace: Workspace, first: TrainingTask, masks: Mapping[str, Region]
) -> IrrelevancePredictor:
    """Return what the masks, (H, W) by sample id, say about other images; MaskError if nothing."""
    size = first.plan.size
    painted = {
        workspace.images.position(sample_id): working_region(region, size=size)
        for sample_id, region in masks.items()
    }
    return learn_irrelevance(
        open_cache(first.images), painted, seed=first.plan.seed, stages=stages_for(first)
    )


def write_regions(
    workspace: Workspace, first: TrainingTask, predictor: IrrelevancePredictor, path: Path
) -> NDArray[np.bool_]:
    """Return (N, S, S), True = hide, of every training image, read from disk as it is used.

    Images of the other splits have an empty region. The file appears under its name only when it
    is complete; a complete one is kept.

    Raises:
        ComputeError: the disk has no room for it.
    """
    if not path.exists():
        shape = (len(workspace.images), first.plan.size, first.plan.size)
        with new_array(path, np.bool_, shape, what="The predicted masks") as regions:
            rows = workspace.rows(Split.TRAIN)
            for part, confidence in predict_in_batches(predictor, open_cache(first.images), rows):
                regions[part] = predictor.irrelevant(confidence)
    found: NDArray[np.bool_] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def extend(workspace: Workspace, first: TrainingTask, masks: Mapping[str, Region]) -> Extended:
    """Return what the masks, (H, W) by sample id, predict; MaskError if they tell nothing."""
    predictor = learn_from(workspace, first, masks)
    path = first.folder.parent / f"predicted-{regions_key(masks)}.npy"
    return Extended(predictor, write_regions(workspace, first, predictor, path))


def predicted_records(
    workspace: Workspace,
    first: TrainingTask,
    predictor: IrrelevancePredictor,
    study: str,
    now: datetime,
) -> Iterator[MaskRecord]:
    """Yield the predicted mask of each training image at its own size, marked as predicted.

    A painted image gets one too; its own mask is the better one to use.
    """
    images, scores = workspace.images, read_logits(first)
    rows = workspace.rows(Split.TRAIN)
    for part, confidence in predict_in_batches(predictor, open_cache(first.images), rows):
        shares = softmax(scores[part].astype(np.float64), axis=1)
        for row, own, share in zip(part, confidence, shares, strict=True):
            sample = images.samples[row]
            shape = images.original(sample.sample_id).shape[:2]
            yield MaskRecord(
                study=study,
                sample_id=sample.sample_id,
                irrelevant=region_at(predictor, own, shape),
                label=images.classes[sample.label],
                prediction=images.classes[int(share.argmax())],
                confidence=float(share.max()),
                reader=MODEL,
                seconds=0.0,
                round=1,
                time=now,
                origin=Origin.PREDICTED,
            )


def export_used(
    workspace: Workspace,
    used: Mapping[str, tuple[TrainingTask, IrrelevancePredictor]],
    path: Path,
    *,
    now: datetime,
) -> None:
    """Write what arms without a reader were given; the keys stand in the column `study`."""
    parts = (
        predicted_records(workspace, first, predictor, name, now)
        for name, (first, predictor) in used.items()
    )
    write_masks(path, chain.from_iterable(parts))


def check_training(workspace: Workspace, sample_id: str) -> None:
    """Raise MaskError unless the image is a training image; DataError if there is no such image."""
    split = workspace.images.sample(sample_id).split
    if split is not Split.TRAIN:
        raise MaskError(
            f"“{workspace.images.title(sample_id)}” is a {split} image.",
            why="Only training images are edited; the others must stay as they were taken.",
            fix="Pick an image from the gallery of outliers.",
        )
