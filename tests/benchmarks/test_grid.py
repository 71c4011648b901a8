from __future__ import annotations

from typing import Any

import pytest

from benchmarks.charts import film_plots
from benchmarks.grid import Cell, grid_content
from benchmarks.table import films_table
from benchmarks.targets import film_targets
from imil.core.arms.registry import parse_arms
from tests.benchmarks.fabricated import grid

# Ten thousand draws an arm and cell.
pytestmark = pytest.mark.slow

ARMS = parse_arms(("imil", "counterexample", "propagated", "upweight"))
CELLS = (Cell(0.95, 0.0), Cell(0.5, 0.0))
# What the films said in trials: the paper's arm harms, propagated masks close the gap.
RIGHT = {
    "control": 0.75,
    "imil": 0.6,
    "counterexample": 0.88,
    "propagated": 0.98,
    "upweight": 0.9,
}
SWAPPED = {**RIGHT, "control": 0.7}


def content(*, seeds: int = 5, swapped: dict[str, float] = SWAPPED) -> dict[str, Any]:
    outcomes = grid(*CELLS, seeds=seeds, swapped=swapped, **RIGHT)
    found = grid_content(outcomes, cells=CELLS, seeds=range(seeds), arms=ARMS)
    targets = film_targets(found["cells"], seeds=seeds)
    about = {"arms": list(ARMS), "seeds": list(range(seeds)), "images": 1000}
    return {
        **about,
        **found,
        "targets": [{"words": t.words, "met": t.met, "found": t.found} for t in targets],
    }


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return content()


def test_the_recommended_arm_is_named_beforehand_and_held_against_control_and_its_rival(
    whole: dict[str, Any],
) -> None:
    cell = whole["cells"][0]

    assert cell["recommended"]["arm"] == "propagated"
    assert not cell["paired"]["propagated"]["exploratory"]
    assert cell["paired"]["counterexample"]["exploratory"]
    assert cell["recommended"]["verdict"] == "helps"
    assert cell["recommended"]["against_control"] == cell["paired"]["propagated"]["accuracy"]
    assert 3 < cell["recommended"]["against_rival"]["points"] < 13
    assert 0.9 < cell["recommended"]["share_closed"]["value"] < 1.1


def test_following_the_rule_is_scored_against_always_choosing_an_arm(whole: dict[str, Any]) -> None:
    rule, always = whole["rule"]["recommended"], whole["rule"]["always"]

    assert (rule["pooled"]["cases"], rule["single"]["cases"]) == (2, 10)
    assert rule["pooled"]["best"] >= 1
    assert rule["pooled"]["harmful"] == 0
    assert always["imil"]["pooled"]["harmful"] == 1
    assert always["imil"]["single"]["harmful"] == 5
    assert always["imil"]["pooled"]["worst_regret"] > 30
    assert always["control"]["pooled"]["gain"]["value"] == 0
    assert rule["pooled"]["regret"]["value"] < always["control"]["pooled"]["regret"]["value"]


def test_a_rule_that_picks_a_harmful_arm_is_told_so() -> None:
    found = content(swapped={**SWAPPED, "imil": 0.99})

    assert found["rule"]["recommended"]["pooled"]["harmful"] == 1
    no_harm = found["targets"][-1]
    assert no_harm["met"] is False
    assert "under it in 1 of 2 settings: imil -" in no_harm["found"]


def test_targets_say_met_or_missed_by_how_much(whole: dict[str, Any]) -> None:
    met = {target["words"].split(" (")[0]: target["met"] for target in whole["targets"][:-1]}

    assert met == {
        "control reaches 95% on films without a shortcut in every seed": True,
        "counterexample closes 70% of the gap, interval above 0": False,
        "propagated closes 95% of the gap, interval above 0": True,
        "the recommended arm beats upweight, interval above 0": True,
    }
    short = next(t["found"] for t in whole["targets"] if t["words"].startswith("counterexample"))
    assert "points of share short" in short


def test_below_five_seeds_no_target_is_called_met() -> None:
    found = content(seeds=2)

    verdicts = {target["met"] for target in found["targets"][1:]}
    assert verdicts == {None}
    assert "fewer than 5 seeds are no evidence" in found["targets"][-1]["found"]


def test_where_the_rule_recommends_control_nothing_is_risked() -> None:
    found = content(swapped=dict.fromkeys(ARMS, 0.9))

    recommended = found["cells"][0]["recommended"]
    assert recommended["arm"] == "control"
    assert recommended["against_control"] == {"points": 0.0, "low": 0.0, "high": 0.0}
    assert recommended["verdict"] is None
    assert found["targets"][-1]["met"]


def test_the_table_holds_arms_recommendation_and_targets(whole: dict[str, Any]) -> None:
    table = films_table(whole)

    assert "| label noise 0% | shortcut 0.95 | shortcut 0.5 |" in table
    assert "| 0% | 0.95 | propagated | +" in table
    assert "| recommended for elsewhere | 2 settings | " in table
    assert "| always imil | 2 settings | " in table
    assert "- **met**: propagated closes 95% of the gap" in table
    assert "- **missed**: counterexample closes 70% of the gap" in table
    assert "nan" not in table


def test_gains_and_the_gap_are_plotted(whole: dict[str, Any]) -> None:
    plots = film_plots(whole)

    assert sorted(plots) == ["gain-noise-0.svg", "gap.svg"]
    assert "shortcut 0.95" in plots["gain-noise-0.svg"]
    # The clean reference has no gap.
    assert plots["gap.svg"].count("propagated") == 1
