from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.pooled import against, candidates, chosen, share_closed
from imil.core.arms.variants import CONTROL, IMIL, parse_variant
from imil.core.evaluation.metrics import Metric
from imil.core.records import Deployment
from tests.benchmarks.fabricated import outcome

UPWEIGHT = parse_variant("upweight")

ARMS = (CONTROL, IMIL, UPWEIGHT)
USUAL = {"control": 0.7, "imil": 0.5, "upweight": 0.9}


def test_share_closed_is_gain_over_gap() -> None:
    found = share_closed([0.85, 0.95], [0.8, 0.8], [0.9, 1.0])

    assert found is not None
    assert found["value"] == pytest.approx(0.1 / 0.15)
    assert found["low"] <= found["value"] <= found["high"]


def test_no_share_is_given_where_there_is_no_gap_to_close() -> None:
    assert share_closed([0.95, 0.95], [0.94, 0.94], [0.95, 0.95]) is None
    assert share_closed([0.95, 0.95], [0.8, 0.8], []) is None


def test_two_arms_are_compared_image_by_image() -> None:
    outcomes = [outcome(seed, **USUAL) for seed in range(5)]

    found = against(outcomes, UPWEIGHT, IMIL)[Metric.ACCURACY].interval()

    gains = [o.accuracy(UPWEIGHT) - o.accuracy(IMIL) for o in outcomes]
    assert found.points == pytest.approx(100 * sum(gains) / 5)
    assert 30 < found.low < found.points < found.high < 50


def test_the_seeds_of_a_cell_choose_as_one_study() -> None:
    # Alone, each seed would choose another arm.
    first = outcome(0, {"control": 0.5, "imil": 0.9, "upweight": 0.7}, **USUAL)
    second = outcome(1, {"control": 0.5, "imil": 0.5, "upweight": 0.8}, **USUAL)

    assert [chosen([each], ARMS) for each in (first, second)] == [IMIL, UPWEIGHT]
    assert chosen([first, second], ARMS) == UPWEIGHT


def test_only_arms_of_the_benchmark_can_be_chosen() -> None:
    found = outcome(0, {"control": 0.5, "imil": 0.9, "upweight": 0.7}, **USUAL)

    assert chosen([found], (CONTROL, UPWEIGHT)) == UPWEIGHT


def test_control_is_chosen_where_nothing_could_be_predicted() -> None:
    told = outcome(0, {"control": 0.5, "imil": 0.9, "upweight": 0.7}, **USUAL)
    silent = outcome(1, **USUAL)

    assert chosen([silent], ARMS) == CONTROL
    assert chosen([silent, told], ARMS) == IMIL


def test_candidates_of_several_seeds_are_those_that_every_seed_has() -> None:
    one = outcome(0, {"control": 0.5, "imil": 0.6}, **USUAL)
    two = outcome(1, {"control": 0.5, "imil": 0.8, "upweight": 0.9}, **USUAL)

    control, imil = candidates([one, two], ARMS)

    assert (control.name, imil.name) == ("control", "imil")
    assert imil.swapped_balanced_accuracy == (0.6, 0.8)
    assert imil.gain.low < imil.gain.points < imil.gain.high
    assert imil.gain.points == pytest.approx(20, abs=4)
    assert control.gain.points == control.gain.low == control.gain.high == 0


def test_a_gain_within_the_noise_of_validation_recommends_control() -> None:
    barely = outcome(0, {"control": 0.9, "imil": 0.905}, **USUAL)

    assert chosen([barely], ARMS) == CONTROL


def test_for_elsewhere_what_an_arm_loses_on_validation_does_not_count() -> None:
    lossy = outcome(0, {"control": 0.5, "imil": 0.9}, **USUAL)
    told = tuple(
        replace(each, accuracy=(0.8,)) if each.name == IMIL else each for each in lossy.candidates
    )
    lossy = replace(lossy, candidates=told)

    assert chosen([lossy], ARMS) == CONTROL
    assert chosen([lossy], ARMS, Deployment.ELSEWHERE) == IMIL
