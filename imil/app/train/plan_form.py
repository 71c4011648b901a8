"""The plan as fields: simple by default, the rest under Advanced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.server.errors import error_in_place
from imil.app.server.updates import Updates, html
from imil.core.images import ImageSet
from imil.core.nets.backbones import BACKBONES
from imil.core.plans import check_plan, default_plan, precision_of
from imil.core.records import Plan, Precision, Split
from imil.core.review.queues import allowed_masks
from imil.errors import PlanError
from imil.report.parts import numbers, text
from imil.report.parts.markup import hint, part
from imil.study.library.presets import MEASURED, UNMEASURED, Preset, plan_preset, preset_plan

EPOCHS = "Epochs"
EPOCHS_AFTER = "Epochs after"
BUDGET = "Budget, %"
IMAGE_SIZE = "Image size, px"
BATCH_SIZE = "Batch size"
LEARNING_RATE = "Learning rate"
SEED = "Seed"
PRETRAINED_INFO = "ImageNet weights where there are any; you are told if not"
PRECISIONS = {
    Precision.AUTO: "By model and processor",
    Precision.FP32: "float32 (fp32)",
    Precision.BF16: "bfloat16 (bf16)",
}
OUR_CHOICE = "Where the paper is silent we chose. Each choice is recorded with the study."
PRESETS = {
    "recommended": ("Recommended", "{backbone} at {size} px: measured on {on}."),
    "paper": (
        "Paper",
        (
            "ResNet-50 and 4 % of the images, as published. Our choice: ImageNet weights, 224 px, "
            "10 + 10 epochs, the rest."
        ),
    ),
}
PRESET_UNMEASURED = "{backbone} at {size} px: our choice, for want of the offline extra."


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
        _preset_words(), label="Preset", elem_classes=["pickcards", "two"], elem_id="preset"
    )
    summary = html(elem_id="plan-summary")
    with gr.Accordion(text.ADVANCED, open=False, elem_classes=["advanced"]):
        with gr.Row(elem_classes=["fields4"]):
            backbone = gr.Dropdown(
                list(BACKBONES), label="Model", info="The network to train", elem_id="backbone"
            )
            epochs = _number(EPOCHS, "epochs", info="Before the masks")
            after = _number(EPOCHS_AFTER, "epochs-after", info="With and without masks")
            budget = _number(BUDGET, "budget", info="Of the training images", precision=None)
            size = _number(IMAGE_SIZE, "size", info="Side after scaling")
            batch = _number(BATCH_SIZE, "batch-size", info="Images a step")
            rate = _number(LEARNING_RATE, "learning-rate", info="At its peak", precision=None)
            seed = _number(SEED, "seed", info="Fixes all that is random")
            precision = gr.Dropdown(
                [(words, kind.value) for kind, words in PRECISIONS.items()],
                label="Precision",
                info="On the processor; used for every arm",
                elem_id="plan-precision",
            )
        pretrained = gr.Checkbox(
            label="Start from pretrained weights", info=PRETRAINED_INFO, elem_id="pretrained"
        )
        trouble = html(elem_id="plan-trouble")
        html(hint(OUR_CHOICE))
    return PlanForm(
        preset, summary, trouble, backbone, epochs, after, budget, size, batch, rate, seed,
        pretrained, precision, gr.State(""),
    )  # fmt: skip


def _number(label: str, name: str, *, info: str | None = None, precision: int | None = 0) -> Any:
    return gr.Number(label=label, info=info, precision=precision, elem_id=f"plan-{name}")


def _preset_words(offered: Plan | None = None) -> list[tuple[str, str]]:
    """Return the presets with a line each; the recommended one depends on the images."""
    offered = offered or default_plan("film_net")
    title, line = PRESETS["recommended"]
    if offered.backbone == UNMEASURED:
        line = PRESET_UNMEASURED
    on = (
        "skin images on two CPU cores"
        if offered.backbone == MEASURED
        else "synthetic films on two CPU cores"
    )
    line = line.format(backbone=offered.backbone, size=offered.size, on=on)
    paper, said = PRESETS["paper"]
    return [(f"{title}\n{line}", "recommended"), (f"{paper}\n{said}", "paper")]


def show_plan(form: PlanForm, images: ImageSet, plan: Plan, *, locked: bool) -> Updates:
    """Return the fields as the plan has them."""
    shown: Updates = {
        field: gr.update(value=value, interactive=not locked)
        for field, value in zip(form.fields, plan_values(plan), strict=True)
    }
    recommended = preset_plan(Preset.RECOMMENDED, images, plan)
    shown[form.preset] = gr.update(
        choices=_preset_words(recommended),
        value=plan_preset(images, plan),
        interactive=not locked,
    )
    training = len(images.rows(Split.TRAIN))
    shown[form.summary] = plan_summary(plan, training_images=training)
    shown[form.trouble] = ""
    shown[form.offered] = plan.backbone
    return shown


def show_backbone(form: PlanForm, images: ImageSet, plan: Plan, values: Sequence[Any]) -> Updates:
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


def show_checked(form: PlanForm, images: ImageSet, plan: Plan, values: Sequence[Any]) -> Updates:
    """Return what the fields amount to as they stand, or a sentence for each that can't be."""
    errors = plan_errors(plan, values)
    if errors:
        said = "".join(error_in_place(error) for error in errors)
        return {form.trouble: said, form.preset: gr.update(value=None)}
    asked = plan_from(plan, values)
    training = len(images.rows(Split.TRAIN))
    return {
        form.trouble: "",
        form.preset: gr.update(value=plan_preset(images, asked)),
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


def plan_summary(plan: Plan, *, training_images: int) -> Markup:
    """Return the plan in a line."""
    images = numbers.some(allowed_masks(plan.budget, training_images), "image", "images")
    items = (
        ("Model", plan.backbone),
        (EPOCHS, f"{plan.epochs} + {plan.epochs_after}"),
        ("Image size", f"{plan.size} px"),
        ("Budget", f"{images}, {numbers.percent(plan.budget)}"),
        (SEED, str(plan.seed)),
    )
    return part("facts", "plan", items)


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
        EPOCHS: epochs,
        EPOCHS_AFTER: after,
        BUDGET: budget,
        IMAGE_SIZE: size,
        BATCH_SIZE: batch,
        LEARNING_RATE: rate,
        SEED: seed,
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
