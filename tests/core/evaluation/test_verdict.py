from __future__ import annotations

import numpy as np
import pytest

from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.verdict import (
    Difference,
    DrawnDifference,
    McNemar,
    Verdict,
    decide,
    decide_all,
    drawn_differences,
    holm,
    mcnemar,
    paired_differences,
)
from imil.core.records import Arm

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


def drawn(center: float, spread: float = 0.01) -> DrawnDifference:
    """A difference whose draws are normal to the eye: `center` and `spread` are shares."""
    steps = np.linspace(-3.5, 3.5, 10_000)
    weights = np.exp(-(steps**2) / 2).cumsum()
    even = np.interp(np.linspace(0, 1, 10_000), weights / weights[-1], steps)
    return DrawnDifference(center, center + spread * even)


def pair(accuracy: float, balanced: float | None = None) -> dict[Metric, DrawnDifference]:
    other = accuracy if balanced is None else balanced
    return {Metric.ACCURACY: drawn(accuracy), Metric.BALANCED_ACCURACY: drawn(other)}


def test_the_draws_give_the_paired_differences() -> None:
    control, arm = outcome(0.7, seeds=5), outcome(0.8, seeds=5, seed=1)

    draws = drawn_differences(arm, control, LABELS, PATIENTS)

    found = paired_differences(arm, control, LABELS, PATIENTS)
    assert {metric: each.interval() for metric, each in draws.items()} == found


def test_shares_of_swapped_copies_are_differences_too() -> None:
    half = np.full((5, 200), 0.5)

    found = paired_differences(half, np.zeros((5, 200)), LABELS, PATIENTS)

    assert found[Metric.BALANCED_ACCURACY] == Difference(50.0, 50.0, 50.0)


def test_a_lower_error_rate_widens_the_interval() -> None:
    narrow, wide = drawn(0.02).interval(), drawn(0.02).interval(0.005)

    assert narrow.points == wide.points == 2.0
    assert (narrow.low > 0, wide.low < 0) == (True, True)


def test_the_p_value_is_two_sided_and_never_zero() -> None:
    assert drawn(0.0).p == pytest.approx(1, abs=0.01)
    assert drawn(0.0196).p == pytest.approx(0.05, abs=0.002)
    assert drawn(-0.0196).p == pytest.approx(0.05, abs=0.002)
    assert drawn(1.0).p == 2 / 10_001


def test_the_named_comparisons_are_not_corrected() -> None:
    arms = {name: pair(0.022) for name in (Arm.IMIL, "best", "a", "b", "c")}

    found = decide_all(arms, recommended="best", seeds=5)

    assert {name: each.verdict for name, each in found.items()} == {
        "imil": Verdict.SHOWN,
        "best": Verdict.SHOWN,
        "a": Verdict.NOT_SHOWN,
        "b": Verdict.NOT_SHOWN,
        "c": Verdict.NOT_SHOWN,
    }
    assert [name for name, each in found.items() if each.exploratory] == ["a", "b", "c"]
    assert found["best"].levels[Metric.ACCURACY] == pytest.approx(0.95)
    assert found["a"].levels[Metric.ACCURACY] == pytest.approx(1 - 0.05 / 3)


def test_one_exploratory_arm_needs_no_correction() -> None:
    found = decide_all({"a": pair(0.022)}, recommended=None, seeds=5)

    assert found["a"].verdict is Verdict.SHOWN
    assert found["a"].exploratory


def test_each_rejection_makes_the_next_interval_narrower() -> None:
    # p of about .0001, .012, .035, .4: the second passes .05 / 3, the third fails .05 / 2.
    family = {"d": drawn(0.0084), "c": drawn(0.0211), "a": drawn(0.04), "b": drawn(0.0252)}

    alphas = holm(family)

    assert alphas == pytest.approx({"a": 0.05 / 4, "b": 0.05 / 3, "c": 0.05 / 2, "d": 0.05 / 2})


def test_the_interval_shown_is_the_one_that_decided() -> None:
    found = decide_all({"a": pair(0.022), "b": pair(0.001)}, recommended=None, seeds=5)["a"]

    assert found.verdict is Verdict.NOT_SHOWN
    assert found.differences[Metric.ACCURACY].low < 0
    assert found.p[Metric.ACCURACY] < 0.05


def test_harm_in_an_exploratory_arm_is_corrected_alike() -> None:
    found = decide_all({"a": pair(-0.022), "b": pair(-0.08)}, recommended=None, seeds=5)

    assert found["b"].verdict is Verdict.HARMFUL
    assert found["a"].verdict is Verdict.HARMFUL  # .05 / 1 is left for the last one
    crowd = decide_all({n: pair(-0.022) for n in "abcd"}, recommended=None, seeds=5)
    assert crowd["a"].verdict is Verdict.NOT_SHOWN


def test_a_wider_interval_never_makes_an_arm_shown() -> None:
    others = {name: pair(0.0) for name in "bcd"}

    found = decide_all({"a": pair(0.08, -0.022), **others}, recommended=None, seeds=5)["a"]

    assert found.differences[Metric.BALANCED_ACCURACY].high > 0
    assert found.verdict is Verdict.NOT_SHOWN


def test_few_seeds_are_no_evidence_for_any_arm() -> None:
    found = decide_all({Arm.IMIL: pair(0.08)}, recommended=None, seeds=2)

    assert found[Arm.IMIL].verdict is Verdict.ONE_RUN


def test_noise_in_many_arms_is_rarely_shown() -> None:
    rng = np.random.default_rng(0)
    arms = {
        str(i): drawn_differences(
            rng.random((5, 100)) < 0.8, rng.random((5, 100)) < 0.8, LABELS[:100], PATIENTS[:100]
        )
        for i in range(6)
    }

    found = decide_all(arms, recommended=None, seeds=5)

    assert {each.verdict for each in found.values()} == {Verdict.NOT_SHOWN}


def test_mcnemar_counts_what_only_one_has_right_a_seed() -> None:
    arm = np.array([[True] * 6 + [False] * 4, [True] * 10])
    control = np.array([[False] * 5 + [True] * 5, [True] * 10])

    assert mcnemar(arm, control) == (McNemar(5, 4, 1.0), McNemar(0, 0, 1.0))


def test_mcnemar_is_exact_and_two_sided() -> None:
    arm, control = np.ones((1, 8), np.bool_), np.zeros((1, 8), np.bool_)

    assert mcnemar(arm, control)[0].p == pytest.approx(2 / 2**8)


def test_mcnemar_of_different_shapes_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="arm and control differ in shape"):
        mcnemar(outcome(0.5, seeds=2), outcome(0.5, seeds=3))
