from __future__ import annotations

import numpy as np
import pytest

from imil.core.metrics import Metric
from imil.core.verdict import Difference, Verdict, decide, paired_differences

LABELS = np.arange(200, dtype=np.int64) % 2
PATIENTS = np.arange(200)


def outcome(
    accuracy: float, *, seeds: int, seed: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.random.default_rng(seed).random((seeds, 200)) < accuracy


def headline(
    accuracy: tuple[float, float, float], balanced: tuple[float, float, float]
) -> dict[Metric, Difference]:
    return {
        Metric.ACCURACY: Difference(*accuracy),
        Metric.BALANCED_ACCURACY: Difference(*balanced),
    }


def test_points_are_the_mean_paired_difference() -> None:
    control = np.zeros((1, 4), np.bool_)
    arm = np.array([[True, False, False, False]])

    found = paired_differences(arm, control, np.array([0, 1, 1, 1]), np.arange(4))

    assert found[Metric.ACCURACY].points == 25.0
    assert found[Metric.BALANCED_ACCURACY].points == 50.0


def test_an_arm_equal_to_control_has_no_width() -> None:
    control = outcome(0.8, seeds=5)

    found = paired_differences(control, control, LABELS, PATIENTS)

    assert found[Metric.ACCURACY] == Difference(0.0, 0.0, 0.0)


def test_a_large_gain_in_every_seed_is_shown() -> None:
    control = outcome(0.7, seeds=5)
    arm = control | outcome(0.5, seeds=5, seed=1)

    found = paired_differences(arm, control, LABELS, PATIENTS)

    assert found[Metric.ACCURACY].low > 5
    assert decide(found, seeds=5) is Verdict.SHOWN


def test_noise_alone_is_mostly_not_shown() -> None:
    shown = [
        decide(
            paired_differences(
                outcome(0.8, seeds=5, seed=2 * i),
                outcome(0.8, seeds=5, seed=2 * i + 1),
                LABELS,
                PATIENTS,
                seed=i,
            ),
            seeds=5,
        )
        for i in range(10)
    ]

    assert shown.count(Verdict.NOT_SHOWN) >= 8


def test_images_of_one_patient_are_drawn_together() -> None:
    control = np.zeros((5, 200), np.bool_)
    arm = np.tile(np.repeat(np.random.default_rng(0).random(20) < 0.5, 10), (5, 1))

    alone = paired_differences(arm, control, LABELS, PATIENTS)[Metric.ACCURACY]
    grouped = paired_differences(arm, control, LABELS, PATIENTS // 10)[Metric.ACCURACY]

    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_seeds_that_disagree_widen_the_interval() -> None:
    control = np.zeros((6, 200), np.bool_)
    steady = outcome(0.5, seeds=6)
    torn = np.concatenate([outcome(0.9, seeds=3), outcome(0.1, seeds=3)])

    narrow = paired_differences(steady, control, LABELS, PATIENTS)[Metric.ACCURACY]
    wide = paired_differences(torn, control, LABELS, PATIENTS)[Metric.ACCURACY]

    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_a_loss_of_balanced_accuracy_is_harmful_whatever_accuracy_gains() -> None:
    found = headline((8.0, 6.0, 9.0), (-5.0, -7.0, -3.0))

    assert decide(found, seeds=5) is Verdict.HARMFUL


def test_a_loss_of_accuracy_is_harmful() -> None:
    assert decide(headline((-9.9, -11.9, -7.9), (1.0, -1, 2)), seeds=10) is Verdict.HARMFUL


def test_an_interval_around_zero_is_not_shown() -> None:
    assert decide(headline((0.3, -0.4, 1.0), (0.3, -0.4, 1.0)), seeds=5) is Verdict.NOT_SHOWN


def test_fewer_than_five_seeds_are_no_evidence() -> None:
    assert decide(headline((8.0, 6.0, 9.0), (8.0, 6.0, 9.0)), seeds=4) is Verdict.ONE_RUN


def test_shapes_that_do_not_fit_are_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        paired_differences(outcome(0.5, seeds=2), outcome(0.5, seeds=3), LABELS, PATIENTS)
