"""One arm against another over the runs of a benchmark, each with test images of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.differences import (
    Difference,
    DrawnDifference,
    PairedOutcome,
    drawn_over_replications,
)
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.recommendation import Candidate, recommend
from imil.core.evaluation.verdict import DrawnChanges
from imil.core.records import Deployment

# Below this gap to the clean reference, in points, a share of it means nothing.
LEAST_GAP = 5.0
DRAWS = 10_000


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One seed of one cell: each arm's answers to that seed's test films.

    Attributes:
        labels: (N,) class indices.
        clusters: (N,) patient numbers.
        answers: (N,) class indices, an arm.
        candidates: the arms on validation; empty where nothing could be predicted to swap.
        validation_labels: (V,) class indices of that seed's validation films.
        validation_clusters: (V,) patient numbers of them.
        independent: (V,) what each counts for the recommendation, an arm.
        test_independent: (N,) what each test film counts without the shortcut, an arm; of an arm
            that was run by an older version there is none.
    """

    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]
    answers: Mapping[Variant, NDArray[np.int64]]
    candidates: tuple[Candidate, ...] = ()
    validation_labels: NDArray[np.int64] = field(default_factory=_none)
    validation_clusters: NDArray[np.int64] = field(default_factory=_none)
    independent: Mapping[Variant, NDArray[np.float64]] = field(default_factory=dict)
    test_independent: Mapping[Variant, NDArray[np.float64]] = field(default_factory=dict)

    def right(self, arm: Variant) -> NDArray[np.bool_]:
        """Return (N,) whether the arm was right."""
        right: NDArray[np.bool_] = self.answers[arm] == self.labels
        return right

    def accuracy(self, arm: Variant) -> float:
        """Return the arm's accuracy, 0-1."""
        return float(self.right(arm).mean())


def against(
    outcomes: Sequence[Outcome], arm: Variant, other: Variant = CONTROL
) -> dict[Metric, DrawnDifference]:
    """Return one arm minus another, paired by seed and image."""
    return drawn_over_replications(
        [PairedOutcome(o.right(arm), o.right(other), o.labels, o.clusters) for o in outcomes]
    )


def drawn_changes(outcomes: Sequence[Outcome], arm: Variant) -> DrawnChanges:
    """Return both questions of one arm against control."""
    alike = against(outcomes, arm)
    if not all({arm, CONTROL} <= o.test_independent.keys() for o in outcomes):
        return DrawnChanges(None, alike)
    found = drawn_over_replications(
        [
            PairedOutcome(
                o.test_independent[arm], o.test_independent[CONTROL], o.labels, o.clusters
            )
            for o in outcomes
        ]
    )
    return DrawnChanges(found[Metric.BALANCED_ACCURACY], alike)


def candidates(outcomes: Sequence[Outcome], arms: Sequence[Variant]) -> tuple[Candidate, ...]:
    """Return the arms to choose from on validation, for these seeds as one study.

    Seeds on which nothing could be predicted have no say; empty where there is no other.

    Args:
        outcomes: of one cell.
        arms: those to choose from, control among them.
    """
    told = [outcome for outcome in outcomes if outcome.candidates]
    by_name = [{candidate.name: candidate for candidate in o.candidates} for o in told]
    return tuple(
        Candidate(
            name,
            accuracy=tuple(value for found in by_name for value in found[name].accuracy),
            independent=tuple(value for found in by_name for value in found[name].independent),
            gain=_gain(told, name),
            swapped_balanced_accuracy=tuple(
                value for found in by_name for value in found[name].swapped_balanced_accuracy
            ),
            masks=max(found[name].masks for found in by_name),
        )
        for name in (by_name[0] if by_name else ())
        if name in arms and all(name in found for found in by_name)
    )


def _gain(outcomes: Sequence[Outcome], name: Variant) -> Difference:
    drawn = drawn_over_replications(
        [
            PairedOutcome(
                o.independent[name],
                o.independent[CONTROL],
                o.validation_labels,
                o.validation_clusters,
            )
            for o in outcomes
        ]
    )
    return drawn[Metric.BALANCED_ACCURACY].interval()


def chosen(
    outcomes: Sequence[Outcome],
    arms: Sequence[Variant],
    deployment: Deployment = Deployment.UNSURE,
) -> Variant:
    """Return the arm that is recommended; control where there is nothing to choose by."""
    found = candidates(outcomes, arms)
    return recommend(found, deployment).name if found else CONTROL


def share_closed(
    arm: Sequence[float], control: Sequence[float], clean: Sequence[float]
) -> dict[str, float] | None:
    """Return how much of control's gap to clean films an arm closes, with a 95 % interval.

    Mean gain over mean gap, seeds resampled together (`DRAWS` draws).

    Args:
        arm: accuracy a seed, 0-1.
        control: the same seeds' control.
        clean: the same seeds' control on shortcut-free films; empty where it was not run.

    Returns:
        value, low and high; None where there is no reference or the gap is under `LEAST_GAP`.
    """
    if len(clean) != len(control):
        return None
    gain, gap = np.subtract(arm, control), np.subtract(clean, control)
    if 100 * gap.mean() < LEAST_GAP:
        return None
    picks = np.random.default_rng(0).integers(len(gain), size=(DRAWS, len(gain)))
    drawn = gain[picks].mean(1) / gap[picks].mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": float(gain.mean() / gap.mean()), "low": float(low), "high": float(high)}
