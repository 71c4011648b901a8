from __future__ import annotations

from typing import Any

import pytest

from imil.core.records import Plan
from imil.errors import PlanError
from imil.ui.plan_form import plan_for_backbone, plan_from, plan_summary

FIELDS: list[Any] = ["film_net", 3, 4, 2.5, 48, 16, 0.001, 7, False]


def test_fields_become_a_plan_and_what_they_do_not_show_stays() -> None:
    plan = plan_from(Plan(threads=3), FIELDS)

    assert plan == Plan(
        backbone="film_net",
        epochs=3,
        epochs_after=4,
        budget=0.025,
        size=48,
        batch_size=16,
        learning_rate=0.001,
        seed=7,
        threads=3,
    )


@pytest.mark.parametrize(("at", "name"), [(1, "Epochs"), (3, "Budget, %"), (7, "Seed")])
def test_an_empty_field_is_named(at: int, name: str) -> None:
    values = [None if i == at else value for i, value in enumerate(FIELDS)]

    with pytest.raises(PlanError, match=rf"field “{name}” is empty.*Enter a number"):
        plan_from(Plan(), values)


def test_a_backbone_brings_its_own_settings_and_keeps_the_rest() -> None:
    plan = plan_for_backbone(Plan(epochs=3, size=48), "resnet18")

    assert plan.backbone == "resnet18"
    assert plan.epochs == 3
    assert plan.size != 48


def test_the_summary_counts_what_the_budget_allows() -> None:
    assert "40 images, 4 %" in plan_summary(Plan(), training_images=1000)
