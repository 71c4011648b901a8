"""How far more seeds are, while the card above already tells what is known."""

from __future__ import annotations

from html import escape

from imil.app.server.errors import error_in_place
from imil.jobs.base import JobState
from imil.report.parts import numbers, text
from imil.report.parts.markup import meter
from imil.study.status import TrainingStatus


def seeds_line(status: TrainingStatus, *, done: int, asked: int) -> str:
    """Return a line, a bar and a sentence, of one height while they change.

    Args:
        status: of the comparison; its step is written for people.
        done: seeds that are finished in every arm.
        asked: seeds in all.
    """
    if status.error is not None:
        return error_in_place(status.error)
    seed = f"Seed {min(done + 1, asked)} of {asked}"
    parts = [status.step] if status.step else []
    if status.epoch:
        parts.append(text.EPOCH_OF.format(epoch=status.epoch, epochs=status.epochs))
    if status.state is JobState.QUEUED:
        parts = [text.QUEUED]
    left = ""
    if status.seconds_left is not None:
        left = text.LEFT.format(time=numbers.duration(status.seconds_left))
    return (
        f'<div class="seedsline"><div class="line"><b>{escape(seed)}</b>'
        f'<span class="sub">{escape(" · ".join(parts))}</span>'
        f'<span class="sub left">{escape(left)}</span></div>'
        f'{meter(status.share, label=text.COMPARING)}<p class="foot">{escape(text.CLOSE_PAGE)}</p>'
        "</div>"
    )
