"""The frozen values that the rest passes around."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, WrapValidator

# Pixels as stored: (H, W) grey or (H, W, 3) colour; uint8, or uint16 for grey of more than 8 bits.
Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
# (H, W); the variable's name gives the polarity: `irrelevant` (True = hide) or `relevant`.
Region: TypeAlias = NDArray[np.bool_]


def _nan_or(saved: object, read: Callable[[object], float]) -> float:
    none = saved is None or (isinstance(saved, float) and math.isnan(saved))
    return math.nan if none else read(saved)


# NaN where it can't be given. JSON has no NaN: it is saved as null, and read as NaN again.
Figure: TypeAlias = Annotated[float, WrapValidator(_nan_or)]
# Bounds of what is saved and read again, above what any study of ours has: a number of a round,
# how often the test set was opened, and a sentence beside figures, which may name every training.
MOST_ROUNDS = 1000
RoundNumber: TypeAlias = Annotated[int, Field(ge=1, le=MOST_ROUNDS)]
Openings: TypeAlias = Annotated[int, Field(ge=0, le=10**6)]
Notice: TypeAlias = Annotated[str, Field(max_length=10**6)]


class Split(StrEnum):
    """What an image is used for; the values are the folder names of the ImageFolder convention."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Deployment(StrEnum):
    """Where the model will work, as the person answered: by it an arm is recommended."""

    ELSEWHERE = "elsewhere"  # on images where what was painted tells nothing about the label
    SAME = "same"  # on images like those of the study
    UNSURE = "unsure"


class Arm(StrEnum):
    """A training condition, compared from one checkpoint under one plan."""

    CONTROL = "control"
    IMIL = "imil"
    IMIL_APPEND = "imil_append"
    COUNTEREXAMPLE = "counterexample"
    PROPAGATED = "propagated"
    FOCUS = "focus"
    FOCUS_BLEND = "focus_blend"
    REBALANCE = "rebalance"
    RIGHT_REASON = "right_reason"
    UPWEIGHT = "upweight"
    AUTO_MASK = "auto_mask"
    RANDOM_MASK = "random_mask"
    RANDOM_SAMPLE = "random_sample"
    RELABEL = "relabel"
    DROP = "drop"
    RANDAUGMENT = "randaugment"
    TRIVIALAUGMENT = "trivialaugment"
    AUGMIX = "augmix"
    RANDOM_ERASING = "random_erasing"
    MIXUP = "mixup"
    CUTMIX = "cutmix"


class Queue(StrEnum):
    """An ordered list of training images offered for review."""

    MISPREDICTED = "mispredicted"
    HIGH_LOSS = "high_loss"
    LABEL_SUSPECT = "label_suspect"
    WRONG_REASON = "wrong_reason"
    RANDOM = "random"


class Origin(StrEnum):
    """How an accepted mask came about; a predicted one stays marked as predicted."""

    PAINTED = "painted"  # by hand
    CORRECTED = "corrected"  # predicted or copied, then changed by a reader
    PREDICTED = "predicted"  # predicted, and accepted as it was
    COPIED = "copied"  # by an earlier version, from a similar image, and left as it was


class Selection(StrEnum):
    """From which predictions the mispredicted queue is read; the paper does not say."""

    IN_SAMPLE = "in_sample"
    OUT_OF_FOLD = "out_of_fold"
    PERSISTENT = "persistent"
    # In-sample ones; where these don't fill the budget, out-of-fold ones follow.
    FILLED = "filled"


class LabelDecision(StrEnum):
    """What a reader says of a training image's label; the values are also what is stored."""

    RELABEL = "relabel"
    EXCLUDE = "exclude"
    KEEP = "keep"


class Precision(StrEnum):
    """In which arithmetic a net trains on the processor; the values are also what is stored."""

    AUTO = "auto"  # by a rule on network and processor when training starts
    FP32 = "fp32"
    BF16 = "bf16"  # convolutions and products in bfloat16, all else in float32


@dataclass(frozen=True, slots=True)
class Triage:
    """A reader's decision on one label; `label` is the class it should carry, "" unless relabelled.

    A label that is kept changes nothing: it only says that somebody looked.
    """

    sample_id: str
    decision: LabelDecision
    label: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image's name and role; its pixels stay with the `ImageSet`.

    `patient` groups images of one person for the split; `group` is a site or a shortcut's presence,
    for figures a group. Both are None where unknown.
    """

    sample_id: str
    label: int
    split: Split
    patient: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Outlier:
    """A training image the model got wrong, with how wrong it was.

    `confidence` is the probability (0-1) of the predicted class, `loss` the cross-entropy in nats.
    """

    sample_id: str
    label: int
    predicted: int
    confidence: float
    loss: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How a study trains. Arms are compared only under equal plans, from one checkpoint.

    Every value that the paper leaves open is a field here, and its default is our choice.

    Attributes:
        backbone: a name of `imil.core.nets.backbones.BACKBONES`.
        pretrained: start from pretrained weights where the backbone has any.
        size: side of the square working images, px.
        epochs: epochs of round 0, before any mask.
        epochs_after: epochs of each later round.
        batch_size: images a step.
        learning_rate: peak of each round's schedule (AdamW).
        weight_decay: AdamW's, decoupled.
        warmup_share: share of a round's steps spent on the linear warm-up, 0-1; cosine to 0 after.
        clip_norm: largest gradient norm.
        class_weighted: weight the cross-entropy by inverse class frequency.
        shift_share: largest shift of the base augmentation, share of the side, 0-1.
        scale_share: largest change of scale of the base augmentation, share, 0-1.
        budget: largest share of the training images to paint, in (0, 1]. The paper: 0.04.
        seed: of initialisation, batch order and augmentation.
        threads: torch threads; kept, because sums differ with their number.
        device: "cpu" or "cuda".
        precision: arithmetic of training on the processor; answers are always in float32. A GPU
            has its own, see `imil.core.training.steps`. What the rule says takes the place of
            `auto` before anything is trained, so that a study trains in one arithmetic throughout.
        channels_last: whether a net's maps are laid out channels last on the processor.
    """

    backbone: str = "film_net"
    pretrained: bool = False
    size: int = 64
    epochs: int = 6
    epochs_after: int = 8
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.15
    clip_norm: float = 1.0
    class_weighted: bool = True
    shift_share: float = 0.05
    scale_share: float = 0.05
    budget: float = 0.04
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    precision: Precision = Precision.FP32
    channels_last: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is: a few batches further."""

    epoch: int
    epochs: int
    batch: int
    batches: int


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """One epoch's losses (nats) and accuracies (0-1); epochs count from 1 within a round.

    The training figures are a running mean over augmented batches while the weights still move;
    the validation figures are taken at the epoch's end on un-edited images.
    """

    epoch: int
    train_loss: Figure
    train_accuracy: Figure
    validation_loss: Figure
    validation_accuracy: Figure


@dataclass(frozen=True, slots=True)
class Budget:
    """How many distinct training images may be, and are, painted over the whole study."""

    share: float
    allowed: int
    painted: int
