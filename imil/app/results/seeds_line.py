"""How far more seeds are, while the card above already tells what is known."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from imil.app.header.job_line import line_words
from imil.app.server.errors import error_in_place
from imil.jobs.base import JobState, JobStatus
from imil.report.parts import numbers, text
from imil.report.parts.markup import render


def seeds_line(status: JobStatus, *, done: int, asked: int) -> Markup:
    """Return a line, a bar and a sentence, of one height while they change.

    Args:
        status: of the comparison; its step is written for people.
        done: seeds that are finished in every arm.
        asked: seeds in all.
    """
    if status.error is not None:
        return error_in_place(status.error)
    seed = f"{done} of {asked} runs"
    if done < asked and status.state is JobState.RUNNING:
        seed += ", more are being trained"
    parts = [status.step] if status.step else []
    if status.epoch:
        parts.append(text.EPOCH_OF.format(epoch=status.epoch, epochs=status.epochs))
    if status.state is JobState.QUEUED:
        parts = [line_words(status)]
    left = ""
    if status.seconds_left is not None:
        left = text.LEFT.format(time=numbers.duration(status.seconds_left))
    return render(
        "seeds.html",
        seed=seed,
        parts=" · ".join(parts),
        left=left,
        share=status.share,
        title=text.COMPARING,
        foot=text.CLOSE_PAGE,
    )


def up_to_first_look(status: JobStatus, asked: int) -> JobStatus:
    """Return how far the first run of every arm is: after it something can be looked at."""
    if status.seconds_left is None or asked < 2 or not status.active:
        return status
    whole = status.seconds_left / max(1e-6, 1 - status.share)
    left = max(0.0, status.seconds_left - whole * (1 - 1 / asked))
    return replace(status, share=min(1.0, status.share * asked), seconds_left=left)
