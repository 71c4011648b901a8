"""How a queue is looked at: its order on the screen, one class of it, one cell of the matrix.

A view changes nothing but what is seen: no mask, no budget, and no queue as the arms know it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from imil.core.records import LabelDecision, Queue
from imil.core.review.readers import UNNAMED, reader_name
from imil.errors import PlanError
from imil.study.review.queueing import Offer
from imil.study.study import Study


class Sort(StrEnum):
    """In which order images are shown; the first is the queue's own, worst first."""

    WORST = "worst"
    LEAST_SURE = "least_sure"
    NAME = "name"
    NOT_REVIEWED = "not_reviewed"


# A random queue in another order is none: only these two keep what was drawn.
RANDOM_SORTS = (Sort.WORST, Sort.NOT_REVIEWED)


@dataclass(frozen=True, slots=True)
class Cell:
    """Training images of one class, `label`, that the trained model gives to one, `predicted`."""

    label: int
    predicted: int


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at.

    Attributes:
        queue: which queue.
        sort: in which order.
        label: only images of that class; None for all. Not together with `cell`.
        cell: in place of the queue, every training image in that cell of the confusion matrix,
            right ones too; None for the queue.
        reader: who looks, and sees their own masks.
    """

    queue: Queue = Queue.MISPREDICTED
    sort: Sort = Sort.WORST
    label: int | None = None
    cell: Cell | None = None
    reader: str = UNNAMED

    @property
    def narrowed(self) -> bool:
        """Whether other images are seen than those of the queue."""
        return self.label is not None or self.cell is not None

    @property
    def opened_from(self) -> Queue:
        """The queue that an image of this view is opened from, as a mask is told.

        A cell of the matrix is told as `mispredicted`, where its wrong ones are; of a right one the
        study finds that no queue offered it.
        """
        return self.queue if self.cell is None else Queue.MISPREDICTED

    @property
    def whole(self) -> View:
        """The same queue in the same order, nothing left out."""
        return replace(self, label=None, cell=None)


def sorts_of(view: View) -> tuple[Sort, ...]:
    """Return the orders that a view can be shown in."""
    drawn = view.queue is Queue.RANDOM and view.cell is None
    return RANDOM_SORTS if drawn else tuple(Sort)


def parse_view(
    queue: Any = Queue.MISPREDICTED,
    *,
    sort: Any = None,
    label: Any = None,
    cell: Any = None,
    classes: int,
    reader: Any = None,
) -> View:
    """Return the view that a program or a browser asks for.

    Args:
        queue: a queue's value.
        sort: a value of `Sort`; None for the queue's own order.
        label: a class index; None for all.
        cell: label and prediction, two class indices; None for the queue.
        classes: how many classes there are.
        reader: who looks; None for the unnamed reader.

    Raises:
        PlanError: one of them is no such value, or a class and a cell are asked for together.
    """
    if cell is not None and label is not None:
        raise PlanError(
            "A class and a cell can't be looked at together.",
            why="A cell of the confusion matrix is of one class already.",
            fix="Send one of the two.",
        )
    wanted = View(
        _member(Queue, "queue", queue),
        Sort.WORST if sort is None else _member(Sort, "order", sort),
        None if label is None else _class(label, classes),
        None if cell is None else _cell(cell, classes),
        reader_name(reader),
    )
    return wanted if wanted.sort in sorts_of(wanted) else replace(wanted, sort=Sort.WORST)


def source_of(study: Study, view: View) -> tuple[Offer, ...]:
    """Return the images that a view chooses from: the same tuple as long as they are the same.

    Raises:
        PlanError: nothing is trained yet, or what the queue is read from is not there.
        MaskError: masks contradict each other, so that they predict nothing.
    """
    return study.queues.offers(view.queue) if view.cell is None else study.queues.answers()


def view_offers(study: Study, view: View) -> tuple[Offer, ...]:
    """Return the images of a view, in its order. Ties keep the queue's own order.

    Raises:
        PlanError: as `source_of`.
        MaskError: as `source_of`.
    """
    offers: Sequence[Offer] = source_of(study, view)
    if view.cell is not None:
        told = (view.cell.label, view.cell.predicted)
        offers = [offer for offer in offers if (offer.label, offer.predicted) == told]
    elif view.label is not None:
        offers = [offer for offer in offers if offer.label == view.label]
    return arranged(study, offers, view)


def arranged(study: Study, offers: Sequence[Offer], view: View) -> tuple[Offer, ...]:
    """Return images in the order of a view."""
    if view.sort is Sort.LEAST_SURE:
        return tuple(sorted(offers, key=lambda offer: offer.confidence))
    if view.sort is Sort.NAME:
        title = study.images.title
        return tuple(sorted(offers, key=lambda offer: _natural(title(offer.sample_id))))
    if view.sort is Sort.NOT_REVIEWED:
        return tuple(sorted(offers, key=lambda offer: reviewed(study, view, offer.sample_id)))
    return tuple(offers)


def reviewed(study: Study, view: View, sample_id: str) -> bool:
    """Return whether the reader has dealt with an image, as that view asks them to.

    A suspected label asks for a decision, any other image for a mask; in a cell of the matrix,
    which no decision empties, both will do.
    """
    state, decided = study.review.state(sample_id, view.reader), study.labels.decision(sample_id)
    if view.cell is None and view.queue is Queue.LABEL_SUSPECT:
        return state == "skipped" or decided is not None
    left_out = decided is not None and decided.decision is not LabelDecision.KEEP
    return state is not None or (view.cell is not None and left_out)


def next_ids(before: Sequence[str], now: Sequence[str], sample_id: str) -> tuple[str, ...]:
    """Return what comes after an image, from the top again at the end, without the image itself.

    Args:
        before: ids in the order in which the image was seen.
        now: ids as they are seen now; the image and others may have left, or moved.
        sample_id: the image.
    """
    order = before if sample_id in before else now
    at = order.index(sample_id) if sample_id in order else -1
    left = set(now)
    turned = [*order[at + 1 :], *order[: max(0, at)]]
    return tuple(i for i in dict.fromkeys((*turned, *now)) if i in left and i != sample_id)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key by which film 9 comes before film 10."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts)


def _member(kind: Any, noun: str, value: Any) -> Any:
    # Not `value in kind`: what can't be hashed is no member either.
    if not isinstance(value, str) or value not in list(kind):
        raise PlanError(
            f"There is no {noun} “{value}”.",
            why=f"There are {', '.join(kind)}.",
            fix="Send one of these names.",
        )
    return kind(value)


def _class(value: Any, classes: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < classes:
        raise PlanError(
            f"There is no class number {value!r}.",
            why=f"The classes are numbered from 0 to {classes - 1}.",
            fix="Send one of these numbers.",
        )
    return value


def _cell(value: Any, classes: int) -> Cell:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise PlanError(
            f"There is no cell {value!r}.",
            why="A cell of the confusion matrix is a label and a prediction.",
            fix="Send two class numbers.",
        )
    return Cell(_class(value[0], classes), _class(value[1], classes))
