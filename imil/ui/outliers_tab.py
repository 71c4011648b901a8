"""Outliers: the queue, the painter, the read-out, the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from imil.core.records import Queue, Selection
from imil.errors import MaskError, PlanError
from imil.ui import numbers, text
from imil.ui.filmstrip import build_filmstrip, page_of, page_value
from imil.ui.label_acts import label_state
from imil.ui.markup import empty, note
from imil.ui.painter import Accepted, Film, build_painter, encode_film
from imil.ui.predicted_panel import PredictedPanel, build_predicted_panel, show_predicted
from imil.ui.queue_picker import QueuePicker, build_picker, build_selection, show_picker
from imil.ui.read_column import (
    ReadColumn,
    build_read_column,
    show_budget,
    show_no_film,
    show_read_column,
)
from imil.ui.shown import Shown, html
from imil.workflow.queueing import Offer
from imil.workflow.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class OutliersTab:
    """The tab's components; `opened` is (study, sample) of the film that is shown."""

    tab: gr.Tab
    none: gr.Column
    none_words: gr.HTML
    go_train: gr.Button
    work: gr.Row
    picker: QueuePicker
    reviewed: gr.HTML
    none_here: gr.HTML
    paint_random: gr.Button
    strip: gr.HTML
    painter: gr.HTML
    read: ReadColumn
    opened: gr.State
    predicted: PredictedPanel

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        groups = {"picker", "read", "predicted"}
        own = [getattr(self, field.name) for field in fields(self) if field.name not in groups]
        return [
            *own,
            *self.picker.outputs,
            *self.read.outputs,
            *self.predicted.outputs,
        ]


def build_outliers_tab(tab: gr.Tab) -> OutliersTab:
    """Place the tab's components where Gradio stands now."""
    with gr.Column(elem_classes=["card", "emptycard"]) as none:
        none_words = html(_nothing_yet())
        go_train = gr.Button(text.GO_TO_TRAIN, variant="primary", size="md")
    with gr.Row(elem_classes=["work"], visible=False) as work:
        with gr.Column(elem_classes=["card", "queue"]):
            kind, words = build_picker()
            reviewed = html(elem_id="reviewed")
            none_here = html(elem_id="none-here")
            paint_random = gr.Button(
                text.PAINT_RANDOM, variant="primary", size="md", visible=False, elem_id="random"
            )
            strip = build_filmstrip(elem_id="queue")
            picker = build_selection(kind, words)
        with gr.Column(elem_classes=["card", "edit"]):
            painter = build_painter(elem_id="painter")
        read = build_read_column()
    predicted = build_predicted_panel()
    return OutliersTab(
        tab=tab,
        none=none,
        none_words=none_words,
        go_train=go_train,
        work=work,
        picker=picker,
        reviewed=reviewed,
        none_here=none_here,
        paint_random=paint_random,
        strip=strip,
        painter=painter,
        read=read,
        opened=gr.State(("", "")),
        predicted=predicted,
    )


def show_outliers(
    tab: OutliersTab,
    study: Study,
    kind: Queue = Queue.MISPREDICTED,
    *,
    wanted: Selection | None = None,
) -> Shown:
    """Return the whole tab for a study.

    Args:
        tab: the components.
        study: the study.
        kind: the queue to open.
        wanted: how the mispredicted are to be found, if that can't be done yet.
    """
    trained = finished_queue(study) is not None
    shown: Shown = {
        tab.tab: gr.update(label=_tab_label(study)),
        tab.none: gr.update(visible=not trained),
        tab.work: gr.update(visible=trained),
        tab.opened: ("", ""),
        **show_predicted(tab.predicted, study if trained else None),
    }
    if not trained:
        return {**shown, tab.painter: None}
    queue = queue_of(study, kind)  # first: a queue that has just been made is counted
    shown |= show_picker(tab.picker, study, kind, wanted=wanted)
    if not queue:
        return {**shown, **_show_nothing_here(tab, study, kind)}
    sample_id = next_to_review(study, queue, kind, after=None) or queue[0].sample_id
    return {**shown, **show_film(tab, study, kind, sample_id, page=True)}


def _show_nothing_here(tab: OutliersTab, study: Study, kind: Queue) -> Shown:
    """Return the tab with an empty queue: why it is, and what else can be done."""
    return {
        tab.none_here: _nothing_here(study, kind),
        tab.paint_random: gr.update(visible=kind is not Queue.RANDOM),
        tab.reviewed: "",
        tab.strip: gr.update(value=page_value(study, (), 0), marks=None),
        tab.painter: None,
        **show_no_film(tab.read, study),
    }


def show_film(
    tab: OutliersTab,
    study: Study,
    kind: Queue,
    sample_id: str,
    *,
    accepted: Accepted | None = None,
    page: bool = False,
) -> Shown:
    """Return the tab with a film of the queue opened.

    Args:
        tab: the components.
        study: the study.
        kind: the queue.
        sample_id: the film.
        accepted: the mask stored just before, if any.
        page: send the page of the queue too, because it may be another one.

    Raises:
        DataError: no image of that name.
    """
    queue = queue_of(study, kind)
    ids = [offer.sample_id for offer in queue]
    study.images.position(sample_id)
    position = ids.index(sample_id) if sample_id in ids else None
    offer = None if position is None else queue[position]
    place = "" if position is None else _place(position, len(ids))
    film = Film(
        study.study_id,
        sample_id,
        study.picture(sample_id),
        study.irrelevant(sample_id),
        place,
        accepted,
        study.origin(sample_id),
    )
    shown: Shown = {
        tab.none_here: "",
        tab.paint_random: gr.update(visible=False),
        tab.painter: encode_film(film),
        tab.opened: (study.study_id, sample_id),
        **show_read_column(tab.read, study, sample_id, kind, offer),
        **show_reviewed(tab, study, kind, sample_id, queue),
    }
    if page and position is not None:
        shown[tab.strip] = gr.update(
            value=page_value(study, queue, page_of(position)), **shown[tab.strip]
        )
    return shown


def show_page(tab: OutliersTab, study: Study, kind: Queue, page: int) -> Shown:
    """Return another page of the queue."""
    return {tab.strip: gr.update(value=page_value(study, queue_of(study, kind), page))}


def show_counts(tab: OutliersTab, study: Study, kind: Queue) -> Shown:
    """Return what a decision on a label changes besides the film: how many each queue offers."""
    label = gr.update(label=_tab_label(study))
    return {tab.tab: label, **show_picker(tab.picker, study, kind)}


def show_reviewed(
    tab: OutliersTab, study: Study, kind: Queue, current: str, queue: Sequence[Offer]
) -> Shown:
    """Return ticks, budget, and which act comes next."""
    states = {offer.sample_id: state_of(study, kind, offer.sample_id) for offer in queue}
    decided = {sample: state for sample, state in states.items() if state is not None}
    aside = text.REVIEWED.format(done=numbers.count(len(decided)), n=numbers.count(len(queue)))
    return {
        tab.strip: gr.update(marks={"current": current, "reviewed": decided}),
        tab.reviewed: f'<p class="sub s13">{escape(aside)}</p>',
        **show_budget(tab.read, study, kind, states),
    }


def queue_of(study: Study, kind: Queue) -> tuple[Offer, ...]:
    """Return a queue; empty before training is done."""
    return finished_queue(study, kind) or ()


def finished_queue(study: Study, kind: Queue = Queue.MISPREDICTED) -> tuple[Offer, ...] | None:
    """Return a queue; None while there is nothing to read it from. Cheap: made once."""
    try:
        return study.queue(kind)
    except (PlanError, MaskError):  # masks that contradict each other predict nothing
        return None


def state_of(study: Study, kind: Queue, sample_id: str) -> str | None:
    """Return what the reader did with a film of that queue; None for nothing yet."""
    if kind is Queue.LABEL_SUSPECT:
        return label_state(study, sample_id)
    return study.review_state(sample_id)


def next_to_review(
    study: Study, queue: Sequence[Offer], kind: Queue, *, after: str | None
) -> str | None:
    """Return the next film not yet reviewed, from the top again at the end; None when all are."""
    ids = [offer.sample_id for offer in queue]
    start = ids.index(after) + 1 if after in ids else 0
    return next((i for i in ids[start:] + ids[:start] if state_of(study, kind, i) is None), None)


def step_from(queue: Sequence[Offer], sample_id: str | None, step: int) -> str | None:
    """Return the film `step` places on, round the ends; the first where `sample_id` is in none."""
    ids = [outlier.sample_id for outlier in queue]
    if not ids:
        return None
    return ids[(ids.index(sample_id) + step) % len(ids)] if sample_id in ids else ids[0]


def _place(position: int, of: int) -> str:
    return text.PLACE.format(place=numbers.count(position + 1), n=numbers.count(of))


def _tab_label(study: Study) -> str:
    queue = queue_of(study, Queue.MISPREDICTED)
    return f"{text.TAB_OUTLIERS} {numbers.count(len(queue))}" if queue else text.TAB_OUTLIERS


def _nothing_yet() -> str:
    return empty(text.OUTLIERS_NONE_YET, text.OUTLIERS_NONE_YET_WORDS, picture="line")


def _nothing_here(study: Study, kind: Queue) -> str:
    try:
        study.queue(kind)
    except (PlanError, MaskError) as error:
        # No mistake was made: it is what stands here until there is something to show.
        return note(f"{error.why} {error.fix}", tone="info", lead=error.what)
    title, words = text.QUEUE_EMPTY.get(kind.value, text.QUEUE_ALL_TRIAGED)
    if kind is Queue.MISPREDICTED and study.triaged():
        title, words = text.QUEUE_ALL_TRIAGED
    return empty(title, words, picture="check")
