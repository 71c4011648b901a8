"""What a reader can say of a suspected label, in place of blacking out."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from imil.core.records import Queue
from imil.ui import numbers, text
from imil.ui.shown import Shown, html
from imil.workflow.queueing import Offer
from imil.workflow.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class LabelActs:
    """The acts, shown on the queue of label suspects alone."""

    row: gr.Column
    relabel: gr.Button
    exclude: gr.Button
    keep: gr.Button
    words: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return [self.row, self.relabel, self.exclude, self.keep, self.words]


def build_label_acts() -> LabelActs:
    """Place the acts where Gradio stands now."""
    with gr.Column(visible=False, elem_classes=["labelacts"]) as row:
        words = html(elem_id="triage-words")
        with gr.Row(elem_classes=["acts"]):
            relabel = gr.Button(
                "", variant="primary", size="md", elem_id="relabel", elem_classes=["big"]
            )
            exclude = gr.Button(text.EXCLUDE, size="md", elem_id="exclude")
            keep = gr.Button(text.KEEP_LABEL, size="md", elem_id="keep-label")
    return LabelActs(row, relabel, exclude, keep, words)


def show_label_acts(acts: LabelActs, study: Study, kind: Queue, offer: Offer | None) -> Shown:
    """Return the acts for a film; hidden on every other queue."""
    if kind is not Queue.LABEL_SUSPECT or offer is None:
        return {acts.row: gr.update(visible=False)}
    looks_like = study.images.classes[offer.predicted]
    return {
        acts.row: gr.update(visible=True),
        acts.relabel: gr.update(value=text.RELABEL_TO.format(label=looks_like)),
        acts.words: _words(study, offer.sample_id),
    }


def label_state(study: Study, sample_id: str) -> str | None:
    """Return what the reader said of a label, or that the film was skipped; None for neither."""
    decided = study.triage(sample_id)
    if decided is not None:
        return text.DECISIONS[decided.decision.value]
    return text.MARK_SKIPPED if study.review_state(sample_id) == "skipped" else None


def _words(study: Study, sample_id: str) -> str:
    """Return what is decided on this label, and what all decisions so far lead to."""
    decided = study.triage(sample_id)
    now = ""
    if decided is not None:
        words = text.DECIDED[decided.decision.value].format(label=decided.label)
        now = f'<p class="decided"><b>{escape(words)}</b></p>'
    count = numbers.some(len(study.triaged()), "image", "images")
    told = text.TRIAGED.format(count=count)
    return f'{now}<p class="sub s13">{escape(told)} {escape(text.TRIAGE_WORDS)}</p>'
