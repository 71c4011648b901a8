from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import CONTROL, IMIL
from imil.core.evaluation.comparison import RoundContext, Trained, Validation
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.verdict import Verdict
from imil.core.external.figures import ExternalAnswers, evaluate_external
from imil.core.records import Sample, Split

SEEDS = 5
SETTING = RoundContext(
    number=1,
    split=Split.TEST,
    seeds=tuple(range(SEEDS)),
    seed_scope="replication",
    masked=(4,) * SEEDS,
    allowed=4,
    training_images=100,
    test_openings=1,
)


def trained(odds: NDArray[np.float64]) -> Trained:
    logits = np.stack([np.zeros_like(odds), odds], axis=1)
    return Trained((logits,) * SEEDS, ((),) * SEEDS)


def answers(odds: dict[str, NDArray[np.float64]], labels: NDArray[np.int64]) -> ExternalAnswers:
    samples = tuple(
        Sample(f"i{n}", int(label), Split.TEST) for n, label in enumerate(labels.tolist())
    )
    arms = {CONTROL: trained(odds["control"]), IMIL: trained(odds["imil"])}
    return ExternalAnswers("Graz", samples, arms)


def validation(odds: NDArray[np.float64], labels: NDArray[np.int64]) -> Validation:
    both = {CONTROL: trained(odds), IMIL: trained(odds)}
    return Validation(both, labels, np.arange(len(labels)))


LABELS = np.arange(200) % 2
# Every third answer of control is wrong; the arm is always right.
RIGHT = np.where(LABELS == 1, 2.0, -2.0)
CONTROLS = np.where(np.arange(200) % 3 == 0, -RIGHT, RIGHT)


def test_an_arm_that_is_right_elsewhere_gains_what_control_has_wrong() -> None:
    found = evaluate_external(
        answers({"control": CONTROLS, "imil": RIGHT}, LABELS), SETTING, validation(RIGHT, LABELS)
    )

    control, arm = found.arms
    assert control.values[Metric.ACCURACY] == (0.665,) * SEEDS
    assert arm.values[Metric.ACCURACY] == (1.0,) * SEEDS
    assert found.paired[0].verdict is Verdict.HELPS
    assert round(found.paired[0].differences[Metric.ACCURACY].points, 6) == 33.5
    gained = found.auroc[IMIL]
    assert 25 < gained.low < gained.points < gained.high < 45
    assert (found.images, found.patients, found.majority_rate) == (200, None, 0.5)


def test_a_shifted_scale_is_mended_by_the_threshold_that_validation_chose() -> None:
    shifted = RIGHT + 5  # everything is called positive at arg-max

    found = evaluate_external(
        answers({"control": shifted, "imil": shifted}, LABELS),
        SETTING,
        validation(shifted, LABELS),
    )

    assert found.arms[1].values[Metric.BALANCED_ACCURACY] == (0.5,) * SEEDS
    assert found.at_threshold[1].values[Metric.BALANCED_ACCURACY] == (1.0,) * SEEDS
    assert found.at_threshold[1].thresholds == (5.0,) * SEEDS
    assert found.at_threshold[0].differences == {}


def test_thresholds_do_not_follow_the_external_images() -> None:
    """What is chosen on validation stays as bad as it is elsewhere."""
    found = evaluate_external(
        answers({"control": RIGHT + 5, "imil": RIGHT + 5}, LABELS),
        SETTING,
        validation(RIGHT, LABELS),
    )

    assert found.at_threshold[1].thresholds == (0.0,) * SEEDS
    assert found.at_threshold[1].values[Metric.BALANCED_ACCURACY] == (0.5,) * SEEDS


def test_three_classes_have_no_threshold_and_an_auroc_of_each_against_the_rest() -> None:
    labels = np.arange(90) % 3
    right = np.eye(3)[labels] * 3
    wrong = np.eye(3)[(labels + (np.arange(90) % 2)) % 3] * 3
    arms = {
        CONTROL: Trained((wrong,) * SEEDS, ((),) * SEEDS),
        IMIL: Trained((right,) * SEEDS, ((),) * SEEDS),
    }
    samples = tuple(Sample(f"i{n}", int(label), Split.TEST) for n, label in enumerate(labels))

    found = evaluate_external(
        ExternalAnswers("Graz", samples, arms), SETTING, Validation(arms, labels, np.arange(90))
    )

    assert found.at_threshold == ()
    assert found.auroc[IMIL].low > 0
