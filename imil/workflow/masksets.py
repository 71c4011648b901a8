"""Which masks each arm is given: painted on one queue or another, moved, predicted or salient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from imil.compute.task import TrainingTask
from imil.core.arms import Masks
from imil.core.counterfactual import draw_donors, swap_region
from imil.core.images import ImageSet, open_cache
from imil.core.irrelevance import predict_irrelevance
from imil.core.masks import working_region
from imil.core.queues import wrong_reason
from imil.core.records import Outlier, Region, Split
from imil.core.saliency import grad_cam
from imil.core.training import predict, restore
from imil.store.codec import decode_checkpoint
from imil.workflow.workspace import Workspace, read_logits

# Swaps an image by which a wrong reason is measured; more cost a forward pass each. Our choice.
SWAPS = 3
# Fewer painted masks than this predict nothing; see `imil.core.irrelevance`.
FEWEST_TO_PREDICT = 2

# From a sample's id to the region a clinician hides; None to pass it over.
Clinician = Callable[[str], Region | None]


@dataclass(frozen=True, slots=True, eq=False)
class MaskSet:
    """The masks of one arm: regions at the images' own size, by sample id.

    `predicted` is (N, S, S), the predicted irrelevant region of every training image; None where
    it is not used. `told` says in a sentence where the masks come from.
    """

    masks: Mapping[str, Region] = field(default_factory=dict)
    predicted: NDArray[np.bool_] | None = None
    told: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Review:
    """One clinician's review of one first training.

    Attributes:
        workspace: of the study.
        first: the finished first training.
        queue: its mispredicted training images, worst first.
        clinician: who paints.
        allowed: the most training images to paint, an arm.
        simulated: the clinician paints whatever it is offered, so that the budget is shared between
            queues; else what was painted is used, whichever queue it came from.
    """

    workspace: Workspace
    first: TrainingTask
    queue: tuple[Outlier, ...]
    clinician: Clinician
    allowed: int
    simulated: bool = True

    @property
    def images(self) -> ImageSet:
        """The study's images."""
        return self.workspace.images

    @property
    def _classes(self) -> int:
        return len(self.images.classes)

    def masks(self, kinds: Iterable[Masks]) -> dict[Masks, MaskSet]:
        """Return the mask sets that the arms need; what nobody asks for is not made."""
        wanted = set(kinds)
        sets = {Masks.NONE: MaskSet()}
        if wanted - {Masks.NONE}:
            painted = self._mispredicted()
            sets[Masks.MISPREDICTED] = painted
            makers: Mapping[Masks, Callable[[], MaskSet]] = {
                Masks.BOTH: self._both,
                Masks.MOVED: lambda: self._moved(painted),
                Masks.RANDOM_SAMPLE: lambda: self._random_sample(len(painted.masks)),
                Masks.SALIENT: lambda: self._salient(painted),
            }
            sets |= {kind: make() for kind, make in makers.items() if kind in wanted}
        return sets

    def _mispredicted(self) -> MaskSet:
        masks = self._paint((o.sample_id for o in self.queue), self.allowed)
        told = f"{len(masks)} of {self.allowed} allowed images masked"
        return MaskSet(masks, told=f"{told}; {len(self.queue)} training images were mispredicted")

    def _both(self) -> MaskSet:
        """Paint half on mispredicted images, the rest on those right for a wrong reason.

        Where too few are mispredicted to learn from, the first half is painted on random images.
        """
        share = self.allowed // 2 if self.simulated else self.allowed
        half = max(FEWEST_TO_PREDICT, share)
        masks = self._paint((o.sample_id for o in self.queue), half)
        mispredicted = len(masks)
        if len(masks) < FEWEST_TO_PREDICT:
            masks |= self._paint(self._shuffled(), half)
        chosen = len(masks)
        if chosen >= FEWEST_TO_PREDICT:
            order = (s for s in self._wrong_reason(self._predicted(masks)) if s not in masks)
            masks |= self._paint(order, self.allowed - chosen)
        predicted = self._predicted(masks) if len(masks) >= FEWEST_TO_PREDICT else None
        told = (
            f"{len(masks)} masks: {mispredicted} mispredicted, {chosen - mispredicted} random, "
            f"{len(masks) - chosen} right for a wrong reason"
        )
        return MaskSet(masks, predicted, told)

    def _moved(self, painted: MaskSet) -> MaskSet:
        rng = self._rng(1)
        moved = {}
        for sample_id, region in painted.masks.items():
            shift = [int(rng.integers(side)) for side in region.shape]
            # Around the edge, so that the area stays.
            moved[sample_id] = np.roll(region, shift, (0, 1))
        return MaskSet(moved, told=f"{len(moved)} masks moved to random places")

    def _random_sample(self, number: int) -> MaskSet:
        masks = self._paint(self._shuffled(), number)
        return MaskSet(masks, told=f"{len(masks)} masks on random images")

    def _salient(self, painted: MaskSet) -> MaskSet:
        """Hide the most salient region of the same images, of the same area on average."""
        if not painted.masks:
            return MaskSet(told="no image to mask automatically")
        area = float(np.mean([region.mean() for region in painted.masks.values()]))
        ids = list(painted.masks)
        rows = [self.images.position(sample_id) for sample_id in ids]
        maps = grad_cam(self._module(), self._working()[rows], device=self.first.plan.device)
        masks = {}
        for sample_id, saliency in zip(ids, maps, strict=True):
            hidden = saliency > np.quantile(saliency, 1 - area)
            height, width = painted.masks[sample_id].shape
            scaled = Image.fromarray(hidden).resize((width, height), Image.Resampling.NEAREST)
            masks[sample_id] = np.asarray(scaled)
        return MaskSet(masks, told=f"{len(masks)} automatic masks")

    def _wrong_reason(self, predicted: NDArray[np.bool_]) -> Sequence[str]:
        """Return the training images that are right for a reason where clinicians hide."""
        rows, working = self.workspace.rows(Split.TRAIN), self._working()
        module, rng = self._module(), self._rng(2)
        swapped = []
        for _ in range(SWAPS):
            donors = working[draw_donors(rows, rows, rng)]
            shown = swap_region(working[rows], predicted[rows], donors)
            swapped.append(predict(module, shown, device=self.first.plan.device))
        found = wrong_reason(
            torch.from_numpy(read_logits(self.first)[rows]),
            torch.stack(swapped),
            self.images.labels[rows],
            [self.images.samples[row].sample_id for row in rows],
        )
        # Class by class in turn: the jump is often largest for one class alone, and masks on that
        # one would themselves be a hint at the label. Our choice.
        by_class = [[o.sample_id for o in found if o.label == k] for k in range(self._classes)]
        turns = chain.from_iterable(zip_longest(*by_class))
        return [sample_id for sample_id in turns if sample_id is not None]

    def _predicted(self, masks: Mapping[str, Region]) -> NDArray[np.bool_]:
        """Return (N, S, S): what would probably be hidden in each training image."""
        size, rows = self.first.plan.size, self.workspace.rows(Split.TRAIN)
        painted = {
            self.images.position(sample_id): working_region(region, size=size)
            for sample_id, region in masks.items()
        }
        found = predict_irrelevance(self._working(), painted, rows, seed=self.first.plan.seed)
        everywhere = np.zeros((len(self.images), size, size), np.bool_)
        everywhere[rows] = found.irrelevant
        return everywhere

    def _paint(self, sample_ids: Iterable[str], most: int) -> dict[str, Region]:
        masks: dict[str, Region] = {}
        for sample_id in sample_ids:
            if len(masks) >= most:
                break
            if (region := self.clinician(sample_id)) is not None:
                masks[sample_id] = region
        return masks

    def _shuffled(self) -> list[str]:
        rows = self._rng(3).permutation(self.workspace.rows(Split.TRAIN))
        return [self.images.samples[row].sample_id for row in rows]

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.first.plan.seed, purpose])

    def _module(self) -> nn.Module:
        # As many threads as the training had: beside busy processes more are far slower.
        torch.set_num_threads(self.first.plan.threads)
        _, state, _ = decode_checkpoint(self.first.checkpoint.read_bytes())
        return restore(self.first.plan, state).to(self.first.plan.device)

    def _working(self) -> NDArray[np.uint8]:
        return open_cache(self.first.images)
