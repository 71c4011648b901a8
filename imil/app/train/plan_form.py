"""The plan as fields: simple by default, the rest under Advanced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from imil.app.server.errors import error_in_place
from imil.app.server.shown import Shown, html
from imil.core.images import ImageSet
from imil.core.nets.backbones import BACKBONES
from imil.core.plans import check_plan, default_plan, precision_of
from imil.core.records import Plan, Split
from imil.core.review.queues import allowed_masks
from imil.errors import PlanError
from imil.report.parts import numbers, text
from imil.study.library.presets import MEASURED, UNMEASURED, Preset, preset_of, preset_plan


@dataclass(frozen=True, slots=True, eq=False)
class PlanForm:
    """The fields of a plan, in the order of `fields`.

    `offered` is the backbone whose own settings were filled in last.
    """

    preset: gr.Radio
    summary: gr.HTML
    trouble: gr.HTML
    backbone: gr.Dropdown
    epochs: gr.Number
    epochs_after: gr.Number
    budget: gr.Number
    size: gr.Number
    batch_size: gr.Number
    learning_rate: gr.Number
    seed: gr.Number
    pretrained: gr.Checkbox
    precision: gr.Dropdown
    offered: gr.State

    @property
    def fields(self) -> list[Any]:
        """Every field, in the order that `plan_from` reads."""
        numeric = [self.epochs, self.epochs_after, self.budget, self.size, self.batch_size]
        own = [self.learning_rate, self.seed, self.pretrained, self.precision]
        return [self.backbone, *numeric, *own]

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return [self.preset, self.summary, self.trouble, *self.fields, self.offered]

    @property
    def outputs_of_backbone(self) -> list[Any]:
        """What another backbone changes; the rest stays as it was typed."""
        own = [self.size, self.learning_rate, self.pretrained, self.precision]
        return [*self.outputs_of_check, *own, self.offered]

    @property
    def outputs_of_check(self) -> list[Any]:
        """What a change of a field changes."""
        return [self.preset, self.summary, self.trouble]


def build_plan_form() -> PlanForm:
    """Place the fields where Gradio stands now."""
    preset = gr.Radio(
        _preset_words(), label=text.PRESET, elem_classes=["pickcards", "two"], elem_id="preset"
    )
    summary = html(elem_id="plan-summary")
    with gr.Accordion(text.ADVANCED, open=False, elem_classes=["advanced"]):
        with gr.Row(elem_classes=["fields4"]):
            backbone = gr.Dropdown(
                list(BACKBONES), label=text.BACKBONE, info=text.BACKBONE_INFO, elem_id="backbone"
            )
            epochs = _number(text.EPOCHS, "epochs", info=text.EPOCHS_INFO)
            after = _number(text.EPOCHS_AFTER, "epochs-after", info=text.EPOCHS_AFTER_INFO)
            budget = _number(text.BUDGET, "budget", info=text.BUDGET_INFO, precision=None)
            size = _number(text.IMAGE_SIZE, "size", info=text.IMAGE_SIZE_INFO)
            batch = _number(text.BATCH_SIZE, "batch-size", info=text.BATCH_SIZE_INFO)
            rate = _number(
                text.LEARNING_RATE, "learning-rate", info=text.LEARNING_RATE_INFO, precision=None
            )
            seed = _number(text.SEED, "seed", info=text.SEED_INFO)
            precision = gr.Dropdown(
                [(words, kind.value) for kind, words in text.PRECISIONS.items()],
                label=text.PRECISION,
                info=text.PRECISION_INFO,
                elem_id="plan-precision",
            )
        pretrained = gr.Checkbox(
            label=text.PRETRAINED, info=text.PRETRAINED_INFO, elem_id="pretrained"
        )
        trouble = html(elem_id="plan-trouble")
        html(f'<p class="sub s13">{escape(text.OUR_CHOICE)}</p>')
    return PlanForm(
        preset, summary, trouble, backbone, epochs, after, budget, size, batch, rate, seed,
        pretrained, precision, gr.State(""),
    )  # fmt: skip


def _number(label: str, name: str, *, info: str | None = None, precision: int | None = 0) -> Any:
    return gr.Number(label=label, info=info, precision=precision, elem_id=f"plan-{name}")


def _preset_words(offered: Plan | None = None) -> list[tuple[str, str]]:
    """Return the presets with a line each; the recommended one depends on the images."""
    offered = offered or default_plan("film_net")
    title, line = text.PRESETS["recommended"]
    if offered.backbone == UNMEASURED:
        line = text.PRESET_UNMEASURED
    on = text.PRESET_ON_SKIN if offered.backbone == MEASURED else text.PRESET_ON_FILMS
    line = line.format(backbone=offered.backbone, size=offered.size, on=on)
    paper, said = text.PRESETS["paper"]
    return [(f"{title}\n{line}", "recommended"), (f"{paper}\n{said}", "paper")]


def show_plan(form: PlanForm, images: ImageSet, plan: Plan, *, locked: bool) -> Shown:
    """Return the fields as the plan has them."""
    shown: Shown = {
        field: gr.update(value=value, interactive=not locked)
        for field, value in zip(form.fields, plan_values(plan), strict=True)
    }
    recommended = preset_plan(Preset.RECOMMENDED, images, plan)
    shown[form.preset] = gr.update(
        choices=_preset_words(recommended),
        value=preset_of(images, plan),
        interactive=not locked,
    )
    training = len(images.rows(Split.TRAIN))
    shown[form.summary] = plan_summary(plan, training_images=training)
    shown[form.trouble] = ""
    shown[form.offered] = plan.backbone
    return shown


def show_backbone(form: PlanForm, images: ImageSet, plan: Plan, values: Sequence[Any]) -> Shown:
    """Return a backbone's own settings beside what stands in the other fields.

    Args:
        form: the components.
        images: the study's.
        plan: the study's.
        values: of the fields, the new backbone among them.

    Raises:
        PlanError: unknown backbone.
    """
    own = plan_for_backbone(plan, str(values[0]))
    offered = dict(zip(form.fields, plan_values(own), strict=True))
    changed = (form.size, form.learning_rate, form.pretrained, form.precision)
    settings = {field: offered[field] for field in changed}
    stands = [settings.get(field, value) for field, value in zip(form.fields, values, strict=True)]
    return {
        **settings,
        form.offered: own.backbone,
        **show_checked(form, images, plan, stands),
    }


def show_checked(form: PlanForm, images: ImageSet, plan: Plan, values: Sequence[Any]) -> Shown:
    """Return what the fields amount to as they stand, or a sentence for each that can't be."""
    errors = plan_errors(plan, values)
    if errors:
        said = "".join(error_in_place(error) for error in errors)
        return {form.trouble: said, form.preset: gr.update(value=None)}
    asked = plan_from(plan, values)
    training = len(images.rows(Split.TRAIN))
    return {
        form.trouble: "",
        form.preset: gr.update(value=preset_of(images, asked)),
        form.summary: plan_summary(asked, training_images=training),
    }


def plan_errors(plan: Plan, values: Sequence[Any]) -> tuple[PlanError, ...]:
    """Return what is wrong with the fields, one error a field at most."""
    errors = []
    offered = plan_for_backbone(plan, str(values[0]))
    sound = plan_values(offered)
    for place, value in enumerate(values):
        alone = [value if i == place else usual for i, usual in enumerate(sound)]
        try:
            check_plan(plan_from(offered, alone))
        except PlanError as error:
            errors.append(error)
    return tuple(errors)


def plan_values(plan: Plan) -> tuple[Any, ...]:
    """Return what the fields show of a plan, in their order."""
    return (
        plan.backbone,
        plan.epochs,
        plan.epochs_after,
        round(100 * plan.budget, 6),
        plan.size,
        plan.batch_size,
        plan.learning_rate,
        plan.seed,
        plan.pretrained,
        plan.precision.value,
    )


def plan_summary(plan: Plan, *, training_images: int) -> str:
    """Return the plan in a line."""
    images = numbers.some(allowed_masks(plan.budget, training_images), "image", "images")
    items = (
        (text.PLAN_MODEL, plan.backbone),
        (text.PLAN_EPOCHS, f"{plan.epochs} + {plan.epochs_after}"),
        (text.PLAN_SIZE, f"{plan.size} px"),
        (text.PLAN_BUDGET, f"{images}, {numbers.percent(plan.budget)}"),
        (text.SEED, str(plan.seed)),
    )
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in items
    )
    return f'<dl class="plan">{cells}</dl>'


def plan_for_backbone(plan: Plan, backbone: str) -> Plan:
    """Return the plan with a backbone's own size, learning rate, weights and arithmetic.

    Raises:
        PlanError: unknown backbone.
    """
    offered = default_plan(backbone)
    return replace(
        plan,
        backbone=backbone,
        size=offered.size,
        learning_rate=offered.learning_rate,
        pretrained=offered.pretrained,
        precision=offered.precision,
    )


def plan_from(plan: Plan, values: Sequence[Any]) -> Plan:
    """Return the plan that the fields ask for; what they don't show stays.

    Raises:
        PlanError: a field is empty. (Ranges are the workflow's to check.)
    """
    backbone, epochs, after, budget, size, batch, rate, seed, pretrained, precision = values
    named = {
        text.EPOCHS: epochs,
        text.EPOCHS_AFTER: after,
        text.BUDGET: budget,
        text.IMAGE_SIZE: size,
        text.BATCH_SIZE: batch,
        text.LEARNING_RATE: rate,
        text.SEED: seed,
    }
    for name, value in named.items():
        if value is None:
            raise PlanError(
                f"The field “{name}” is empty.",
                why="Every setting is recorded with the study.",
                fix=f"Enter a number for {name.lower()}, under {text.ADVANCED}.",
            )
    return replace(
        plan,
        backbone=str(backbone),
        epochs=int(epochs),
        epochs_after=int(after),
        budget=float(budget) / 100,
        size=int(size),
        batch_size=int(batch),
        learning_rate=float(rate),
        seed=int(seed),
        pretrained=bool(pretrained),
        precision=precision_of(str(precision)),
    )
