"""Train: images, plan, training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.server.updates import Updates, components_of, html
from imil.app.train.consent_checkbox import ConsentCheckbox, build_consent_checkbox, show_consent
from imil.app.train.deployment_question import (
    DeploymentQuestion,
    build_deployment_question,
    show_deployment,
)
from imil.app.train.plan_form import PlanForm, build_plan_form, show_plan
from imil.app.train.restore_images import RestoreImages, build_restore_images, show_restore_images
from imil.app.train.source_picker import (
    ReadingWatch,
    SourcePicker,
    build_source_picker,
    show_source,
)
from imil.app.train.training_card import training_card
from imil.core.records import Split
from imil.jobs.base import JobState, JobStatus
from imil.report.cards.study_card import StudyData, no_study_yet, study_card, study_line
from imil.report.parts import numbers, text
from imil.report.parts.markup import empty, heading, note
from imil.study.study import Study

_IMAGES = "Images"
SOURCES_TITLE = "Choose images"
PLAN = "Plan"
TRAIN = "Train"
TRAIN_EMPTY = (
    "Loss and accuracy will appear here, an epoch at a time. You can close this page and come back."
)
TRAIN_FIRST = "Open a study first: the demo, a public set, or images of your own."


@dataclass(frozen=True, slots=True, eq=False)
class TrainTab:
    """The tab's components."""

    frame: gr.Row
    head: gr.HTML
    picker: SourcePicker
    trouble: gr.HTML
    bring: RestoreImages
    consent: ConsentCheckbox
    study: gr.HTML
    plan_head: gr.HTML
    form: PlanForm
    deployment: DeploymentQuestion
    plan_trouble: gr.HTML
    train: gr.Button
    stop: gr.Button
    review: gr.Button
    live: gr.HTML
    notices: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        parts = {"form", "picker", "bring", "consent", "deployment"}
        own = components_of(self, but=parts)
        inner = (self.picker, self.form, self.bring, self.consent, self.deployment)
        return [*own, *(output for each in inner for output in each.outputs)]

    @property
    def progress(self) -> list[Any]:
        """What changes each second while something trains."""
        return [self.frame, self.live, self.train, self.stop, self.review, self.notices]


def build_train_tab(watch: ReadingWatch) -> TrainTab:
    """Place the tab's components where Gradio stands now."""
    with gr.Row(elem_classes=["train"]) as frame:
        with gr.Column(elem_classes=["card"]):
            head = html(heading(_IMAGES))
            with gr.Accordion(SOURCES_TITLE, elem_classes=["advanced"], elem_id="sources") as fold:
                picker = build_source_picker(watch, fold)
            trouble = html()
            bring = build_restore_images()
            consent = build_consent_checkbox()
            study = html(empty(text.OPENING, "", picture="image"), elem_id="study")
        with gr.Column(elem_classes=["stack"]):
            with gr.Column(elem_classes=["card"]):
                plan_head = html(heading(PLAN))
                form = build_plan_form()
                deployment = build_deployment_question()
                plan_trouble = html()
            with gr.Column(elem_classes=["card", "training"]):
                with gr.Row(elem_classes=["trainhead"]):
                    html(heading(text.TRAINING))
                    train = gr.Button(TRAIN, variant="primary", size="md", elem_id="train")
                    stop = gr.Button(
                        text.STOP, variant="stop", size="md", visible=False, elem_id="stop"
                    )
                    review = gr.Button(
                        "", variant="primary", size="md", visible=False, elem_id="review"
                    )
                live = html(elem_id="training")
                notices = html()
    return TrainTab(
        frame=frame,
        head=head,
        picker=picker,
        trouble=trouble,
        bring=bring,
        consent=consent,
        study=study,
        plan_head=plan_head,
        form=form,
        deployment=deployment,
        plan_trouble=plan_trouble,
        train=train,
        stop=stop,
        review=review,
        live=live,
        notices=notices,
    )


def study_data(study: Study) -> StudyData:
    """Return what the card tells of a study's images."""
    return StudyData(
        study.images,
        study.proof,
        study.report,
        study.pictures.thumbnail,
        study.pictures.missing,
        {name: study.audit.image_of_mask(name) for name in study.review.damaged},
    )


def show_study(tab: TrainTab, study: Study) -> Updates:
    """Return the whole tab for a study."""
    return {
        tab.head: heading(_IMAGES, study_line(study.images)),
        tab.study: study_card(study_data(study)),
        tab.trouble: "",
        tab.plan_trouble: "",
        **show_source(tab.picker, study.source),
        **show_restore_images(tab.bring, study),
        **show_consent(tab.consent, study),
        **show_deployment(tab.deployment, study),
        **show_training(tab, study),
        **_plan(tab, study),
    }


def show_nothing(tab: TrainTab) -> Updates:
    """Return the tab before any study is open."""
    waiting = training_card(JobStatus(None), nothing=TRAIN_FIRST)
    return {
        tab.study: no_study_yet(),
        tab.train: gr.update(interactive=False),
        tab.live: waiting,
    }


def show_training(tab: TrainTab, study: Study) -> Updates:
    """Return what changes while a study trains: small, for it is sent every second."""
    status = study.training.status()
    done = status.state is JobState.DONE
    outliers = len(study.queues.offers()) if done else 0
    awaited = study.pictures.missing > 0
    return {
        # On a phone, what comes next stands first: the running training, or its outliers.
        tab.frame: gr.update(elem_classes=_frame(status)),
        tab.live: training_card(
            status,
            aside=f"n = {numbers.count(len(study.images.rows(Split.VALIDATION)))}",
            foot=_foot(study, outliers) if done else "",
            nothing=TRAIN_EMPTY,
            awaited=awaited,
        ),
        tab.train: gr.update(
            visible=not (status.active or done or awaited),
            interactive=True,
            value=text.GO_ON if status.state is JobState.STOPPED else TRAIN,
        ),
        tab.stop: gr.update(visible=status.active, value=text.STOP, interactive=True),
        tab.review: gr.update(visible=done, value=_review_words(outliers)),
        tab.notices: "".join(note(words, tone="info") for words in study.notices),
    }


def _frame(status: JobStatus) -> list[str]:
    if status.active:
        return ["train", "running"]
    return ["train", "done"] if status.state is JobState.DONE else ["train"]


def show_locked(tab: TrainTab, study: Study) -> Updates:
    """Return the tab when training has just been asked for: the plan is fixed now."""
    return {**show_training(tab, study), **_plan(tab, study), tab.plan_trouble: ""}


def show_training_stopping(tab: TrainTab) -> Updates:
    """Return the stop button as pressed."""
    return {tab.stop: gr.update(value=text.STOPPING, interactive=False)}


def _plan(tab: TrainTab, study: Study) -> Updates:
    return {
        tab.plan_head: heading(PLAN, "Locked once trained" if study.training.started else ""),
        **show_plan(tab.form, study.images, study.plan, locked=study.training.started),
    }


def _foot(study: Study, outliers: int) -> str:
    total = len(study.images.rows(Split.TRAIN))
    of = f"{numbers.count(outliers)} of {numbers.count(total)} training images are mispredicted."
    return f"{of} Test set: still sealed."


def _review_words(outliers: int) -> str:
    if not outliers:
        return "See the outliers"
    return "Review {n}".format(n=numbers.some(outliers, "outlier", "outliers")) + " →"
