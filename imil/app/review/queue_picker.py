"""Which queue is shown, in which order, which part of it, and how the mispredicted are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.painter.reader_field import build_reader_field, kept_name, show_reader
from imil.app.server.errors import error_in_place
from imil.app.server.updates import Updates, components_of, html
from imil.core.records import Queue, Selection
from imil.core.review.queues import PERSISTENT_AT_LEAST, PERSISTENT_OF_LAST
from imil.errors import PlanError
from imil.jobs.base import JobState
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, hint, meter, part
from imil.study.review.viewing import View, parse_view, sorts_of
from imil.study.study import Study

QUEUES = {
    Queue.MISPREDICTED.value: "Mispredicted",
    Queue.LABEL_SUSPECT.value: "Label suspects",
    Queue.WRONG_REASON.value: "Wrong reason",
    Queue.HIGH_LOSS.value: "High loss",
    Queue.RANDOM.value: "Random",
}
MISPREDICTED_WORDS = {
    Selection.IN_SAMPLE.value: "The trained model gets these images wrong.",
    Selection.OUT_OF_FOLD.value: "Models trained without these images get them wrong.",
    Selection.PERSISTENT.value: (
        "Got wrong in at least {at_least} of the last {last} epochs of training."
    ),
    Selection.FILLED.value: (
        "The trained model gets {in_sample} images wrong, of {allowed} that may be masked. Images "
        "that models trained without them get wrong follow."
    ),
}
QUEUE_WORDS = {
    Queue.LABEL_SUSPECT.value: (
        "By the answers in training the label looks wrong. A rare one can look so: you decide."
    ),
    Queue.WRONG_REASON.value: (
        "Right, but less sure once the area that your masks suggest comes from another image."
    ),
    Queue.HIGH_LOSS.value: "The {allowed} training images of highest loss, right or wrong.",
    Queue.RANDOM.value: (
        "All training images, in random order. Mask here when little is mispredicted."
    ),
}
SELECTION_INFO = (
    "The paper does not say. Each mask keeps the way in which its image was found, and the plan "
    "is the same for all."
)
SELECTIONS = {
    Selection.IN_SAMPLE.value: "In-sample: by the trained model",
    Selection.OUT_OF_FOLD.value: "Out-of-fold: by models that never saw the image",
    Selection.PERSISTENT.value: "Persistent: wrong in most of the last epochs",
    Selection.FILLED.value: "Filled: in-sample, then out-of-fold where these are too few",
}
FOLDS_COST = (
    "This takes {trainings} more trainings, as much work as {epochs} epochs of the first training."
)
FOLDS_START = "Train the folds"
# The queue's own order, by what it is read from.
SORTS_OWN = {
    Queue.MISPREDICTED.value: "Worst first",
    Queue.LABEL_SUSPECT.value: "Most suspect first",
    Queue.WRONG_REASON.value: "Largest drop first",
    Queue.HIGH_LOSS.value: "Highest loss first",
    Queue.RANDOM.value: "As drawn",
}
SORTS = {
    "least_sure": "Least sure first",
    "name": "File name",
    "not_reviewed": "Not reviewed first",
}
MATRIX_CELL = "{count} labelled {label}, the model says {predicted}"
CELL_WORDS = "Every training image in one cell of the matrix below, right or wrong."

# Ways that take out-of-fold answers.
FOLDED = frozenset({Selection.OUT_OF_FOLD, Selection.FILLED})

# In the order in which they are best worked on.
ORDER = (
    Queue.MISPREDICTED,
    Queue.LABEL_SUSPECT,
    Queue.WRONG_REASON,
    Queue.HIGH_LOSS,
    Queue.RANDOM,
)
# Columns of the matrix that have room for their class's name.
_NAMED = 3
# Queues of which the number says something about the model.
COUNTED = frozenset({Queue.MISPREDICTED, Queue.LABEL_SUSPECT, Queue.WRONG_REASON})


@dataclass(frozen=True, slots=True, eq=False)
class QueuePicker:
    """The picker's components; the values of the two radios are a `Queue`'s and a `Selection`'s.

    `filters` is a gr.HTML of which the value says order, class, cell and who looks; see
    `read_view`. `reader` is where the one who looks gives a name.
    """

    kind: gr.Radio
    reader: gr.Textbox
    words: gr.HTML
    filters: gr.HTML
    selection: gr.Radio
    folds: gr.HTML
    use_folds: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)

    @property
    def view(self) -> list[Any]:
        """What the browser sends of how it looks at a queue: the arguments of `read_view`."""
        return [self.kind, self.filters]


def build_picker() -> QueuePicker:
    """Place the queues, and what narrows them, where Gradio stands now."""
    kind = gr.Radio(
        [(QUEUES[queue.value], queue.value) for queue in ORDER],
        value=Queue.MISPREDICTED.value,
        label="Queue",
        elem_id="queues",
        elem_classes=["segments", "pills"],
    )
    _build_toggle()
    with gr.Column(elem_classes=["filterpanel"], elem_id="filter-panel"):
        words = html(elem_id="queue-words")
        reader = build_reader_field()
        filters = _build_filters()
        with gr.Accordion(
            text.ADVANCED, open=False, elem_classes=["advanced"], elem_id="queue-advanced"
        ):
            selection = gr.Radio(
                [(SELECTIONS[choice.value], choice.value) for choice in Selection],
                value=Selection.IN_SAMPLE.value,
                label="How mispredicted images are found",
                info=SELECTION_INFO,
                elem_id="selection",
            )
            folds = html(elem_id="folds")
            use_folds = gr.Button(FOLDS_START, size="md", visible=False, elem_id="use-folds")
    return QueuePicker(kind, reader, words, filters, selection, folds, use_folds)


def read_view(study: Study, kind: Any, chosen: Any) -> View:
    """Return what the browser looks at.

    Args:
        study: the study that is open.
        kind: the value of the chips.
        chosen: the value of the filters; None before anything was chosen.

    Raises:
        PlanError: no such queue, order, class or cell.
    """
    asked = chosen if isinstance(chosen, dict) else {}
    parts = {name: asked.get(name) for name in ("sort", "label", "cell", "reader")}
    return parse_view(kind, **parts, classes=len(study.images.classes))


def show_picker(picker: QueuePicker, study: Study, view: View) -> Updates:
    """Return the picker for a study and what is looked at of it."""
    try:
        counts = study.queues.counts()
    except PlanError:
        counts = {}
    # Of high loss there are as many as are asked for, and random are all: a count says nothing.
    told = {kind: counts[kind] for kind in counts if kind in COUNTED}
    choices = [
        (f"{QUEUES[q.value]} {numbers.count(told[q])}" if q in told else QUEUES[q.value])
        for q in ORDER
    ]
    return {
        picker.kind: gr.update(
            choices=[(name, kind.value) for name, kind in zip(choices, ORDER, strict=True)],
            value=view.queue.value,
        ),
        picker.reader: show_reader(study, view.reader),
        picker.words: _words(study, view),
        picker.filters: gr.update(value=_chosen(view), about=_about(study, view)),
        picker.selection: gr.update(value=study.queues.selection.value),
        **show_folds(picker, study, study.queues.selection),
    }


def show_folds(picker: QueuePicker, study: Study, wanted: Selection) -> Updates:
    """Return what out-of-fold answers cost, or how far they are."""
    status = study.training.out_of_fold_status()
    asked = wanted in FOLDED or status.state is not None
    filled = study.queues.selection is Selection.FILLED and status.state is JobState.DONE
    using = study.queues.selection is Selection.OUT_OF_FOLD or filled
    if not asked or using:
        return {picker.folds: "", picker.use_folds: gr.update(visible=False)}
    if status.error is not None:
        told = error_in_place(status.error)
    elif status.active:
        told = _progress(status.share, status.step, status.seconds_left)
    elif status.state is JobState.DONE:
        told = hint("The folds are trained.")
    else:
        told = hint(_cost(study))
    done = status.state is JobState.DONE
    return {
        picker.folds: told,
        picker.use_folds: gr.update(
            value="Find them out-of-fold" if done else FOLDS_START, visible=not status.active
        ),
    }


def _build_toggle() -> None:
    """Place the button that opens what narrows the queue, where that is not always in sight."""
    html(
        part("filter_toggle", of="review.html"),
        elem_id="filter-toggle",
        js_on_load=(ASSETS / "filter_toggle.js").read_text("utf-8"),
    )


def _build_filters() -> gr.HTML:
    """Place order, class and matrix where Gradio stands now.

    The value is `_chosen`'s, in both directions; the prop `about` is `_about`'s. It triggers
    `parse_view` when another order, class or cell is chosen.
    """
    return gr.HTML(
        html_template=str(part("filters", of="review.html")),
        js_on_load=(ASSETS / "filters.js").read_text("utf-8"),
        apply_default_css=False,
        about=None,
        elem_id="filters",
    )


def _chosen(view: View) -> dict[str, Any]:
    cell = view.cell
    return {
        "sort": view.sort.value,
        "label": view.label,
        "cell": None if cell is None else [cell.label, cell.predicted],
        "reader": kept_name(view.reader),
    }


def _about(study: Study, view: View) -> dict[str, Any]:
    """Return what there is to choose from, in words."""
    classes, counts = study.images.classes, study.queues.confusion()
    own = SORTS_OWN[view.queue.value] if view.cell is None else "Highest loss first"
    sorts = [[sort.value, SORTS.get(sort.value, own)] for sort in sorts_of(view)]
    labels = [["", "All classes"], *([str(i), name] for i, name in enumerate(classes))]
    cells = [
        [
            {
                "count": numbers.count(count),
                "says": MATRIX_CELL.format(
                    count=numbers.some(count, text.IMAGE_ONE, text.IMAGE_MANY),
                    label=classes[row],
                    predicted=classes[column],
                ),
            }
            for column, count in enumerate(held)
        ]
        for row, held in enumerate(counts)
    ]
    said = [f"said {name}" for name in classes]
    # Where many stand side by side, a column is told by its number, which its row has too.
    heads, rows, corner = said, list(classes), ""
    if len(classes) > _NAMED:
        heads = [numbers.count(number) for number in range(1, len(classes) + 1)]
        rows = [f"{number} {name}" for number, name in zip(heads, classes, strict=True)]
        corner = "label, said →"
    return {
        "sorts": sorts,
        "labels": labels,
        "matrix": {
            "corner": corner,
            "heads": [list(pair) for pair in zip(heads, said, strict=True)],
            "rows": rows,
            "cells": cells,
        },
        "told": _sum(study),
    }


def _sum(study: Study) -> str:
    """Return how the matrix and the queues add up."""
    wrong = {offer.sample_id for offer in study.queues.answers() if offer.label != offer.predicted}
    told = f"{numbers.count(len(wrong))} of {numbers.count(len(study.queues.answers()))} wrong"
    of_them = []
    try:
        suspects = {offer.sample_id for offer in study.queues.offers(Queue.LABEL_SUSPECT)}
    except PlanError:
        suspects = set()
    triaged = {triage.sample_id for triage in study.labels.changed()}
    for words, found in (("{n} label suspects", suspects), ("{n} relabelled or excluded", triaged)):
        if both := len(wrong & found):
            of_them.append(words.format(n=numbers.count(both)))
    return f"{told} ({', '.join(of_them)})" if of_them else told


def _words(study: Study, view: View) -> Markup:
    kind = view.queue
    by_selection = MISPREDICTED_WORDS[study.queues.selection.value]
    words = by_selection if kind is Queue.MISPREDICTED else QUEUE_WORDS[kind.value]
    if view.cell is not None:
        words = CELL_WORDS
    filled = words == MISPREDICTED_WORDS[Selection.FILLED.value]
    in_sample = numbers.count(study.queues.in_sample) if filled else ""
    told = words.format(
        at_least=PERSISTENT_AT_LEAST,
        last=PERSISTENT_OF_LAST,
        allowed=numbers.count(study.review.budget().allowed),
        in_sample=in_sample,
    )
    return hint(told)


def _cost(study: Study) -> str:
    cost = study.training.out_of_fold_cost()
    told = FOLDS_COST.format(trainings=cost.trainings, epochs=cost.epochs)
    if cost.seconds is None:
        return told
    return told + " " + f"About {numbers.duration(cost.seconds)} on this machine."


def _progress(share: float, step: str, seconds_left: float | None) -> Markup:
    left = (
        text.STARTING
        if seconds_left is None
        else text.LEFT.format(time=numbers.duration(seconds_left))
    )
    bar = meter(share, label="Training the folds")
    return hint(" · ".join(filter(None, (step, left)))) + bar
