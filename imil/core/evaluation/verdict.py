"""What a paired comparison of two arms says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import IMIL
from imil.core.evaluation.metrics import Metric
from imil.core.records import Figure

# Draws of the crossed bootstrap, and how many go through one matrix product (memory).
_DRAWS = 10_000
_DRAWS_AT_ONCE = 500
# Up to so many patients the draws of a data set are kept: each arm of a comparison is resampled
# alike, and drawing is nearly all that it costs (10,000 draws of them: 40 MB).
KEPT_PATIENTS = 2000
# Fewer seeds than this are no evidence, whatever their interval.
MIN_SEEDS = 5
# Error rate that the 95 % interval stands for, and over which Holm's correction shares out.
ALPHA = 0.05

# An arm, or the name of one.
Name = TypeVar("Name", bound=str)
# How often a draw has each patient, and its seeds.
_Draw = tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]] | NDArray[np.float64]]


class Verdict(StrEnum):
    """The four things a comparison can say."""

    SHOWN = "shown"
    NOT_SHOWN = "not_shown"
    HARMFUL = "harmful"
    ONE_RUN = "one_run"


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


@dataclass(frozen=True, slots=True)
class Decision:
    """What one arm's comparison to control says, beside the others of its study.

    Attributes:
        verdict: after the correction.
        exploratory: not named beforehand, and so corrected.
        differences: each of the headline pair with the interval that decided.
        levels: the level of that interval, 0.95 or above.
        p: the two-sided bootstrap p-value of each, not corrected.
    """

    verdict: Verdict
    exploratory: bool
    differences: Mapping[Metric, Difference]
    levels: Mapping[Metric, float]
    p: Mapping[Metric, float]


@dataclass(frozen=True, slots=True)
class McNemar:
    """One seed's paired test: never pooled over seeds, and never what decides.

    It takes images for independent, so with several a patient its p-value is too small.

    Attributes:
        gained: images that the arm has right and control wrong.
        lost: images that control has right and the arm wrong.
        p: exact, two-sided; 1 where the two never differ.
    """

    gained: int
    lost: int
    p: Figure


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
    patients and seeds, crossed. A draw that misses a class leaves it out of balanced accuracy.

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
    classes = np.unique(labels)
    # Per patient: gains (P, S) of each class, and images (P,) of each class.
    patients, member = np.unique(clusters, return_inverse=True)
    gains = np.zeros((len(classes), len(patients), len(gain)))
    counts = np.zeros((len(classes), len(patients)))
    for k, label in enumerate(classes):
        of_class = labels == label
        np.add.at(gains[k], member[of_class], gain[:, of_class].T)
        np.add.at(counts[k], member[of_class], 1)
    accuracy, balanced = _bootstrap(gains, counts, seed)
    per_class = gains.sum(1).mean(1) / counts.sum(1)
    return {
        Metric.ACCURACY: DrawnDifference(float(gain.mean()), accuracy),
        Metric.BALANCED_ACCURACY: DrawnDifference(float(per_class.mean()), balanced),
    }


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

    Draws resample seeds, and within each seed its patients: nested, since nothing is crossed when
    every seed has other images (as in a benchmark that draws new films a seed). Our choice.

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


def decide(differences: Mapping[Metric, Difference], *, seeds: int) -> Verdict:
    """Return the verdict of the headline pair.

    Harmful: either interval lies below 0. Shown: accuracy's lies above 0 and balanced accuracy's
    not below. Below `MIN_SEEDS` seeds: `one_run`, whatever the intervals.
    """
    if seeds < MIN_SEEDS:
        return Verdict.ONE_RUN
    accuracy = differences[Metric.ACCURACY]
    balanced = differences[Metric.BALANCED_ACCURACY]
    if accuracy.high < 0 or balanced.high < 0:
        return Verdict.HARMFUL
    return Verdict.SHOWN if accuracy.low > 0 else Verdict.NOT_SHOWN


def decide_all(
    drawn: Mapping[Name, Mapping[Metric, DrawnDifference]],
    *,
    recommended: str | None,
    seeds: int,
) -> dict[Name, Decision]:
    """Return the decision on every arm of a study.

    Two comparisons are named beforehand, `imil` and the recommended arm, and each is decided by its
    95 % intervals. All others are exploratory, and corrected by Holm's procedure: with m of them,
    the arm of the smallest p-value is decided by its 1 - .05 / m interval, the next by 1 - .05 /
    (m - 1), and so on; from the first interval that holds 0 on, all are taken at that level, and
    hold 0 as well. So one interval still decides, and the one shown is the one that decided. Each
    metric of the headline pair is a family of its own, as the named comparisons aren't corrected
    for there being two. A wider interval must not make a verdict: an exploratory arm is `shown` or
    `harmful` only where its 95 % intervals say the same. All this is our choice.

    Args:
        drawn: of `drawn_differences`, every arm but control.
        recommended: the arm chosen on validation; None or control if none is.
        seeds: how many were compared; below `MIN_SEEDS` every verdict is `one_run`.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
    """
    named = {IMIL, recommended}
    levels: dict[Name, dict[Metric, float]] = {name: {} for name in drawn}
    for metric in (Metric.ACCURACY, Metric.BALANCED_ACCURACY):
        family = {name: each[metric] for name, each in drawn.items() if name not in named}
        alphas = holm(family)
        for name in drawn:
            levels[name][metric] = 1 - alphas.get(name, ALPHA)
    return {
        name: _decision(each, levels[name], exploratory=name not in named, seeds=seeds)
        for name, each in drawn.items()
    }


def holm(family: Mapping[Name, DrawnDifference]) -> dict[Name, float]:
    """Return the error rate that each comparison's interval may have, by Holm's procedure.

    Ties of p-values, which draws have, go to the larger difference first.
    """
    order = sorted(family, key=lambda name: (family[name].p, -abs(family[name].share)))
    alphas: dict[Name, float] = {}
    alpha = ALPHA
    stopped = False
    for rank, name in enumerate(order):
        alpha = alpha if stopped else ALPHA / (len(order) - rank)
        alphas[name] = alpha
        found = family[name].interval(alpha)
        stopped = stopped or found.low <= 0 <= found.high
    return alphas


def mcnemar(right: NDArray[np.bool_], control_right: NDArray[np.bool_]) -> tuple[McNemar, ...]:
    """Return McNemar's exact test of arm against control, a seed.

    Args:
        right: (S, N) whether the arm was right, a row a seed.
        control_right: (S, N) the same for control, row by row the same seed.

    Raises:
        ValueError: if the shapes differ.

    Source: McNemar (Psychometrika 1947), exact by the binomial of the images that differ.
    """
    if right.shape != control_right.shape:
        raise ValueError("arm and control differ in shape")
    return tuple(_mcnemar(*pair) for pair in zip(right, control_right, strict=True))


def _mcnemar(right: NDArray[np.bool_], control_right: NDArray[np.bool_]) -> McNemar:
    gained, lost = int((right & ~control_right).sum()), int((~right & control_right).sum())
    from scipy.stats import binomtest  # noqa: PLC0415  # slow to import

    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return McNemar(gained, lost, p)


def _decision(
    drawn: Mapping[Metric, DrawnDifference],
    levels: Mapping[Metric, float],
    *,
    exploratory: bool,
    seeds: int,
) -> Decision:
    plain = decide({metric: each.interval() for metric, each in drawn.items()}, seeds=seeds)
    deciding = {metric: each.interval(1 - levels[metric]) for metric, each in drawn.items()}
    corrected = decide(deciding, seeds=seeds)
    return Decision(
        verdict=corrected if corrected is plain else Verdict.NOT_SHOWN,
        exploratory=exploratory,
        differences=deciding,
        levels=levels,
        p={metric: each.p for metric, each in drawn.items()},
    )


def _bootstrap(
    gains: NDArray[np.float64], counts: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _, patients, seeds = gains.shape
    accuracies, balanced = [], []
    draws = _kept_draws if patients <= KEPT_PATIENTS else _crossed_draws
    for weight, share in draws(patients, seeds, seed):
        weights = weight.astype(np.float64)
        gained = np.einsum("kds,ds->kd", weights @ gains, share)
        seen = (weights @ counts[..., None])[..., 0]
        accuracies.append(gained.sum(0) / seen.sum(0))
        each = np.where(seen > 0, gained / np.maximum(seen, 1), np.nan)
        balanced.append(np.nanmean(each, axis=0))
    return np.concatenate(accuracies), np.concatenate(balanced)


def _crossed_draws(patients: int, seeds: int, seed: int) -> Iterator[_Draw]:
    """Yield `_DRAWS_AT_ONCE` resamplings at a time: (D, patients) counts, (D, seeds) shares."""
    rng = np.random.default_rng(seed)
    for _ in range(0, _DRAWS, _DRAWS_AT_ONCE):
        weight = rng.multinomial(patients, np.full(patients, 1 / patients), _DRAWS_AT_ONCE)
        share = rng.multinomial(seeds, np.full(seeds, 1 / seeds), _DRAWS_AT_ONCE) / seeds
        yield weight, share


@lru_cache(maxsize=2)
def _kept_draws(patients: int, seeds: int, seed: int) -> tuple[_Draw, ...]:
    return tuple(
        (weight.astype(np.uint16), share) for weight, share in _crossed_draws(patients, seeds, seed)
    )


@lru_cache(maxsize=2)
def _nested_draws(patients: tuple[int, ...], seed: int) -> tuple[_Draw, ...]:
    """Return, a replication, how often each draw has it, (D,), and its patients, (D, patients)."""
    rng = np.random.default_rng(seed)
    seeds = len(patients)
    shares = rng.multinomial(seeds, np.full(seeds, 1 / seeds), _DRAWS).T
    return tuple(
        (share, rng.multinomial(of_one, np.full(of_one, 1 / of_one), _DRAWS).astype(np.uint32))
        for share, of_one in zip(shares, patients, strict=True)
    )
