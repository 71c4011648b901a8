"""Which masks each arm is given: painted on one queue or another, moved, predicted or salient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from imil.core.arms.registry import ARMS, MaskSource, fill_of, uses_predicted
from imil.core.arms.variants import Variant
from imil.core.evaluation.probe import SWAPS
from imil.core.images import ImageSet, open_cache
from imil.core.nets.saliency import grad_cam
from imil.core.records import Outlier, Queue, Region, Split
from imil.core.review.edits import Fill
from imil.core.review.irrelevance import IrrelevancePredictor
from imil.core.review.queues import (
    OfferedImage,
    allowed_masks,
    high_loss,
    label_suspects,
    wrong_reason,
)
from imil.core.review.swaps import draw_donors, draw_fitting_donors, swap_region
from imil.core.training.fit import predict, restore
from imil.errors import MaskError
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import decode_checkpoint
from imil.study.first_model import dynamics
from imil.study.review.predicted_regions import Extended, extend, learn_from
from imil.study.workspace import Workspace, read_logits

# Fewer painted masks than this predict nothing; see `imil.core.review.irrelevance`.
FEWEST_TO_PREDICT = 2

# From a sample's id to the region a clinician hides; None to pass it over.
Clinician = Callable[[str], Region | None]


@dataclass(frozen=True, slots=True, eq=False)
class ArmMasks:
    """The masks of one arm: regions at the images' own size, by sample id.

    `predicted` is (N, S, S), the predicted irrelevant region of every training image, read from
    disk as it is used, and `predictor` what predicted it; None where it is not used. `contradict`
    is why it could not be predicted. `told` says in a sentence where the masks come from.
    """

    masks: Mapping[str, Region] = field(default_factory=dict)
    predicted: NDArray[np.bool_] | None = None
    predictor: IrrelevancePredictor | None = None
    contradict: MaskError | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What tells one mask set from another."""

    masks: MaskSource
    queue: Queue | None
    share: float | None
    predicted: bool


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
        painted: ids in the order of painting; empty for a simulated clinician. The first of them
            are what a smaller share of the images would have been.
        opened: from which queue each painted image was opened, None where the reader chose it;
            empty where nobody knows.
        confirmed: what a reader has confirmed as irrelevant in the other images; None where nobody
            was asked, and each arm's own masks predict it.
    """

    workspace: Workspace
    first: TrainingTask
    queue: tuple[Outlier, ...]
    clinician: Clinician
    allowed: int
    simulated: bool = True
    painted: tuple[str, ...] = ()
    opened: Mapping[str, Queue | None] = field(default_factory=dict)
    confirmed: Extended | None = None

    @property
    def images(self) -> ImageSet:
        """The study's images."""
        return self.workspace.images

    @property
    def _classes(self) -> int:
        return len(self.images.classes)

    def masks(self, arms: Iterable[Variant]) -> dict[Variant, ArmMasks]:
        """Return the mask set of each arm or variant; equal ones are made once.

        Raises:
            MaskError: an arm needs predicted irrelevance, and the masks contradict each other.
        """
        made: dict[_Wanted, ArmMasks] = {}
        sets = {arm: self._set(_wanted(arm), made) for arm in arms}
        for arm, given in sets.items():
            if uses_predicted(arm) and given.contradict is not None:
                raise given.contradict
        return sets

    def predictor(self, sets: Iterable[ArmMasks]) -> IrrelevancePredictor | None:
        """Return what predicts irrelevance for the read-outs, from one set within the budget.

        The one of the sets if there is one, else learned from the largest; None from too few masks.

        Raises:
            MaskError: the masks contradict each other.
        """
        every = list(sets)
        ready = next((given.predictor for given in every if given.predictor is not None), None)
        if ready is not None:
            return ready
        largest = max(every, key=lambda given: len(given.masks), default=ArmMasks())
        return self.predictor_of(largest.masks)

    def predictor_of(self, masks: Mapping[str, Region]) -> IrrelevancePredictor | None:
        """Return what predicts irrelevance, learned from masks; None from too few.

        Raises:
            MaskError: the masks contradict each other.
        """
        if len(masks) < FEWEST_TO_PREDICT:
            return None
        return learn_from(self.workspace, self.first, masks)

    def _set(self, wanted: _Wanted, made: dict[_Wanted, ArmMasks]) -> ArmMasks:
        if wanted not in made:
            review = self if wanted.share is None else self._with_share(wanted.share)
            made[wanted] = review._make(wanted, made)
        return made[wanted]

    def _make(self, wanted: _Wanted, made: dict[_Wanted, ArmMasks]) -> ArmMasks:
        if wanted.masks is MaskSource.NONE:
            return ArmMasks()
        if wanted.predicted:
            return self._extended(self._set(replace(wanted, predicted=False), made))
        if wanted.queue is not None:
            return self._of_queue(wanted.queue)
        if wanted.masks is MaskSource.MISPREDICTED:
            return self._mispredicted()
        if wanted.masks is MaskSource.BOTH:
            return self._both()
        painted = self._set(replace(wanted, masks=MaskSource.MISPREDICTED), made)
        makers: Mapping[MaskSource, Callable[[], ArmMasks]] = {
            MaskSource.MOVED: lambda: self._moved(painted),
            MaskSource.RANDOM_SAMPLE: lambda: self._random_sample(len(painted.masks)),
            MaskSource.SALIENT: lambda: self._salient(painted),
        }
        return makers[wanted.masks]()

    def _with_share(self, share: float) -> Review:
        """Return the review as it would be with another budget."""
        allowed = allowed_masks(share, len(self.workspace.rows(Split.TRAIN)))
        first = frozenset(self.painted[:allowed])
        if self.simulated:
            return replace(self, allowed=allowed)
        clinician: Clinician = lambda i: self.clinician(i) if i in first else None  # noqa: E731
        return replace(self, allowed=allowed, clinician=clinician)

    def _mispredicted(self) -> ArmMasks:
        masks = self._paint((o.sample_id for o in self.queue), self.allowed)
        told = f"{len(masks)} of {self.allowed} allowed images masked"
        return ArmMasks(masks, told=f"{told}; {len(self.queue)} training images were mispredicted")

    def _of_queue(self, queue: Queue) -> ArmMasks:
        """Paint on the images of a queue that a variant names."""
        if queue is Queue.MISPREDICTED:
            return self._mispredicted()
        if queue is Queue.WRONG_REASON and not self.opened:
            both = self._both()
            offered = {o.sample_id for o in self.queue}
            masks = {i: region for i, region in both.masks.items() if i not in offered}
            return ArmMasks(masks, told=f"{len(masks)} masks on images right for a wrong reason")
        if self.opened:
            ids = [i for i, opened in self.opened.items() if opened is queue]
            masks = self._paint(ids, self.allowed)
            return ArmMasks(masks, told=f"{len(masks)} masks painted on the queue {queue}")
        rows = self.workspace.rows(Split.TRAIN)
        scores, labels = torch.from_numpy(read_logits(self.first)[rows]), self.images.labels[rows]
        ids = [self.images.samples[row].sample_id for row in rows]
        if queue is Queue.RANDOM:
            offers = self._shuffled()
        elif queue is Queue.HIGH_LOSS:
            offers = [o.sample_id for o in high_loss(scores, labels, ids, limit=len(ids))]
        else:
            answers = torch.from_numpy(dynamics(self.workspace, self.first))
            offers = [o.sample_id for o in label_suspects(answers, labels, ids)]
        masks = self._paint(offers, self.allowed)
        return ArmMasks(masks, told=f"{len(masks)} masks on the queue {queue}")

    def _both(self) -> ArmMasks:
        """Paint half on mispredicted images, the rest on those right for a wrong reason.

        Where too few are mispredicted to learn from, the first half is painted on random images.
        What was painted already is used whole.
        """
        mispredicted = [outlier.sample_id for outlier in self.queue]
        if not self.simulated:
            every = dict.fromkeys((*mispredicted, *self._shuffled()))
            masks = self._paint(every, self.allowed)
            return ArmMasks(masks, told=f"{len(masks)} masks")
        half = max(FEWEST_TO_PREDICT, self.allowed // 2)
        masks = self._paint(mispredicted, half)
        wrong = len(masks)
        if len(masks) < FEWEST_TO_PREDICT:
            masks |= self._paint(self._shuffled(), half)
        chosen, reasons = len(masks), 0
        if chosen >= FEWEST_TO_PREDICT:
            order = (o.sample_id for o in self.wrong_reasons(masks) if o.sample_id not in masks)
            masks |= self._paint(order, self.allowed - chosen)
            reasons = len(masks) - chosen
        told = (
            f"{len(masks)} masks: {wrong} mispredicted, {chosen - wrong} random, "
            f"{reasons} right for a wrong reason"
        )
        return ArmMasks(masks, told=told)

    def _extended(self, given: ArmMasks) -> ArmMasks:
        """Return the set with what is irrelevant elsewhere: as confirmed, else as predicted."""
        if len(given.masks) < FEWEST_TO_PREDICT:
            return given
        found, word = self.confirmed, "a reader confirmed it"
        if found is None:
            word = "nobody confirmed it"
            try:
                found = extend(self.workspace, self.first, given.masks)
            except MaskError as error:
                return replace(given, contradict=error)
        kind = found.predictor.kind
        told = (
            f"{given.told}; what is irrelevant in the other images is predicted ({kind}, agreement "
            f"{found.predictor.agreement[kind]:.2f} with painted masks that were left out, a guess "
            f"reaches 0.50), and {word}"
        )
        return replace(given, predicted=found.regions, predictor=found.predictor, told=told)

    def _moved(self, painted: ArmMasks) -> ArmMasks:
        rng = self._rng(1)
        moved = {}
        for sample_id, region in painted.masks.items():
            shift = [int(rng.integers(side)) for side in region.shape]
            # Around the edge, so that the area stays.
            moved[sample_id] = np.roll(region, shift, (0, 1))
        return ArmMasks(moved, told=f"{len(moved)} masks moved to random places")

    def _random_sample(self, number: int) -> ArmMasks:
        masks = self._paint(self._shuffled(), number)
        return ArmMasks(masks, told=f"{len(masks)} masks on random images")

    def _salient(self, painted: ArmMasks) -> ArmMasks:
        """Hide the most salient region of the same images, of the same area on average."""
        if not painted.masks:
            return ArmMasks(told="no image to mask automatically")
        area = float(np.mean([region.mean() for region in painted.masks.values()]))
        ids = list(painted.masks)
        rows = [self.images.position(sample_id) for sample_id in ids]
        maps = grad_cam(self._module(), self._working()[rows], device=self._device)
        masks = {}
        for sample_id, saliency in zip(ids, maps, strict=True):
            hidden = saliency > np.quantile(saliency, 1 - area)
            height, width = painted.masks[sample_id].shape
            scaled = Image.fromarray(hidden).resize((width, height), Image.Resampling.NEAREST)
            masks[sample_id] = np.asarray(scaled)
        return ArmMasks(masks, told=f"{len(masks)} automatic masks")

    def wrong_reasons(self, masks: Mapping[str, Region]) -> tuple[OfferedImage, ...]:
        """Return the training images that are right for a reason where these masks would hide.

        Args:
            masks: `FEWEST_TO_PREDICT` or more; what they hide elsewhere is predicted from them.
        """
        return self._wrong_reason(extend(self.workspace, self.first, masks).regions)

    def _wrong_reason(self, predicted: NDArray[np.bool_]) -> tuple[OfferedImage, ...]:
        rows, working = self.workspace.rows(Split.TRAIN), self._working()
        irrelevant = predicted[rows]
        module, rng = self._module(), self._rng(2)
        swapped = []
        for _ in range(SWAPS):
            donors = draw_fitting_donors(
                irrelevant, lambda at: draw_donors(rows[at], rows, rng), lambda of: predicted[of]
            )
            shown = swap_region(working[rows], irrelevant, working[donors], predicted[donors])
            swapped.append(predict(module, shown, device=self._device))
        found = wrong_reason(
            torch.from_numpy(read_logits(self.first)[rows]),
            torch.stack(swapped),
            self.images.labels[rows],
            [self.images.samples[row].sample_id for row in rows],
        )
        # Class by class in turn: the jump is often largest for one class alone, and masks on that
        # one would themselves be a hint at the label. Our choice.
        by_class = [[o for o in found if o.label == k] for k in range(self._classes)]
        turns = chain.from_iterable(zip_longest(*by_class))
        return tuple(offer for offer in turns if offer is not None)

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

    @property
    def _device(self) -> str:
        return self.workspace.asks_on or self.first.plan.device

    def _module(self) -> nn.Module:
        # As many threads as the training had: beside busy processes more are far slower.
        torch.set_num_threads(self.first.plan.threads)
        _, state, _ = decode_checkpoint(self.first.checkpoint.read_bytes())
        return restore(self.first.plan, state).to(self._device)

    def _working(self) -> NDArray[np.uint8]:
        return open_cache(self.first.images)


def _wanted(variant: Variant) -> _Wanted:
    # Of a donor comes what is irrelevant there, so every swap takes predictions.
    predicted = uses_predicted(variant) or fill_of(variant) is Fill.SWAP
    return _Wanted(ARMS[variant.arm].masks, variant.queue, variant.share, predicted)
