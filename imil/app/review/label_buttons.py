"""What a reader can say of a label, in place of blacking out: another class, none, or right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.server.updates import Updates, components_of, html
from imil.core.records import LabelDecision
from imil.report.parts import text
from imil.report.parts.markup import part
from imil.study.review.queueing import Offer
from imil.study.study import Study

DECISIONS = {
    LabelDecision.RELABEL.value: "relabelled",
    LabelDecision.EXCLUDE.value: "excluded",
    LabelDecision.KEEP.value: "label kept",
}
DECIDED = {
    LabelDecision.RELABEL.value: "Relabelled to {label}.",
    LabelDecision.EXCLUDE.value: "Excluded.",
    LabelDecision.KEEP.value: "The label is right.",
}


@dataclass(frozen=True, slots=True, eq=False)
class LabelButtons:
    """The choices: always there on the queue of label suspects, elsewhere once asked for."""

    row: gr.Column
    words: gr.HTML
    choice: gr.Dropdown
    relabel: gr.Button
    exclude: gr.Button
    keep: gr.Button
    back: gr.Button
    opened: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)


def build_label_buttons() -> LabelButtons:
    """Place the acts where Gradio stands now."""
    with gr.Column(visible=False, elem_classes=["labelacts"]) as row:
        words = html(elem_id="triage-words")
        choice = gr.Dropdown(
            [], label="The right label", elem_id="right-label", elem_classes=["field"]
        )
        with gr.Row(elem_classes=["choices"]):
            relabel = gr.Button(
                "", variant="primary", size="md", elem_id="relabel", elem_classes=["big"]
            )
            exclude = gr.Button("Exclude", size="md", elem_id="exclude")
            keep = gr.Button("Label is right", size="md", elem_id="keep-label")
            back = gr.Button("Back", size="md", elem_id="label-back")
    return LabelButtons(row, words, choice, relabel, exclude, keep, back, gr.State(value=False))


def show_label_buttons(
    acts: LabelButtons, study: Study, sample_id: str, offer: Offer | None, *, opened: bool
) -> Updates:
    """Return the choices for a film; every class but its own, the likeliest chosen.

    They can be closed only where they had to be opened: on label suspects they are the acts.
    """
    if not opened:
        return {acts.row: gr.update(visible=False), acts.opened: False}
    likeliest, others = _other_classes(study, sample_id, offer)
    return {
        acts.row: gr.update(visible=True),
        acts.opened: True,
        acts.choice: gr.update(choices=others, value=likeliest, visible=len(others) > 1),
        acts.relabel: show_label_choice(likeliest),
        acts.words: _words(study, sample_id),
    }


def show_label_choice(label: str) -> Any:
    """Return the button that gives the film the label that is chosen."""
    return gr.update(value=f"Relabel to {label}")


def label_state(study: Study, sample_id: str, reader: str) -> str | None:
    """Return what the reader said of a label, or that the film was skipped; None for neither."""
    decided = study.labels.decision(sample_id)
    if decided is not None:
        return DECISIONS[decided.decision.value]
    return text.MARK_SKIPPED if study.review.state(sample_id, reader) == "skipped" else None


def _other_classes(study: Study, sample_id: str, offer: Offer | None) -> tuple[str, list[str]]:
    """Return the likeliest of the classes that the film does not carry, and all of these."""
    classes, label = study.images.classes, study.images.sample(sample_id).label
    others = [name for number, name in enumerate(classes) if number != label]
    if offer is not None and offer.predicted != label:
        return classes[offer.predicted], others
    shares = study.model.answer(sample_id, None).before
    return max(others, key=lambda name: shares[classes.index(name)]), others


def _words(study: Study, sample_id: str) -> Markup:
    """Return what is decided on this label, and what all decisions so far lead to."""
    decided = study.labels.decision(sample_id)
    return part(
        "triage",
        of="review.html",
        decided=decided and DECIDED[decided.decision.value].format(label=decided.label),
        changed=len(study.labels.changed()),
    )
