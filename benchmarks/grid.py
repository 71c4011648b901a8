"""What a grid of films says: each arm in each cell, and what following the recommendation cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.pooled import Outcome, against, chosen, drawn_changes, share_closed
from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Metric, Robustness
from imil.core.evaluation.recommendation import RuleCase, always, score_rule
from imil.core.evaluation.verdict import Decision, Verdict, decide_all
from imil.core.records import Arm, Deployment

# A token that agrees with half of the labels is no shortcut: its cell is the clean reference.
CLEAN = 0.5
# The rival that costs no clinician.
RIVAL = Variant(Arm.UPWEIGHT)
# What is recommended by where the model is to work: the key of each rule, of its choice, and of
# those a seed.
RULES = (
    ("recommended", "arm", "a_seed"),
    ("elsewhere", "elsewhere", "elsewhere_a_seed"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting of the grid."""

    shortcut: float
    label_noise: float

    @property
    def name(self) -> str:
        """The cell's folder."""
        return f"shortcut-{self.shortcut:g}-noise-{self.label_noise:g}"


INDEPENDENT = Robustness.INDEPENDENT_BALANCED_ACCURACY.value

Outcomes = Mapping[tuple[Cell, int], Outcome]


def grid_content(
    outcomes: Outcomes, *, cells: Sequence[Cell], seeds: Sequence[int], arms: Sequence[Variant]
) -> dict[str, Any]:
    """Return the cells, and how good the recommendation was over them, as JSON values.

    Args:
        outcomes: of every cell and seed.
        cells: in order.
        seeds: in order.
        arms: control first.
    """
    made = {
        cell: _cell(
            cell,
            [outcomes[cell, seed] for seed in seeds],
            [outcomes.get((Cell(CLEAN, cell.label_noise), seed)) for seed in seeds],
            arms,
        )
        for cell in cells
    }
    cells_made = list(made.values())
    kinds = {
        kind: {
            "pooled": [
                _case(content, range(len(seeds)), content["recommended"][key])
                for content in cells_made
            ],
            "single": [
                _case(content, [place], content["recommended"][key_a_seed][place])
                for content in cells_made
                for place in range(len(seeds))
            ],
        }
        for kind, key, key_a_seed in RULES
    }
    return {"cells": cells_made, "rule": _rule(kinds, arms)}


def _cell(
    cell: Cell,
    outcomes: Sequence[Outcome],
    clean: Sequence[Outcome | None],
    arms: Sequence[Variant],
) -> dict[str, Any]:
    recommended = chosen(outcomes, arms)
    drawn = {arm: drawn_changes(outcomes, arm) for arm in arms if arm != CONTROL}
    decisions = decide_all(drawn, recommended=recommended, seeds=len(outcomes))
    reference = [o.accuracy(CONTROL) for o in clean if o is not None]
    accuracies = {arm: [o.accuracy(arm) for o in outcomes] for arm in arms}
    paired = {
        arm: _paired(decision, share_closed(accuracies[arm], accuracies[CONTROL], reference))
        for arm, decision in decisions.items()
    }
    return {
        "shortcut": cell.shortcut,
        "label_noise": cell.label_noise,
        "clean": reference,
        "accuracy": accuracies,
        "paired": paired,
        "recommended": {
            "arm": recommended,
            "a_seed": [chosen([outcome], arms) for outcome in outcomes],
            "elsewhere": chosen(outcomes, arms, Deployment.ELSEWHERE),
            "elsewhere_a_seed": [chosen([o], arms, Deployment.ELSEWHERE) for o in outcomes],
            **_followed(recommended, paired),
            "against_rival": None
            if RIVAL not in arms
            else asdict(against(outcomes, recommended, RIVAL)[Metric.ACCURACY].interval()),
        },
    }


def _paired(decision: Decision, closed: Mapping[str, float] | None) -> dict[str, Any]:
    alike = decision.on_images_like_these
    without = decision.without_the_shortcut
    return {
        "against": CONTROL,
        "verdict": decision.verdict.value,
        "exploratory": decision.exploratory,
        INDEPENDENT: None if without is None else asdict(without),
        **{metric.value: asdict(found) for metric, found in alike.items()},
        "share_closed": closed,
    }


def _followed(recommended: Variant, paired: Mapping[Variant, Any]) -> dict[str, Any]:
    """Return what the recommended arm gained; control gains nothing, and is sure to."""
    if recommended == CONTROL:
        none = asdict(Difference(0.0, 0.0, 0.0))
        return {"against_control": none, "verdict": None, "share_closed": None}
    found = paired[recommended]
    return {
        "against_control": found[Metric.ACCURACY.value],
        "verdict": found["verdict"],
        "share_closed": found["share_closed"],
    }


def _case(content: Mapping[str, Any], places: Sequence[int], recommended: str) -> RuleCase:
    """Return what some seeds of a cell say of each arm; harmful is what the whole cell says."""
    return RuleCase(
        recommended,
        {
            arm: sum(values[place] for place in places) / len(places)
            for arm, values in content["accuracy"].items()
        },
        frozenset(
            arm for arm, found in content["paired"].items() if found["verdict"] == Verdict.HARMFUL
        ),
    )


def _rule(
    kinds: Mapping[str, Mapping[str, Sequence[RuleCase]]], arms: Sequence[Variant]
) -> dict[str, Any]:
    """Return how each rule did, and how each arm would have done if it were always chosen."""
    recommended = kinds[RULES[0][0]]
    return {
        **{
            kind: {count: asdict(score_rule(cases)) for count, cases in counted.items()}
            for kind, counted in kinds.items()
        },
        "always": {
            arm: {
                count: asdict(score_rule(always(cases, arm)))
                for count, cases in recommended.items()
            }
            for arm in arms
        },
    }
