"""What is offered for review: the queues of a finished first training, each made once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from imil.core.records import Outlier, Queue, Region, Selection, Split, Triage
from imil.core.review.queues import (
    PERSISTENT_AT_LEAST,
    PERSISTENT_OF_LAST,
    OfferedImage,
    find_outliers,
    high_loss,
    label_suspects,
    persistent_outliers,
    random_queue,
)
from imil.core.review.readers import usual_pooling
from imil.errors import MaskError, PlanError
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import ActKind
from imil.study.audit.trail import AuditTrail
from imil.study.context import StudyContext
from imil.study.first_model import dynamics
from imil.study.review.mask_book import reader_label
from imil.study.review.mask_sets import FEWEST_TO_PREDICT, Review
from imil.study.review.out_of_fold import folds_finished, held_out_scores
from imil.study.review.pooling import pool_records
from imil.study.review.triage import Labels
from imil.study.workspace import Workspace, read_logits

# How the mispredicted were found, in a sentence beside the figures.
SELECTION_NOTICES = {
    Selection.IN_SAMPLE: "Mispredicted images were found in-sample, by the trained model.",
    Selection.OUT_OF_FOLD: "Mispredicted images were found out-of-fold, by models that never saw "
    "them.",
    Selection.PERSISTENT: "Mispredicted images were wrong in most of the last epochs of training.",
    Selection.FILLED: "Mispredicted images were found in-sample; where these did not fill the "
    "budget, those follow that were found out-of-fold.",
}
# An image of a queue, with the reason why it is in it.
Offer: TypeAlias = Outlier | OfferedImage
_Key: TypeAlias = tuple[object, ...]

# Queues that can hold nearly every training image: only as many are offered as may be painted.
CUT = frozenset({Queue.HIGH_LOSS, Queue.WRONG_REASON})

# Queues of which it is known where each image stands: those that several readers look at.
PLACES_KEPT = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Offered:
    """A queue: `whole` with what was decided by `triage`, without it, and what of it is shown."""

    whole: tuple[Offer, ...]
    triage: tuple[Triage, ...]
    every: tuple[Offer, ...]
    shown: tuple[Offer, ...]


class Queues:
    """What a study offers for review, and how the mispredicted are found.

    Each queue of a first training is made once. `wrong_reason` takes seconds or minutes: it is made
    beside the others, which never wait for it.
    """

    def __init__(self, context: StudyContext, audit: AuditTrail, labels: Labels) -> None:
        self._context = context
        self._audit = audit
        self._labels = labels
        self._made: dict[_Key, tuple[Offer, ...]] = {}
        self._failed: dict[_Key, Exception] = {}
        self._begun: set[_Key] = set()
        self._making = threading.Lock()
        self._making_slowly = threading.Lock()
        # What is asked for at each click, made again only where what it is made of has changed.
        self._offered: dict[Queue, _Offered] = {}
        self._elsewhere: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._places: dict[int, tuple[tuple[Offer, ...], dict[str, int]]] = {}

    def offers(self, kind: Queue = Queue.MISPREDICTED) -> tuple[Offer, ...]:
        """Return the training images that a queue offers, first things first.

        Images that were relabelled or excluded are left out of all but `label_suspect`. Of
        `high_loss` and `wrong_reason`, which can be as long as the training set, only as many are
        offered as the budget allows to paint. Masks painted on `wrong_reason` itself don't change
        it, so that it stays while it is worked on.

        Raises:
            PlanError: nothing is trained yet, or what the queue is read from is not there.
            MaskError: `wrong_reason` is to be read from masks that contradict each other.
        """
        return self._offers(kind).shown

    def whole(self, kind: Queue) -> tuple[Offer, ...]:
        """Return a queue with the images that were triaged, and beyond the budget.

        Raises:
            PlanError: as `offers`.
            MaskError: as `offers`.
        """
        with self._context.state.lock:
            first, painted = self._context.trained(), self._painted_for(kind)
            selection = self.selection
        if kind is Queue.MISPREDICTED:
            return self._mispredicted(first, selection)
        return self._queue(first, kind, painted)

    def begin(self, kind: Queue) -> bool:
        """Return whether `offers` answers at once; where it would take long, begin to make it.

        What fails meanwhile is raised by the next `offers`.

        Raises:
            PlanError: nothing is trained yet.
        """
        with self._context.state.lock:
            first, painted = self._context.trained(), self._painted_for(kind)
        key = _key(first, kind, painted)
        slow = kind is Queue.WRONG_REASON and len(painted) >= FEWEST_TO_PREDICT
        with self._making:
            if not slow or key in self._made or key in self._failed:
                return True
            if key not in self._begun:
                self._begun.add(key)
                asked = (first, kind, painted)
                threading.Thread(target=self._make_slowly, args=asked, daemon=True).start()
            return False

    def found(self, kind: Queue) -> int:
        """Return how many images a queue found, of which it may offer only the first.

        Raises:
            PlanError: as `offers`.
            MaskError: as `offers`.
        """
        return len(self._offers(kind).every)

    def counts(self) -> dict[Queue, int]:
        """Return how many images each queue offers; one that would take long is left out.

        Raises:
            PlanError: nothing is trained yet.
        """
        with self._context.state.lock:
            first, painted = self._context.trained(), self._painted_elsewhere()
        counts = {Queue.MISPREDICTED: len(self.offers())}
        for kind in set(Queue) - {Queue.MISPREDICTED}:
            offers: tuple[Offer, ...] | None = None
            if kind is Queue.WRONG_REASON:
                offers = self._made.get(_key(first, kind, painted))
            else:
                with suppress(PlanError):
                    offers = self._queue(first, kind, ())
            if offers is not None:
                counts[kind] = len(self._cut(kind, self._untriaged(kind, offers)))
        return counts

    def answers(self) -> tuple[Offer, ...]:
        """Return every training image with what the trained model says of it, worst first.

        Whatever the selection, and whatever was decided on labels: it is the model's own record.

        Raises:
            PlanError: nothing is trained yet.
        """
        return self._queue(self._context.trained(), Queue.HIGH_LOSS, ())

    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """Return how many training images of each class, a row, the model gives to each class.

        Raises:
            PlanError: nothing is trained yet.
        """
        classes = len(self._context.images.classes)
        counts = [[0] * classes for _ in range(classes)]
        for offer in self.answers():
            counts[offer.label][offer.predicted] += 1
        return tuple(tuple(row) for row in counts)

    def places(self, offers: tuple[Offer, ...]) -> Mapping[str, int]:
        """Return where each image stands in a queue, or in `answers`; made once of each."""
        known = self._places.get(id(offers))
        if known is None or known[0] is not offers:
            known = offers, {offer.sample_id: place for place, offer in enumerate(offers)}
            kept = list(self._places.items())[-(PLACES_KEPT - 1) :]
            self._places = {**dict(kept), id(offers): known}
        return known[1]

    @property
    def in_sample(self) -> int:
        """How many training images the trained model gets wrong.

        PlanError where nothing is trained yet.
        """
        return len(self._mispredicted(self._context.trained(), Selection.IN_SAMPLE))

    @property
    def selection(self) -> Selection:
        """How the mispredicted are found."""
        return self._context.record.selection

    def select(self, selection: Selection, *, who: str = "") -> None:
        """Find the mispredicted in another way; masks keep the way in which theirs were found.

        Args:
            selection: the way.
            who: who asked for it.

        Raises:
            PlanError: nothing is trained yet, or the answers that it needs are not there.
        """
        with self._context.state.lock:
            self._mispredicted(self._context.trained(), selection)
            self._context.state.update(selection=selection)
            self._audit.note(ActKind.SELECTION_SET, who=who, details={"selection": selection})

    def offer_of(self, kind: Queue, sample_id: str) -> tuple[Offer, Queue | None]:
        """Return why a training image was offered, and from which queue; None where from none.

        A queue that can't be looked into is believed: nothing painted is refused because of it.
        Where no queue offers the image, what the trained model says of it stands in.
        """
        answers = self.answers()
        said = answers[self.places(answers)[sample_id]]
        try:
            offers = self.whole(kind) if self.begin(kind) else None
        except (PlanError, MaskError):
            offers = None
        if offers is None:
            return said, kind
        place = self.places(offers).get(sample_id)
        return (said, None) if place is None else (offers[place], kind)

    def opened_as_mispredicted(self, records: Sequence[MaskRecord]) -> tuple[Outlier, ...]:
        """Return the masked images that were opened as mispredicted, however found, worst first."""
        found: dict[str, Outlier] = {}
        for selection in Selection:
            ids = {
                r.sample_id
                for r in records
                if r.queue is Queue.MISPREDICTED and r.selection is selection
            }
            if ids:
                every = self._mispredicted(self._context.first, selection)
                # Two readers may have found an image in two ways.
                found = {o.sample_id: o for o in every if o.sample_id in ids} | found
        return tuple(sorted(found.values(), key=lambda outlier: -outlier.loss))

    # ---- inside ---------------------------------------------------------------------------------

    def _mispredicted(self, first: TrainingTask, selection: Selection) -> tuple[Outlier, ...]:
        with self._making:
            # A queue that is filled grows once the folds are trained.
            grown = selection is Selection.FILLED and folds_finished(first)
            key = (first.folder, Queue.MISPREDICTED, selection, grown)
            if key not in self._made:
                self._made[key] = mispredicted(self._context.workspace, first, selection)
            return self._made[key]  # type: ignore[return-value]  # only outliers under such a key

    def _queue(
        self, first: TrainingTask, kind: Queue, painted: tuple[str, ...]
    ) -> tuple[Offer, ...]:
        """Return any other queue, whole; `painted` names the masks that `wrong_reason` may use."""
        key = _key(first, kind, painted)
        with self._making_slowly if kind is Queue.WRONG_REASON else self._making:
            if (failure := self._failed.pop(key, None)) is not None:
                raise failure
            if key not in self._made:
                # Of several readers as is usual, whatever they are pooled by for the comparison: so
                # that the queue stays.
                records = self._context.masks.by_name(painted)
                pooling = usual_pooling(len({reader_label(record) for record in records}))
                regions = pool_records(records, pooling).regions
                self._made[key] = read_queue(self._context.workspace, first, kind, regions)
            return self._made[key]

    def _make_slowly(self, first: TrainingTask, kind: Queue, painted: tuple[str, ...]) -> None:
        key = _key(first, kind, painted)
        try:
            self._queue(first, kind, painted)
        except Exception as failure:  # noqa: BLE001  # raised again where the queue is asked for
            self._failed[key] = failure
        finally:
            self._begun.discard(key)

    def _offers(self, kind: Queue) -> _Offered:
        """Return what a queue offers now."""
        whole, triage = self.whole(kind), self._context.record.triage
        known = self._offered.get(kind)
        if known is None or known.whole is not whole or known.triage is not triage:
            every = self._untriaged(kind, whole)
            known = _Offered(whole, triage, every, self._cut(kind, every))
            self._offered[kind] = known
        return known

    def _untriaged(self, kind: Queue, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        if kind is Queue.LABEL_SUSPECT:
            return offers
        triaged = {each.sample_id for each in self._labels.changed()}
        return tuple(offer for offer in offers if offer.sample_id not in triaged)

    def _cut(self, kind: Queue, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        allowed = self._context.workspace.allowed(self._context.plan)
        return offers[:allowed] if kind in CUT else offers

    def _painted_for(self, kind: Queue) -> tuple[str, ...]:
        """Return the names of the masks that a queue is made from."""
        return self._painted_elsewhere() if kind is Queue.WRONG_REASON else ()

    def _painted_elsewhere(self) -> tuple[str, ...]:
        """Return the names of the masks that were not painted on `wrong_reason`."""
        masks = self._context.masks
        names = masks.names()
        if self._elsewhere is None or self._elsewhere[0] is not names:
            pairs = zip(names, masks.by_name(names), strict=True)
            found = tuple(n for n, record in pairs if record.queue is not Queue.WRONG_REASON)
            self._elsewhere = names, found
        return self._elsewhere[1]


def _key(first: TrainingTask, kind: Queue, painted: tuple[str, ...]) -> _Key:
    return (first.folder, kind, painted if kind is Queue.WRONG_REASON else None)


def mispredicted(
    workspace: Workspace, first: TrainingTask, selection: Selection
) -> tuple[Outlier, ...]:
    """Return the `mispredicted` queue of a finished first training, worst first.

    Raises:
        PlanError: no scores of each epoch were kept, or nobody has trained the folds.
    """
    labels, ids = _training_images(workspace)
    if selection is Selection.PERSISTENT:
        scores = torch.from_numpy(dynamics(workspace, first))
        last = min(PERSISTENT_OF_LAST, len(scores))
        least = min(PERSISTENT_AT_LEAST, last)
        return persistent_outliers(scores, labels, ids, at_least=least, of_last=last)
    if selection is Selection.OUT_OF_FOLD:
        held_out = torch.from_numpy(held_out_scores(workspace, first))
        return find_outliers(held_out, labels, ids)
    found = workspace.outliers(first)
    if selection is Selection.FILLED and starves(workspace, first) and folds_finished(first):
        known = {outlier.sample_id for outlier in found}
        others = mispredicted(workspace, first, Selection.OUT_OF_FOLD)
        return (*found, *(outlier for outlier in others if outlier.sample_id not in known))
    return found


def starves(workspace: Workspace, first: TrainingTask) -> bool:
    """Return whether the trained model gets fewer training images wrong than may be masked.

    A model that has memorised its training images gets hardly any of them wrong.
    """
    return len(workspace.outliers(first)) < workspace.allowed(first.plan)


def read_queue(
    workspace: Workspace, first: TrainingTask, kind: Queue, painted: Mapping[str, Region]
) -> tuple[Offer, ...]:
    """Return any queue but `mispredicted`, whole; `painted` are what `wrong_reason` may use.

    Raises:
        PlanError: what the queue is read from is not there.
    """
    labels, ids = _training_images(workspace)
    if kind is Queue.LABEL_SUSPECT:
        return label_suspects(torch.from_numpy(dynamics(workspace, first)), labels, ids)
    if kind is Queue.WRONG_REASON:
        if len(painted) < FEWEST_TO_PREDICT:
            raise _too_few_masks(len(painted))
        workspace.make_ready(first.plan)
        return _review(workspace, first).wrong_reasons(painted)
    scores = torch.from_numpy(read_logits(first)[workspace.rows(Split.TRAIN)])
    ranked = high_loss(scores, labels, ids, limit=len(ids))
    if kind is Queue.RANDOM:
        by_id = {offer.sample_id: offer for offer in ranked}
        # The purpose of the draw; the simulated clinician's random images come from the same one.
        rng = np.random.default_rng([first.plan.seed, 3])
        return tuple(by_id[sample_id] for sample_id in random_queue(ids, rng))
    return ranked


def _review(workspace: Workspace, first: TrainingTask) -> Review:
    """Return a review that paints nothing: what was painted is given to it."""
    return Review(workspace, first, (), lambda _: None, 0, simulated=False)


def _training_images(workspace: Workspace) -> tuple[NDArray[np.int64], list[str]]:
    rows = workspace.rows(Split.TRAIN)
    return workspace.images.labels[rows], [workspace.images.samples[row].sample_id for row in rows]


def _too_few_masks(painted: int) -> PlanError:
    return PlanError(
        f"Wrong reasons can't be found yet: {painted} of {FEWEST_TO_PREDICT} masks are painted.",
        why="What is irrelevant in the other images is predicted from those that you masked.",
        fix="Mask two images of another queue first: mispredicted ones, or random ones.",
    )
