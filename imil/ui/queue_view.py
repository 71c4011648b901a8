"""A queue as it is looked at: its films, what was done with each, and which comes next."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from imil.core.readers import UNNAMED
from imil.core.records import Queue
from imil.errors import MaskError, PlanError
from imil.ui import numbers, text
from imil.ui.label_acts import label_state
from imil.ui.markup import empty, note
from imil.workflow.queueing import Offer
from imil.workflow.study import Study
from imil.workflow.viewing import View, following, reviewed, seen


def queue_of(study: Study, view: View) -> tuple[Offer, ...]:
    """Return the films of a view; empty before training is done, and while they are being found."""
    return finished_queue(study, view) or ()


def finished_queue(study: Study, view: View | None = None) -> tuple[Offer, ...] | None:
    """Return the films of a view, by default all mispredicted ones; None where it has none yet.

    None, too, while images are missing: there would be nothing to paint on.

    Never slow: each queue is made once, and one that takes long is made beside.
    """
    view = view or View()
    if study.missing_images:
        return None
    try:
        return None if being_made(study, view) else seen(study, view)
    except (PlanError, MaskError):  # masks that contradict each other predict nothing
        return None


def being_made(study: Study, view: View) -> bool:
    """Return whether the films of a view are still being found."""
    try:
        return view.cell is None and not study.begin_queue(view.queue)
    except PlanError:
        return False


def state_of(study: Study, view: View, sample_id: str) -> str | None:
    """Return what the reader did with a film of that view; None for nothing yet."""
    if not reviewed(study, view, sample_id):
        return None
    if view.opened_from is Queue.LABEL_SUSPECT:
        return label_state(study, sample_id, view.reader)
    state = study.review_state(sample_id, view.reader)
    return state or label_state(study, sample_id, view.reader)


def next_to_review(
    study: Study, queue: Sequence[Offer], view: View, *, after: str | None
) -> str | None:
    """Return the next film not yet reviewed, from the top again at the end; None when all are."""
    ids = [offer.sample_id for offer in queue]
    start = ids.index(after) + 1 if after in ids else 0
    return next((i for i in ids[start:] + ids[:start] if not reviewed(study, view, i)), None)


def next_after(
    study: Study, before: Sequence[Offer], now: Sequence[Offer], view: View, sample_id: str
) -> str | None:
    """Return the film to open once one was dealt with; None where the view holds none any more.

    Args:
        study: the study.
        before: the films as they were seen then.
        now: the films that are left, as they are seen now.
        view: how they are looked at.
        sample_id: the film that was dealt with.
    """
    old, new = ([offer.sample_id for offer in queue] for queue in (before, now))
    order = following(old, new, sample_id)
    found = next((i for i in order if not reviewed(study, view, i)), None)
    if found is None:
        return sample_id if sample_id in new else next(iter(order), None)
    return found


def step_from(queue: Sequence[Offer], sample_id: str | None, step: int) -> str | None:
    """Return the film `step` places on, round the ends; the first where `sample_id` is in none."""
    ids = [outlier.sample_id for outlier in queue]
    if not ids:
        return None
    return ids[(ids.index(sample_id) + step) % len(ids)] if sample_id in ids else ids[0]


def progress_line(study: Study, view: View, queue: Sequence[Offer]) -> str:
    """Return what is looked at and how much of it is reviewed; "" for nothing."""
    if not queue:
        return _line(part) if (part := _part(study, view)) else ""
    done = sum(reviewed(study, view, offer.sample_id) for offer in queue)
    told = text.REVIEWED.format(done=numbers.count(done), n=numbers.count(len(queue)))
    if done == len(queue):
        told = text.REVIEWED_ALL.format(n=numbers.count(done))
    parts = [_part(study, view), told]
    offered = len(study.queue(view.queue)) if view.cell is None else 0
    if view.cell is None and (found := study.found(view.queue)) > offered:
        parts.append(text.FIRST_OF.format(n=numbers.count(offered), found=numbers.count(found)))
    return _line(" · ".join(part for part in parts if part), reader=view.reader)


def part_is_empty(study: Study, view: View) -> bool:
    """Return whether a view without a film is empty for its class or cell, not for its queue."""
    return view.cell is not None or (view.label is not None and bool(queue_of(study, view.whole)))


def nothing_here(study: Study, view: View) -> str:
    """Return why a view has no film, and what else can be done."""
    kind = view.queue
    if being_made(study, view):
        words = note(text.LOOKING_WORDS, tone="info", lead=text.LOOKING)
        return f'<div class="looking" role="status"><i></i>{words}</div>'
    if part_is_empty(study, view):
        return empty(_none_of(study, view), text.NONE_OF_WORDS, picture="image")
    try:
        study.queue(kind)
    except (PlanError, MaskError) as error:
        # No mistake was made: it is what stands here until there is something to show.
        return note(f"{error.why} {error.fix}", tone="info", lead=error.what)
    title, words = text.QUEUE_EMPTY.get(kind.value, text.QUEUE_ALL_TRIAGED)
    if kind is Queue.MISPREDICTED and study.triaged():
        title, words = text.QUEUE_ALL_TRIAGED
    return empty(title, words, picture="check")


def _none_of(study: Study, view: View) -> str:
    classes = study.images.classes
    if view.cell is not None:
        return text.NONE_OF_CELL.format(
            label=classes[view.cell.label], predicted=classes[view.cell.predicted]
        )
    return text.NONE_OF_CLASS.format(label=classes[view.label or 0])


def _part(study: Study, view: View) -> str:
    classes = study.images.classes
    if view.cell is not None:
        label, said = classes[view.cell.label], classes[view.cell.predicted]
        return text.PART_CELL.format(label=label, predicted=said)
    return "" if view.label is None else text.PART_CLASS.format(label=classes[view.label])


def _line(words: str, *, reader: str = UNNAMED) -> str:
    """Return the line; a reader who gave a name is told it where the field is out of sight."""
    told = "" if reader == UNNAMED else f" · {text.READS_AS.format(reader=reader)}"
    named = f'<span class="as">{escape(told)}</span>' if told else ""
    return f'<p class="sub s13">{escape(words)}{named}</p>'
