"""What a paired comparison of two arms says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from imil.core.metrics import Metric

# Draws of the crossed bootstrap, and how many go through one matrix product (memory).
DRAWS = 10_000
DRAWS_AT_ONCE = 500
# Fewer seeds than this are no evidence, whatever their interval.
MIN_SEEDS = 5


class Verdict(StrEnum):
    """The four things a comparison can say."""

    SHOWN = "shown"
    NOT_SHOWN = "not_shown"
    HARMFUL = "harmful"
    ONE_RUN = "one_run"


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference to control in points (100 x share), with its 95 % interval."""

    points: float
    low: float
    high: float


def paired_differences(
    right: NDArray[np.bool_],
    control_right: NDArray[np.bool_],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> dict[Metric, Difference]:
    """Return arm minus control for accuracy and balanced accuracy.

    The interval is the 95 % percentile interval over `DRAWS` bootstrap draws that resample
    patients and seeds, crossed. A draw that misses a class leaves it out of balanced accuracy.

    Args:
        right: (S, N) whether the arm was right, a row a seed.
        control_right: (S, N) the same for control, row by row the same seed.
        labels: (N,) class indices.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        seed: of the draws.

    Raises:
        ValueError: if the shapes don't fit.

    Source: crossed bootstrap of readers and cases, here of seeds and patients; our choice.
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
    accuracy, balanced = _bootstrap(gains, counts, np.random.default_rng(seed))
    per_class = gains.sum(1).mean(1) / counts.sum(1)
    return {
        Metric.ACCURACY: _difference(float(gain.mean()), accuracy),
        Metric.BALANCED_ACCURACY: _difference(float(per_class.mean()), balanced),
    }


def decide(differences: dict[Metric, Difference], *, seeds: int) -> Verdict:
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


def _bootstrap(
    gains: NDArray[np.float64], counts: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _, patients, seeds = gains.shape
    accuracies, balanced = [], []
    for _ in range(0, DRAWS, DRAWS_AT_ONCE):
        weight = rng.multinomial(patients, np.full(patients, 1 / patients), DRAWS_AT_ONCE)
        share = rng.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS_AT_ONCE) / seeds
        gained = np.einsum("kds,ds->kd", weight @ gains, share)
        seen = (weight @ counts[..., None])[..., 0]
        accuracies.append(gained.sum(0) / seen.sum(0))
        each = np.where(seen > 0, gained / np.maximum(seen, 1), np.nan)
        balanced.append(np.nanmean(each, axis=0))
    return np.concatenate(accuracies), np.concatenate(balanced)


def _difference(share: float, drawn: NDArray[np.float64]) -> Difference:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Difference(100 * share, 100 * float(low), 100 * float(high))
