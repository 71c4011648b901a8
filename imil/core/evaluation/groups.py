"""Figures a class and a group: whom a classifier serves well, and whom not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil.core.evaluation.metrics import Interval, clustered_mean, quick_auroc
from imil.core.evaluation.thresholds import log_odds
from imil.core.records import Figure
from imil.errors import DataError

# Smaller groups are listed, but not called the worst: one image moves them by over 10 points.
# Our choice.
FEWEST_IN_GROUP = 10


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class against all others, at arg-max; every figure in 0-1, mean over seeds.

    Attributes:
        images: how many are of the class.
        sensitivity: share of them called so; NaN where there is none.
        specificity: share of the others not called so; NaN where there is none.
        auroc: share of the pairs (one of the class, one not) in the right order; NaN where there
            is no pair.
    """

    images: int
    sensitivity: Interval
    specificity: Interval
    auroc: Figure


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One group of images, such as a site; every figure in 0-1, mean over seeds.

    Attributes:
        images: how many belong to it.
        accuracy: share of them predicted right.
        balanced_accuracy: mean over classes; None where the group lacks a class.
    """

    images: int
    accuracy: Interval
    balanced_accuracy: Interval | None


def by_class(
    logits: Sequence[NDArray[np.floating]],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> tuple[ClassFigures, ...]:
    """Return the figures of each class, in label order.

    Args:
        logits: one (N, C) array a seed.
        labels: (N,) class indices; a class may be absent.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        seed: of the draws of the intervals.
    """
    return tuple(
        _of_class(logits, labels == label, label, clusters, seed)
        for label in range(logits[0].shape[1])
    )


def by_group(
    logits: Sequence[NDArray[np.floating]],
    labels: NDArray[np.int64],
    groups: Sequence[str | None],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> Mapping[str, GroupFigures]:
    """Return the figures of each group, by name.

    Args:
        logits: one (N, C) array a seed.
        labels: (N,) class indices.
        groups: N names; all None where the images have no groups.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        seed: of the draws of the intervals.

    Returns:
        Empty where the images have no groups.

    Raises:
        DataError: some images have a group and others none.
    """
    names = check_groups(groups)
    right = np.stack([one.argmax(1) == labels for one in logits]).astype(np.float64)
    column = np.array([name or "" for name in groups])
    found = {}
    for name in names:
        rows = np.flatnonzero(column == name)
        inside, own, whose = right[:, rows], labels[rows], clusters[rows]
        whole = len(np.unique(own)) == logits[0].shape[1]
        balanced = clustered_mean(inside, whose, strata=own, seed=seed) if whole else None
        found[name] = GroupFigures(len(rows), clustered_mean(inside, whose, seed=seed), balanced)
    return found


def check_groups(groups: Sequence[str | None]) -> tuple[str, ...]:
    """Return the groups' names in alphabetical order; none where no image has a group.

    Raises:
        DataError: some images have a group and others none.
    """
    missing = sum(not name for name in groups)
    if 0 < missing < len(groups):
        raise DataError(
            f"{missing} of {len(groups)} images have no group.",
            why="Figures a group, and the worst of them, would silently leave these images out.",
            fix="Fill in the column “group” for every image, or remove it.",
        )
    return tuple(sorted({name for name in groups if name}))


def worst_group(
    figures: Mapping[str, GroupFigures], *, fewest: int = FEWEST_IN_GROUP
) -> str | None:
    """Return the group of lowest accuracy, the first in order on a tie.

    Groups of fewer than `fewest` images are passed over; None where no group is left.

    Source: Sagawa et al., Group DRO (ICLR 2020), worst-group accuracy; `fewest` is our choice.
    """
    large = [name for name, found in figures.items() if found.images >= fewest]
    return min(large, key=lambda name: figures[name].accuracy.value, default=None)


def _of_class(
    logits: Sequence[NDArray[np.floating]],
    own: NDArray[np.bool_],
    label: int,
    clusters: NDArray[np.int64],
    seed: int,
) -> ClassFigures:
    called = np.stack([one.argmax(1) == label for one in logits])
    areas = [quick_auroc(log_odds(one, label), own) for one in logits]
    return ClassFigures(
        images=int(own.sum()),
        sensitivity=clustered_mean(np.where(own, called, np.nan), clusters, seed=seed),
        specificity=clustered_mean(np.where(own, np.nan, ~called), clusters, seed=seed),
        auroc=float(np.mean(areas)),
    )
