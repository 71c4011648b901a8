"""How far a training is: time left, a bar, and the curves, of one height in every state."""

from __future__ import annotations

from markupsafe import Markup

from imil.app.header.job_line import line_words
from imil.app.server.errors import error_in_place
from imil.jobs.base import JobState, JobStatus
from imil.report.parts import numbers, text
from imil.report.parts.figures import training_curves
from imil.report.parts.markup import meter, render

IMAGES_AWAITED_WORDS = (
    "They are not on this machine. Once they are back, this training is made again from the plan, "
    "by itself."
)


def training_card(
    status: JobStatus,
    *,
    aside: str = "",
    foot: str = "",
    nothing: str = "",
    awaited: bool = False,
    ends_in: str = text.LEFT,
) -> Markup:
    """Return the state of a training.

    Args:
        status: how far it is.
        aside: what stands beside the headline of a finished training.
        foot: a sentence under the curves of a finished training.
        nothing: what stands here while none was started.
        awaited: whether it can go on only when the study's images are back.
        ends_in: how the time that is left is said.
    """
    if status.state is None:
        return _card(nothing=nothing)
    if status.state is JobState.FAILED and status.error is not None:
        return _card(headline="Training failed", trouble=error_in_place(status.error))
    curves = training_curves(status.curves, planned=status.epochs)
    if awaited and status.state is JobState.STOPPED:
        return _card(headline="Waiting for the images", curves=curves, foot=IMAGES_AWAITED_WORDS)
    line = {"headline": _headline(status, ends_in), "aside": _aside(status, aside)}
    if status.state is JobState.STOPPED and status.error is not None:
        trouble = error_in_place(status.error)
        if not status.curves:
            return _card(**line, trouble=trouble)
        return _card(**line, bar=_bar(status.share), trouble=trouble, curves=curves)
    return _card(**line, bar=_bar(status.share), curves=curves, foot=_under(status, foot))


def _card(**shown: str) -> Markup:
    """Return what is shown; where there are no curves, over room for them: nothing moves later."""
    return render(
        "training.html",
        **shown,
        starting=text.STARTING,
        empty_bar=_bar(0),
        no_curves=training_curves((), planned=1),
    )


def _bar(share: float) -> Markup:
    return meter(share, label=text.TRAINING)


def _under(status: JobStatus, foot: str) -> str:
    """Return what stands under the curves: what to do next."""
    if status.state is JobState.STOPPED:
        return "Continue goes on from the last whole epoch."
    return text.CLOSE_PAGE if status.active else foot


def _headline(status: JobStatus, ends_in: str) -> str:
    if status.state is JobState.QUEUED:
        return line_words(status)
    if status.state is JobState.STOPPED:
        return "Stopped"
    if status.state is JobState.RUNNING:
        if status.seconds_left is None:
            return text.STARTING
        return ends_in.format(time=numbers.duration(status.seconds_left))
    value = numbers.share(status.curves[-1].validation_accuracy) if status.curves else text.UNKNOWN
    return f"Validation accuracy {value}"


def _aside(status: JobStatus, done: str) -> str:
    if status.state is JobState.DONE:
        epochs = numbers.some(len(status.curves), "epoch", "epochs")
        return " · ".join(words for words in (done, epochs) if words)
    epoch = text.EPOCH_OF.format(epoch=status.epoch, epochs=status.epochs) if status.epoch else ""
    return " · ".join(words for words in (status.step, epoch) if words)
