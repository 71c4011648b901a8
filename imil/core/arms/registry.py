"""What each arm trains on: one function and one registry line an arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imil.core.arms.variants import (
    CONTROL,
    IMIL,
    Penalty,
    RegionSource,
    Setting,
    Variant,
    parse_variant,
)
from imil.core.bounds import MOST_ARMS, check_above
from imil.core.records import Arm, Plan, Region
from imil.core.review.edits import Fill, Mode, fill_region
from imil.core.review.swaps import draw_fitting_donors, swap_region
from imil.core.training.augment import (
    USUAL,
    base_draws,
    base_grid,
    moved,
    moved_regions,
    usual_augmentation,
)
from imil.core.training.batches import Batch, Batches
from imil.core.training.device_images import to_device, to_float
from imil.errors import PlanError

# How much more often `upweight` shows a mispredicted image (JTT, Liu et al., ICML 2021: 5 to 100).
UPWEIGHT = 10
# Swapped copies of each masked image that `counterexample` adds. Our choice, from trials on films.
COPIES = 6
# Weights tried for the penalty of `right_reason`; the default is the one that Ross et al. (IJCAI
# 2017) report as robust. The recommendation rule may pick another.
RIGHT_REASON_WEIGHTS = (1.0, 10.0, 100.0, 1000.0)
RIGHT_REASON_WEIGHT = 10.0

_Images = NDArray[np.uint8]


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
            not predicted.
        variant: settings of the arm that differ from its usual ones.
        triage: from the row of a training image to the class it should carry; None for one that
            should be left out.
        resident: `images` on the plan's GPU; None on a CPU, or where they don't fit.
    """

    plan: Plan
    images: _Images
    labels: NDArray[np.int64]
    classes: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    mirrored: bool
    edited: Mapping[int, _Images] = field(default_factory=dict)
    masks: Mapping[int, Region] = field(default_factory=dict)
    predicted: NDArray[np.bool_] | None = None
    variant: Variant = CONTROL
    triage: Mapping[int, int | None] = field(default_factory=dict)
    resident: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """The plan's device, on which batches are made."""
        return torch.device(self.plan.device)

    def irrelevant(self, row: int) -> Region:
        """Return what is irrelevant in an image, (S, S): painted, else predicted, else everything.

        So of an image of which nothing is known all of it is lent to another.
        """
        if row in self.masks:
            return self.masks[row]
        if self.predicted is None:
            return np.ones(self.images.shape[-2:], np.bool_)
        return np.asarray(self.predicted[row])

    def taken(self, rows: NDArray[np.int64], there: Tensor) -> Tensor:
        """Return a copy of some rows of the images on the device, given as they are here and there.

        (B, C, S, S) uint8.
        """
        if self.resident is not None:
            return self.resident.index_select(0, there)
        return to_device(torch.from_numpy(np.asarray(self.images[rows])), self.device)

    @property
    def nearest(self) -> _Images | Tensor:
        """The images, as near to the device as they are."""
        return self.images if self.resident is None else self.resident


class MaskSource(StrEnum):
    """Which masks an arm is given."""

    NONE = "none"
    MISPREDICTED = "mispredicted"  # painted on mispredicted images (the paper)
    BOTH = "both"  # painted, half on mispredicted images and half on those right for a wrong reason
    MOVED = "moved"  # painted on mispredicted images, then each moved to a random place
    RANDOM_SAMPLE = "random_sample"  # painted on random training images
    SALIENT = "salient"  # the most salient region of the mispredicted images, nobody painted


# Masks that nobody painted as they are.
UNPAINTED = frozenset({MaskSource.NONE, MaskSource.MOVED, MaskSource.SALIENT})

# From a row, its image and the epoch's generator to what is shown instead.
Edit = Callable[[int, _Images, np.random.Generator], _Images]


def _unedited(_row: int, image: _Images, _rng: np.random.Generator) -> _Images:
    return image


@dataclass(frozen=True, slots=True, eq=False)
class ArmBatches:
    """Batches of one arm: the same number of steps in every arm, in an order the seed gives.

    Attributes:
        inputs: what the arm may use.
        originals: rows shown through `edit_original`; a row given twice is shown twice as often.
        copies: rows of edited copies, which take places in the same number of batches.
        edit_original: what is shown for an original.
        changed: rows of originals that `edit_original` may change; None for all of them.
        edit_copy: what is shown for a copy.
        usual: an augmentation on top of the base one.
        penalised: from a row to the region that must not matter (`right_reason`).
        penalty: what is penalised there.
        penalty_weight: weight of that penalty in the loss.
        relabelled: from a row to the class that is learned in place of its label.
    """

    inputs: ArmInputs
    originals: NDArray[np.int64]
    copies: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    edit_original: Edit = _unedited
    edit_copy: Edit = _unedited
    changed: NDArray[np.int64] | None = field(default_factory=lambda: np.empty(0, np.int64))
    usual: Arm | None = None
    penalised: Mapping[int, Region] = field(default_factory=dict)
    penalty: Penalty = Penalty.INPUT_GRADIENTS
    penalty_weight: float = 0.0
    relabelled: Mapping[int, int] = field(default_factory=dict)

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

    @property
    def train(self) -> NDArray[np.int64]:
        """(N_train,) rows of the training images."""
        return self.inputs.train

    def epoch(self, seed: int) -> Iterator[Batch]:
        """Yield the epoch's batches in the order that the seed gives."""
        size = self.inputs.plan.batch_size
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        # Control draws the same order: with neither copies nor repeats this is its permutation.
        places_of_all = len(self.originals) + len(self.copies)
        order = rng.permutation(places_of_all)
        while len(order) < min(self.steps * size, len(self.inputs.train)):
            # Fewer images, the same steps: those that are left are shown again.
            order = np.concatenate([order, rng.permutation(places_of_all)])
        usual = (
            None
            if self.usual is None
            else usual_augmentation(self.usual, classes=self.inputs.classes)
        )
        places = order[: self.steps * size]
        rows = np.concatenate([self.originals, self.copies])[places]
        # Sent once an epoch, and not with each batch.
        there, labels, signed = (
            to_device(values, self.inputs.device)
            for values in (
                torch.from_numpy(rows),
                torch.from_numpy(self._labels(rows)),
                base_draws(len(rows), generator),
            )
        )
        asked, plain = self._asked(places, rows), rows.copy()
        for start in range(0, len(rows), size):
            whole = slice(start, min(start + size, len(rows)))
            edited = self._edited(places, rows, asked, whole, rng)
            plain[list(edited)] = -1
            grid = self._grid(signed[whole])
            penalised = self._penalised(rows[whole], grid)
            batch = Batch(
                moved(to_float(self._shown(rows, there, whole, edited)), grid),
                labels[whole],
                plain[whole],
                penalised,
                0.0 if penalised is None else self.penalty_weight,
                self.penalty,
            )
            yield batch if usual is None else Batch(*usual(batch.images, batch.labels))

    def validation(self) -> tuple[_Images | Tensor, NDArray[np.int64], NDArray[np.int64]]:
        """Return all un-edited images, and the rows and the labels of those of validation."""
        rows = self.inputs.validation
        return self.inputs.nearest, rows, self.inputs.labels[rows]

    def _asked(self, places: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which of an epoch's places may be shown edited, ascending."""
        copies = places >= len(self.originals)
        if self.changed is None:
            return np.arange(len(rows))
        return np.flatnonzero(copies | np.isin(rows, self.changed))

    def _edited(
        self,
        places: NDArray[np.int64],
        rows: NDArray[np.int64],
        asked: NDArray[np.int64],
        whole: slice,
        rng: np.random.Generator,
    ) -> dict[int, _Images]:
        """Return what is shown instead of its image at some of a batch's places in the epoch."""
        edited = {}
        stored = np.asarray(self.inputs.images)
        for at in asked[slice(*np.searchsorted(asked, (whole.start, whole.stop)))].tolist():
            edit = self.edit_original if places[at] < len(self.originals) else self.edit_copy
            image = stored[rows[at]]
            shown = edit(int(rows[at]), image, rng)
            if shown is not image:
                edited[at] = shown
        return edited

    def _shown(
        self,
        rows: NDArray[np.int64],
        there: Tensor,
        whole: slice,
        edited: Mapping[int, _Images],
    ) -> Tensor:
        """Return images as they are shown, (B, C, S, S) uint8, on the device."""
        images = self.inputs.taken(rows[whole], there[whole])
        if edited:
            device = self.inputs.device
            within = to_device(torch.tensor(list(edited)) - whole.start, device)
            images[within] = to_device(torch.from_numpy(np.stack(list(edited.values()))), device)
        return images

    def _labels(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        given = self.inputs.labels[rows]
        if not self.relabelled:
            return given
        learned = [self.relabelled.get(int(r), int(y)) for r, y in zip(rows, given, strict=True)]
        return np.array(learned, np.int64)

    def _grid(self, signed: Tensor) -> Tensor:
        plan = self.inputs.plan
        return base_grid(
            signed,
            self.inputs.images.shape[-1],
            shift_share=plan.shift_share,
            scale_share=plan.scale_share,
            mirrored=self.inputs.mirrored,
        )

    def _penalised(self, rows: NDArray[np.int64], grid: Tensor) -> Tensor | None:
        """Return where the batch is penalised; None where none of its images is."""
        if not any(int(row) in self.penalised for row in rows):
            return None
        none = np.zeros(self.inputs.images.shape[-2:], np.bool_)
        regions = np.stack([self.penalised.get(int(row), none) for row in rows])
        return moved_regions(to_device(torch.from_numpy(regions), self.inputs.device), grid)


def filled(inputs: ArmInputs, regions: Callable[[int], Region | None], fill: Fill) -> Edit:
    """Return the edit that hides the irrelevant region of an image, anew each time it is shown.

    Black is painted on the stored original where there is a mask of it (the paper), all else at
    working size. The donor of a swap is of another class, which is drawn first among the others:
    what is irrelevant then speaks against the label as often as it spoke for it, a counterexample.
    Of the donor comes what is irrelevant there, where that is known; see `swap_region`. All this is
    our choice, from trials.
    """
    by_class = [inputs.train[inputs.labels[inputs.train] == k] for k in range(inputs.classes)]
    others = [
        [rows for k, rows in enumerate(by_class) if k != own and len(rows)]
        for own in range(inputs.classes)
    ]

    def lent(donors: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.stack([inputs.irrelevant(int(donor)) for donor in donors])

    def swapped(image: _Images, region: Region, label: int, rng: np.random.Generator) -> _Images:
        def draw(places: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.array([rng.choice(classes[rng.integers(len(classes))]) for _ in places])

        classes = others[label]
        donors = draw_fitting_donors(region[None], draw, lent)
        edited: _Images = swap_region(
            image[None], region[None], inputs.images[donors], lent(donors)
        )[0]
        return edited

    def edit(row: int, image: _Images, rng: np.random.Generator) -> _Images:
        region = regions(row)
        if region is None:
            return image
        if fill is Fill.BLACK and row in inputs.edited:
            return inputs.edited[row]
        if fill is not Fill.SWAP:
            return fill_region(image, region, fill, rng=rng)
        return swapped(image, region, int(inputs.labels[row]), rng)

    return edit


def control(inputs: ArmInputs) -> Batches:
    """Train on without masks: the same extra steps, nothing else."""
    return ArmBatches(inputs, inputs.train)


def imil(inputs: ArmInputs) -> Batches:
    """Replace the masked images by their blacked-out copies (the paper's way).

    With no mask at all it equals `control`. Its variants fill otherwise, or append.
    """
    return _edited(inputs, Mode.REPLACE)


def imil_append(inputs: ArmInputs) -> Batches:
    """Show the blacked-out copies beside the originals."""
    return _edited(inputs, Mode.APPEND)


def counterexample(inputs: ArmInputs) -> Batches:
    """Add `COPIES` of each masked image, the irrelevant region swapped anew each time."""
    return _edited(inputs, Mode.APPEND, copies=COPIES)


def _edited(inputs: ArmInputs, mode: Mode, *, copies: int = 1) -> Batches:
    mode = inputs.variant.mode or mode
    edit = filled(inputs, inputs.masks.get, fill_of(inputs.variant))
    if mode is Mode.REPLACE:
        masked = _masked_rows(inputs)
        return ArmBatches(inputs, inputs.train, edit_original=edit, changed=masked)
    rows = np.repeat(_masked_rows(inputs), copies)
    return ArmBatches(inputs, inputs.train, copies=rows, edit_copy=edit)


def propagated(inputs: ArmInputs) -> Batches:
    """Swap the irrelevant region, painted or predicted, of most images anew each epoch.

    One in as many images as there are classes stays as it is, so that what is irrelevant comes from
    every class alike whatever the label: it tells nothing.
    """
    predicted = inputs.predicted
    if predicted is None:
        raise ValueError("`propagated` needs predicted irrelevance")
    hide = filled(
        inputs, lambda row: inputs.masks.get(row, predicted[row]), fill_of(inputs.variant)
    )

    def edit(row: int, image: _Images, rng: np.random.Generator) -> _Images:
        return image if rng.random() < 1 / inputs.classes else hide(row, image, rng)

    return ArmBatches(inputs, inputs.train, edit_original=edit, changed=None)


def focus(inputs: ArmInputs) -> Batches:
    """Show every image as it is: the model itself hides what is irrelevant, at prediction too."""
    return ArmBatches(inputs, inputs.train)


def rebalance(inputs: ArmInputs) -> Batches:
    """Show every image as it is: what differs is a last layer fitted anew at the end."""
    return ArmBatches(inputs, inputs.train)


def right_reason(inputs: ArmInputs) -> ArmBatches:
    """Penalise what the masks hide: input gradients (Ross et al. 2017), or Grad-CAM there."""
    variant = inputs.variant
    return ArmBatches(
        inputs,
        inputs.train,
        penalised=inputs.masks,
        penalty=variant.penalty or Penalty.INPUT_GRADIENTS,
        penalty_weight=RIGHT_REASON_WEIGHT if variant.weight is None else variant.weight,
    )


def upweight(inputs: ArmInputs) -> Batches:
    """Show the images that `imil` masks `UPWEIGHT` times as often, without their masks (JTT)."""
    more = np.repeat(_masked_rows(inputs), UPWEIGHT - 1)
    return ArmBatches(inputs, np.concatenate([inputs.train, more]))


def _relabel(inputs: ArmInputs) -> Batches:
    """Learn the labels that a reader corrected, without the images excluded: no masks."""
    out = [row for row, label in inputs.triage.items() if label is None]
    corrected = {row: label for row, label in inputs.triage.items() if label is not None}
    return ArmBatches(inputs, np.setdiff1d(inputs.train, out), relabelled=corrected)


def drop(inputs: ArmInputs) -> Batches:
    """Leave out every image whose label a reader corrected or excluded: no masks."""
    return ArmBatches(inputs, np.setdiff1d(inputs.train, list(inputs.triage)))


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
        fill: what hides a region unless a variant says otherwise.
        fewest: painted images without which it can't be compared.
        settings: what a variant of it may change.
        triage: whether it learns from what a reader decided on labels, and so needs that.
        raw: of an arm whose model hides regions itself, in training and at prediction: the weight
            of its answer to the raw image, 0-1. None for a model that sees images as they are.
        refitted: whether the last layer is fitted anew once training is over.
    """

    batches: Callable[[ArmInputs], Batches]
    masks: MaskSource = MaskSource.NONE
    predicted: bool = False
    fill: Fill = Fill.BLACK
    fewest: int = 0
    settings: frozenset[Setting] = frozenset()
    triage: bool = False
    raw: float | None = None
    refitted: bool = False


_EDITED = frozenset({Setting.QUEUE, Setting.FILL, Setting.MODE, Setting.SHARE, Setting.READER})
# Not of one reader: what is predicted is confirmed for the masks of all.
_FILLED = frozenset({Setting.FILL, Setting.SHARE})
_PENALISED = frozenset(
    {Setting.QUEUE, Setting.PENALTY, Setting.WEIGHT, Setting.SHARE, Setting.READER}
)
_FOCUSED = frozenset({Setting.FILL, Setting.SHARE, Setting.REGION, Setting.MARGIN})
# A model that hides a region can't draw noise or a donor for each image.
_FOCUS_FILLS = (None, Fill.MEAN, Fill.BLACK)
_CHOSEN = frozenset({Setting.QUEUE, Setting.SHARE, Setting.READER})

ARMS: Mapping[Arm, ArmDefinition] = MappingProxyType(
    {
        Arm.CONTROL: ArmDefinition(control),
        Arm.IMIL: ArmDefinition(imil, MaskSource.MISPREDICTED, fewest=1, settings=_EDITED),
        Arm.IMIL_APPEND: ArmDefinition(
            imil_append, MaskSource.MISPREDICTED, fewest=1, settings=_EDITED
        ),
        Arm.COUNTEREXAMPLE: ArmDefinition(
            counterexample, MaskSource.BOTH, fill=Fill.SWAP, fewest=1, settings=_EDITED
        ),
        Arm.PROPAGATED: ArmDefinition(
            propagated,
            MaskSource.BOTH,
            predicted=True,
            fill=Fill.SWAP,
            fewest=2,
            settings=_FILLED,
        ),
        Arm.FOCUS: ArmDefinition(
            focus,
            MaskSource.BOTH,
            predicted=True,
            fill=Fill.MEAN,
            fewest=2,
            settings=_FOCUSED,
            raw=0.0,
        ),
        Arm.FOCUS_BLEND: ArmDefinition(
            focus,
            MaskSource.BOTH,
            predicted=True,
            fill=Fill.MEAN,
            fewest=2,
            settings=_FOCUSED | {Setting.RAW},
            raw=0.5,
        ),
        Arm.REBALANCE: ArmDefinition(
            rebalance,
            MaskSource.BOTH,
            predicted=True,
            fewest=2,
            settings=frozenset({Setting.SHARE}),
            refitted=True,
        ),
        Arm.RIGHT_REASON: ArmDefinition(
            right_reason, MaskSource.MISPREDICTED, fewest=1, settings=_PENALISED
        ),
        Arm.UPWEIGHT: ArmDefinition(upweight, MaskSource.MISPREDICTED, fewest=1, settings=_CHOSEN),
        Arm.AUTO_MASK: ArmDefinition(imil, MaskSource.SALIENT, fewest=1),
        Arm.RANDOM_MASK: ArmDefinition(imil, MaskSource.MOVED, fewest=1),
        Arm.RANDOM_SAMPLE: ArmDefinition(imil, MaskSource.RANDOM_SAMPLE, fewest=1),
        Arm.RELABEL: ArmDefinition(_relabel, triage=True),
        Arm.DROP: ArmDefinition(drop, triage=True),
        **{usual: ArmDefinition(_augmented(usual)) for usual in USUAL},
    }
)


def fill_of(variant: Variant) -> Fill:
    """Return what hides a region in a variant."""
    return variant.fill or ARMS[variant.arm].fill


def uses_predicted(variant: Variant) -> bool:
    """Return whether a variant uses what painted masks predict in other images."""
    return ARMS[variant.arm].predicted and variant.region in (None, RegionSource.PREDICTED)


def batches_of(inputs: ArmInputs, variant: Variant) -> Batches:
    """Return what a variant trains on."""
    return ARMS[variant.arm].batches(replace(inputs, variant=variant))


def parse_arms(names: Sequence[str]) -> tuple[Variant, ...]:
    """Return the variants of these names, `control` first and always among them, each once.

    Raises:
        PlanError: if an arm is unknown, or a setting, or one that the arm doesn't have.
    """
    check_arms(names)
    variants = [CONTROL, *map(parse_variant, names)]
    for variant in variants:
        unfit = variant.changed - ARMS[variant.arm].settings
        if unfit:
            allowed = ", ".join(sorted(ARMS[variant.arm].settings)) or "none"
            raise PlanError(
                f"The arm “{variant.arm}” has no setting {min(unfit)}.",
                why=f"What it can be given is: {allowed}.",
                fix=f"Leave it out of “{variant}”.",
            )
        if ARMS[variant.arm].raw is not None and variant.fill not in _FOCUS_FILLS:
            raise PlanError(
                f"The arm “{variant.arm}” can't fill a region with {variant.fill}.",
                why="Its model hides regions itself, in one colour.",
                fix=f"Use {Fill.MEAN} or {Fill.BLACK}.",
            )
    return tuple(dict.fromkeys(variants))


def check_arms(names: Sequence[str]) -> None:
    """Raise PlanError if more arms are named than one comparison has."""
    if len(names) > MOST_ARMS:
        raise PlanError(
            f"{len(names)} arms can't be compared at once.",
            why=f"A comparison has at most {MOST_ARMS}, and each is trained.",
            fix="Name fewer arms.",
        )


def with_shares(variants: Sequence[Variant], shares: Sequence[float]) -> tuple[Variant, ...]:
    """Return the variants, and of each that is given masks one more a share of them.

    Args:
        variants: to add to.
        shares: of the training images, 0-1; those that a variant has of its own stay as they are,
            and so do arms of one reader.
    """
    for share in shares:
        check_above("share of the images", share, 0, 1)
    more = [
        variant.evolve(share=share)
        for variant in variants
        if Setting.SHARE in ARMS[variant.arm].settings
        and variant.share is None
        and variant.reader is None
        for share in shares
    ]
    return tuple(dict.fromkeys((*variants, *more)))


def with_readers(variants: Sequence[Variant], readers: Sequence[str]) -> tuple[Variant, ...]:
    """Return the variants, and where the paper's arm is among them, that arm of each reader alone.

    Only that one: every further comparison widens the intervals of all. Our choice.
    """
    imil_alone = [IMIL.evolve(reader=reader) for reader in readers if IMIL in variants]
    return tuple(dict.fromkeys((*variants, *imil_alone)))


def with_weights(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """Return the variants, with `right_reason` replaced by one a weight to choose from."""
    every = [
        [variant.evolve(weight=weight) for weight in RIGHT_REASON_WEIGHTS]
        if unweighted(variant)
        else [variant]
        for variant in variants
    ]
    return tuple(dict.fromkeys(chain.from_iterable(every)))


def unweighted(variant: Variant) -> bool:
    """Return whether the weight of the variant's penalty is still to be chosen."""
    return Setting.WEIGHT in ARMS[variant.arm].settings and variant.weight is None


def check_masks(variant: Variant, painted: int) -> None:
    """Raise PlanError if an arm needs more painted images than there are."""
    fewest = ARMS[variant.arm].fewest
    if painted < fewest:
        images = "masked image" if fewest == 1 else "masked images"
        raise PlanError(
            f"The arm “{variant}” needs {fewest} {images}, and there are {painted}.",
            why="It learns from what clinicians have hidden; with less it has nothing of its own.",
            fix="Mask more images, or leave this arm out of the comparison.",
        )


def check_triage(variants: Sequence[Variant], triaged: int, *, left: Sequence[int]) -> None:
    """Raise PlanError if an arm needs decisions on labels, and there are none or too many.

    Args:
        variants: that are compared.
        triaged: images that were relabelled or excluded.
        left: training images of each class that nobody relabelled or excluded.
    """
    needing = [variant for variant in variants if ARMS[variant.arm].triage]
    if needing and not triaged:
        raise PlanError(
            f"The arm “{needing[0]}” needs a relabelled or excluded image, and there is none.",
            why="It differs from control by decisions on labels alone.",
            fix="Decide on label suspects first, or leave this arm out of the comparison.",
        )
    if needing and min(left) == 0:
        raise PlanError(
            f"The arm “{needing[0]}” would have a class without images.",
            why=f"{triaged} images were relabelled or excluded, all of a class among them.",
            fix="Take some of these decisions back, or leave this arm out of the comparison.",
        )
