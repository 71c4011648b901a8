"""Where the model will work: asked once, before anything is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.server.updates import Updates, components_of, html
from imil.core.records import Deployment
from imil.report.parts.markup import remark
from imil.study.study import Study

DEPLOYMENT_QUESTION = (
    "Will the model meet images where what you paint means nothing (another scanner, ward, "
    "hospital)?"
)
DEPLOYMENT_ANSWERS = {
    Deployment.ELSEWHERE: "Yes",
    Deployment.SAME: "No, images like these",
    Deployment.UNSURE: "Not sure",
}
DEPLOYMENT_WHY = "By your answer one way of training is recommended. It is fixed once you compare."
DEPLOYMENT_FIXED = (
    "Fixed since the first comparison was asked for, so that nobody chooses by the results."
)


@dataclass(frozen=True, slots=True, eq=False)
class DeploymentQuestion:
    """The components; they are about the study that is open."""

    part: gr.Column
    answer: gr.Radio
    words: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)


def build_deployment_question() -> DeploymentQuestion:
    """Place the components where Gradio stands now."""
    with gr.Column(visible=False, elem_classes=["deployment"]) as part:
        answer = gr.Radio(
            [(words, kind.value) for kind, words in DEPLOYMENT_ANSWERS.items()],
            label=DEPLOYMENT_QUESTION,
            elem_id="deployment",
        )
        words = html(elem_id="deployment-words")
    return DeploymentQuestion(part, answer, words)


def show_deployment(question: DeploymentQuestion, study: Study) -> Updates:
    """Return the question with its answer; once it is fixed, with one line why."""
    fixed = study.training.deployment_fixed
    return {
        question.part: gr.update(visible=True),
        question.answer: gr.update(value=study.deployment.value, interactive=not fixed),
        question.words: remark(DEPLOYMENT_FIXED if fixed else DEPLOYMENT_WHY),
    }
