from __future__ import annotations

import numpy as np
import pytest

from imil.core.evaluation.differences import (
    Difference,
    DrawnDifference,
    drawn_differences,
    drawn_together,
    paired_differences,
)
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.verdict import (
    DrawnChanges,
    McNemar,
    QuestionAnswer,
    Verdict,
    answer_alike,
    answer_without,
    decide,
    decide_all,
    holm,
    mcnemar,
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


def alike(*pair: tuple[float, float, float]) -> QuestionAnswer:
    """Return the answer on images like these of five seeds."""
    return answer_alike(headline(*(pair * 2)[:2]), seeds=5)


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


def test_a_large_gain_in_every_seed_is_better() -> None:
    control = outcome(0.7, seeds=5)
    arm = control | outcome(0.5, seeds=5, seed=1)

    found = paired_differences(arm, control, LABELS, PATIENTS)

    assert found[Metric.ACCURACY].low > 5
    assert answer_alike(found, seeds=5) is QuestionAnswer.BETTER


def test_noise_alone_is_mostly_no_clear_difference() -> None:
    said = [
        answer_alike(
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

    assert said.count(QuestionAnswer.NO_CLEAR_DIFFERENCE) >= 8


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


def test_the_variance_over_few_seeds_is_not_taken_for_too_small() -> None:
    # Images that all say the same: only seeds differ, by 1 with a true mean of 0.
    rng = np.random.default_rng(0)
    told = []
    for _ in range(200):
        gain = np.repeat(rng.normal(size=(5, 1)), 20, axis=1)
        found = drawn_differences(gain, np.zeros((5, 20)), LABELS[:20], PATIENTS[:20])
        told.append(float(found[Metric.ACCURACY].drawn.var()))

    assert np.mean(told) == pytest.approx(1 / 5, rel=0.1)


def test_several_comparisons_by_the_same_draws_are_what_each_is_alone() -> None:
    control = outcome(0.7, seeds=5)
    arms = [outcome(0.8, seeds=5, seed=1), outcome(0.6, seeds=5, seed=2)]
    gains = np.stack([arm.astype(float) - control for arm in arms])

    found = drawn_together(gains, LABELS, PATIENTS)

    for arm, together in zip(arms, found, strict=True):
        alone = paired_differences(arm, control, LABELS, PATIENTS)
        for metric, each in together.items():
            own = each.interval()
            assert (own.points, own.low, own.high) == pytest.approx(
                (alone[metric].points, alone[metric].low, alone[metric].high)
            )


def test_on_images_like_these_neither_figure_may_lose() -> None:
    assert alike((8.0, 6.0, 9.0), (-5.0, -7.0, -3.0)) is QuestionAnswer.WORSE
    assert alike((-9.9, -11.9, -7.9), (1.0, -1, 2)) is QuestionAnswer.WORSE
    assert alike((8.0, 6.0, 9.0), (0.1, -1.0, 1.2)) is QuestionAnswer.BETTER
    assert alike((0.3, -0.4, 1.0)) is QuestionAnswer.NO_CLEAR_DIFFERENCE


def test_fewer_than_five_seeds_are_too_early() -> None:
    gain = headline((8.0, 6.0, 9.0), (8.0, 6.0, 9.0))

    assert answer_alike(gain, seeds=4) is QuestionAnswer.TOO_EARLY_TO_SAY
    assert answer_without(gain[Metric.ACCURACY], seeds=4) is QuestionAnswer.TOO_EARLY_TO_SAY
    assert answer_without(None, seeds=4) is QuestionAnswer.NOT_ASKED


UP, DOWN, NONE, UNASKED = (
    QuestionAnswer.BETTER,
    QuestionAnswer.WORSE,
    QuestionAnswer.NO_CLEAR_DIFFERENCE,
    QuestionAnswer.NOT_ASKED,
)


@pytest.mark.parametrize(
    ("without", "on_these", "word"),
    [
        (UP, UP, Verdict.HELPS),
        (UP, NONE, Verdict.HELPS),
        (UP, DOWN, Verdict.TRADE_OFF),
        (NONE, UP, Verdict.NO_CLEAR_DIFFERENCE),
        (NONE, NONE, Verdict.NO_CLEAR_DIFFERENCE),
        (NONE, DOWN, Verdict.HARMFUL),
        (DOWN, UP, Verdict.HARMFUL),
        (DOWN, NONE, Verdict.HARMFUL),
        (DOWN, DOWN, Verdict.HARMFUL),
        # Nobody could ask what is left without the shortcut: the second question alone decides.
        (UNASKED, UP, Verdict.HELPS),
        (UNASKED, NONE, Verdict.NO_CLEAR_DIFFERENCE),
        (UNASKED, DOWN, Verdict.HARMFUL),
        (UNASKED, QuestionAnswer.TOO_EARLY_TO_SAY, Verdict.TOO_EARLY_TO_SAY),
    ],
)
def test_two_answers_make_one_word(
    without: QuestionAnswer, on_these: QuestionAnswer, word: Verdict
) -> None:
    assert decide(without, on_these) is word


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("shown", Verdict.HELPS),
        ("not_shown", Verdict.NO_CLEAR_DIFFERENCE),
        ("one_run", Verdict.TOO_EARLY_TO_SAY),
        ("harmful", Verdict.HARMFUL),
    ],
)
def test_words_of_older_versions_stay_readable(then: str, now: Verdict) -> None:
    assert Verdict(then) is now


def test_an_unknown_word_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="proved"):
        Verdict("proved")


def test_shapes_that_do_not_fit_are_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        paired_differences(outcome(0.5, seeds=2), outcome(0.5, seeds=3), LABELS, PATIENTS)


def drawn(center: float, spread: float = 0.01) -> DrawnDifference:
    """A difference whose draws are normal to the eye: `center` and `spread` are shares."""
    steps = np.linspace(-3.5, 3.5, 10_000)
    weights = np.exp(-(steps**2) / 2).cumsum()
    even = np.interp(np.linspace(0, 1, 10_000), weights / weights[-1], steps)
    return DrawnDifference(center, center + spread * even)


def arm(
    accuracy: float, balanced: float | None = None, *, without: float | None = None
) -> DrawnChanges:
    other = accuracy if balanced is None else balanced
    return DrawnChanges(
        None if without is None else drawn(without),
        {Metric.ACCURACY: drawn(accuracy), Metric.BALANCED_ACCURACY: drawn(other)},
    )


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


def test_what_is_named_beforehand_is_corrected_by_itself_and_so_is_all_else() -> None:
    # The first of six figures needs p < .05 / 6, the first of nine .05 / 9.
    arms = {name: arm(0.0, without=0.027) for name in (Arm.IMIL, "best", "a", "b", "c")}

    found = decide_all(arms, recommended="best", seeds=5)

    assert {name: each.verdict for name, each in found.items()} == {
        "imil": Verdict.HELPS,
        "best": Verdict.HELPS,
        "a": Verdict.NO_CLEAR_DIFFERENCE,
        "b": Verdict.NO_CLEAR_DIFFERENCE,
        "c": Verdict.NO_CLEAR_DIFFERENCE,
    }
    assert [name for name, each in found.items() if each.exploratory] == ["a", "b", "c"]
    best, other = found["best"].without_the_shortcut, found["a"].without_the_shortcut
    assert best is not None
    assert other is not None
    assert best.level == pytest.approx(1 - 0.05 / 5)
    assert other.level == pytest.approx(1 - 0.05 / 9)


def test_a_change_says_which_difference_could_have_been_seen() -> None:
    found = decide_all({Arm.IMIL: arm(0.0, without=0.0)}, recommended=None, seeds=5)[Arm.IMIL]

    assert found.verdict is Verdict.NO_CLEAR_DIFFERENCE
    assert found.without_the_shortcut is not None
    # Draws of a spread of one point; the interval of the first of three figures is 2.39 of them.
    assert found.without_the_shortcut.visible_from == pytest.approx(2.39, abs=0.05)


def test_a_loss_beside_a_gain_is_not_hidden_by_a_wider_interval() -> None:
    found = decide_all({Arm.IMIL: arm(-0.021, without=0.2)}, recommended=None, seeds=5)[Arm.IMIL]

    assert found.verdict is Verdict.TRADE_OFF
    accuracy = found.on_images_like_these[Metric.ACCURACY]
    assert accuracy.level == pytest.approx(0.95)
    assert accuracy.high < 0


def test_no_gain_on_these_images_makes_up_for_a_loss_without_the_shortcut() -> None:
    found = decide_all({Arm.IMIL: arm(0.08, without=-0.08)}, recommended=None, seeds=5)

    assert found[Arm.IMIL].verdict is Verdict.HARMFUL


def test_each_rejection_makes_the_next_interval_narrower() -> None:
    # p of about .0001, .012, .035, .4: the second passes .05 / 3, the third fails .05 / 2.
    family = {"d": drawn(0.0084), "c": drawn(0.0211), "a": drawn(0.04), "b": drawn(0.0252)}

    alphas = holm(family)

    assert alphas == pytest.approx({"a": 0.05 / 4, "b": 0.05 / 3, "c": 0.05 / 2, "d": 0.05 / 2})


def test_the_interval_shown_is_the_one_that_decided() -> None:
    arms = {"a": arm(0.022, without=0.0), "b": arm(0.001, without=0.0)}

    found = decide_all(arms, recommended=None, seeds=5)["a"]

    accuracy = found.on_images_like_these[Metric.ACCURACY]
    assert found.verdict is Verdict.NO_CLEAR_DIFFERENCE
    assert accuracy.low < 0
    assert accuracy.p < 0.05


def test_harm_in_an_exploratory_arm_is_corrected_alike() -> None:
    found = decide_all({"a": arm(-0.03), "b": arm(-0.08)}, recommended=None, seeds=5)
    crowd = decide_all({n: arm(-0.022) for n in "abcd"}, recommended=None, seeds=5)

    assert found["b"].verdict is Verdict.HARMFUL
    assert found["a"].verdict is Verdict.HARMFUL
    assert crowd["a"].verdict is Verdict.NO_CLEAR_DIFFERENCE


def test_a_wider_interval_never_makes_an_arm_help() -> None:
    others = {name: arm(0.0) for name in "bcd"}

    found = decide_all({"a": arm(0.08, -0.022), **others}, recommended=None, seeds=5)["a"]

    assert found.on_images_like_these[Metric.BALANCED_ACCURACY].high < 0
    assert found.verdict is Verdict.HARMFUL


def test_few_seeds_are_too_early_for_any_arm() -> None:
    found = decide_all({Arm.IMIL: arm(0.08, without=0.2)}, recommended=None, seeds=2)

    assert found[Arm.IMIL].verdict is Verdict.TOO_EARLY_TO_SAY


def test_noise_in_many_arms_rarely_makes_a_difference() -> None:
    rng = np.random.default_rng(0)
    arms = {
        str(i): DrawnChanges(
            None,
            drawn_differences(
                rng.random((5, 100)) < 0.8,
                rng.random((5, 100)) < 0.8,
                LABELS[:100],
                PATIENTS[:100],
            ),
        )
        for i in range(6)
    }

    found = decide_all(arms, recommended=None, seeds=5)

    assert {each.verdict for each in found.values()} == {Verdict.NO_CLEAR_DIFFERENCE}


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
