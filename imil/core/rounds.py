"""A finished comparison as one value: screen, command line and report all render this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil.core.metrics import Interval, Metric, confusion, figures, majority_rate, mean_intervals
from imil.core.records import Arm, EpochFigures, Sample, Split
from imil.core.verdict import Difference, Verdict, decide_all, drawn_differences


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm of a comparison.

    Attributes:
        arm: which.
        values: each metric, a value a seed (0-1).
        figures: each metric's mean over seeds with its 95 % interval over patients.
        confusion: counts summed over seeds; rows are labels, columns predictions.
        curves: epochs of its first seed.
    """

    arm: Arm
    values: Mapping[Metric, tuple[float, ...]]
    figures: Mapping[Metric, Interval]
    confusion: tuple[tuple[int, ...], ...]
    curves: tuple[EpochFigures, ...]


@dataclass(frozen=True, slots=True)
class Paired:
    """One arm against control: points of the headline pair, and what they say together.

    Attributes:
        arm: which.
        differences: each of the pair with the interval that decided.
        verdict: what they say.
        exploratory: not named beforehand, so that its intervals are widened by Holm's procedure.
        levels: the level of each interval, 0.95 or above.
    """

    arm: Arm
    differences: Mapping[Metric, Difference]
    verdict: Verdict
    exploratory: bool
    levels: Mapping[Metric, float]


@dataclass(frozen=True, slots=True)
class Round:
    """What a comparison found, and all that is needed to read it rightly.

    Attributes:
        number: 1 for the first review.
        split: validation between rounds; test in a final comparison.
        images: images the figures are taken on.
        patients: patients among them; None where patients are unknown.
        seeds: the seeds compared.
        seed_scope: "replication" (a seed is a whole study anew) or "train_on" (a seed varies only
            what follows one checkpoint).
        majority_rate: accuracy of always answering the commonest class.
        masked: distinct training images masked, a value a seed.
        allowed: how many the budget allowed.
        training_images: how many there are.
        test_openings: how often the test set was opened so far, this time included.
        arms: control first.
        paired: every other arm against control.
        notices: sentences that belong beside the figures.
    """

    number: int
    split: Split
    images: int
    patients: int | None
    seeds: tuple[int, ...]
    seed_scope: str
    majority_rate: float
    masked: tuple[int, ...]
    allowed: int
    training_images: int
    test_openings: int
    arms: tuple[ArmFigures, ...]
    paired: tuple[Paired, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """An arm's outcome: (N, C) scores of the split's images and the curves, a value a seed."""

    logits: tuple[NDArray[np.floating], ...]
    curves: tuple[tuple[EpochFigures, ...], ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a comparison needs to know about the study; see `Round` for the fields."""

    number: int
    split: Split
    seeds: tuple[int, ...]
    seed_scope: str
    masked: tuple[int, ...]
    allowed: int
    training_images: int
    test_openings: int
    notices: tuple[str, ...] = ()


def compare(trained: Mapping[Arm, Trained], samples: Sequence[Sample], setting: Setting) -> Round:
    """Return the round: figures of each arm, and each arm against control.

    Args:
        trained: arms trained from one checkpoint under equal plans; control among them.
        samples: the split's images, in the order of the scores' rows.
        setting: what the study knows.
    """
    labels = np.array([sample.label for sample in samples], np.int64)
    clusters = clusters_of(samples)
    known = all(sample.patient is not None for sample in samples)
    control = _right(trained[Arm.CONTROL], labels)
    drawn = {
        arm: drawn_differences(_right(outcome, labels), control, labels, clusters)
        for arm, outcome in trained.items()
        if arm is not Arm.CONTROL
    }
    decisions = decide_all(drawn, recommended=None, seeds=len(setting.seeds))
    paired = [
        Paired(arm, found.differences, found.verdict, found.exploratory, found.levels)
        for arm, found in decisions.items()
    ]
    return Round(
        number=setting.number,
        split=setting.split,
        images=len(samples),
        patients=len(np.unique(clusters)) if known else None,
        seeds=setting.seeds,
        seed_scope=setting.seed_scope,
        majority_rate=majority_rate(labels),
        masked=setting.masked,
        allowed=setting.allowed,
        training_images=setting.training_images,
        test_openings=setting.test_openings,
        arms=tuple(_arm(arm, outcome, labels, clusters) for arm, outcome in trained.items()),
        paired=tuple(paired),
        notices=setting.notices,
    )


def clusters_of(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Return (N,) patient numbers; an image of an unknown patient has a number of its own."""
    numbers: dict[str, int] = {}
    clusters = []
    for row, sample in enumerate(samples):
        key = f"image {row}" if sample.patient is None else f"patient {sample.patient}"
        clusters.append(numbers.setdefault(key, len(numbers)))
    return np.array(clusters, np.int64)


def _right(outcome: Trained, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.stack([logits.argmax(1) == labels for logits in outcome.logits])


def _arm(
    arm: Arm, outcome: Trained, labels: NDArray[np.int64], clusters: NDArray[np.int64]
) -> ArmFigures:
    each = [figures(logits, labels) for logits in outcome.logits]
    counts = sum(confusion(logits, labels) for logits in outcome.logits)
    return ArmFigures(
        arm=arm,
        values={metric: tuple(f[metric] for f in each) for metric in Metric},
        figures=mean_intervals(outcome.logits, labels, clusters),
        confusion=tuple(tuple(int(n) for n in row) for row in np.asarray(counts)),
        curves=outcome.curves[0],
    )
