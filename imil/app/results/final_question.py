"""The question before the test set is opened; nothing is opened or counted until it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.server.updates import Updates, components_of, html
from imil.core.evaluation.verdict import MIN_SEEDS
from imil.report.parts import numbers
from imil.report.parts.markup import render
from imil.study.study import Study

OPEN_IT = "Open it"
NOT_YET = "Not yet"
# Where the keyboard goes once the question is there: to the answer that changes nothing; and back.
TO_QUESTION = "() => { setTimeout(() => document.querySelector('#final-not-yet')?.focus(), 50); }"
TO_BUTTON = "() => { setTimeout(() => document.querySelector('#final')?.focus(), 50); }"


@dataclass(frozen=True, slots=True, eq=False)
class FinalQuestion:
    """The components; the question stands in the page, below the button that asks it."""

    part: gr.Column
    words: gr.HTML
    open_it: gr.Button
    not_yet: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)


def build_final_question() -> FinalQuestion:
    """Place the components where Gradio stands now."""
    with gr.Column(visible=False, elem_classes=["finalask"], elem_id="final-ask") as part:
        words = html()
        with gr.Row(elem_classes=["actrow"]):
            open_it = gr.Button(OPEN_IT, variant="primary", size="md", elem_id="final-open")
            not_yet = gr.Button(NOT_YET, size="md", elem_id="final-not-yet")
    return FinalQuestion(part, words, open_it, not_yet)


def show_final_question(question: FinalQuestion, study: Study) -> Updates:
    """Return the question: which opening it would be, and what that costs."""
    opening, done = study.comparison.test_openings + 1, study.comparison.seeds_done()
    few = numbers.some(done, "seed", "seeds") if done < MIN_SEEDS else ""
    sets = ", ".join(each.name for each in study.external.sets)
    words = render("final_question.html", opening=opening, few=few, needed=MIN_SEEDS, sets=sets)
    return {question.part: gr.update(visible=True), question.words: words}


def hide_final_question(question: FinalQuestion) -> Updates:
    """Return the page without the question."""
    return {question.part: gr.update(visible=False), question.words: ""}
