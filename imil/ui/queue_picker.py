"""Which queue is shown, what it is, and how the mispredicted are found."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from imil.compute.pool import JobState
from imil.core.queues import PERSISTENT_AT_LEAST, PERSISTENT_OF_LAST
from imil.core.records import Queue, Selection
from imil.errors import PlanError
from imil.ui import numbers, text
from imil.ui.errors import error_in_place
from imil.ui.markup import meter
from imil.ui.shown import Shown, html
from imil.workflow.study import Study

# In the order in which they are best worked on.
ORDER = (
    Queue.MISPREDICTED,
    Queue.LABEL_SUSPECT,
    Queue.WRONG_REASON,
    Queue.HIGH_LOSS,
    Queue.RANDOM,
)


@dataclass(frozen=True, slots=True, eq=False)
class QueuePicker:
    """The picker's components; the values of the two radios are a `Queue`'s and a `Selection`'s."""

    kind: gr.Radio
    words: gr.HTML
    selection: gr.Radio
    folds: gr.HTML
    use_folds: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return [self.kind, self.words, self.selection, self.folds, self.use_folds]


def build_picker() -> tuple[gr.Radio, gr.HTML]:
    """Place the queues and their sentence where Gradio stands now."""
    kind = gr.Radio(
        [(text.QUEUES[queue.value], queue.value) for queue in ORDER],
        value=Queue.MISPREDICTED.value,
        label=text.QUEUE,
        elem_id="queues",
        elem_classes=["segments", "pills"],
    )
    return kind, html(elem_id="queue-words")


def build_selection(kind: gr.Radio, words: gr.HTML) -> QueuePicker:
    """Place the choice of how the mispredicted are found where Gradio stands now."""
    with gr.Accordion(
        text.ADVANCED, open=False, elem_classes=["advanced"], elem_id="queue-advanced"
    ):
        selection = gr.Radio(
            [(text.SELECTIONS[choice.value], choice.value) for choice in Selection],
            value=Selection.IN_SAMPLE.value,
            label=text.SELECTION,
            info=text.SELECTION_INFO,
            elem_id="selection",
        )
        folds = html(elem_id="folds")
        use_folds = gr.Button(text.FOLDS_START, size="md", visible=False, elem_id="use-folds")
    return QueuePicker(kind, words, selection, folds, use_folds)


def show_picker(
    picker: QueuePicker, study: Study, kind: Queue, *, wanted: Selection | None = None
) -> Shown:
    """Return the picker for a study.

    Args:
        picker: the components.
        study: the study.
        kind: the queue that is open.
        wanted: the selection that is asked for, if it can't be used yet.
    """
    try:
        counts = study.queue_counts()
    except PlanError:
        counts = {}
    choices = [
        (f"{text.QUEUES[q.value]} {numbers.count(counts[q])}".strip(), q.value)
        if q in counts
        else (text.QUEUES[q.value], q.value)
        for q in ORDER
    ]
    return {
        picker.kind: gr.update(choices=choices, value=kind.value),
        picker.words: _words(study, kind),
        picker.selection: gr.update(value=(wanted or study.selection).value),
        **show_folds(picker, study, wanted or study.selection),
    }


def show_folds(picker: QueuePicker, study: Study, wanted: Selection) -> Shown:
    """Return what out-of-fold answers cost, or how far they are."""
    status = study.out_of_fold_status()
    asked = wanted is Selection.OUT_OF_FOLD or status.state is not None
    using = study.selection is Selection.OUT_OF_FOLD
    if not asked or using:
        return {picker.folds: "", picker.use_folds: gr.update(visible=False)}
    if status.error is not None:
        told = error_in_place(status.error)
    elif status.active:
        told = _progress(status.share, status.step, status.seconds_left)
    elif status.state is JobState.DONE:
        told = _line(text.FOLDS_READY)
    else:
        told = _line(_cost(study))
    done = status.state is JobState.DONE
    return {
        picker.folds: told,
        picker.use_folds: gr.update(
            value=text.FOLDS_USE if done else text.FOLDS_START, visible=not status.active
        ),
    }


def _words(study: Study, kind: Queue) -> str:
    by_selection = text.MISPREDICTED_WORDS[study.selection.value]
    words = by_selection if kind is Queue.MISPREDICTED else text.QUEUE_WORDS[kind.value]
    told = words.format(
        at_least=PERSISTENT_AT_LEAST,
        last=PERSISTENT_OF_LAST,
        allowed=numbers.count(study.budget().allowed),
    )
    return f'<p class="sub s13">{escape(told)}</p>'


def _cost(study: Study) -> str:
    cost = study.out_of_fold_cost()
    told = text.FOLDS_COST.format(trainings=cost.trainings, epochs=cost.epochs)
    if cost.seconds is None:
        return told
    return told + " " + text.FOLDS_TIME.format(time=numbers.duration(cost.seconds))


def _progress(share: float, step: str, seconds_left: float | None) -> str:
    left = (
        text.STARTING
        if seconds_left is None
        else text.LEFT.format(time=numbers.duration(seconds_left))
    )
    bar = meter(share, label=text.FOLDS_METER)
    return _line(" · ".join(part for part in (step, left) if part)) + bar


def _line(words: str) -> str:
    return f'<p class="sub s13">{escape(words)}</p>'
