"""Outliers: the queue, the painter, the read-out, the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from imil.core.records import Outlier, Split
from imil.errors import PlanError
from imil.ui import numbers, text
from imil.ui.filmstrip import build_filmstrip, page_of, page_value
from imil.ui.markup import empty, heading, meter, note
from imil.ui.painter import Accepted, Film, build_painter, encode_film, press
from imil.ui.shown import Shown, html
from imil.workflow.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class OutliersTab:
    """The tab's components."""

    tab: gr.Tab
    none: gr.Column
    none_words: gr.HTML
    go_train: gr.Button
    work: gr.Row
    head: gr.HTML
    strip: gr.HTML
    painter: gr.HTML
    readout: gr.HTML
    black_out: gr.Button
    skip: gr.Button
    budget: gr.HTML
    compare: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return [getattr(self, field.name) for field in fields(self)]


def build_outliers_tab(tab: gr.Tab) -> OutliersTab:
    """Place the tab's components where Gradio stands now."""
    with gr.Column(elem_classes=["card", "emptycard"]) as none:
        none_words = html(_nothing_yet())
        go_train = gr.Button(text.GO_TO_TRAIN, variant="primary", size="md")
    with gr.Row(elem_classes=["work"], visible=False) as work:
        with gr.Column(elem_classes=["card", "queue"]):
            head = html()
            strip = build_filmstrip(elem_id="queue")
        with gr.Column(elem_classes=["card", "edit"]):
            painter = build_painter(elem_id="painter")
        with gr.Column(elem_classes=["card", "read"]):
            readout = html(elem_id="readout")
            with gr.Row(elem_classes=["acts"]):
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
    # The painter knows what is painted, so its own acts are pressed from here.
    black_out.click(None, None, None, js=press("blackout"), api_visibility="private")
    skip.click(None, None, None, js=press("skip"), api_visibility="private")
    return OutliersTab(
        tab,
        none,
        none_words,
        go_train,
        work,
        head,
        strip,
        painter,
        readout,
        black_out,
        skip,
        budget,
        compare,
    )


def show_outliers(tab: OutliersTab, study: Study) -> Shown:
    """Return the whole tab for a study."""
    queue = queue_of(study)
    label = f"{text.TAB_OUTLIERS} {numbers.count(len(queue))}" if queue else text.TAB_OUTLIERS
    shown: Shown = {
        tab.tab: gr.update(label=label),
        tab.none: gr.update(visible=not queue),
        tab.work: gr.update(visible=bool(queue)),
    }
    if not queue:
        done = finished_queue(study) is not None
        shown[tab.none_words] = _none_at_all() if done else _nothing_yet()
        shown[tab.go_train] = gr.update(visible=not done)
        return {**shown, tab.painter: None}
    sample_id = next_to_review(study, queue, after=None) or queue[0].sample_id
    return {**shown, **show_film(tab, study, sample_id, page=True)}


def show_film(
    tab: OutliersTab,
    study: Study,
    sample_id: str,
    *,
    accepted: Accepted | None = None,
    page: bool = False,
) -> Shown:
    """Return the tab with a film of the queue opened.

    Args:
        tab: the components.
        study: the study.
        sample_id: the film.
        accepted: the mask stored just before, if any.
        page: send the page of the queue too, because it may be another one.

    Raises:
        DataError: no image of that name.
    """
    queue = queue_of(study)
    ids = [outlier.sample_id for outlier in queue]
    study.images.position(sample_id)
    position = ids.index(sample_id) if sample_id in ids else None
    place = "" if position is None else _place(position, len(ids))
    film = Film(
        study.study_id,
        sample_id,
        study.picture(sample_id),
        study.irrelevant(sample_id),
        place,
        accepted,
    )
    shown: Shown = {
        tab.painter: encode_film(film),
        tab.readout: _readout(study, sample_id, None if position is None else queue[position]),
        **show_reviewed(tab, study, sample_id, queue),
    }
    if page and position is not None:
        shown[tab.strip] = gr.update(
            value=page_value(study, queue, page_of(position)), **shown[tab.strip]
        )
    return shown


def show_page(tab: OutliersTab, study: Study, page: int) -> Shown:
    """Return another page of the queue."""
    return {tab.strip: gr.update(value=page_value(study, queue_of(study), page))}


def show_reviewed(tab: OutliersTab, study: Study, current: str, queue: Sequence[Outlier]) -> Shown:
    """Return ticks, budget, and which act comes next."""
    reviewed = {o.sample_id: study.review_state(o.sample_id) for o in queue}
    decided = {sample: state for sample, state in reviewed.items() if state is not None}
    budget = study.budget()
    full = budget.painted >= budget.allowed
    finished = full or len(decided) == len(queue)
    aside = text.REVIEWED.format(done=numbers.count(len(decided)), n=numbers.count(len(queue)))
    return {
        tab.strip: gr.update(marks={"current": current, "reviewed": decided}),
        tab.head: heading(text.MISPREDICTED, aside),
        tab.budget: _budget(study) + (_finished(study, full=full) if finished else ""),
        tab.black_out: gr.update(variant="secondary" if finished else "primary"),
        tab.compare: gr.update(variant="primary" if finished else "secondary"),
    }


def queue_of(study: Study) -> tuple[Outlier, ...]:
    """Return the queue; empty before training is done."""
    return finished_queue(study) or ()


def finished_queue(study: Study) -> tuple[Outlier, ...] | None:
    """Return the queue; None before training is done. Cheap: it is asked for at every stroke."""
    try:
        return study.queue()
    except PlanError:
        return None


def next_to_review(study: Study, queue: Sequence[Outlier], *, after: str | None) -> str | None:
    """Return the next film not yet reviewed, from the top again at the end; None when all are."""
    ids = [outlier.sample_id for outlier in queue]
    start = ids.index(after) + 1 if after in ids else 0
    return next((i for i in ids[start:] + ids[:start] if study.review_state(i) is None), None)


def step_from(queue: Sequence[Outlier], sample_id: str | None, step: int) -> str | None:
    """Return the film `step` places on, round the ends; the first where `sample_id` is in none."""
    ids = [outlier.sample_id for outlier in queue]
    if not ids:
        return None
    return ids[(ids.index(sample_id) + step) % len(ids)] if sample_id in ids else ids[0]


def _place(position: int, of: int) -> str:
    return text.PLACE.format(place=numbers.count(position + 1), n=numbers.count(of))


def _readout(study: Study, sample_id: str, outlier: Outlier | None) -> str:
    sample = study.images.sample(sample_id)
    classes = study.images.classes
    says, small = text.UNKNOWN, ""
    if outlier is not None:
        says = f"{classes[outlier.predicted]} {numbers.share(outlier.confidence)}"
        small = text.LOSS_OF.format(loss=f"{outlier.loss:.2f}")
    if sample.patient is not None:
        small += text.PATIENT.format(patient=sample.patient)
    return (
        f'<dl class="lvp"><div><dt>{escape(text.LABEL)}</dt>'
        f"<dd>{escape(classes[sample.label])}</dd></div>"
        f'<div class="bad"><dt>{escape(text.MODEL_SAYS)}</dt><dd>{escape(says)}</dd></div></dl>'
        f'<p class="sub s12 lossline">{escape(small)}</p>'
        f'<div class="how"><h3>{escape(text.HOW_TITLE)}</h3><p>{escape(text.HOW)}</p></div>'
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


def _finished(study: Study, *, full: bool) -> str:
    if full:
        lead, words = text.BUDGET_DONE, text.BUDGET_DONE_WORDS
    else:
        queue = queue_of(study)
        states = [study.review_state(outlier.sample_id) for outlier in queue]
        lead = text.ALL_REVIEWED.format(n=numbers.count(len(queue)))
        words = text.ALL_REVIEWED_WORDS.format(
            masked=numbers.count(states.count("masked")),
            skipped=numbers.count(states.count("skipped")),
        )
    return f'<div class="done">{note(words, tone="good", lead=lead)}</div>'


def _nothing_yet() -> str:
    return empty(text.OUTLIERS_NONE_YET, text.OUTLIERS_NONE_YET_WORDS, picture="line")


def _none_at_all() -> str:
    return empty(text.OUTLIERS_ZERO, text.OUTLIERS_ZERO_WORDS, picture="check")
