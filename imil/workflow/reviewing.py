"""The review's half of a study: its queues, how they are found, and decisions on labels."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from imil.compute.task import TrainingTask
from imil.core.images import ImageSet
from imil.core.records import (
    Decision,
    Outlier,
    Plan,
    Queue,
    Selection,
    Triage,
)
from imil.errors import MaskError, PlanError
from imil.store.codec import MaskRecord
from imil.store.studies import StudyRecord, save_study
from imil.workflow.maskbook import MaskBook
from imil.workflow.outoffold import (
    FoldCost,
    fold_cost,
    fold_tasks,
    folds_finished,
    write_folds,
)
from imil.workflow.queueing import Offer, QueueBook
from imil.workflow.status import TrainingStatus, status_of
from imil.workflow.tools import Tools
from imil.workflow.triage import changing, decided
from imil.workflow.workspace import Workspace

# Queues that can hold nearly every training image: only as many are offered as may be painted.
CUT = frozenset({Queue.HIGH_LOSS, Queue.WRONG_REASON})


class Reviewing:
    """What a study offers for review, and what the reader said of labels.

    Holds the study's state, of which a copy is in the store; `Study` adds training, masks and
    results to it.
    """

    def __init__(self, record: StudyRecord, workspace: Workspace, tools: Tools) -> None:
        self._record = record
        self._workspace = workspace
        self._tools = tools
        self._lock = threading.RLock()
        self._masks = MaskBook(tools.store, record.study_id)
        self._queues = QueueBook(workspace, self._masks)

    @property
    def study_id(self) -> str:
        """The study's random id."""
        return self._record.study_id

    @property
    def name(self) -> str:
        """The study's name, for people."""
        return self._record.name

    @property
    def created(self) -> str:
        """When the study was begun, UTC, ISO 8601."""
        return self._record.created

    @property
    def images(self) -> ImageSet:
        """The study's images."""
        return self._workspace.images

    @property
    def plan(self) -> Plan:
        """How the study trains."""
        return self._record.plan

    # ---- queues ---------------------------------------------------------------------------------

    def queue(self, kind: Queue = Queue.MISPREDICTED) -> tuple[Offer, ...]:
        """Return the training images that a queue offers, first things first.

        Images that were relabelled or excluded are left out of all but `label_suspect`. Of
        `high_loss` and `wrong_reason`, which can be as long as the training set, only as many are
        offered as the budget allows to paint. Masks painted on `wrong_reason` itself don't change
        it, so that it stays while it is worked on.

        Raises:
            PlanError: nothing is trained yet, or what the queue is read from is not there.
            MaskError: `wrong_reason` is to be read from masks that contradict each other.
        """
        return self._cut(kind, self._untriaged(kind, self._whole(kind)))

    def begin_queue(self, kind: Queue) -> bool:
        """Return whether `queue` answers at once; where it would take long, begin to make it.

        Raises:
            PlanError: nothing is trained yet.
        """
        with self._lock:
            first, painted = self._reviewed(), self._painted_elsewhere()
        return self._queues.begin(first, kind, painted)

    def found(self, kind: Queue) -> int:
        """Return how many images a queue found, of which it may offer only the first.

        Raises:
            PlanError: as `queue`.
            MaskError: as `queue`.
        """
        return len(self._untriaged(kind, self._whole(kind)))

    def queue_counts(self) -> dict[Queue, int]:
        """Return how many images each queue offers; one that would take long is left out.

        Raises:
            PlanError: nothing is trained yet.
        """
        with self._lock:
            first, painted = self._reviewed(), self._painted_elsewhere()
        counts = {Queue.MISPREDICTED: len(self.queue())}
        for kind in set(Queue) - {Queue.MISPREDICTED}:
            try:
                offers = self._queues.known(first, kind, painted)
            except PlanError:
                continue
            if offers is not None:
                counts[kind] = len(self._cut(kind, self._untriaged(kind, offers)))
        return counts

    def answers(self) -> tuple[Offer, ...]:
        """Return every training image with what the trained model says of it, worst first.

        Whatever the selection, and whatever was decided on labels: it is the model's own record.

        Raises:
            PlanError: nothing is trained yet.
        """
        with self._lock:
            first = self._reviewed()
        return self._queues.queue(first, Queue.HIGH_LOSS, ())

    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """Return how many training images of each class, a row, the model gives to each class.

        Raises:
            PlanError: nothing is trained yet.
        """
        classes = len(self.images.classes)
        counts = [[0] * classes for _ in range(classes)]
        for offer in self.answers():
            counts[offer.label][offer.predicted] += 1
        return tuple(tuple(row) for row in counts)

    @property
    def selection(self) -> Selection:
        """How the mispredicted are found."""
        return self._record.selection

    def select(self, selection: Selection) -> None:
        """Find the mispredicted in another way; masks keep the way in which theirs were found.

        Raises:
            PlanError: nothing is trained yet, or the answers that it needs are not there.
        """
        with self._lock:
            self._queues.mispredicted(self._reviewed(), selection)
            self._save(selection=selection)

    def out_of_fold_cost(self) -> FoldCost:
        """Return what out-of-fold answers cost, before `start_out_of_fold` pays it."""
        return fold_cost(self._first)

    def start_out_of_fold(self) -> None:
        """Train the folds, or go on with them; nothing happens while they wait or run.

        Raises:
            PlanError: nothing is trained yet, or a class has too few patients.
        """
        with self._lock:
            first = self._reviewed()
            if self.out_of_fold_status().active or folds_finished(first):
                return
            self._workspace.make_ready(self.plan)
            write_folds(self._workspace, first)
            self._save(folds=True)
            self._tools.pool.submit(self._folds_job, fold_tasks(first))

    def out_of_fold_status(self) -> TrainingStatus:
        """Return how far the folds are."""
        with self._lock:
            if not self._record.folds:
                return TrainingStatus(None)
            return status_of(self._tools.pool.status(self._folds_job), fold_tasks(self._first))

    # ---- labels ---------------------------------------------------------------------------------

    def relabel(self, sample_id: str, class_name: str) -> None:
        """Say that a training image carries the wrong label; only the arms of triage use it.

        Raises:
            DataError: not a training image, no such class, or the class it has.
        """
        self._decide(Triage(sample_id, Decision.RELABEL, class_name))

    def exclude(self, sample_id: str) -> None:
        """Say that a training image should not be learned from; only the arms of triage use it.

        Raises:
            DataError: not a training image.
        """
        self._decide(Triage(sample_id, Decision.EXCLUDE))

    def keep_label(self, sample_id: str) -> None:
        """Say that the label is right; takes back a relabelling or exclusion.

        Raises:
            DataError: not a training image.
        """
        self._decide(Triage(sample_id, Decision.KEEP))

    def triage(self, sample_id: str) -> Triage | None:
        """Return what the reader decided on an image's label; None where nobody did."""
        return next((t for t in self._record.triage if t.sample_id == sample_id), None)

    def triaged(self) -> tuple[Triage, ...]:
        """Return the images that were relabelled or excluded."""
        return changing(self._record.triage)

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def _first(self) -> TrainingTask:
        return self._workspace.first_task(self.plan)

    def _with_images(self) -> TrainingTask:
        """Return the first training; its working images are there, if need be after making them."""
        self._workspace.make_ready(self.plan)
        return self._first

    def _save(self, **changes: object) -> None:
        record = replace(self._record, **changes)  # type: ignore[arg-type]  # names of its fields
        save_study(self._tools.store, record)
        self._record = record

    def _reviewed(self) -> TrainingTask:
        """Return the finished first training; PlanError before."""
        first = self._first
        if not first.finished:
            raise PlanError(
                "There is nothing to review yet.",
                why="Outliers are training images that a trained model gets wrong.",
                fix="Train a model first, on the Train tab.",
            )
        return first

    def _whole(self, kind: Queue) -> tuple[Offer, ...]:
        """Return a queue with the images that were triaged, and beyond the budget."""
        with self._lock:
            first, selection, painted = self._reviewed(), self.selection, self._painted_elsewhere()
        if kind is Queue.MISPREDICTED:
            return self._queues.mispredicted(first, selection)
        return self._queues.queue(first, kind, painted)

    def _offer_of(self, kind: Queue, sample_id: str) -> tuple[Offer, Queue | None]:
        """Return why a training image was offered, and from which queue; None where from none.

        A queue that can't be looked into is believed: nothing painted is refused because of it.
        Where no queue offers the image, what the trained model says of it stands in.
        """
        said = next(offer for offer in self.answers() if offer.sample_id == sample_id)
        try:
            offers = self._whole(kind) if self.begin_queue(kind) else None
        except (PlanError, MaskError):
            offers = None
        if offers is None:
            return said, kind
        held = next((offer for offer in offers if offer.sample_id == sample_id), None)
        return (said, None) if held is None else (held, kind)

    def _untriaged(self, kind: Queue, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        if kind is Queue.LABEL_SUSPECT:
            return offers
        triaged = {t.sample_id for t in self.triaged()}
        return tuple(offer for offer in offers if offer.sample_id not in triaged)

    def _cut(self, kind: Queue, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        return offers[: self._workspace.allowed(self.plan)] if kind in CUT else offers

    def _painted_elsewhere(self) -> tuple[str, ...]:
        """Return the names of the masks that were not painted on `wrong_reason`."""
        names = self._masks.names()
        records = self._masks.by_name(names)
        return tuple(
            name
            for name, record in zip(names, records, strict=True)
            if record.queue is not Queue.WRONG_REASON
        )

    def _decide(self, new: Triage) -> None:
        with self._lock:
            self._save(triage=decided(self.images, self._record.triage, new))

    @property
    def _folds_job(self) -> str:
        return f"{self.study_id}-folds"

    def _paper_outliers(self, records: Sequence[MaskRecord]) -> tuple[Outlier, ...]:
        """Return the masked images that were opened as mispredicted, however found, worst first."""
        found = []
        for selection in Selection:
            ids = {
                r.sample_id
                for r in records
                if r.queue is Queue.MISPREDICTED and r.selection is selection
            }
            if ids:
                every = self._queues.mispredicted(self._first, selection)
                found += [outlier for outlier in every if outlier.sample_id in ids]
        return tuple(sorted(found, key=lambda outlier: -outlier.loss))
