"""What each arm trains on: one function and one registry line an arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imil.core.augment import USUAL, base_grid, moved, moved_regions, usual_augmentation
from imil.core.edits import Fill, fill_region
from imil.core.records import Arm, Plan, Region
from imil.core.training import Batch, Batches, to_float
from imil.errors import PlanError

# How much more often `upweight` shows a mispredicted image (JTT, Liu et al., ICML 2021: 5 to 100).
UPWEIGHT = 10
# Swapped copies of each masked image that `counterexample` adds. Our choice, from trials on films.
COPIES = 6
# Share of the images that `propagated` shows swapped in an epoch. Our choice.
PROPAGATED_SHARE = 0.5
# Weights tried for the penalty of `right_reason`; the default is the one that Ross et al. (IJCAI
# 2017) report as robust. The recommendation rule may pick another.
RIGHT_REASON_WEIGHTS = (1.0, 10.0, 100.0, 1000.0)
RIGHT_REASON_WEIGHT = 10.0

Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ArmInputs:
    """What an arm may use, at working size.

    Attributes:
        plan: batch size and base augmentation, the same for every arm.
        images: (N, C, S, S) uint8, the whole study, read from disk as it is used.
        labels: (N,) class indices.
        classes: number of classes.
        train: rows of the training images.
        validation: rows of the validation images.
        mirrored: whether flips keep an image plausible.
        edited: from the row of a masked training image to its blacked-out copy, (C, S, S) uint8.
        masks: from the row of a masked training image to its irrelevant region, (S, S).
        predicted: (N, S, S) bool, the predicted irrelevant region of every image; None where it was
            not predicted or not confirmed.
    """

    plan: Plan
    images: Images
    labels: NDArray[np.int64]
    classes: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    mirrored: bool
    edited: Mapping[int, Images] = field(default_factory=dict)
    masks: Mapping[int, Region] = field(default_factory=dict)
    predicted: NDArray[np.bool_] | None = None


class Masks(StrEnum):
    """Which masks an arm is given."""

    NONE = "none"
    MISPREDICTED = "mispredicted"  # painted on mispredicted images (the paper)
    BOTH = "both"  # painted, half on mispredicted images and half on those right for a wrong reason
    MOVED = "moved"  # painted on mispredicted images, then each moved to a random place
    RANDOM_SAMPLE = "random_sample"  # painted on random training images
    SALIENT = "salient"  # the most salient region of the mispredicted images, nobody painted


# From a row, its image and the epoch's generator to what is shown instead.
Edit = Callable[[int, Images, np.random.Generator], Images]


def _unedited(_row: int, image: Images, _rng: np.random.Generator) -> Images:
    return image


@dataclass(frozen=True, slots=True, eq=False)
class ArmBatches:
    """Batches of one arm: the same number of steps in every arm, in an order the seed gives.

    Attributes:
        inputs: what the arm may use.
        originals: rows shown through `edit_original`; a row given twice is shown twice as often.
        copies: rows of edited copies, which take places in the same number of batches.
        edit_original: what is shown for an original.
        edit_copy: what is shown for a copy.
        usual: an augmentation on top of the base one.
        penalised: from a row to the region that must not matter (`right_reason`).
        penalty_weight: weight of that penalty in the loss.
    """

    inputs: ArmInputs
    originals: NDArray[np.int64]
    copies: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    edit_original: Edit = _unedited
    edit_copy: Edit = _unedited
    usual: Arm | None = None
    penalised: Mapping[int, Region] = field(default_factory=dict)
    penalty_weight: float = 0.0

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch; a last, smaller batch is left out of it."""
        return max(1, len(self.inputs.train) // self.inputs.plan.batch_size)

    @property
    def class_weights(self) -> Tensor:
        """(C,) float32, inversely proportional to class frequency, 1 on average over images."""
        counts = np.bincount(self.inputs.labels[self.inputs.train], minlength=self.inputs.classes)
        weights = counts.sum() / (self.inputs.classes * np.maximum(counts, 1))
        return torch.from_numpy(weights).float()

    def epoch(self, seed: int) -> Iterator[Batch]:
        """Yield the epoch's batches in the order that the seed gives."""
        size = self.inputs.plan.batch_size
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        # Control draws the same order: with neither copies nor repeats this is its permutation.
        order = rng.permutation(len(self.originals) + len(self.copies))
        usual = (
            None
            if self.usual is None
            else usual_augmentation(self.usual, classes=self.inputs.classes)
        )
        for start in range(0, self.steps * size, size):
            places = order[start : start + size]
            images, rows = self._shown(places, rng)
            grid = self._grid(len(rows), generator)
            batch = Batch(
                moved(to_float(images), grid),
                torch.from_numpy(self.inputs.labels[rows]),
                self._penalised(rows, grid),
                self.penalty_weight,
            )
            yield batch if usual is None else Batch(*usual(batch.images, batch.labels))

    def validation(self) -> tuple[Images, NDArray[np.int64]]:
        """Return the un-edited validation images and their labels."""
        rows = self.inputs.validation
        return self.inputs.images[rows], self.inputs.labels[rows]

    def _shown(
        self, places: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Images, NDArray[np.int64]]:
        every = np.concatenate([self.originals, self.copies])
        rows = every[places]
        images = self.inputs.images[rows]
        for i, (place, row) in enumerate(zip(places, rows, strict=True)):
            edit = self.edit_original if place < len(self.originals) else self.edit_copy
            images[i] = edit(int(row), images[i], rng)
        return images, rows

    def _grid(self, batch: int, generator: torch.Generator) -> Tensor:
        plan = self.inputs.plan
        return base_grid(
            batch,
            self.inputs.images.shape[-1],
            generator,
            shift_share=plan.shift_share,
            scale_share=plan.scale_share,
            mirrored=self.inputs.mirrored,
        )

    def _penalised(self, rows: NDArray[np.int64], grid: Tensor) -> Tensor | None:
        if not self.penalised:
            return None
        none = np.zeros(self.inputs.images.shape[-2:], np.bool_)
        regions = np.stack([self.penalised.get(int(row), none) for row in rows])
        return moved_regions(torch.from_numpy(regions), grid)


def swapped(inputs: ArmInputs, regions: Callable[[int], Region | None]) -> Edit:
    """Return the edit that puts another training image's pixels into the irrelevant region.

    The donor is drawn anew each time, never the image itself: a counterexample.
    """

    def edit(row: int, image: Images, rng: np.random.Generator) -> Images:
        region = regions(row)
        if region is None:
            return image
        donor = row
        while donor == row:
            donor = int(rng.choice(inputs.train))
        return fill_region(image, region, Fill.SWAP, rng=rng, donor=inputs.images[donor])

    return edit


def blacked_out(inputs: ArmInputs) -> Edit:
    """Return the edit that shows the blacked-out copy of a masked image (the paper)."""
    return lambda row, image, _: inputs.edited.get(row, image)


def control(inputs: ArmInputs) -> Batches:
    """Train on without masks: the same extra steps, nothing else."""
    return ArmBatches(inputs, inputs.train)


def imil(inputs: ArmInputs) -> Batches:
    """Replace the masked images by their blacked-out copies (the paper's way).

    With no mask at all it equals `control`.
    """
    return ArmBatches(inputs, inputs.train, edit_original=blacked_out(inputs))


def imil_append(inputs: ArmInputs) -> Batches:
    """Show the blacked-out copies beside the originals."""
    return ArmBatches(
        inputs, inputs.train, copies=_masked_rows(inputs), edit_copy=blacked_out(inputs)
    )


def counterexample(inputs: ArmInputs) -> Batches:
    """Add `COPIES` of each masked image, the irrelevant region swapped anew each time."""
    return ArmBatches(
        inputs,
        inputs.train,
        copies=np.repeat(_masked_rows(inputs), COPIES),
        edit_copy=swapped(inputs, inputs.masks.get),
    )


def propagated(inputs: ArmInputs) -> Batches:
    """Swap the irrelevant region, painted or predicted, of half of all images anew each epoch."""
    predicted = inputs.predicted
    if predicted is None:
        raise ValueError("`propagated` needs predicted irrelevance")
    swap = swapped(inputs, lambda row: inputs.masks.get(row, predicted[row]))

    def edit(row: int, image: Images, rng: np.random.Generator) -> Images:
        return swap(row, image, rng) if rng.random() < PROPAGATED_SHARE else image

    return ArmBatches(inputs, inputs.train, edit_original=edit)


def right_reason(inputs: ArmInputs) -> ArmBatches:
    """Penalise input gradients inside the masks (Ross et al., IJCAI 2017, eq. 1)."""
    return ArmBatches(
        inputs, inputs.train, penalised=inputs.masks, penalty_weight=RIGHT_REASON_WEIGHT
    )


def upweight(inputs: ArmInputs) -> Batches:
    """Show the images that `imil` masks `UPWEIGHT` times as often, without their masks (JTT)."""
    more = np.repeat(_masked_rows(inputs), UPWEIGHT - 1)
    return ArmBatches(inputs, np.concatenate([inputs.train, more]))


def _masked_rows(inputs: ArmInputs) -> NDArray[np.int64]:
    return np.array(sorted(inputs.masks), np.int64)


def _augmented(usual: Arm) -> Callable[[ArmInputs], Batches]:
    """Return the arm that trains with a usual augmentation and no masks."""
    return lambda inputs: ArmBatches(inputs, inputs.train, usual=usual)


@dataclass(frozen=True, slots=True)
class ArmDefinition:
    """An arm: what it trains on, and what it can't do without.

    Attributes:
        batches: from inputs to what it trains on.
        masks: which masks it is given.
        predicted: whether it needs predicted irrelevance.
        fewest: painted images without which it can't be compared. The paper's arm needs none:
            without masks it is control, which is said.
    """

    batches: Callable[[ArmInputs], Batches]
    masks: Masks = Masks.NONE
    predicted: bool = False
    fewest: int = 0


ARMS: Mapping[Arm, ArmDefinition] = MappingProxyType(
    {
        Arm.CONTROL: ArmDefinition(control),
        Arm.IMIL: ArmDefinition(imil, Masks.MISPREDICTED),
        Arm.IMIL_APPEND: ArmDefinition(imil_append, Masks.MISPREDICTED, fewest=1),
        Arm.COUNTEREXAMPLE: ArmDefinition(counterexample, Masks.BOTH, fewest=1),
        Arm.PROPAGATED: ArmDefinition(propagated, Masks.BOTH, predicted=True, fewest=2),
        Arm.RIGHT_REASON: ArmDefinition(right_reason, Masks.MISPREDICTED, fewest=1),
        Arm.UPWEIGHT: ArmDefinition(upweight, Masks.MISPREDICTED, fewest=1),
        Arm.AUTO_MASK: ArmDefinition(imil, Masks.SALIENT, fewest=1),
        Arm.RANDOM_MASK: ArmDefinition(imil, Masks.MOVED, fewest=1),
        Arm.RANDOM_SAMPLE: ArmDefinition(imil, Masks.RANDOM_SAMPLE, fewest=1),
        **{usual: ArmDefinition(_augmented(usual)) for usual in USUAL},
    }
)


def parse_arms(names: tuple[str, ...]) -> tuple[Arm, ...]:
    """Return the named arms, `control` first and always among them, each once.

    Raises:
        PlanError: if a name is unknown.
    """
    unknown = [name for name in names if name not in set(ARMS)]
    if unknown:
        raise PlanError(
            f"There is no arm “{unknown[0]}”.",
            why="A comparison is made of known training conditions only.",
            fix=f"Use one of: {', '.join(ARMS)}.",
        )
    return tuple(dict.fromkeys((Arm.CONTROL, *(Arm(name) for name in names))))


def check_masks(arms: Sequence[Arm], painted: int) -> None:
    """Raise PlanError if an arm needs more painted images than there are."""
    for arm in arms:
        if painted < ARMS[arm].fewest:
            raise PlanError(
                f"The arm “{arm}” needs {ARMS[arm].fewest} masked images, and there are {painted}.",
                why="It learns from what clinicians have hidden.",
                fix="Mask more images, or leave this arm out of the comparison.",
            )
