"""Who read a study, and how far they agree on what is irrelevant: Dice and IoU."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

import numpy as np

from imil.core.evaluation.metrics import Interval, clustered_mean
from imil.core.records import Region

# From a reader to the masks of that reader, (H, W) by sample id, True = hide.
MasksByReader = Mapping[str, Mapping[str, Region]]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far two masks of one image are the same; NaN where both are empty.

    Attributes:
        dice: twice the pixels that both hide, over the pixels of one and of the other, 0-1.
        iou: the pixels that both hide, over those that either hides, 0-1.
    """

    dice: float
    iou: float


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two readers over all images.

    Attributes:
        first: one reader.
        second: the other.
        both: images that both masked: the n of the figures.
        only_first: images that the first masked and the second did not.
        only_second: the other way round.
        dice: mean over `both` with its 95 % interval over patients; NaN where there is none, and
            an interval of NaN where there is one patient only.
        iou: the same.
    """

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    dice: Interval
    iou: Interval


@dataclass(frozen=True, slots=True)
class ImageAgreement:
    """The readers of one image that two or more of them masked.

    Attributes:
        sample_id: the image.
        readers: who masked it.
        overlaps: of each pair of them, by name.
        dice: mean over the pairs, 0-1.
        iou: mean over the pairs, 0-1.
    """

    sample_id: str
    readers: tuple[str, ...]
    overlaps: Mapping[tuple[str, str], Overlap]
    dice: float
    iou: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """What readers' masks have in common.

    Attributes:
        readers: everyone with a mask.
        pairs: each two of them.
        images: those masked by two or more, lowest Dice first; ties keep the order of ids.
        alone: images masked by one reader only, of which nothing can be said.
        dice: mean over `images` of each one's mean over its pairs, 95 % interval over patients.
        iou: the same.
    """

    readers: tuple[str, ...]
    pairs: tuple[PairAgreement, ...]
    images: tuple[ImageAgreement, ...]
    alone: int
    dice: Interval
    iou: Interval


@dataclass(frozen=True, slots=True)
class ReaderFigures:
    """What one reader did.

    Attributes:
        reader: by name.
        images: how many that reader masked.
        skipped: how many that reader passed over.
        seconds: that went into those masks, in all.
        median_seconds: an image.
    """

    reader: str
    images: int
    skipped: int
    seconds: float
    median_seconds: float


@dataclass(frozen=True, slots=True)
class ReaderSummary:
    """Every reader, and how far they agree.

    Attributes:
        readers: in the order of their first masks.
        agreement: of the masks that each reader saved before seeing the others'.
        unblinded: when they were shown each other's masks; None while they are not.
        late: masks saved after that, which are left out of the agreement.
    """

    readers: tuple[ReaderFigures, ...]
    agreement: Agreement
    unblinded: datetime | None
    late: int


def overlap(one: Region, other: Region) -> Overlap:
    """Return Dice and IoU of two masks of one image.

    Two empty masks have nothing to agree on: both figures are NaN, not 1. One empty mask agrees
    with none that is not: 0.

    Raises:
        ValueError: the masks differ in size.
    """
    if one.shape != other.shape:
        raise ValueError("masks of one image differ in size")
    shared, either = int((one & other).sum()), int((one | other).sum())
    if not either:
        return Overlap(math.nan, math.nan)
    return Overlap(2 * shared / (shared + either), shared / either)


def measure_agreement(
    readings: MasksByReader, patients: Mapping[str, str] | None = None
) -> Agreement:
    """Return how far readers agree, each two of them and all of them.

    Args:
        readings: the masks, in the order in which readers are named.
        patients: of an image, whose images come apart by nothing but chance; an image without one
            stands for itself.
    """
    readers = tuple(readings)
    ids = sorted({sample_id for masks in readings.values() for sample_id in masks})
    several = [i for i in ids if sum(i in masks for masks in readings.values()) > 1]
    images = [_image(sample_id, readings) for sample_id in several]
    numbers = _clusters(several, patients or {})
    return Agreement(
        readers=readers,
        pairs=tuple(
            _pair(first, second, readings, images, numbers)
            for first, second in combinations(readers, 2)
        ),
        # NaN last: nothing to agree on is not a disagreement.
        images=tuple(sorted(images, key=lambda one: (math.isnan(one.dice), one.dice))),
        alone=len(ids) - len(several),
        dice=_mean((one.dice for one in images), several, numbers),
        iou=_mean((one.iou for one in images), several, numbers),
    )


def _image(sample_id: str, readings: MasksByReader) -> ImageAgreement:
    own = {reader: masks[sample_id] for reader, masks in readings.items() if sample_id in masks}
    overlaps = {
        (first, second): overlap(own[first], own[second]) for first, second in combinations(own, 2)
    }
    return ImageAgreement(
        sample_id,
        tuple(own),
        overlaps,
        dice=_known_mean([each.dice for each in overlaps.values()]),
        iou=_known_mean([each.iou for each in overlaps.values()]),
    )


def _pair(
    first: str,
    second: str,
    readings: MasksByReader,
    images: Sequence[ImageAgreement],
    numbers: Mapping[str, int],
) -> PairAgreement:
    one, other = set(readings[first]), set(readings[second])
    found = {i.sample_id: i.overlaps[first, second] for i in images if i.sample_id in one & other}
    ids = list(found)
    return PairAgreement(
        first,
        second,
        both=len(found),
        only_first=len(one - other),
        only_second=len(other - one),
        dice=_mean((each.dice for each in found.values()), ids, numbers),
        iou=_mean((each.iou for each in found.values()), ids, numbers),
    )


def _clusters(ids: Sequence[str], patients: Mapping[str, str]) -> dict[str, int]:
    """Return a number for each image, the same for images of one patient."""
    known: dict[str, int] = {}
    keys = ((i, f"patient {patients[i]}" if i in patients else f"image {i}") for i in ids)
    return {sample_id: known.setdefault(key, len(known)) for sample_id, key in keys}


def _mean(values: Iterable[float], ids: Sequence[str], numbers: Mapping[str, int]) -> Interval:
    clusters = np.array([numbers[sample_id] for sample_id in ids], np.int64)
    found = np.array(list(values), np.float64)
    mean = clustered_mean(found, clusters)
    if len(np.unique(clusters[~np.isnan(found)])) > 1:
        return mean
    # From one patient nothing can be said of how others would do.
    return Interval(mean.value, math.nan, math.nan)


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
