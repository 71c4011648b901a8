from __future__ import annotations

from dataclasses import replace

import pytest

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.budget_curves import BudgetCurve, budget_curves, smaller_shares
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.evaluation.verdict import Change, Verdict
from imil.core.records import Split


def arm(name: str, masks: tuple[int, ...], seconds: float | None) -> ArmFigures:
    return ArmFigures(parse_variant(name), {}, {}, (), (), masks, seconds)


def paired(name: str, points: float) -> Paired:
    gain = Change(points, points - 1, points + 1)
    return Paired(parse_variant(name), {Metric.ACCURACY: gain}, Verdict.NO_CLEAR_DIFFERENCE, False)


def found(*arms: tuple[str, tuple[int, ...], float | None, float]) -> Round:
    return Round(
        number=1,
        split=Split.TEST,
        images=100,
        patients=None,
        seeds=(0, 1),
        seed_scope="train_on",
        majority_rate=0.5,
        masked=(40, 40),
        allowed=40,
        training_images=1000,
        test_openings=1,
        arms=(arm("control", (), None), *(arm(n, m, s) for n, m, s, _ in arms)),
        paired=tuple(paired(n, points) for n, _, _, points in arms),
    )


def steps(line: BudgetCurve) -> list[tuple[str, float, float | None, float]]:
    return [(d.name, d.masks, d.minutes, d.accuracy.points) for d in line.points]


def test_a_line_rises_from_control_to_all_masks_whatever_the_order_of_the_arms() -> None:
    (line,) = budget_curves(
        found(
            ("imil", (40, 40), 600.0, 7.0),
            ("imil+2%", (20, 20), 240.0, 3.0),
            ("imil+1%", (10, 10), 120.0, 1.0),
        )
    )

    assert line.arm == "imil"
    assert steps(line) == [
        ("control", 0, 0.0, 0.0),
        ("imil+1%", 10, 2.0, 1.0),
        ("imil+2%", 20, 4.0, 3.0),
        ("imil", 40, 10.0, 7.0),
    ]


def test_an_arm_without_shares_has_no_line() -> None:
    round_ = found(("imil", (40, 40), 600.0, 7.0), ("upweight", (40, 40), 600.0, 2.0))

    assert budget_curves(round_) == ()


def test_each_arm_with_shares_has_a_line_and_other_settings_are_another_arm() -> None:
    lines = budget_curves(
        found(
            ("imil", (40, 40), None, 7.0),
            ("imil+1%", (10, 10), None, 1.0),
            ("imil+noise+1%", (10, 10), None, 2.0),
        )
    )

    assert [(line.arm, len(line.points)) for line in lines] == [("imil", 3), ("imil+noise", 2)]


def test_masks_are_means_over_seeds() -> None:
    (line,) = budget_curves(found(("imil+1%", (9, 10), None, 1.0)))

    assert line.points[-1].masks == 9.5


def test_shares_that_allow_the_same_masks_stand_once_and_none_at_all_is_left_out() -> None:
    (line,) = budget_curves(
        found(
            ("imil", (20, 20), None, 7.0),
            ("imil+4%", (20, 20), None, 6.0),
            ("imil+1%", (0, 0), None, 0.0),
        )
    )

    assert steps(line) == [("control", 0, 0.0, 0.0), ("imil", 20, None, 7.0)]


def test_a_line_is_timed_only_where_every_dose_was() -> None:
    timed, not_timed = budget_curves(
        found(
            ("imil+1%", (10, 10), 60.0, 1.0),
            ("counterexample", (40, 40), 600.0, 7.0),
            ("counterexample+1%", (10, 10), None, 1.0),
        )
    )

    assert timed.timed
    assert not not_timed.timed


def test_an_exploratory_dose_says_so() -> None:
    round_ = found(("imil+1%", (10, 10), None, 1.0))
    exploratory = replace(round_, paired=(replace(round_.paired[0], exploratory=True),))

    assert [d.exploratory for d in budget_curves(exploratory)[0].points] == [False, True]


@pytest.mark.parametrize(
    ("painted", "training", "shares"),
    [
        (40, 1000, (0.01, 0.02)),
        (41, 1000, (0.01, 0.02, 0.04)),
        (10, 1000, ()),
        (3, 100, (0.02,)),
        (0, 100, ()),
    ],
)
def test_smaller_shares_are_fewer_masks_than_painted_and_at_least_two(
    painted: int, training: int, shares: tuple[float, ...]
) -> None:
    assert smaller_shares(painted, training) == shares
