"""The column beside the painter: what the model says, the acts on the film, and the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.painter.painter import press_class
from imil.app.predicted.predicted_sheet import build_start, show_start
from imil.app.review.answer_card import build_answer
from imil.app.review.label_buttons import LabelButtons, build_label_buttons, show_label_buttons
from imil.app.review.queue_view import ReviewList
from imil.app.server.updates import Updates, components_of, html
from imil.core.records import Queue, Split
from imil.report.parts import numbers, text
from imil.report.parts.markup import part, remark, short_title
from imil.study.review.queueing import Offer
from imil.study.review.viewing import View
from imil.study.study import Study

LAST_OF_QUEUE = "That was the last of {n}: {masked} masked, {skipped} skipped. {next}"
TEST_NOW = "Test your masks now."
MASK_ONE_FIRST = "Mask at least one, then there is something to test."
BUDGET_USED_UP = (
    "That was the last image of the budget. Test your masks now, or change those you painted."
)


@dataclass(frozen=True, slots=True, eq=False)
class ReadColumn:
    """The column's components that change, from top to bottom."""

    readout: gr.HTML
    answer: gr.HTML
    assists: gr.Column
    start: gr.Button
    acts: gr.Row
    black_out: gr.Button
    labels: LabelButtons
    budget: gr.HTML
    compare: gr.Button
    compare_why: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        parts = {"answer", "labels"}  # an answer comes with events of its own
        own = components_of(self, but=parts)
        return [*own, *self.labels.outputs]


def build_read_column() -> ReadColumn:
    """Place the column where Gradio stands now."""
    with gr.Column(elem_classes=["card", "read"]):
        readout = html(elem_id="readout")
        answer = build_answer(elem_id="answer")
        with gr.Column(elem_classes=["assists"]) as assists:
            start = build_start()
        with gr.Column(elem_classes=["bar"]):
            # The painter knows what is painted, so its own acts are pressed from here.
            with gr.Row(elem_classes=["acts"]) as acts:
                black_out = gr.Button(
                    "Black out & next",
                    variant="primary",
                    size="md",
                    elem_id="black-out",
                    elem_classes=["big", press_class("blackout")],
                )
                gr.Button("Skip", size="md", elem_id="skip", elem_classes=[press_class("skip")])
                gr.Button(
                    "Label is wrong",
                    size="md",
                    elem_id="suspect",
                    elem_classes=[press_class("suspect")],
                )
            labels = build_label_buttons()
            budget = html(elem_id="budget", elem_classes=["budget-slot"])
        compare = gr.Button(text.COMPARE, size="md", elem_id="compare", elem_classes=["wide"])
        compare_why = html(elem_id="compare-why")
    return ReadColumn(
        readout=readout,
        answer=answer,
        assists=assists,
        start=start,
        acts=acts,
        black_out=black_out,
        labels=labels,
        budget=budget,
        compare=compare,
        compare_why=compare_why,
    )


def show_read_column(
    read: ReadColumn, study: Study, sample_id: str, view: View, offer: Offer | None
) -> Updates:
    """Return the column for a film that opens in a view; the budget is `show_budget`'s."""
    suspects = view.opened_from is Queue.LABEL_SUSPECT
    source = study.review.copied_from(sample_id, view.reader)
    return {
        read.readout: _readout(study, sample_id, offer, source=source, suspects=suspects),
        **show_start(read.start, study, sample_id, view.reader),
        **show_choices(read, study, sample_id, offer, opened=suspects),
    }


def show_choices(
    read: ReadColumn, study: Study, sample_id: str, offer: Offer | None, *, opened: bool
) -> Updates:
    """Return the acts on the film: what is to be said of its label where `opened`, else its mask's.

    Both stand at the same edge, so that opening one moves nothing above it.
    """
    return {
        read.assists: gr.update(visible=not opened),
        read.acts: gr.update(visible=not opened),
        **show_label_buttons(read.labels, study, sample_id, offer, opened=opened),
    }


def show_no_image(read: ReadColumn, study: Study, reader: str) -> Updates:
    """Return the column where a queue has no film."""
    return {
        read.readout: "",
        read.assists: gr.update(visible=False),
        read.acts: gr.update(visible=False),
        read.labels.row: gr.update(visible=False),
        read.labels.opened: False,
        read.budget: _budget(study, reader, ""),
        **_compare(read, study, finished=False),
    }


@dataclass(frozen=True, slots=True)
class ReviewCounts:
    """How far a reader is with a queue: films in all, and those dealt with, masked and skipped."""

    films: int = 0
    done: int = 0
    masked: int = 0
    skipped: int = 0

    @classmethod
    def of(cls, found: ReviewList | None) -> ReviewCounts:
        """Return how far the reader of a list is; how many are masked is told at its end alone."""
        if found is None:
            return cls()
        films, done = len(found.offers), found.done
        if done < films:
            return cls(films, done)
        return cls(films, done, found.count("masked"), found.count(text.MARK_SKIPPED))


def show_budget(read: ReadColumn, study: Study, view: View, reviewed: ReviewCounts) -> Updates:
    """Return the budget of the one who looks, and which act comes next.

    Args:
        read: the components.
        study: the study.
        view: what is looked at, and by whom.
        reviewed: how far the reader is with all of the queue.
    """
    budget = study.review.budget(view.reader)
    full = budget.painted >= budget.allowed
    finished = full or reviewed.done == reviewed.films
    ended = _ended(reviewed, full=full) if finished else ""
    return {
        read.budget: _budget(
            study, view.reader, "" if view.opened_from is Queue.LABEL_SUSPECT else ended
        ),
        read.black_out: gr.update(variant="secondary" if finished else "primary"),
        **_compare(read, study, finished=finished),
    }


def _compare(read: ReadColumn, study: Study, *, finished: bool) -> Updates:
    """Return the button to compare; where there is nothing to compare, with why below it."""
    can = study.comparison.usual.worthwhile
    variant = "primary" if finished and can else "secondary"
    return {
        read.compare: gr.update(variant=variant, interactive=can),
        read.compare_why: "" if can else remark(text.COMPARE_NEEDS_MASKS),
    }


def _readout(
    study: Study, sample_id: str, offer: Offer | None, *, source: str, suspects: bool
) -> Markup:
    label = study.images.classes[study.images.sample(sample_id).label]
    says, small, wrong = text.UNKNOWN, "", False
    if offer is not None:
        says = f"{study.images.classes[offer.predicted]} {numbers.share(offer.confidence)}"
        small = f"Loss {offer.loss:.2f} · training image"
        wrong = offer.predicted != offer.label
    if (patient := study.images.patient_title(sample_id)) is not None:
        small += f" · {patient}"
    if source:
        small += f" · mask copied from {short_title(study.images, source)}"
    return part("readout", label, says, wrong, suspects, small, of="review.html")


def _budget(study: Study, reader: str, ended: str) -> Markup:
    """Return how much a reader masked and what it took; all of one height, whatever it says."""
    budget = study.review.budget(reader)
    images = len(study.images.rows(Split.TRAIN))
    return part("budget", budget, images, _spent(study, reader), ended, of="review.html")


def _spent(study: Study, reader: str) -> str:
    masked = study.review.budget(reader).painted
    if not masked:
        return "We record how long each mask takes."
    seconds = study.review.seconds_spent(reader)
    return f"{numbers.duration(seconds / masked)} per image, {numbers.duration(seconds)} in all"


def _ended(reviewed: ReviewCounts, *, full: bool) -> str:
    if full:
        return BUDGET_USED_UP
    return LAST_OF_QUEUE.format(
        n=numbers.count(reviewed.films),
        masked=numbers.count(reviewed.masked),
        skipped=numbers.count(reviewed.skipped),
        next=TEST_NOW if reviewed.masked else MASK_ONE_FIRST,
    )
