"""The figures of trained arms on another hospital's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.comparison import (
    RoundContext,
    Trained,
    Validation,
    clusters_of,
    evaluate_round,
)
from imil.core.evaluation.differences import Difference, auroc_difference, paired_differences
from imil.core.evaluation.metrics import FIGURE_DRAWS, Metric, clustered_mean
from imil.core.evaluation.robustness import balanced
from imil.core.evaluation.rounds import BINARY, ExternalFigures, ThresholdFigures
from imil.core.evaluation.thresholds import log_odds, threshold_for_balance
from imil.core.external.distribution import DistributionCheck
from imil.core.records import Sample


@dataclass(frozen=True, slots=True, eq=False)
class ExternalAnswers:
    """What trained arms answer to one external set.

    Attributes:
        name: what the person calls the set.
        samples: its images, in the order of the scores' rows.
        trained: every arm's scores; control among them.
        check: what the set is like beside the training images; None where nobody looked.
    """

    name: str
    samples: Sequence[Sample]
    trained: Mapping[Variant, Trained]
    check: DistributionCheck | None = None


def evaluate_external(
    answers: ExternalAnswers,
    setting: RoundContext,
    validation: Validation,
    *,
    draws: int = FIGURE_DRAWS,
) -> ExternalFigures:
    """Return the figures of each arm on an external set, and each arm against control.

    Nothing is chosen on these images: the recommended arm and all thresholds come from validation.
    The arms named beforehand are the same as on the test set, and each set corrects for itself how
    many were named. Our choice.

    Args:
        answers: to the external set.
        setting: of the final comparison.
        validation: the same arms on validation.
        draws: as in `evaluate_round`.
    """
    plain = replace(setting, notices=(), swapped_by=None, mask_only=None)
    found = evaluate_round(answers.trained, answers.samples, plain, validation, draws=draws)
    labels = np.array([sample.label for sample in answers.samples], np.int64)
    images = _Labelled(labels, clusters_of(answers.samples))
    control = answers.trained[CONTROL]
    others = [arm for arm in answers.trained if arm != CONTROL]
    return ExternalFigures(
        name=answers.name,
        images=found.images,
        patients=found.patients,
        majority_rate=found.majority_rate,
        arms=found.arms,
        paired=found.paired,
        auroc={arm: _auroc(answers.trained[arm], control, images) for arm in others},
        at_threshold=_at_threshold(answers.trained, images, validation),
        check=answers.check,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """Class and patient number of each image, (N,) each."""

    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]


def _auroc(arm: Trained, control: Trained, images: _Labelled) -> Difference:
    """Return an arm's AUROC less control's: of several classes the mean of one against rest."""
    classes = arm.logits[0].shape[1]
    each = [
        auroc_difference(
            [log_odds(logits, label) for logits in arm.logits],
            [log_odds(logits, label) for logits in control.logits],
            images.labels == label,
            images.clusters,
        )
        for label in ([1] if classes == BINARY else range(classes))
    ]
    if len(each) == 1:
        return each[0]
    # As a rule wider than the mean's own interval: classes' differences do not move as one.
    return Difference(*(float(np.mean([getattr(d, f) for d in each])) for f in _FIELDS))


_FIELDS = ("points", "low", "high")


def _at_threshold(
    trained: Mapping[Variant, Trained], images: _Labelled, validation: Validation
) -> tuple[ThresholdFigures, ...]:
    """Return the arms at thresholds of their own, chosen on validation."""
    if trained[CONTROL].logits[0].shape[1] != BINARY:
        return ()
    thresholds = {
        arm: [
            threshold_for_balance(log_odds(logits), validation.labels == 1)
            for logits in validation.trained[arm].logits
        ]
        for arm in trained
    }
    right = {
        arm: np.stack(
            [
                (log_odds(logits) >= at) == (images.labels == 1)
                for logits, at in zip(outcome.logits, thresholds[arm], strict=True)
            ]
        )
        for arm, outcome in trained.items()
    }
    return tuple(
        ThresholdFigures(
            arm=arm,
            thresholds=tuple(thresholds[arm]),
            values={
                Metric.ACCURACY: tuple(float(one.mean()) for one in own),
                Metric.BALANCED_ACCURACY: tuple(
                    balanced(one.astype(np.float64), images.labels) for one in own
                ),
            },
            figures={
                Metric.ACCURACY: clustered_mean(own.astype(np.float64), images.clusters),
                Metric.BALANCED_ACCURACY: clustered_mean(
                    own.astype(np.float64), images.clusters, strata=images.labels
                ),
            },
            differences={}
            if arm == CONTROL
            else paired_differences(own, right[CONTROL], images.labels, images.clusters),
        )
        for arm, own in right.items()
    )
