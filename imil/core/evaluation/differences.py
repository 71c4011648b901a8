"""Paired differences of two arms, with the bootstrap over patients and seeds behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil.core.evaluation.metrics import Metric
from imil.core.records import Figure

# Draws of the crossed bootstrap, and how many go through one matrix product (memory).
_DRAWS = 10_000
_DRAWS_AT_ONCE = 500
# Of AUROC, which every draw sorts out anew: seconds for six arms.
_AUROC_DRAWS = 2000
# Up to so many patients the draws of a data set are kept: each arm of a comparison is resampled
# alike, and drawing is nearly all that it costs (10,000 draws of them: 40 MB).
KEPT_PATIENTS = 2000
# Error rate that the 95 % interval stands for, and over which Holm's correction shares out.
ALPHA = 0.05

# How often a draw has each patient, and its seeds.
_Draw = tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]] | NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference to control in points (100 x share), with its 95 % interval."""

    points: Figure
    low: Figure
    high: Figure


@dataclass(frozen=True, slots=True, eq=False)
class DrawnDifference:
    """A paired difference to control as shares (-1 to 1), with all draws of its bootstrap.

    Attributes:
        share: the difference itself.
        drawn: (`_DRAWS`,) the same on resampled patients and seeds.
    """

    share: float
    drawn: NDArray[np.float64]

    def interval(self, alpha: float = ALPHA) -> Difference:
        """Return the difference in points with its 1 - `alpha` percentile interval."""
        low, high = np.percentile(self.drawn, [50 * alpha, 100 - 50 * alpha])
        return Difference(100 * self.share, 100 * float(low), 100 * float(high))

    @property
    def p(self) -> float:
        """Two-sided bootstrap p-value of no difference, never below 2 / (`_DRAWS` + 1)."""
        below, above = int((self.drawn <= 0).sum()), int((self.drawn >= 0).sum())
        return min(1.0, 2 * (min(below, above) + 1) / (len(self.drawn) + 1))


def paired_differences(
    right: NDArray[np.bool_] | NDArray[np.floating],
    control_right: NDArray[np.bool_] | NDArray[np.floating],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> dict[Metric, Difference]:
    """Return arm minus control for accuracy and balanced accuracy.

    The interval is the 95 % percentile interval over `_DRAWS` bootstrap draws that resample
    patients and seeds, crossed (see `drawn_together`). A draw that misses a class leaves it out of
    balanced accuracy.

    Args:
        right: (S, N) whether the arm was right, a row a seed; or the share (0-1) of an image's
            swapped copies that it had right.
        control_right: (S, N) the same for control, row by row the same seed.
        labels: (N,) class indices.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        seed: of the draws.

    Raises:
        ValueError: if the shapes don't fit.

    Source: crossed bootstrap of readers and cases, here of seeds and patients; our choice.
    """
    drawn = drawn_differences(right, control_right, labels, clusters, seed=seed)
    return {metric: difference.interval() for metric, difference in drawn.items()}


def drawn_differences(
    right: NDArray[np.bool_] | NDArray[np.floating],
    control_right: NDArray[np.bool_] | NDArray[np.floating],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> dict[Metric, DrawnDifference]:
    """Return what `paired_differences` does, with the draws, for intervals at any level.

    Raises:
        ValueError: if the shapes don't fit.
    """
    if right.shape != control_right.shape or right.shape[1] != len(labels) or not right.size:
        raise ValueError("arm, control and labels differ in shape")
    gain = right.astype(np.float64) - control_right
    (found,) = drawn_together(gain[None], labels, clusters, seed=seed)
    return found


def drawn_together(
    gains: NDArray[np.float64],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    draws: int = _DRAWS,
    seed: int = 0,
) -> tuple[dict[Metric, DrawnDifference], ...]:
    """Return the drawn differences of several comparisons on the same images, by the same draws.

    S - 1 of the S seeds are drawn with replacement: means of S would vary too little, by a fifth
    with five seeds. Patients are many, so as many of them are drawn as there are.

    Args:
        gains: (F, S, N) what each image counts for an arm, less what it counts for control.
        labels: (N,) class indices.
        clusters: (N,) patient numbers.
        draws: how many, a multiple of 500.
        seed: of the draws.

    Returns:
        One a comparison.

    Source: Rao and Wu, Resampling Inference With Complex Survey Data (JASA 1988).
    """
    comparisons, seeds, _ = gains.shape
    classes = np.unique(labels)
    # Per patient: gains (K, P, F x S) of each class, and images (K, P) of each class.
    patients, member = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(classes), len(patients), comparisons * seeds))
    counts = np.zeros((len(classes), len(patients)))
    flat = gains.reshape(-1, len(labels)).T
    for k, label in enumerate(classes):
        of_class = labels == label
        np.add.at(sums[k], member[of_class], flat[of_class])
        np.add.at(counts[k], member[of_class], 1)
    accuracy, balanced = _bootstrap(sums, counts, seeds, (draws, seed))
    shares = sums.sum(1).reshape(len(classes), comparisons, seeds).mean(2)
    plain = shares.sum(0) / counts.sum()
    per_class = (shares / counts.sum(1)[:, None]).mean(0)
    return tuple(
        {
            Metric.ACCURACY: DrawnDifference(float(plain[f]), accuracy[f]),
            Metric.BALANCED_ACCURACY: DrawnDifference(float(per_class[f]), balanced[f]),
        }
        for f in range(comparisons)
    )


def auroc_difference(
    scores: Sequence[NDArray[np.floating]],
    control_scores: Sequence[NDArray[np.floating]],
    positive: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    *,
    draws: int = _AUROC_DRAWS,
    seed: int = 0,
) -> Difference:
    """Return arm minus control for AUROC, mean over seeds, with its 95 % interval.

    Draws resample patients and seeds, crossed, as those of `paired_differences`; one that misses a
    class is left out.

    Args:
        scores: one (N,) array a seed, higher for the positive class.
        control_scores: the same of control, seed by seed.
        positive: (N,) whether an image is of the class; both kinds occur.
        clusters: (N,) patient number of each image.
        draws: how many, a multiple of 500.
        seed: of the draws.
    """
    pairs = list(zip(scores, control_scores, strict=True))
    patients, member = np.unique(clusters, return_inverse=True)
    ones = np.ones((1, len(positive)))
    point = float(
        np.mean([_aurocs(a, positive, ones) - _aurocs(b, positive, ones) for a, b in pairs])
    )
    drawn = []
    for weight, share in _crossed_draws(len(patients), len(pairs), draws, seed):
        weights = weight.astype(np.float64)[:, member]
        gains = [_aurocs(a, positive, weights) - _aurocs(b, positive, weights) for a, b in pairs]
        drawn.append((np.stack(gains, axis=1) * share).sum(1))
    return DrawnDifference(point, _without_nan(np.concatenate(drawn))).interval()


def _aurocs(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (D,) AUROC of images that count `weights` (D, N) times; NaN without a class."""
    _, place = np.unique(scores, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    sorted_weights = weights[:, order]
    # Of each different score: how often a draw has a positive, and a negative, image of it.
    ups = np.add.reduceat(sorted_weights * positive[order], starts, axis=1)
    downs = np.add.reduceat(sorted_weights * ~positive[order], starts, axis=1)
    won = (ups * (downs.cumsum(1) - downs / 2)).sum(1)
    pairs = ups.sum(1) * downs.sum(1)
    return np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan)


def _without_nan(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = values[~np.isnan(values)]
    return known if len(known) else np.array([np.nan])


@dataclass(frozen=True, slots=True, eq=False)
class PairedOutcome:
    """One seed's arm and control on that seed's own test images.

    Attributes:
        right: (N,) whether the arm was right, or what an image counts towards its figure.
        control_right: (N,) the same of control.
        labels: (N,) class indices.
        clusters: (N,) patient numbers.
    """

    right: NDArray[np.bool_] | NDArray[np.float64]
    control_right: NDArray[np.bool_] | NDArray[np.float64]
    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]


def drawn_over_replications(
    outcomes: Sequence[PairedOutcome], *, seed: int = 0
) -> dict[Metric, DrawnDifference]:
    """Return arm minus control where each seed has test images of its own.

    Draws resample seeds, one fewer than there are, and within each seed its patients: nested, since
    nothing is crossed when every seed has other images (as in a benchmark that draws new films a
    seed). Our choice.

    Args:
        outcomes: one a seed, of the same classes.
        seed: of the draws.
    """
    classes = np.unique(np.concatenate([outcome.labels for outcome in outcomes]))
    sums = [_sums(outcome, classes) for outcome in outcomes]
    gained, seen = np.zeros((len(classes), _DRAWS)), np.zeros((len(classes), _DRAWS))
    drawn = _nested_draws(tuple(gains.shape[1] for gains, _ in sums), seed)
    for (gains, counts), (share, weight) in zip(sums, drawn, strict=True):
        weights = weight.T.astype(np.float64)
        gained += share * (gains @ weights)
        seen += share * (counts @ weights)
    point = sum(gains.sum(1) for gains, _ in sums)
    total = sum(counts.sum(1) for _, counts in sums)
    balanced = np.nanmean(np.where(seen > 0, gained / np.maximum(seen, 1), np.nan), axis=0)
    return {
        Metric.ACCURACY: DrawnDifference(
            float(np.sum(point) / np.sum(total)), gained.sum(0) / seen.sum(0)
        ),
        Metric.BALANCED_ACCURACY: DrawnDifference(float(np.mean(point / total)), balanced),
    }


def _sums(
    outcome: PairedOutcome, classes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (K, P) gains and (K, P) images of each class and patient."""
    gain = outcome.right.astype(np.float64) - outcome.control_right
    patients, member = np.unique(outcome.clusters, return_inverse=True)
    gains, counts = np.zeros((len(classes), len(patients))), np.zeros((len(classes), len(patients)))
    for k, label in enumerate(classes):
        of_class = outcome.labels == label
        np.add.at(gains[k], member[of_class], gain[of_class])
        np.add.at(counts[k], member[of_class], 1)
    return gains, counts


def _bootstrap(
    sums: NDArray[np.float64], counts: NDArray[np.float64], seeds: int, drawing: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (F, draws) of accuracy and of balanced accuracy; `drawing` is how many, and a seed."""
    classes, patients, columns = sums.shape
    accuracies, balanced = [], []
    drawn = _kept_draws if patients <= KEPT_PATIENTS else _crossed_draws
    for weight, share in drawn(patients, seeds, *drawing):
        weights = weight.astype(np.float64)
        found = (weights @ sums).reshape(classes, len(weights), columns // seeds, seeds)
        gained = np.einsum("kdfs,ds->kfd", found, share)
        seen = (weights @ counts[..., None])[..., 0][:, None]
        accuracies.append(gained.sum(0) / seen.sum(0))
        each = np.where(seen > 0, gained / np.maximum(seen, 1), np.nan)
        balanced.append(np.nanmean(each, axis=0))
    return np.concatenate(accuracies, axis=1), np.concatenate(balanced, axis=1)


def _crossed_draws(patients: int, seeds: int, draws: int, seed: int) -> Iterator[_Draw]:
    """Yield `_DRAWS_AT_ONCE` resamplings at a time: (D, patients) counts, (D, seeds) shares."""
    rng = np.random.default_rng(seed)
    drawn = _seeds_drawn(seeds)
    for _ in range(0, draws, _DRAWS_AT_ONCE):
        weight = rng.multinomial(patients, np.full(patients, 1 / patients), _DRAWS_AT_ONCE)
        share = rng.multinomial(drawn, np.full(seeds, 1 / seeds), _DRAWS_AT_ONCE) / drawn
        yield weight, share


def _seeds_drawn(seeds: int) -> int:
    return max(1, seeds - 1)


@lru_cache(maxsize=2)
def _kept_draws(patients: int, seeds: int, draws: int, seed: int) -> tuple[_Draw, ...]:
    return tuple(
        (weight.astype(np.uint16), share)
        for weight, share in _crossed_draws(patients, seeds, draws, seed)
    )


@lru_cache(maxsize=2)
def _nested_draws(patients: tuple[int, ...], seed: int) -> tuple[_Draw, ...]:
    """Return, a replication, how often each draw has it, (D,), and its patients, (D, patients)."""
    rng = np.random.default_rng(seed)
    seeds = len(patients)
    shares = rng.multinomial(_seeds_drawn(seeds), np.full(seeds, 1 / seeds), _DRAWS).T
    return tuple(
        (share, rng.multinomial(of_one, np.full(of_one, 1 / of_one), _DRAWS).astype(np.uint32))
        for share, of_one in zip(shares, patients, strict=True)
    )
