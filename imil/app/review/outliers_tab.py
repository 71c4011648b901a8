"""Outliers: the queue, the painter, the read-out, the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.painter.coach import build_coach, coach, story
from imil.app.painter.painter import Accepted, PainterImage, build_painter, encode_painter_image
from imil.app.review.filmstrip import (
    MASKED_STATE,
    STRIP_PAGE,
    blackout_url,
    build_filmstrip,
    page_of,
    page_value,
)
from imil.app.review.image_cache import ImageCache
from imil.app.review.queue_picker import QueuePicker, build_picker, show_picker
from imil.app.review.queue_view import (
    finished_queue,
    is_being_made,
    next_to_review,
    nothing_here,
    part_is_empty,
    progress_line,
    queue_of,
    review_list,
)
from imil.app.review.read_column import (
    ReadColumn,
    ReviewCounts,
    build_read_column,
    show_budget,
    show_no_image,
    show_read_column,
)
from imil.app.server.updates import Updates, components_of, html
from imil.core.records import Origin, Queue, Region
from imil.report.parts import numbers, text
from imil.report.parts.markup import empty
from imil.study.review.viewing import Sort, View
from imil.study.study import Study

OUTLIERS_NONE_YET_WORDS = (
    "Outliers are training images that the model gets wrong. Train a model first."
)
OUTLIERS_NO_IMAGES_WORDS = (
    "What you painted is kept: {masks}. Bring the images again on the Train tab, and go on where "
    "you stopped."
)

# Seconds between two looks whether a queue that takes long is there.
LOOK_AGAIN = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class OutliersTab:
    """The tab's components.

    `opened` is (study, sample) of the film that is shown; `again` ticks only while a queue is made.
    `films` is no component: it keeps the films that were opened last.
    """

    tab: gr.Tab
    none: gr.Column
    none_words: gr.HTML
    go_train: gr.Button
    story: gr.HTML
    work: gr.Row
    picker: QueuePicker
    reviewed: gr.HTML
    show_whole: gr.Button
    again: gr.Timer
    none_here: gr.HTML
    paint_random: gr.Button
    strip: gr.HTML
    painter: gr.HTML
    coach: gr.HTML
    read: ReadColumn
    opened: gr.State
    films: ImageCache

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        groups = {"picker", "read", "films"}
        own = components_of(self, but=groups)
        return [*own, *self.picker.outputs, *self.read.outputs]

    @property
    def film(self) -> list[Any]:
        """What `show_image` changes."""
        page = [self.none_here, self.paint_random, self.strip, self.reviewed, self.show_whole]
        return [*page, self.painter, self.coach, self.opened, *self.read.outputs]


def build_outliers_tab(tab: gr.Tab, *, asks: bool = False) -> OutliersTab:
    """Place the tab's components where Gradio stands now: in `tab`.

    `asks` says that a model answers the tool Select.
    """
    with gr.Column(elem_classes=["card", "emptycard"]) as none:
        none_words = html(empty(text.OPENING, "", picture="image"))
        go_train = gr.Button("Go to Train", variant="primary", size="md", visible=False)
    told = html(elem_id="story")
    with gr.Row(elem_classes=["work"], visible=False) as work:
        with gr.Column(elem_classes=["card", "queue"]):
            picker = build_picker()
            with gr.Row(elem_classes=["progressline"]):
                reviewed = html(elem_id="reviewed")
                show_whole = gr.Button("Show all", size="sm", visible=False, elem_id="show-whole")
            none_here = html(elem_id="none-here")
            paint_random = gr.Button(
                "Mask random images", variant="primary", size="md", visible=False, elem_id="random"
            )
            strip = build_filmstrip(elem_id="queue")
        with gr.Column(elem_classes=["card", "edit"]):
            painter = build_painter(elem_id="painter", asks=asks)
            coach_mark = build_coach(elem_id="coach")
        read = build_read_column()
    return OutliersTab(
        tab=tab,
        none=none,
        none_words=none_words,
        go_train=go_train,
        story=told,
        work=work,
        picker=picker,
        reviewed=reviewed,
        show_whole=show_whole,
        again=gr.Timer(LOOK_AGAIN, active=False),
        none_here=none_here,
        paint_random=paint_random,
        strip=strip,
        painter=painter,
        coach=coach_mark,
        read=read,
        opened=gr.State(("", "")),
        films=ImageCache(),
    )


def show_outliers(
    tab: OutliersTab,
    study: Study,
    view: View | None = None,
    *,
    keep: str | None = None,
) -> Updates:
    """Return the whole tab for a study.

    Args:
        tab: the components.
        study: the study.
        view: what to look at, and who does; by default all that is mispredicted.
        keep: the film that is open, and stays so where the view holds it.
    """
    view = view or View()
    trained = finished_queue(study) is not None
    shown: Updates = {
        tab.tab: gr.update(label=_tab_label(study)),
        tab.none: gr.update(visible=not trained),
        tab.none_words: _nothing_yet(study),
        tab.go_train: gr.update(visible=True),
        tab.story: story(study) if trained else "",
        tab.work: gr.update(visible=trained),
        tab.opened: ("", ""),
        tab.again: gr.Timer(active=trained and is_being_made(study, view)),
    }
    if not trained:
        return {**shown, tab.painter: None}
    queue = queue_of(study, view)  # first: a queue that has just been made is counted
    shown |= show_picker(tab.picker, study, view)
    if not queue:
        return {**shown, **_show_nothing_here(tab, study, view)}
    sample_id = next_to_review(study, view, after=None) or queue[0].sample_id
    if keep in study.queues.places(queue):
        sample_id = str(keep)
    return {**shown, **show_image(tab, study, view, sample_id, page=True)}


def show_no_queue(tab: OutliersTab) -> Updates:
    """Return the tab where no study is open."""
    return {
        tab.tab: gr.update(label=text.TAB_OUTLIERS),
        tab.none: gr.update(visible=True),
        tab.none_words: _nothing_yet(),
        tab.go_train: gr.update(visible=True),
        tab.story: "",
        tab.work: gr.update(visible=False),
        tab.opened: ("", ""),
        tab.again: gr.Timer(active=False),
        tab.painter: None,
    }


def _show_nothing_here(tab: OutliersTab, study: Study, view: View) -> Updates:
    """Return the tab with no film: why there is none, and what else can be done."""
    waits = is_being_made(study, view) or part_is_empty(study, view)
    return {
        tab.none_here: nothing_here(study, view),
        tab.paint_random: gr.update(visible=not waits and view.queue is not Queue.RANDOM),
        tab.reviewed: progress_line(study, view),
        tab.show_whole: gr.update(visible=view.narrowed),
        tab.strip: gr.update(value=page_value(study, (), 0), marks=None),
        tab.painter: None,
        **show_no_image(tab.read, study, view.reader),
    }


def show_image(
    tab: OutliersTab,
    study: Study,
    view: View,
    sample_id: str,
    *,
    accepted: Accepted | None = None,
    begin: Region | None = None,
    page: bool = False,
) -> Updates:
    """Return the tab with a film of the queue opened.

    Args:
        tab: the components.
        study: the study.
        view: what is looked at.
        sample_id: the film.
        accepted: the mask stored just before, if any.
        begin: a predicted mask to begin from, in place of the one that is stored.
        page: send the page of the queue too, because it may be another one.

    Raises:
        DataError: no image of that name.
    """
    queue = queue_of(study, view)
    study.images.position(sample_id)
    position = study.queues.places(queue).get(sample_id)
    offers = study.queues.answers() if position is None else queue
    at = study.queues.places(offers).get(sample_id)
    offer = None if at is None else offers[at]
    place = "" if position is None else _place(position, len(queue))
    film = PainterImage(
        study.study_id,
        sample_id,
        tab.films.image(study.images, sample_id),
        study.review.irrelevant(sample_id, view.reader) if begin is None else begin,
        place,
        accepted,
        study.review.origin(sample_id, view.reader) if begin is None else Origin.PREDICTED,
        queue=view.opened_from,
        base=study.review.mask_name(sample_id, view.reader),
        title=study.images.title(sample_id),
        reader=view.reader,
    )
    shown: Updates = {
        tab.none_here: "",
        tab.paint_random: gr.update(visible=False),
        tab.painter: encode_painter_image(film),
        tab.coach: coach(study, sample_id),
        tab.opened: (study.study_id, sample_id),
        **show_read_column(tab.read, study, sample_id, view, offer),
        **show_reviewed(
            tab, study, view, sample_id, others=() if accepted is None else [accepted.sample_id]
        ),
    }
    # Where what is reviewed goes to the end, every act changes the order.
    page = page or view.sort is Sort.NOT_REVIEWED
    if page and position is not None:
        value = _page(study, view, page_of(position))
        shown[tab.strip] = gr.update(value=value, **shown[tab.strip])
    return shown


def show_page(tab: OutliersTab, study: Study, view: View, page: int) -> Updates:
    """Return another page of the films."""
    return {tab.strip: gr.update(value=_page(study, view, page))}


def show_list(tab: OutliersTab, study: Study, view: View, current: str) -> Updates:
    """Return the films of a view beside one that is open, and is left alone."""
    shown = {
        tab.again: gr.Timer(active=False),
        **show_picker(tab.picker, study, view),
        **show_reviewed(tab, study, view, current),
    }
    strip = gr.update(value=_page(study, view, 0), **shown[tab.strip])
    return {**shown, tab.strip: strip}


def show_counts(tab: OutliersTab, study: Study, view: View) -> Updates:
    """Return what a decision on a label changes besides the film: how many each queue offers."""
    label = gr.update(label=_tab_label(study))
    return {tab.tab: label, **show_picker(tab.picker, study, view)}


def show_reviewed(
    tab: OutliersTab, study: Study, view: View, current: str, *, others: Sequence[str] = ()
) -> Updates:
    """Return ticks, budget, and which act comes next.

    Args:
        tab: the components.
        study: the study.
        view: what is looked at.
        current: the film that is open; the ticks are those of its page.
        others: further films whose ticks or blackouts have changed.
    """
    found = review_list(study, view)
    states: dict[str, str] = {}
    if found is not None:
        place = found.place(current)
        first = 0 if place is None else page_of(place) * STRIP_PAGE
        states = found.states(
            [offer.sample_id for offer in found.offers[first : first + STRIP_PAGE]]
        )
        states |= found.states([name for name in others if found.place(name) is not None])
    blackouts = {
        name: blackout_url(study, name, view.reader)
        for name in others
        if states.get(name) == MASKED_STATE
    }
    # One is done with a queue when all of it is reviewed, not the part that is looked at.
    whole = review_list(study, view.whole) if view.narrowed else None
    every = whole if whole is not None and whole.offers else found
    return {
        tab.strip: gr.update(
            marks={"current": current, "reviewed": states, "blackouts": blackouts}
        ),
        tab.reviewed: progress_line(study, view),
        tab.show_whole: gr.update(visible=view.narrowed),
        **show_budget(tab.read, study, view, ReviewCounts.of(every)),
    }


def _page(study: Study, view: View, page: int) -> dict[str, Any]:
    """Return a page of the films with what the reader did with each."""
    found = review_list(study, view)
    if found is None:
        return page_value(study, (), page)
    return page_value(study, found.offers, page, found.states, view.reader)


def _place(position: int, of: int) -> str:
    return f"{numbers.count(position + 1)} of {numbers.count(of)}"


def _tab_label(study: Study) -> str:
    queue = queue_of(study, View())
    return f"{text.TAB_OUTLIERS} {numbers.count(len(queue))}" if queue else text.TAB_OUTLIERS


def _nothing_yet(study: Study | None = None) -> str:
    """Return why there is nothing to review: no model yet, or no images to look at."""
    if study is None or not study.pictures.missing:
        return empty("Nothing to review yet", OUTLIERS_NONE_YET_WORDS, picture="line")
    masks = numbers.some(study.review.budget().painted, text.MASK_ONE, text.MASK_MANY)
    words = OUTLIERS_NO_IMAGES_WORDS.format(masks=masks)
    return empty("The images are not on this machine", words, picture="image")
