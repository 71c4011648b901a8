from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
import pytest

from imil.app.train.plan_form import (
    build_plan_form,
    plan_for_backbone,
    plan_from,
    plan_summary,
    show_backbone,
)
from imil.core.images import ImageSet
from imil.core.records import Plan, Precision, Sample, Split
from imil.errors import PlanError

FIELDS: list[Any] = ["film_net", 3, 4, 2.5, 48, 16, 0.001, 7, False, "bf16"]


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
        precision=Precision.BF16,
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


# Gradio leaves an event loop open.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_backbone_leaves_what_was_typed_into_the_other_fields() -> None:
    with gr.Blocks():
        form = build_plan_form()
    samples = [Sample(f"i{n}", n % 2, Split.TRAIN) for n in range(100)]
    images = ImageSet("grey", ("a", "b"), samples, read=lambda _: np.zeros((8, 8), np.uint8))

    shown = show_backbone(form, images, Plan(), ["resnet18", *FIELDS[1:]])

    changed = set(form.outputs_of_backbone)
    assert set(shown) <= changed
    assert changed.isdisjoint({form.epochs, form.epochs_after, form.budget, form.seed})
    assert shown[form.size] == plan_for_backbone(Plan(), "resnet18").size
    assert "3 + 4" in shown[form.summary]
    assert "resnet18" in shown[form.summary]
