"""What another hospital's images are like beside the training images; no model is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil.core.duplicates import MAX_COMPARED, fingerprint, near_duplicate_pairs
from imil.core.images import ImageSet, to_uint8
from imil.core.records import Figure, Split

# Percentiles that stand for a set: nearly the lowest, the middle, nearly the highest.
_PERCENTILES = (5, 50, 95)
# Share of a class from which on a difference is told, 0-1. Our choice.
SHARE_APART = 0.1


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure is spread over images: its 5th, 50th and 95th percentile."""

    low: Figure
    middle: Figure
    high: Figure


@dataclass(frozen=True, slots=True)
class SetSummary:
    """What a set of images is like.

    Attributes:
        images: how many.
        patients: among them; None where some are unknown.
        width: of the stored images, px.
        height: of the stored images, px.
        brightness: mean grey level of each image, 0-1.
        contrast: standard deviation of each image's grey levels, 0-1.
        shares: share of each class, 0-1, in label order.
        colour: share of the images that have colours, 0-1.
    """

    images: int
    patients: int | None
    width: Spread
    height: Spread
    brightness: Spread
    contrast: Spread
    shares: tuple[Figure, ...]
    colour: Figure


@dataclass(frozen=True, slots=True)
class DistributionCheck:
    """An external set beside the training images: looked at before any model answers to it.

    Attributes:
        classes: names, in label order.
        external: the external set.
        training: the training images.
        near_duplicates: external images that look like a training image.
        exact_only: whether the sets were so large that only equal images were looked for.
        shared_patients: patients in both; None where a set does not know its patients.
    """

    classes: tuple[str, ...]
    external: SetSummary
    training: SetSummary
    near_duplicates: int
    exact_only: bool = False
    shared_patients: int | None = None

    @property
    def darker_or_brighter(self) -> bool:
        """Whether the middle brightness lies outside of what nearly all training images have."""
        return _outside(self.external.brightness, self.training.brightness)

    @property
    def other_contrast(self) -> bool:
        """Whether the middle contrast lies outside of what nearly all training images have."""
        return _outside(self.external.contrast, self.training.contrast)

    @property
    def other_sizes(self) -> bool:
        """Whether the middle width or height lies outside of the training images'."""
        pairs = (
            (self.external.width, self.training.width),
            (self.external.height, self.training.height),
        )
        return any(_outside(own, theirs) for own, theirs in pairs)

    @property
    def other_shares(self) -> bool:
        """Whether the share of a class differs by more than `SHARE_APART`."""
        pairs = zip(self.external.shares, self.training.shares, strict=True)
        return any(abs(own - theirs) > SHARE_APART for own, theirs in pairs)


def check_distribution(
    external: ImageSet,
    study: ImageSet,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> DistributionCheck:
    """Return what an external set is like beside the training images of a study.

    Each image is read once. Labels are counted; nothing is asked of any model.

    Args:
        external: all of its images are looked at; its classes are the study's.
        study: its training images alone are looked at.
        on_progress: told (done, total) after each image.
    """
    train = study.rows(Split.TRAIN)
    total = len(external) + len(train)

    def tell(done: int) -> None:
        if on_progress is not None:
            on_progress(done, total)

    own = _look(external, np.arange(len(external)), tell)
    theirs = _look(study, train, lambda done: tell(len(external) + done))
    pairs = near_duplicate_pairs([*own.fingerprints, *theirs.fingerprints])
    twins = {i for i, j in pairs if i < len(external) <= j}
    shared = None
    if own.patients is not None and theirs.patients is not None:
        shared = len(own.patients & theirs.patients)
    return DistributionCheck(
        classes=study.classes,
        external=own.summary,
        training=theirs.summary,
        near_duplicates=len(twins),
        exact_only=total > MAX_COMPARED,
        shared_patients=shared,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    summary: SetSummary
    fingerprints: tuple[bytes, ...]
    patients: frozenset[str] | None


def _look(images: ImageSet, rows: NDArray[np.int64], tell: Callable[[int], None]) -> _Looked:
    figures, prints, colours = [], [], 0
    samples = [images.samples[row] for row in rows]
    for done, sample in enumerate(samples, start=1):
        pixels = images.original(sample.sample_id)
        grey = to_uint8(pixels).astype(np.float32) / 255
        height, width = pixels.shape[:2]
        colours += pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())
        figures.append((width, height, float(grey.mean()), float(grey.std())))
        prints.append(fingerprint(pixels))
        tell(done)
    named = [sample.patient for sample in samples]
    patients = frozenset(name for name in named if name is not None)
    known = patients if None not in named else None
    counts = np.bincount(images.labels[rows], minlength=len(images.classes))
    width, height, brightness, contrast = (_spread(column) for column in zip(*figures, strict=True))
    summary = SetSummary(
        images=len(rows),
        patients=None if known is None else len(known),
        width=width,
        height=height,
        brightness=brightness,
        contrast=contrast,
        shares=tuple(float(count / len(rows)) for count in counts),
        colour=colours / len(rows),
    )
    return _Looked(summary, tuple(prints), known)


def _spread(values: tuple[float, ...]) -> Spread:
    low, middle, high = np.percentile(values, _PERCENTILES)
    return Spread(float(low), float(middle), float(high))


def _outside(own: Spread, theirs: Spread) -> bool:
    return not theirs.low <= own.middle <= theirs.high
