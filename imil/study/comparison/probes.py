"""What every arm of a comparison is asked besides un-edited images, and what masks give away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imil.core.evaluation.comparison import clusters_of
from imil.core.evaluation.probe import draw_probe
from imil.core.evaluation.robustness import LabelledMasks, MaskOnly, mask_only, mask_only_held_out
from imil.core.images import ImageSet, open_cache
from imil.core.records import Region, Sample, Split
from imil.core.review.irrelevance import IrrelevancePredictor, predict_in_batches
from imil.core.review.masks import working_region
from imil.errors import DataError
from imil.jobs.training.inputs import write_probe
from imil.jobs.training.task import TrainingTask
from imil.study.workspace import Workspace

# Donors and explained images are the same in every seed, so that only the arms differ.
PROBE_SEED = 0
# Reference masks a split that the mask-only classifier sees: more cost reading time. Our choice.
MASKS_SEEN = 500


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to ask.

    Attributes:
        name: tells probes of one first training apart: the masks that irrelevance is learned from.
        predictor: what predicts irrelevance; None where there are too few masks.
        reference: the test images' reference masks say what to swap (a simulated study).
        explain: whether to ask where the arms look.
    """

    name: str
    predictor: IrrelevancePredictor | None
    reference: bool
    explain: bool

    @property
    def swapped_by(self) -> str:
        """What says which region of a test image to swap."""
        return "reference" if self.reference else "predicted"


def make_probe(workspace: Workspace, first: TrainingTask, ask: ProbeRequest) -> Path | None:
    """Return the file of questions for arms that start from `first`, made once.

    On validation the region swapped is the predicted one, by which an arm is recommended. On test
    images it is the reference mask's in a simulated study, else the predicted one. Either split's
    images are also swapped with donors of their own class and of others, which tells what is left
    without the shortcut.

    Returns:
        None where no image has a region.
    """
    path = probe_path(first, ask)
    if path.exists():
        return path
    validation, test = workspace.rows(Split.VALIDATION), workspace.rows(Split.TEST)
    regions: dict[int, NDArray[np.bool_]] = {}
    if ask.predictor is not None:
        rows = np.concatenate([validation, test])
        images = open_cache(first.images)
        for part, confidence in predict_in_batches(ask.predictor, images, rows):
            irrelevant = ask.predictor.irrelevant(confidence)
            regions |= {int(row): irrelevant[i] for i, row in enumerate(part)}
    if ask.reference:
        regions |= reference_regions(workspace.images, test, size=first.plan.size)
    probe = draw_probe(
        regions,
        workspace.images.labels,
        validation=validation,
        test=test,
        explain=ask.explain,
        seed=PROBE_SEED,
    )
    if probe is None:
        return None
    write_probe(path, probe)
    return path


def probe_path(first: TrainingTask, ask: ProbeRequest) -> Path:
    """Return where the questions are kept once they are made."""
    words = [ask.name, ask.swapped_by, *(["explained"] if ask.explain else [])]
    return first.folder.parent / f"probe-{'-'.join(words)}.npz"


def reference_regions(
    images: ImageSet, rows: NDArray[np.int64], *, size: int
) -> dict[int, NDArray[np.bool_]]:
    """Return what the reference masks call irrelevant, (size, size), of the rows that have one."""
    regions = {}
    for row in rows:
        relevant = images.reference_relevant(images.samples[row].sample_id)
        if relevant is not None:
            regions[int(row)] = ~working_region(relevant, size=size)
    return regions


def reference_mask_only(workspace: Workspace, *, size: int) -> MaskOnly | None:
    """Return what reference masks alone give away: learned on training, asked on test images.

    None where a split has no masks, or those of one class only.
    """
    images, sets = workspace.images, []
    for split in (Split.TRAIN, Split.TEST):
        rows = np.random.default_rng(PROBE_SEED).permutation(workspace.rows(split))[:MASKS_SEEN]
        regions = reference_regions(images, rows, size=size)
        sets.append(_mask_set(images, {images.samples[row]: m for row, m in regions.items()}))
    train, test = sets
    if train is None or test is None:
        return None
    try:
        return mask_only_held_out(train, test)
    except DataError:
        return None


def painted_mask_only(
    images: ImageSet, masks: Mapping[str, Region], *, size: int
) -> MaskOnly | None:
    """Return what the painted masks alone give away, each judged by those of other patients.

    None where a class has masks of fewer than two patients.
    """
    regions = {images.sample(i): working_region(region, size=size) for i, region in masks.items()}
    found = _mask_set(images, regions)
    if found is None:
        return None
    try:
        return mask_only(found)
    except DataError:
        return None


def _mask_set(
    images: ImageSet, regions: Mapping[Sample, NDArray[np.bool_]]
) -> LabelledMasks | None:
    if not regions:
        return None
    every = clusters_of(images.samples)
    rows = [images.position(sample.sample_id) for sample in regions]
    return LabelledMasks(np.stack(list(regions.values())), images.labels[rows], every[rows])
