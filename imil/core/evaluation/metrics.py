"""Figures of a classifier with their intervals, from logits and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from imil.core.records import Figure, Split
from imil.errors import DataError

# Bins of the expected calibration error; the usual number (Guo et al., ICML 2017).
CALIBRATION_BINS = 15
# Draws of a figure's interval, and how many are held at once (memory).
_DRAWS = 2000
_DRAWS_AT_ONCE = 200
# Draws where every metric is computed anew from scores: a second for four arms.
FIGURE_DRAWS = 500


class Metric(StrEnum):
    """Names as they stand in `results.json`."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    AUROC = "auroc"
    F1 = "f1"
    ECE = "ece"
    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"


class Robustness(StrEnum):
    """Figures on images whose irrelevant region is another image's: names in `results.json`.

    The independent one is of un-edited images, with what their region tells taken off.
    """

    INDEPENDENT_BALANCED_ACCURACY = "independent_balanced_accuracy"
    SWAPPED_ACCURACY = "swapped_accuracy"
    SWAPPED_BALANCED_ACCURACY = "swapped_balanced_accuracy"
    FLIP_RATE = "flip_rate"


class Explanation(StrEnum):
    """Figures of where a prediction looks, never the headline: names in `results.json`."""

    WRONG_REASON_SHARE = "wrong_reason_share"
    POINTING_GAME = "pointing_game"


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval; low and high are NaN where none can be given."""

    value: Figure
    low: Figure
    high: Figure


def figures(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> dict[Metric, float]:
    """Return every metric of one model on one set of images.

    Sensitivity and specificity are at arg-max, and of class 1 where there are two classes; with
    more classes they, like AUROC (one against rest) and F1, are means over classes.

    Args:
        logits: (N, C) raw scores.
        labels: (N,) class indices; every class must occur.

    Returns:
        Each metric in 0-1.
    """
    from sklearn.metrics import (  # noqa: PLC0415  # slow to import, and no training needs it
        balanced_accuracy_score,
        f1_score,
        recall_score,
    )

    classes = np.arange(logits.shape[1])
    probabilities = softmax(logits.astype(np.float64), axis=1)
    predicted = logits.argmax(1)
    binary = len(classes) == 2
    sensitivities = recall_score(labels, predicted, labels=classes, average=None, zero_division=0)
    specificities = _specificities(labels, predicted, classes)
    f1 = f1_score(labels, predicted, average="binary" if binary else "macro", zero_division=0)
    return {
        Metric.ACCURACY: float((predicted == labels).mean()),
        Metric.BALANCED_ACCURACY: float(balanced_accuracy_score(labels, predicted)),
        Metric.AUROC: _auroc(probabilities, labels),
        Metric.F1: float(f1),
        Metric.ECE: calibration_error(probabilities, labels),
        Metric.SENSITIVITY: float(sensitivities[1] if binary else sensitivities.mean()),
        Metric.SPECIFICITY: float(specificities[1] if binary else specificities.mean()),
    }


def calibration_error(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the expected calibration error over `CALIBRATION_BINS` equal bins of confidence.

    Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), eq. 3.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def majority_rate(labels: NDArray[np.int64]) -> float:
    """Return the accuracy of always answering the commonest class."""
    return float(np.bincount(labels).max() / len(labels))


def confusion_matrix(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (C, C) counts: rows are labels, columns predictions."""
    width = logits.shape[1]
    cells = np.bincount(labels * width + logits.argmax(1), minlength=width * width)
    return cells.reshape(width, width).astype(np.int64)


def mean_intervals(
    logits: Sequence[NDArray[np.floating]],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    draws: int = FIGURE_DRAWS,
    seed: int = 0,
) -> dict[Metric, Interval]:
    """Return each metric's mean over seeds, with a 95 % percentile interval over patients.

    Args:
        logits: one (N, C) array a seed.
        labels: (N,) class indices.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        draws: bootstrap draws; those that miss a class are left out.
        seed: of the draws.
    """
    each = [figures(one, labels) for one in logits]
    point = {metric: float(np.mean([f[metric] for f in each])) for metric in each[0]}
    rng = np.random.default_rng(seed)
    patients, member = np.unique(clusters, return_inverse=True)
    classes = len(np.unique(labels))
    drawn: dict[Metric, list[float]] = {metric: [] for metric in point}
    for _ in range(draws):
        counts = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)))
        rows = np.repeat(np.arange(len(labels)), counts[member])
        if len(np.unique(labels[rows])) == classes:
            again = [quick_figures(one[rows], labels[rows]) for one in logits]
            for metric in point:
                drawn[metric].append(float(np.mean([f[metric] for f in again])))
    return {metric: _interval(value, drawn[metric]) for metric, value in point.items()}


def clustered_mean(
    values: NDArray[np.float64],
    clusters: NDArray[np.int64],
    *,
    strata: NDArray[np.int64] | None = None,
    draws: int = _DRAWS,
    seed: int = 0,
) -> Interval:
    """Return a mean over images and seeds with its 95 % percentile interval over patients.

    Args:
        values: (N,) or, a row a seed, (S, N); NaN where an image has no value.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        strata: (N,) e.g. the labels; the figure is then the mean of the strata's means, as in
            balanced accuracy. All images are one stratum if None.
        draws: bootstrap draws; those that miss a stratum are left out.
        seed: of the draws.

    Returns:
        All NaN where there is no value.

    Raises:
        ValueError: if values, clusters and strata differ in length.
    """
    rows = np.atleast_2d(values)
    parts = np.zeros(rows.shape[1], np.int64) if strata is None else strata
    if not rows.shape[1] == len(clusters) == len(parts):
        raise ValueError("values, clusters and strata differ in length")
    there = ~np.isnan(rows)
    if not there.any():
        return Interval(float("nan"), float("nan"), float("nan"))
    # Per stratum and patient: sums and numbers of values. Images without any count for nothing.
    (patients, member), (kinds, kind) = (
        np.unique(column, return_inverse=True) for column in (clusters, parts)
    )
    sums, counts = np.zeros((2, len(kinds), len(patients)))
    np.add.at(sums, (kind, member), np.where(there, rows, 0).sum(0))
    np.add.at(counts, (kind, member), there.sum(0))
    seen = counts.sum(1) > 0
    sums, counts = sums[seen].T, counts[seen].T
    rng = np.random.default_rng(seed)
    drawn: list[NDArray[np.float64]] = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        weight = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), size)
        total, number = weight @ sums, weight @ counts
        whole = (number > 0).all(1)
        drawn.append((total[whole] / number[whole]).mean(1))
    value = float((sums.sum(0) / counts.sum(0)).mean())
    return _interval(value, np.concatenate(drawn) if drawn else [])


def check_classes(labels: NDArray[np.int64], classes: Sequence[str], split: Split) -> None:
    """Refuse a split that lacks a class: most figures are then undefined.

    Raises:
        DataError: naming the split and the class.
    """
    for label, name in enumerate(classes):
        if not (labels == label).any():
            raise DataError(
                f"The {split} split has no image of class “{name}”.",
                why="Balanced accuracy, AUROC and sensitivity need images of every class.",
                fix=f"Add such images to the {split} split, or let the app make the splits.",
            )


def quick_figures(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> dict[Metric, float]:
    """Return what `figures` returns, fast enough for a bootstrap.

    scikit-learn's checks cost ten times the arithmetic; a test holds the two together.
    """
    n, width = logits.shape
    probabilities = softmax(logits.astype(np.float64), axis=1)
    cells = np.bincount(labels * width + logits.argmax(1), minlength=width * width)
    counts = cells.reshape(width, width).astype(np.float64)
    hit, actual, answered = np.diag(counts), counts.sum(1), counts.sum(0)
    recall = hit / np.maximum(actual, 1)
    specificity = 1 - (answered - hit) / np.maximum(n - actual, 1)
    f1 = 2 * hit / np.maximum(actual + answered, 1)
    binary = width == 2
    return {
        Metric.ACCURACY: float(hit.sum() / n),
        Metric.BALANCED_ACCURACY: float(recall.mean()),
        Metric.AUROC: _quick_auroc(probabilities, labels),
        Metric.F1: float(f1[1] if binary else f1.mean()),
        Metric.ECE: calibration_error(probabilities, labels),
        Metric.SENSITIVITY: float(recall[1] if binary else recall.mean()),
        Metric.SPECIFICITY: float(specificity[1] if binary else specificity.mean()),
    }


def quick_auroc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the share (0-1) of pairs of a positive and a negative image in the right order.

    Args:
        scores: (N,), higher for positive; a tie counts half.
        positive: (N,).

    Returns:
        NaN where there is no pair.

    Source: Mann and Whitney's U from ranks.
    """
    count = int(positive.sum())
    pairs = count * (len(positive) - count)
    if not pairs:
        return float("nan")
    from scipy.stats import rankdata  # noqa: PLC0415  # slow to import

    return float((rankdata(scores)[positive].sum() - count * (count + 1) / 2) / pairs)


def _auroc(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  # slow to import

    if probabilities.shape[1] == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    classes = np.arange(probabilities.shape[1])
    return float(roc_auc_score(labels, probabilities, multi_class="ovr", labels=classes))


def _quick_auroc(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    width = probabilities.shape[1]
    of = [1] if width == 2 else range(width)
    return float(np.mean([quick_auroc(probabilities[:, c], labels == c) for c in of]))


def _interval(value: float, drawn: Sequence[float] | NDArray[np.float64]) -> Interval:
    if not len(drawn):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _specificities(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.array([(predicted[labels != c] != c).mean() for c in classes])
