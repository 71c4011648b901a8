"""Outliers: the queue, the painter, the read-out, the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from imil.core.records import Queue, Selection, Split
from imil.errors import MaskError, PlanError
from imil.ui import numbers, text
from imil.ui.answer_card import build_answer
from imil.ui.filmstrip import build_filmstrip, page_of, page_value
from imil.ui.label_acts import LabelActs, build_label_acts, label_state, show_label_acts
from imil.ui.markup import empty, meter, note
from imil.ui.painter import Accepted, Film, build_painter, encode_film, press
from imil.ui.predicted_panel import (
    PredictedPanel,
    build_predicted_panel,
    build_start,
    show_predicted,
    show_start,
)
from imil.ui.queue_picker import QueuePicker, build_picker, build_selection, show_picker
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
    readout: gr.HTML
    labels: LabelActs
    mask_acts: gr.Row
    answer: gr.HTML
    start: gr.Button
    black_out: gr.Button
    skip: gr.Button
    budget: gr.HTML
    compare: gr.Button
    opened: gr.State
    predicted: PredictedPanel

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        groups = {"picker", "labels", "predicted"}
        own = [getattr(self, field.name) for field in fields(self) if field.name not in groups]
        return [
            *own,
            *self.picker.outputs,
            *self.labels.outputs,
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
        with gr.Column(elem_classes=["card", "read"]):
            readout = html(elem_id="readout")
            labels = build_label_acts()
            answer = build_answer(elem_id="answer")
            start = build_start()
            with gr.Row(elem_classes=["acts"]) as mask_acts:
                black_out = gr.Button(
                    text.BLACK_OUT,
                    variant="primary",
                    size="md",
                    elem_id="black-out",
                    elem_classes=["big"],
                )
                skip = gr.Button(text.SKIP, size="md", elem_id="skip", elem_classes=["wide"])
            budget = html(elem_id="budget", elem_classes=["budget-slot"])
            compare = gr.Button(text.COMPARE, size="md", elem_id="compare", elem_classes=["wide"])
    predicted = build_predicted_panel()
    # The painter knows what is painted, so its own acts are pressed from here.
    black_out.click(None, None, None, js=press("blackout"), api_visibility="private")
    skip.click(None, None, None, js=press("skip"), api_visibility="private")
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
        readout=readout,
        labels=labels,
        mask_acts=mask_acts,
        answer=answer,
        start=start,
        black_out=black_out,
        skip=skip,
        budget=budget,
        compare=compare,
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
        tab.readout: "",
        tab.mask_acts: gr.update(visible=False),
        tab.budget: _budget(study),
        tab.compare: gr.update(variant="secondary"),
        **show_label_acts(tab.labels, study, kind, None),
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
        **show_start(tab.start, study, sample_id),
        **({tab.start: gr.update(visible=False)} if kind is Queue.LABEL_SUSPECT else {}),
        tab.opened: (study.study_id, sample_id),
        tab.readout: _readout(study, sample_id, kind, offer),
        tab.mask_acts: gr.update(visible=kind is not Queue.LABEL_SUSPECT),
        **show_label_acts(tab.labels, study, kind, offer),
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
    budget = study.budget()
    full = budget.painted >= budget.allowed
    finished = full or len(decided) == len(queue)
    aside = text.REVIEWED.format(done=numbers.count(len(decided)), n=numbers.count(len(queue)))
    ended = _finished(queue, states, full=full) if finished else ""
    return {
        tab.strip: gr.update(marks={"current": current, "reviewed": decided}),
        tab.reviewed: f'<p class="sub s13">{escape(aside)}</p>',
        tab.budget: _budget(study) + ("" if kind is Queue.LABEL_SUSPECT else ended),
        tab.black_out: gr.update(variant="secondary" if finished else "primary"),
        tab.compare: gr.update(variant="primary" if finished else "secondary"),
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


def _readout(study: Study, sample_id: str, kind: Queue, offer: Offer | None) -> str:
    sample = study.images.sample(sample_id)
    classes = study.images.classes
    suspect = kind is Queue.LABEL_SUSPECT
    says, small, tone = text.UNKNOWN, "", ""
    if offer is not None:
        says = f"{classes[offer.predicted]} {numbers.share(offer.confidence)}"
        small = text.LOSS_OF.format(loss=f"{offer.loss:.2f}")
        tone = ' class="bad"' if offer.predicted != offer.label else ""
    if sample.patient is not None:
        small += text.PATIENT.format(patient=sample.patient)
    title = text.LABEL_HOW_TITLE if suspect else text.HOW_TITLE
    how = text.LABEL_HOW if suspect else text.HOW
    return (
        f'<dl class="lvp"><div><dt>{escape(text.LABEL)}</dt>'
        f"<dd>{escape(classes[sample.label])}</dd></div>"
        f"<div{tone}><dt>{escape(text.LOOKS_LIKE if suspect else text.MODEL_SAYS)}</dt>"
        f"<dd>{escape(says)}</dd></div></dl>"
        f'<p class="sub s12 lossline">{escape(small)}</p>'
        f'<div class="how"><h3>{escape(title)}</h3><p>{escape(how)}</p></div>'
    )


def _budget(study: Study) -> str:
    budget = study.budget()
    total = len(study.images.rows(Split.TRAIN))
    painted = numbers.percent(budget.painted / max(1, total))
    line = text.BUDGET_LINE.format(
        share=painted, total=numbers.count(total), budget=numbers.percent(budget.share)
    )
    if budget.painted >= budget.allowed:
        line = text.BUDGET_REACHED.format(share=painted)
    of = text.MASKED_OF.format(
        painted=numbers.count(budget.painted), allowed=numbers.count(budget.allowed)
    )
    bar = meter(budget.painted / max(1, budget.allowed), label=text.BUDGET_METER)
    return (
        f'<div class="budget"><div class="t"><span><b>{escape(of)}</b> {escape(text.MASKED)}'
        f'</span><span class="sub s13">{escape(line)}</span></div>{bar}</div>'
    )


def _finished(queue: Sequence[Offer], states: Mapping[str, str | None], *, full: bool) -> str:
    if full:
        lead, words = text.BUDGET_DONE, text.BUDGET_DONE_WORDS
    else:
        done = list(states.values())
        lead = text.ALL_REVIEWED.format(n=numbers.count(len(queue)))
        words = text.ALL_REVIEWED_WORDS.format(
            masked=numbers.count(done.count(text.MARK_MASKED)),
            skipped=numbers.count(done.count(text.MARK_SKIPPED)),
        )
    return f'<div class="done">{note(words, tone="good", lead=lead)}</div>'


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
