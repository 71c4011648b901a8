from __future__ import annotations

import pytest

from imil.core.metrics import Interval
from imil.core.recommendation import (
    Candidate,
    Case,
    Recommendation,
    always,
    recommend,
    score_rule,
)

CONTROL = Candidate("control", (0.86, 0.84), (0.60, 0.58))


def test_the_arm_that_holds_when_the_region_is_swapped_is_recommended() -> None:
    better = Candidate("counterexample", (0.86, 0.85), (0.70, 0.72), masks=40)
    best = Candidate("propagated", (0.85, 0.85), (0.75, 0.77), masks=40)

    found = recommend([CONTROL, better, best])

    assert found == Recommendation("propagated", ("propagated",), (), found.gain)
    assert found.gain == pytest.approx(17.0)


def test_ordinary_accuracy_alone_recommends_nothing() -> None:
    shortcut = Candidate("upweight", (0.95, 0.95), (0.55, 0.55))

    assert recommend([shortcut, CONTROL]).name == "control"


def test_an_arm_that_loses_over_a_point_is_not_eligible() -> None:
    lossy = Candidate("drop", (0.84, 0.83), (0.90, 0.90))
    just = Candidate("imil", (0.84, 0.84), (0.61, 0.61), masks=40)

    found = recommend([CONTROL, lossy, just])

    assert found.name == "imil"
    assert found.not_eligible == ("drop",)


def test_control_wins_a_tie() -> None:
    same = Candidate("imil", (0.86, 0.84), (0.60, 0.5815), masks=40)

    found = recommend([same, CONTROL])

    assert found.name == "control"
    assert found.tied == ("imil", "control")
    assert found.gain == 0.0


def test_fewer_masks_win_a_tie() -> None:
    many = Candidate("counterexample", (0.86, 0.84), (0.7005, 0.70), masks=80)
    few = Candidate("imil", (0.86, 0.84), (0.70, 0.70), masks=40)
    none = Candidate("upweight", (0.86, 0.84), (0.70, 0.70))

    assert recommend([CONTROL, many, few]).name == "imil"
    assert recommend([CONTROL, many, few, none]).name == "upweight"


def test_the_settings_of_one_arm_can_be_chosen_among() -> None:
    weights = [
        Candidate(f"right_reason x{weight}", (0.86, 0.86), (value, value), masks=40)
        for weight, value in ((1, 0.61), (10, 0.70), (100, 0.65))
    ]

    assert recommend([CONTROL, *weights]).name == "right_reason x10"


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        ([Candidate("imil", (0.8,), (0.8,))], "lack control"),
        ([CONTROL, CONTROL], "two have one name"),
        ([CONTROL, Candidate("imil", (0.8,), (0.8,))], "differ in seeds"),
        ([CONTROL, Candidate("imil", (0.8, 0.8), (0.8, float("nan")))], "no number"),
    ],
)
def test_candidates_that_cannot_be_compared_are_a_callers_bug(
    candidates: list[Candidate], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        recommend(candidates)


CASES = (
    Case("propagated", {"control": 0.86, "imil": 0.73, "propagated": 0.98}, frozenset({"imil"})),
    Case("imil", {"control": 0.86, "imil": 0.80, "propagated": 0.90}, frozenset({"imil"})),
    Case("control", {"control": 0.9895, "imil": 0.97, "propagated": 0.99}),
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
        score_rule([Case("imil", {"control": 0.9})])
