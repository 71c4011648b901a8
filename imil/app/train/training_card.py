"""How far a training is: time left, a bar, and the curves, of one height in every state."""

from __future__ import annotations

from html import escape

from imil.app.server.errors import error_in_place
from imil.jobs.base import JobState
from imil.report.parts import numbers, text
from imil.report.parts.figures import training_curves
from imil.report.parts.markup import meter
from imil.study.status import TrainingStatus

IMAGES_AWAITED_WORDS = (
    "They are not on this machine. Once they are back, this training is made again from the plan, "
    "by itself."
)
FAILED = "Training failed"


def training_card(
    status: TrainingStatus,
    *,
    aside: str = "",
    foot: str = "",
    nothing: str = "",
    awaited: bool = False,
) -> str:
    """Return the state of a training.

    Args:
        status: how far it is.
        aside: what stands beside the headline of a finished training.
        foot: a sentence under the curves of a finished training.
        nothing: what stands here while none was started.
        awaited: whether it can go on only when the study's images are back.
    """
    if status.state is None:
        return _over_nothing(f'<div class="nothing"><p>{escape(nothing)}</p></div>')
    if status.state is JobState.FAILED and status.error is not None:
        return _over_nothing(f"<div>{_line(FAILED, '')}{error_in_place(status.error)}</div>")
    curves = training_curves(status.curves, planned=status.epochs)
    if awaited and status.state is JobState.STOPPED:
        line, words = _line("Waiting for the images", ""), IMAGES_AWAITED_WORDS
        return f'<div class="live">{line}{curves}<p class="foot">{escape(words)}</p></div>'
    line = _line(_headline(status), _aside(status, aside))
    if status.state is JobState.STOPPED and status.error is not None:
        trouble = error_in_place(status.error)
        if not status.curves:
            return _over_nothing(f"<div>{line}{trouble}</div>")
        # Before the curves: on a phone they fill the screen.
        return (
            f'<div class="live">{line}{meter(status.share, label=text.TRAINING)}'
            f"{trouble}{curves}</div>"
        )
    return (
        f'<div class="live">{line}{meter(status.share, label=text.TRAINING)}{curves}'
        f'<p class="foot">{escape(_under(status, foot))}</p></div>'
    )


def _under(status: TrainingStatus, foot: str) -> str:
    """Return what stands under the curves: what to do next."""
    if status.state is JobState.STOPPED:
        return "Continue goes on from the last whole epoch."
    return text.CLOSE_PAGE if status.active else foot


def _over_nothing(shown: str) -> str:
    """Return what stands where curves will be: as high as they are, so that nothing moves."""
    waiting = (
        f"{_line(text.STARTING, text.STARTING)}{meter(0, label=text.TRAINING)}"
        f'{training_curves((), planned=1)}<p class="foot"></p>'
    )
    # Hidden from eyes and from screen readers: `visibility` does both.
    return (
        f'<div class="live over"><div class="ghost" style="visibility:hidden">{waiting}</div>'
        f"{shown}</div>"
    )


def _line(big: str, small: str) -> str:
    return (
        f'<div class="line"><span class="big">{escape(big)}</span>'
        f'<span class="sub">{escape(small)}</span></div>'
    )


def _headline(status: TrainingStatus) -> str:
    if status.state is JobState.QUEUED:
        return text.QUEUED
    if status.state is JobState.STOPPED:
        return "Stopped"
    if status.state is JobState.RUNNING:
        if status.seconds_left is None:
            return text.STARTING
        return text.LEFT.format(time=numbers.duration(status.seconds_left))
    value = numbers.share(status.curves[-1].validation_accuracy) if status.curves else text.UNKNOWN
    return f"Validation accuracy {value}"


def _aside(status: TrainingStatus, done: str) -> str:
    if status.state is JobState.DONE:
        epochs = numbers.some(len(status.curves), "epoch", "epochs")
        return " · ".join(words for words in (done, epochs) if words)
    if status.state is JobState.QUEUED and status.position:
        return f"{status.position} before yours"
    epoch = text.EPOCH_OF.format(epoch=status.epoch, epochs=status.epochs) if status.epoch else ""
    return " · ".join(words for words in (status.step, epoch) if words)
