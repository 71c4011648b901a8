"""A queue as it is looked at: its films, what was done with each, and which comes next."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from imil.app.review.label_buttons import label_state
from imil.core.records import Queue
from imil.core.review.readers import UNNAMED
from imil.errors import MaskError, PlanError
from imil.report.parts import numbers
from imil.report.parts.markup import empty, note, part
from imil.study.review.queueing import Offer
from imil.study.review.viewing import Sort, View, next_ids, reviewed, source_of, view_offers
from imil.study.study import Study

QUEUE_EMPTY = {
    Queue.MISPREDICTED.value: (
        "No training image is mispredicted",
        (
            "So there is nothing of that kind to mask. A model can still be right for the wrong "
            "reason: masks on random images show it what to ignore."
        ),
    ),
    Queue.LABEL_SUSPECT.value: (
        "No label looks wrong",
        "The model agrees with every label closely enough. Go on with another queue.",
    ),
    Queue.WRONG_REASON.value: (
        "No wrong reason was found",
        (
            "No answer depends on what your masks suggest to hide. Masks on random images add to "
            "what it is judged by."
        ),
    ),
}
QUEUE_ALL_TRIAGED = (
    "Nothing left to mask here",
    (
        "No image is left in this queue, apart from those you relabelled or excluded. Masks on "
        "random images can be compared too."
    ),
)
NONE_OF_CELL = "No image labelled {label} is said to be {predicted}"
NONE_OF_WORDS = "Choose another class or cell, or press “Show all” for the whole queue."
LOOKING = "Looking for wrong reasons …"
LOOKING_WORDS = (
    "What your masks suggest to hide is swapped in every image that is predicted right. It goes on "
    "while you work on another queue."
)

# Lists of one study that are kept: those of several readers, who look in several ways. Our choice.
LISTS_KEPT = 32
_LEFT = b"\1"


class ReviewList:
    """The films of a view, and which of them its reader has dealt with.

    It is made once of each view, and then told of each decision: what a click costs does not
    depend on how many films or masks there are. (But for the order `NOT_REVIEWED`, which each
    decision changes.)
    """

    def __init__(self, study: Study, view: View, source: tuple[Offer, ...]) -> None:
        self.source = source
        self._study = study
        self._view = view
        self._lock = threading.Lock()
        self._count, _ = study.review.changed(0)
        self._make()

    @property
    def done(self) -> int:
        """How many films the reader has dealt with."""
        return len(self.offers) - self._left.count(_LEFT)

    def place(self, sample_id: str | None) -> int | None:
        """Return where a film stands; None where it is no film of this view."""
        return None if sample_id is None else self._places.get(sample_id)

    def states(self, sample_ids: Iterable[str]) -> dict[str, str]:
        """Return what the reader did with each of some films; "" for nothing yet."""
        return {each: self._states.get(each, "") for each in sample_ids}

    def count(self, state: str) -> int:
        """Return how many films the reader dealt with in that way."""
        return sum(each == state for each in self._states.values())

    def next_left(self, after: int) -> str | None:
        """Return the next film not yet dealt with, from the top again at the end."""
        at = self._left.find(_LEFT, after + 1)
        at = self._left.find(_LEFT) if at < 0 else at
        return None if at < 0 else self.offers[at].sample_id

    def told(self) -> ReviewList:
        """Return this list, told of what was decided since it was last asked for."""
        with self._lock:
            count, new = self._study.review.changed(self._count)
            if new and self._view.sort is Sort.NOT_REVIEWED:
                self._make()
            for sample_id in dict.fromkeys(new):
                self._note(sample_id)
            self._count = count
        return self

    def _make(self) -> None:
        self.offers = view_offers(self._study, self._view)
        self._places = self._study.queues.places(self.offers)
        self._states: dict[str, str] = {}
        self._left = bytearray(_LEFT * len(self.offers))
        for offer in self.offers:
            self._note(offer.sample_id)

    def _note(self, sample_id: str) -> None:
        place = self._places.get(sample_id)
        if place is None:
            return
        state = state_of(self._study, self._view, sample_id)
        self._left[place] = state is None
        if state is None:
            self._states.pop(sample_id, None)
        else:
            self._states[sample_id] = state


def review_list(study: Study, view: View) -> ReviewList | None:
    """Return the films of a view as they are now; None where there are none yet.

    None, too, while images are missing: there would be nothing to paint on. Never slow: each queue
    is made once, and one that takes long is made beside.
    """
    if study.pictures.missing:
        return None
    try:
        if is_being_made(study, view):
            return None
        source = source_of(study, view)
    except (PlanError, MaskError):  # masks that contradict each other predict nothing
        return None
    known = study.on_screen.get(view)
    if isinstance(known, ReviewList) and known.source is source:
        return known.told()
    made = ReviewList(study, view, source)
    kept = list(study.on_screen.items())[-(LISTS_KEPT - 1) :]
    study.on_screen = {**dict(kept), view: made}
    return made


def queue_of(study: Study, view: View) -> tuple[Offer, ...]:
    """Return the films of a view; empty before training is done, and while they are being found."""
    return finished_queue(study, view) or ()


def finished_queue(study: Study, view: View | None = None) -> tuple[Offer, ...] | None:
    """Return the films of a view, by default all mispredicted ones; None as `review_list`."""
    found = review_list(study, view or View())
    return None if found is None else found.offers


def is_being_made(study: Study, view: View) -> bool:
    """Return whether the films of a view are still being found."""
    try:
        return view.cell is None and not study.queues.begin(view.queue)
    except PlanError:
        return False


def state_of(study: Study, view: View, sample_id: str) -> str | None:
    """Return what the reader did with a film of that view; None for nothing yet."""
    if not reviewed(study, view, sample_id):
        return None
    if view.opened_from is Queue.LABEL_SUSPECT:
        return label_state(study, sample_id, view.reader)
    state = study.review.state(sample_id, view.reader)
    return state or label_state(study, sample_id, view.reader)


def next_to_review(study: Study, view: View, *, after: str | None) -> str | None:
    """Return the next film not yet reviewed, from the top again at the end; None when all are."""
    found = review_list(study, view)
    if found is None:
        return None
    place = found.place(after)
    return found.next_left(-1 if place is None else place)


def next_after(study: Study, before: Sequence[Offer], view: View, sample_id: str) -> str | None:
    """Return the film to open once one was dealt with; None where the view holds none any more.

    Args:
        study: the study.
        before: the films as they were seen then.
        view: how they are looked at.
        sample_id: the film that was dealt with.
    """
    found = review_list(study, view)
    if found is None or not found.offers:
        return None
    now, place = found.offers, found.place(sample_id)
    if before is now and place is not None:
        return found.next_left(place) or sample_id
    old, new = ([offer.sample_id for offer in queue] for queue in (before, now))
    order = next_ids(old, new, sample_id)
    states = found.states(new)
    left = next((i for i in order if not states[i]), None)
    if left is None:
        return sample_id if place is not None else next(iter(order), None)
    return left


def step_from(queue: Sequence[Offer], place: int | None, step: int) -> str | None:
    """Return the film `step` places on, round the ends; the first where there is no place."""
    if not queue:
        return None
    return queue[0 if place is None else (place + step) % len(queue)].sample_id


def progress_line(study: Study, view: View) -> Markup:
    """Return what is looked at and how much of it is reviewed; "" for nothing."""
    found = review_list(study, view)
    if found is None or not found.offers:
        shown = _part(study, view)
        return part("progress", shown, "", of="review.html") if shown else Markup()
    done, films = found.done, len(found.offers)
    told = f"{numbers.count(done)} of {numbers.count(films)} reviewed"
    if done == films:
        told = f"All {numbers.count(done)} reviewed"
    parts = [_part(study, view), told]
    offered = len(study.queues.offers(view.queue)) if view.cell is None else 0
    if view.cell is None and (every := study.queues.found(view.queue)) > offered:
        parts.append(f"first {numbers.count(offered)} of {numbers.count(every)}")
    reader = "" if view.reader == UNNAMED else view.reader
    return part("progress", " · ".join(filter(None, parts)), reader, of="review.html")


def part_is_empty(study: Study, view: View) -> bool:
    """Return whether a view without a film is empty for its class or cell, not for its queue."""
    return view.cell is not None or (view.label is not None and bool(queue_of(study, view.whole)))


def nothing_here(study: Study, view: View) -> Markup:
    """Return why a view has no film, and what else can be done."""
    kind = view.queue
    if is_being_made(study, view):
        return part("looking", LOOKING_WORDS, LOOKING, of="review.html")
    if part_is_empty(study, view):
        return empty(_none_of(study, view), NONE_OF_WORDS, picture="image")
    try:
        study.queues.offers(kind)
    except (PlanError, MaskError) as error:
        # No mistake was made: it is what stands here until there is something to show.
        return note(f"{error.why} {error.fix}", tone="info", lead=error.what)
    title, words = QUEUE_EMPTY.get(kind.value, QUEUE_ALL_TRIAGED)
    if kind is Queue.MISPREDICTED and study.labels.changed():
        title, words = QUEUE_ALL_TRIAGED
    return empty(title, words, picture="check")


def _none_of(study: Study, view: View) -> str:
    classes = study.images.classes
    if view.cell is not None:
        return NONE_OF_CELL.format(
            label=classes[view.cell.label], predicted=classes[view.cell.predicted]
        )
    return f"No image of this queue is labelled {classes[view.label or 0]}"


def _part(study: Study, view: View) -> str:
    classes = study.images.classes
    if view.cell is not None:
        label, said = classes[view.cell.label], classes[view.cell.predicted]
        return f"Labelled {label}, said {said}"
    return "" if view.label is None else f"Labelled {classes[view.label]}"
