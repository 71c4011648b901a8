"""Sensitivity and specificity at a threshold that was chosen on other images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from imil.core.evaluation.metrics import Interval, clustered_mean
from imil.core.records import Figure
from imil.errors import DataError

# Share of the positive images to be found at the second operating point, beside arg-max.
TARGET_SENSITIVITY = 0.9


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Sensitivity and specificity at thresholds that were chosen on other images.

    Attributes:
        thresholds: log-odds from which on an image is called positive, one a seed.
        sensitivity: share of the positive images called so, 0-1, mean over seeds.
        specificity: share of the negative images not called so, 0-1, mean over seeds.
    """

    thresholds: tuple[Figure, ...]
    sensitivity: Interval
    specificity: Interval


def log_odds(logits: NDArray[np.floating], label: int = 1) -> NDArray[np.float64]:
    """Return (N,) log-odds of a class against all others, for (N, C) raw scores.

    Not the probability: that is exactly 1 for many a sure image, and no threshold parts them.
    """
    scores = logits.astype(np.float64)
    others = np.delete(scores, label, axis=1)
    return np.asarray(scores[:, label] - logsumexp(others, axis=1), np.float64)


def threshold_for_sensitivity(
    scores: NDArray[np.floating],
    positive: NDArray[np.bool_],
    *,
    target: float = TARGET_SENSITIVITY,
) -> float:
    """Return the highest threshold at which enough of the positive images are found.

    Args:
        scores: (N,) of the *validation* images, such as `log_odds`.
        positive: (N,) whether an image is of the class.
        target: least share of the positive images with a score at or above it, in (0, 1].

    Returns:
        One of the scores.

    Raises:
        DataError: no positive image.
        ValueError: the target is not in (0, 1].
    """
    if not 0 < target <= 1:
        raise ValueError("a target sensitivity is above 0 and at most 1")
    found = np.sort(scores[positive])[::-1]
    if not found.size:
        raise DataError(
            f"No threshold for {target:.0%} sensitivity can be chosen.",
            why="The validation split has no positive image.",
            fix="Put positive images into the validation split, or let the app make the splits.",
        )
    # 0.9 of 10 may be 9.000000000000002 in binary: don't let it become 10.
    return float(found[math.ceil(round(target * len(found), 9)) - 1])


def threshold_for_balance(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the threshold of the greatest balanced accuracy.

    Args:
        scores: (N,) log-odds of the *validation* images.
        positive: (N,) whether an image is of the class; both kinds occur.

    Returns:
        Half-way between two scores, or 0, which is arg-max; of equally good ones that nearest to 0.

    Source: Youden's index (Cancer 1950).
    """
    levels = np.unique(scores)
    tried = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2])
    ups, downs = np.sort(scores[positive]), np.sort(scores[~positive])
    found = 1 - np.searchsorted(ups, tried) / len(ups)
    spared = np.searchsorted(downs, tried) / len(downs)
    best = tried[np.isclose(found + spared, (found + spared).max())]
    return float(best[np.abs(best).argmin()])


def at_threshold(
    scores: Sequence[NDArray[np.floating]],
    positive: NDArray[np.bool_],
    thresholds: Sequence[float],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> OperatingPoint:
    """Return sensitivity and specificity at given thresholds, with intervals over patients.

    Args:
        scores: one (N,) array a seed, of the kind the thresholds were chosen on.
        positive: (N,) whether an image is of the class.
        thresholds: one a seed; an image at or above it is called positive.
        clusters: (N,) patient number of each image.
        seed: of the draws.

    Returns:
        NaN for the sensitivity without positive, for the specificity without negative images.
    """
    called = np.stack([one >= at for one, at in zip(scores, thresholds, strict=True)])
    found = np.where(positive, called, np.nan)
    spared = np.where(positive, np.nan, ~called)
    return OperatingPoint(
        tuple(thresholds),
        clustered_mean(found, clusters, seed=seed),
        clustered_mean(spared, clusters, seed=seed),
    )
