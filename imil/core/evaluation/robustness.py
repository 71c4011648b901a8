"""What swapping the irrelevant region does to a classifier, and what the masks alone give away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imil.core.evaluation.differences import Difference, paired_differences
from imil.core.evaluation.metrics import Interval, Metric, Robustness, clustered_mean
from imil.core.records import Figure, Region
from imil.errors import DataError

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# Cells a side that a mask is reduced to: enough for where and how much, few enough for forty masks.
MASK_CELLS = 8
# Parts of the cross-validation; fewer where a class has fewer patients.
MASK_FOLDS = 5
# Rounds of the logistic regression; it settles in tens.
FIT_ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class MaskOnly:
    """What a classifier that sees masks alone, and no image, makes of the classes.

    Attributes:
        balanced_accuracy: with its 95 % interval over patients.
        chance: balanced accuracy of guessing, one over the number of classes.
        images: how many it was asked about.
        at_chance: the interval doesn't lie above chance: the masks don't give the class away, as
            far as so many images can tell.
    """

    balanced_accuracy: Interval
    chance: Figure
    images: int
    at_chance: bool


@dataclass(frozen=True, slots=True, eq=False)
class LabelledMasks:
    """Masks at any one size, with what they belong to.

    Attributes:
        irrelevant: (N, s, s) or (N, h, w) bool.
        labels: (N,) class indices.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
    """

    irrelevant: NDArray[np.bool_]
    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]


def swapped_values(
    logits: NDArray[np.floating], swapped: NDArray[np.floating], labels: NDArray[np.int64]
) -> dict[Robustness, float]:
    """Return one model's figures on swapped images, each in 0-1.

    Args:
        logits: (N, C) raw scores of the un-edited images.
        swapped: (M, N, C) raw scores of M copies of each, whose irrelevant region came from
            another image each time.
        labels: (N,) class indices.

    Returns:
        The two accuracies, means over the M copies, and the flip rate: the share of copies with
        another prediction than their un-edited image, right or wrong.

    Raises:
        ValueError: if the shapes don't fit.
    """
    right = swapped_right(swapped, labels)
    return {
        Robustness.SWAPPED_ACCURACY: float(right.mean()),
        Robustness.SWAPPED_BALANCED_ACCURACY: balanced(right, labels),
        Robustness.FLIP_RATE: float(_flipped(logits, swapped).mean()),
    }


def independent_right(
    logits: NDArray[np.floating],
    same: NDArray[np.floating],
    other: NDArray[np.floating],
    labels: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return what each image counts towards the accuracy that doesn't lean on the region.

    A split of the study's images has the shortcut that training had. What a classifier draws from
    the irrelevant region shows in how much better it does on copies that have the region of their
    own class than on copies that have another's; both are edited alike, so that what the editing
    itself costs cancels out. Taking the right part of that difference off the ordinary accuracy
    leaves the accuracy on images whose irrelevant region comes from any class alike.

    Args:
        logits: (N, C) raw scores of the un-edited images.
        same: (K, N, C) raw scores of copies with the region of an image of the same class.
        other: (K, N, C) raw scores of copies with the region of an image of another class.
        labels: (N,) class indices.

    Returns:
        (N,), 1 for right less (C - 1) / C of the difference: from -1 to 2 an image, and unbiased
        where the region's content depends on the class alone.

    Raises:
        ValueError: if the shapes don't fit.

    Source: our choice; measured on films in docs/trials/swaps-on-films.md.
    """
    classes = logits.shape[1]
    right = (logits.argmax(1) == labels).astype(np.float64)
    leaning = swapped_right(same, labels) - swapped_right(other, labels)
    found: NDArray[np.float64] = right - (classes - 1) / classes * leaning
    return found


def balanced(values: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean over classes of the mean of an image's value in the class."""
    return float(np.mean([values[labels == label].mean() for label in np.unique(labels)]))


def swapped_figures(
    logits: Sequence[NDArray[np.floating]],
    swapped: Sequence[NDArray[np.floating]],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> dict[Robustness, Interval]:
    """Return the figures on swapped images, means over seeds with 95 % intervals over patients.

    The copies' donors are not resampled: with several a copy's luck averages out. Our choice.

    Args:
        logits: one (N, C) array a seed, of the un-edited images.
        swapped: one (M, N, C) array a seed, see `swapped_values`.
        labels: (N,) class indices.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        seed: of the draws.

    Raises:
        ValueError: if the shapes don't fit.
    """
    right = np.stack([swapped_right(one, labels) for one in swapped])
    pairs = zip(logits, swapped, strict=True)
    flipped = np.stack([_flipped(one, again) for one, again in pairs])
    balanced = clustered_mean(right, clusters, strata=labels, seed=seed)
    return {
        Robustness.SWAPPED_ACCURACY: clustered_mean(right, clusters, seed=seed),
        Robustness.SWAPPED_BALANCED_ACCURACY: balanced,
        Robustness.FLIP_RATE: clustered_mean(flipped, clusters, seed=seed),
    }


def swapped_differences(
    swapped: Sequence[NDArray[np.floating]],
    control_swapped: Sequence[NDArray[np.floating]],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> dict[Robustness, Difference]:
    """Return arm minus control on swapped images, in points, as `paired_differences` does.

    Args:
        swapped: one (M, N, C) array a seed.
        control_swapped: the same of control, swapped with the same donors.
        labels: (N,) class indices.
        clusters: (N,) patient number of each image.
        seed: of the draws.

    Raises:
        ValueError: if the shapes don't fit.
    """
    arm, control = (
        np.stack([swapped_right(one, labels) for one in each])
        for each in (swapped, control_swapped)
    )
    found = paired_differences(arm, control, labels, clusters, seed=seed)
    return {
        Robustness.SWAPPED_ACCURACY: found[Metric.ACCURACY],
        Robustness.SWAPPED_BALANCED_ACCURACY: found[Metric.BALANCED_ACCURACY],
    }


def swapped_right(swapped: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,) shares (0-1) of each image's copies predicted right, of (M, N, C) scores.

    Raises:
        ValueError: if the shapes don't fit or there is no copy.
    """
    if swapped.ndim != 3 or not len(swapped) or swapped.shape[1] != len(labels):
        raise ValueError("swapped scores and labels differ in shape")
    share: NDArray[np.float64] = (swapped.argmax(2) == labels).mean(0)
    return share


def mask_only(masks: LabelledMasks, *, seed: int = 0) -> MaskOnly:
    """Return how well masks alone tell the class, each asked by a model that never saw it.

    For a clinician's study, whose few masks are all painted on training images. A logistic
    regression on the masks reduced to `MASK_CELLS` a side, cross-validated by patient. Our choice.
    Of 100 sets of 40 masks of films with shuffled labels, 5 were called above chance by mistake.

    Args:
        masks: every class in at least two patients.
        seed: of the parts and of the interval's draws.

    Raises:
        DataError: a class has masks of fewer than two patients.
    """
    counts = [len(np.unique(masks.clusters[masks.labels == c])) for c in np.unique(masks.labels)]
    if len(counts) < 2 or min(counts) < 2:
        raise DataError(
            "What the masks alone give away can't be measured.",
            why="A mask is judged by masks of other patients, and a class has fewer than two.",
            fix="Paint masks on images of two or more patients of every class.",
        )
    features = _cells(masks.irrelevant)
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415  # slow to import

    folds = StratifiedGroupKFold(min(MASK_FOLDS, *counts), shuffle=True, random_state=seed)
    answers = np.zeros_like(masks.labels)
    for train, test in folds.split(features, masks.labels, masks.clusters):
        answers[test] = _fitted(features[train], masks.labels[train]).predict(features[test])
    return _mask_only(answers, masks, seed)


def mask_only_held_out(train: LabelledMasks, test: LabelledMasks, *, seed: int = 0) -> MaskOnly:
    """Return how well masks alone tell the class of test images, learned from training images.

    For a simulated study, or predicted masks, where both splits have a mask an image.

    Args:
        train: of at least two classes.
        test: of the same classes, no patient in both.
        seed: of the interval's draws.

    Raises:
        DataError: the training masks are all of one class.
    """
    if len(np.unique(train.labels)) < 2:
        raise DataError(
            "What the masks alone give away can't be measured.",
            why="All masks of training images are of one class.",
            fix="Paint masks on images of every class.",
        )
    model = _fitted(_cells(train.irrelevant), train.labels)
    return _mask_only(model.predict(_cells(test.irrelevant)), test, seed)


def _flipped(logits: NDArray[np.floating], swapped: NDArray[np.floating]) -> NDArray[np.float64]:
    if swapped.shape[1:] != logits.shape:
        raise ValueError("swapped and un-edited scores differ in shape")
    share: NDArray[np.float64] = (swapped.argmax(2) != logits.argmax(1)).mean(0)
    return share


def _fitted(features: NDArray[np.float64], labels: NDArray[np.int64]) -> LogisticRegression:
    # Balanced, as its figure is: else it would answer the commonest class.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import

    model = LogisticRegression(class_weight="balanced", max_iter=FIT_ROUNDS)
    return model.fit(features, labels)


def _mask_only(answers: NDArray[np.int64], masks: LabelledMasks, seed: int) -> MaskOnly:
    right = (answers == masks.labels).astype(np.float64)
    found = clustered_mean(right, masks.clusters, strata=masks.labels, seed=seed)
    chance = 1 / len(np.unique(masks.labels))
    return MaskOnly(found, chance, len(answers), at_chance=not found.low > chance)


def _cells(irrelevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (N, MASK_CELLS ** 2) shares hidden (0-1), for masks of any size."""
    return np.stack([_shares(one).ravel() for one in irrelevant])


def _shares(irrelevant: Region) -> NDArray[np.float64]:
    rows, columns = (
        np.linspace(0, side, MASK_CELLS + 1).round().astype(int) for side in irrelevant.shape
    )
    # Whole pixels a cell; a mask smaller than the cells leaves some of them empty, which is fine.
    summed = np.pad(irrelevant.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    corners = summed[np.ix_(rows, columns)]
    inside = np.diff(np.diff(corners, axis=0), axis=1)
    area = np.outer(np.diff(rows), np.diff(columns))
    share: NDArray[np.float64] = inside / np.maximum(area, 1)
    return share
