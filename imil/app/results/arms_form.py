"""Which arms to compare, and of whose masks: presets, or each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.server.errors import error_in_place
from imil.app.server.updates import Updates, components_of, html
from imil.core.arms.registry import (
    ARMS,
    MaskSource,
    uses_predicted,
    with_readers,
    with_shares,
    with_weights,
)
from imil.core.arms.variants import CONTROL, Penalty, RegionSource, Variant
from imil.core.evaluation.budget_curves import BUDGET_SHARES, smaller_shares
from imil.core.records import Arm, Split
from imil.core.review.edits import Fill, Mode
from imil.core.review.irrelevance import FEWEST_PAINTED
from imil.errors import PlanError
from imil.report.parts import numbers, text
from imil.report.parts.markup import remark
from imil.study.study import Study

POOLINGS = {"union": "Union", "intersection": "Intersection", "majority": "Majority"}
POOLING_INFO = (
    "Of several readers: what any of them hides (union), what all hide (intersection), or what "
    "more than half hide (majority)"
)
ARMS_OTHERS = "Other ways to compare"
PRESET_REVIEWED = "From your review"
PRESET_PAPER = "The paper"
PRESET_OWN = "Own choice"
ARMS_CHOICE = "Each is compared with control, from one checkpoint, for the same epochs"
TRAININGS = "{arms} × {seeds}: {trainings} in all. What is trained already is not trained again."

# What a clinician's study can run beside control: nobody paints on random images there.
OFFERED = tuple(
    arm for arm in ARMS if arm != Arm.CONTROL and ARMS[arm].masks is not MaskSource.RANDOM_SAMPLE
)
# The rival of masks: one region for every image, of the masks' mean area, in training and later.
RIM = Variant(Arm.FOCUS_BLEND, region=RegionSource.DISC)
RIM_WORDS = "The rim of every image hidden, at prediction too; one region instead of many masks"
ARM_PRESETS = {
    PRESET_PAPER: (Arm.IMIL,),
    "Recommended": (Arm.IMIL, Arm.COUNTEREXAMPLE, Arm.PROPAGATED, Arm.UPWEIGHT),
}


@dataclass(frozen=True, slots=True, eq=False)
class ArmsForm:
    """The form's components."""

    preset: gr.Radio
    arms: gr.CheckboxGroup
    shares: gr.Checkbox
    fill: gr.Dropdown
    mode: gr.Dropdown
    penalty: gr.Dropdown
    cost: gr.HTML
    look: gr.Button
    reading: gr.Row
    pooling: gr.Radio
    by_reader: gr.Checkbox

    @property
    def chosen(self) -> list[Any]:
        """What `chosen_arms` and `chosen_pooling` read, in their order."""
        own = [self.preset, self.arms, self.shares, self.fill, self.mode, self.penalty]
        return [*own, self.pooling, self.by_reader]

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)


def build_arms_form() -> ArmsForm:
    """Place the form where Gradio stands now."""
    # Not among what is advanced: whoever reads with others has to see whose masks are compared.
    with gr.Row(visible=False, elem_classes=["readingrow"]) as reading:
        pooling = gr.Radio(
            [(name, value) for value, name in POOLINGS.items()],
            label="Masks of several readers",
            info=POOLING_INFO,
            elem_classes=["segments"],
            elem_id="pooling",
        )
        by_reader = gr.Checkbox(
            value=True,
            label="Each reader's masks alone, too",
            info="One more arm a reader, against the same control",
            elem_id="by-reader",
            elem_classes=["field"],
        )
    with gr.Accordion(ARMS_OTHERS, open=False, elem_classes=["advanced"], elem_id="arms-advanced"):
        preset = gr.Radio(
            [PRESET_REVIEWED, *ARM_PRESETS, PRESET_OWN],
            value=PRESET_REVIEWED,
            label="Arms",
            elem_classes=["segments"],
            elem_id="arms-preset",
        )
        arms = gr.CheckboxGroup(
            [(_choice(arm), str(arm)) for arm in (*map(Variant, OFFERED), RIM)],
            value=_values(PRESET_PAPER),
            label=ARMS_CHOICE,
            elem_classes=["armlist"],
            elem_id="arms",
        )
        shares = gr.Checkbox(
            label=f"Also compare with the first {_shares_in_words()} of the masks",
            info="Shares of the training images, for each arm that is given masks",
            elem_id="shares",
            elem_classes=["field"],
        )
        with gr.Row(elem_classes=["fields3"]):
            fill = _dropdown(
                "What hides a region",
                text.FILL_NAMES,
                "Other than black: a variant of IMIL beside it",
                "fill",
            )
            mode = _dropdown(
                "Edited images",
                text.MODE_NAMES,
                "Other than in their place: a variant of IMIL",
                "mode",
            )
            penalty = _dropdown(
                "Penalty of Right reason",
                text.PENALTY_NAMES,
                "Its weight is chosen on validation",
                "penalty",
            )
        cost = html(elem_id="arms-cost")
        # Without a test, and once they were confirmed.
        look = gr.Button(
            "Look at the predicted masks", size="sm", visible=False, elem_id="look-predicted"
        )
    edits = (shares, fill, mode, penalty)
    return ArmsForm(preset, arms, *edits, cost, look, reading, pooling, by_reader)


def chosen_arms(
    study: Study, chosen: Sequence[Any], *, predicted: bool | None = None
) -> tuple[Variant, ...]:
    """Return the arms and variants that the form asks for: control first, then the paper's arm.

    Args:
        study: whose masks are compared.
        chosen: the values of `ArmsForm.chosen`.
        predicted: True as if predicted masks were confirmed, False without the arms that use them.

    Raises:
        PlanError: fewer of the masks are asked for, and there are too few to divide.
    """
    preset, arms, shares, fill, mode, penalty, _, by_reader = chosen
    wanted = set(shown_arms(study, preset, arms, predicted=predicted))
    names = [CONTROL, *(Variant(arm) for arm in OFFERED if arm in wanted)]
    names += [RIM] if RIM in wanted else []
    if predicted is False:
        names = [name for name in names if not uses_predicted(name)]
    kind = Penalty(penalty)
    if kind is not Penalty.INPUT_GRADIENTS:
        other = Variant(Arm.RIGHT_REASON, penalty=kind)
        names = [other if name == Variant(Arm.RIGHT_REASON) else name for name in names]
    edited = Variant(
        Arm.IMIL,
        fill=None if fill == Fill.BLACK else Fill(fill),
        mode=None if mode == Mode.REPLACE else Mode(mode),
    )
    if edited.changed:
        names.append(edited)
    every = with_shares(names, _smaller(study) if shares else ())
    readers = study.readers.names()
    return with_readers(every, readers if by_reader and len(readers) > 1 else ())


def chosen_pooling(study: Study, chosen: Sequence[Any]) -> str | None:
    """Return how the form asks for several readers' masks to be pooled; None for as before."""
    pooling = chosen[6]
    return str(pooling) if pooling and len(study.readers.names()) > 1 else None


def needs_confirmed(arms: Sequence[Variant]) -> bool:
    """Return whether an arm needs predicted masks that a reader has confirmed."""
    return any(uses_predicted(name) for name in arms)


def is_usual(chosen: Sequence[Any]) -> bool:
    """Return whether the form asks for no arms in particular: those that the review allows."""
    return bool(chosen[0] == PRESET_REVIEWED)


def show_arms(form: ArmsForm, study: Study, chosen: Sequence[Any]) -> Updates:
    """Return the arms that are compared, their preset, and how many trainings that takes."""
    preset, arms, *_ = chosen
    several = len(study.readers.names()) > 1
    return {
        form.preset: preset,
        form.arms: shown_arms(study, preset, arms),
        form.cost: _cost(study, chosen),
        form.look: gr.update(visible=study.predictions.of().masks >= FEWEST_PAINTED),
        form.reading: gr.update(visible=several),
        form.pooling: chosen_pooling(study, chosen) or study.readers.pooling or None,
    }


def shown_arms(
    study: Study, preset: str, arms: Sequence[str], *, predicted: bool | None = None
) -> list[str]:
    """Return the arms besides control: a preset's, what a review has made possible, or one's own.

    What was decided in the review since is part of it, so it is asked for each time. The paper's
    arm is always one of them. `predicted` is as in `chosen_arms`.
    """
    if preset == PRESET_REVIEWED:
        usual = study.comparison.usual.arms(predicted=predicted)
        return [arm.value for arm in usual if arm != Arm.CONTROL]
    if preset in ARM_PRESETS:
        return _values(preset)
    return list(dict.fromkeys((Arm.IMIL.value, *arms)))


def _cost(study: Study, chosen: Sequence[Any]) -> str:
    seeds = study.comparison.usual.seeds
    try:
        names = chosen_arms(study, chosen)
    except PlanError as error:
        return error_in_place(error)
    trainings = len(with_weights(names)) * seeds
    words = TRAININGS.format(
        arms=numbers.some(len(names), "arm", "arms"),
        seeds=numbers.some(seeds, text.SEED_ONE, text.SEED_MANY),
        trainings=numbers.some(trainings, "short training", "short trainings"),
    )
    return remark(words)


def arms_preset(arms: Sequence[str]) -> str:
    """Return the preset that these arms are, or that they are a choice of one's own."""
    return next((name for name in ARM_PRESETS if set(_values(name)) == set(arms)), PRESET_OWN)


def _choice(arm: Variant) -> str:
    return f"{text.arm_name(arm)}: {RIM_WORDS if arm == RIM else text.arm_words(arm)}"


def _values(preset: str) -> list[str]:
    return [arm.value for arm in ARM_PRESETS[preset]]


def _dropdown(label: str, names: dict[str, str], info: str, name: str) -> Any:
    choices = [(words, value) for value, words in names.items()]
    return gr.Dropdown(
        choices,
        value=next(iter(names)),
        label=label,
        info=info,
        elem_id=f"arms-{name}",
        filterable=False,
    )


def _shares_in_words() -> str:
    return ", ".join(numbers.percent(share) for share in BUDGET_SHARES[:2]) + " …"


def _smaller(study: Study) -> tuple[float, ...]:
    painted, training = study.review.budget().painted, len(study.images.rows(Split.TRAIN))
    shares = smaller_shares(painted, training)
    if not shares:
        raise PlanError(
            "Fewer of the masks can't be compared yet.",
            why=f"{painted} of {training} training images are masked, and the smallest share "
            f"compared is {numbers.percent(BUDGET_SHARES[0])} of them, at least two masks.",
            fix=f"Mask more images, or clear that choice under “{ARMS_OTHERS}”.",
        )
    return shares
