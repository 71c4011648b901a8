from __future__ import annotations

import pytest

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Interval
from imil.core.evaluation.recommendation import (
    Candidate,
    Recommendation,
    RuleCase,
    always,
    best_setting,
    recommend,
    score_rule,
)
from imil.core.records import Deployment


def candidate(
    name: str,
    accuracy: tuple[float, ...] = (0.86, 0.84),
    gain: float = 0.0,
    *,
    sure: float = 3.0,
    swapped: float = 0.6,
    masks: int = 0,
) -> Candidate:
    """Return an arm whose gain on validation, in points, is sure to within so many points."""
    independent = tuple(0.6 + gain / 100 for _ in accuracy)
    difference = Difference(gain, gain - sure, gain + sure)
    return Candidate(
        parse_variant(name),
        accuracy,
        independent,
        difference,
        tuple(swapped for _ in accuracy),
        masks,
    )


CONTROL = candidate("control", sure=0.0)


def test_the_arm_that_gains_most_without_the_region_is_recommended() -> None:
    better = candidate("counterexample", gain=12.0, masks=40)
    best = candidate("propagated", (0.85, 0.85), gain=17.0, masks=40)

    found = recommend([CONTROL, better, best])

    assert found == Recommendation(best.name, (best.name,), (), best.gain)


def test_ordinary_accuracy_alone_recommends_nothing() -> None:
    shortcut = candidate("upweight", (0.95, 0.95), gain=-5.0)

    assert recommend([shortcut, CONTROL]).name == "control"


def test_an_arm_that_loses_over_a_point_is_not_eligible() -> None:
    lossy = candidate("drop", (0.84, 0.83), gain=30.0)
    just = candidate("imil", (0.84, 0.84), gain=5.0, masks=40)

    found = recommend([CONTROL, lossy, just])

    assert found.name == "imil"
    assert found.not_eligible == ("drop",)


def test_a_gain_within_the_noise_of_validation_recommends_control() -> None:
    maybe = candidate("imil", gain=2.9, sure=3.0, masks=40)

    found = recommend([maybe, CONTROL])

    assert found == Recommendation(CONTROL.name, (CONTROL.name,), (), CONTROL.gain)


def test_for_elsewhere_what_an_arm_costs_on_images_like_these_does_not_count() -> None:
    lossy = candidate("propagated", (0.80, 0.80), gain=17.0, masks=40)
    cheap = candidate("upweight", gain=5.0)
    arms = [CONTROL, lossy, cheap]

    elsewhere = recommend(arms, Deployment.ELSEWHERE)

    assert elsewhere == Recommendation(lossy.name, (lossy.name,), (), lossy.gain)
    assert recommend(arms, Deployment.SAME).name == "upweight"
    assert recommend(arms, Deployment.UNSURE) == recommend(arms)
    assert recommend(arms).not_eligible == ("propagated",)


def test_for_elsewhere_too_a_gain_within_the_noise_recommends_control() -> None:
    maybe = candidate("imil", gain=2.9, sure=3.0, masks=40)

    assert recommend([maybe, CONTROL], Deployment.ELSEWHERE).name == "control"


def test_what_the_edit_itself_costs_control_is_no_reason_against_it() -> None:
    used_to_edges = candidate("imil", gain=0.5, swapped=0.95, masks=40)

    assert recommend([CONTROL, used_to_edges]).name == "control"


def test_fewer_masks_win_a_tie() -> None:
    many = candidate("counterexample", gain=10.05, masks=80)
    few = candidate("imil", gain=10.0, masks=40)
    none = candidate("upweight", gain=10.0)

    assert recommend([CONTROL, many, few]).name == "imil"
    assert recommend([CONTROL, many, few, none]).name == "upweight"


def test_the_settings_of_one_arm_can_be_chosen_among() -> None:
    weights = [
        candidate(f"right_reason+{weight}", gain=gain, masks=40)
        for weight, gain in ((1, 4.0), (10, 9.0), (100, 6.0))
    ]

    assert recommend([CONTROL, *weights]).name == "right_reason+10"


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        ([candidate("imil")], "lack control"),
        ([CONTROL, CONTROL], "two have one name"),
        ([CONTROL, candidate("imil", (0.8,))], "differ in seeds"),
        ([CONTROL, candidate("imil", swapped=float("nan"))], "no number"),
    ],
)
def test_candidates_that_cannot_be_compared_are_a_callers_bug(
    candidates: list[Candidate], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        recommend(candidates)


CASES = (
    RuleCase(
        "propagated", {"control": 0.86, "imil": 0.73, "propagated": 0.98}, frozenset({"imil"})
    ),
    RuleCase("imil", {"control": 0.86, "imil": 0.80, "propagated": 0.90}, frozenset({"imil"})),
    RuleCase("control", {"control": 0.9895, "imil": 0.97, "propagated": 0.99}),
)


def test_following_the_rule_costs_what_the_best_arm_has_more() -> None:
    found = score_rule(CASES)

    assert (found.cases, found.best, found.harmful) == (3, 2, 1)
    assert found.regret.value == pytest.approx((0 + 10 + 0.05) / 3)
    assert found.worst_regret == pytest.approx(10.0)
    assert found.gain.value == pytest.approx((12 - 6 + 0) / 3)
    assert found.gain.low <= found.gain.value <= found.gain.high


def test_always_the_same_arm_is_what_a_rule_is_held_against() -> None:
    found = score_rule(always(CASES, "control"))

    assert (found.best, found.harmful) == (1, 0)
    assert found.gain == Interval(0.0, 0.0, 0.0)
    assert always(CASES, "drop") == ()


def test_no_case_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="no case to score"):
        score_rule([])


def test_a_case_without_its_arms_figure_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="lacks the figure"):
        score_rule([RuleCase("imil", {"control": 0.9})])


def test_the_best_setting_is_named_even_where_control_is_better() -> None:
    weak, strong = candidate("right_reason+1", gain=-9.0), candidate("right_reason+2", gain=-4.0)

    assert best_setting([CONTROL, weak, strong]) == "right_reason+2"


def test_a_setting_that_loses_on_ordinary_images_is_passed_over() -> None:
    fair, lossy = (
        candidate("right_reason+1", gain=2.0),
        candidate("right_reason+2", (0.8, 0.8), gain=9.0),
    )

    assert best_setting([CONTROL, fair, lossy]) == "right_reason+1"
    assert best_setting([CONTROL, lossy]) == "right_reason+2"


def test_a_setting_is_chosen_from_at_least_one() -> None:
    with pytest.raises(ValueError, match="no setting to choose from"):
        best_setting([CONTROL])
