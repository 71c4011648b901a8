"""The review's half of a study: its queues, how they are found, and decisions on labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imil.core.bounds import quoted
from imil.core.records import (
    Decision,
    Outlier,
    Queue,
    Selection,
    Triage,
)
from imil.core.review.readers import UNNAMED, Pooling, reader_name, usual_pooling
from imil.errors import DataError, MaskError, PlanError
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import What
from imil.storage.records.studies import StudyRecord, save_study
from imil.study.audit.logged import Logged
from imil.study.library.stock import Stock
from imil.study.review.outoffold import (
    FoldCost,
    fold_cost,
    fold_tasks,
    folds_finished,
    write_folds,
)
from imil.study.review.queueing import Offer, QueueBook
from imil.study.review.triage import changing, decided
from imil.study.status import TrainingStatus, status_of
from imil.study.tools import Tools
from imil.study.workspace import Workspace

# Queues that can hold nearly every training image: only as many are offered as may be painted.
CUT = frozenset({Queue.HIGH_LOSS, Queue.WRONG_REASON})

# Queues of which it is known where each image stands: those that several readers look at.
PLACES_KEPT = 64

DECIDED = {
    Decision.RELABEL: What.RELABELLED,
    Decision.EXCLUDE: What.EXCLUDED,
    Decision.KEEP: What.LABEL_KEPT,
}


@dataclass(frozen=True, slots=True, eq=False)
class _Offered:
    """A queue: `whole` with what was decided by `triage`, without it, and what of it is shown."""

    whole: tuple[Offer, ...]
    triage: tuple[Triage, ...]
    every: tuple[Offer, ...]
    shown: tuple[Offer, ...]


class Reviewing(Logged):
    """What a study offers for review, and what the reader said of labels.

    Holds the study's state, of which a copy is in the store; `Study` adds training, masks and
    results to it.
    """

    def __init__(
        self, record: StudyRecord, workspace: Workspace, tools: Tools, *, stock: Stock | None
    ) -> None:
        super().__init__(record, workspace, tools)
        # None where images are drawn, not brought.
        self._stock = stock
        self._queues = QueueBook(workspace, self._masks)
        # What is asked for at each click, made again only where what it is made of has changed.
        self._offered: dict[Queue, _Offered] = {}
        self._triaged: tuple[tuple[Triage, ...], dict[str, Triage]] | None = None
        self._elsewhere: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._skips: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {}
        self._places: dict[int, tuple[tuple[Offer, ...], dict[str, int]]] = {}
        self._changed: list[str] = []
        # What a screen keeps of this study, so that it is not made at each click; see `changed`.
        self.on_screen: dict[object, Any] = {}

    @property
    def name(self) -> str:
        """The study's name, for people."""
        return self._record.name

    @property
    def created(self) -> str:
        """When the study was begun, UTC, ISO 8601."""
        return self._record.created

    @property
    def missing_images(self) -> int:
        """How many of the images are not on this machine; masks and results are, even so."""
        return 0 if self._stock is None else self._stock.missing

    # ---- readers --------------------------------------------------------------------------------

    def readers(self) -> tuple[str, ...]:
        """Return who has masked anything, in the order of their first masks."""
        return self._masks.readers()

    @property
    def pooling(self) -> str:
        """How several readers' masks become one an image, a `Pooling`; "" for one reader's."""
        readers = len(self.readers())
        return (self._record.pooling or usual_pooling(readers).value) if readers > 1 else ""

    def set_pooling(self, pooling: str) -> None:
        """Choose how masks are pooled from now on; PlanError for no such way."""
        if pooling not in list(Pooling):
            raise PlanError(
                f"Masks can't be pooled by {quoted(pooling)}.",
                why=f"There are {', '.join(Pooling)}.",
                fix="Send one of these names.",
            )
        with self._lock:
            self._save(pooling=pooling)

    @property
    def unblinded(self) -> bool:
        """Whether readers have been shown each other's masks."""
        return bool(self._record.unblinded)

    def blind(self, reader: str | None = None) -> bool:
        """Return whether there are masks that a reader must not see yet.

        Args:
            reader: who looks; None for one who may be any of them.
        """
        readers = self.readers()
        several = len(readers) > 1 if reader is None else any(each != reader for each in readers)
        return several and not self.unblinded

    def unblind(self, *, who: str = "") -> None:
        """Show readers each other's masks from now on; what was masked blind stays known as that.

        Whoever has masked nothing, and only wants to see or take along what others have, may ask
        for it too: they say, as anybody does, that all have finished.

        Args:
            who: who asked for it; "" for one who may be any of the readers.

        Raises:
            PlanError: nobody else has masked anything.
        """
        with self._lock:
            if not self.unblinded:
                if not self.blind(who or None):
                    raise PlanError(
                        "There is nobody to be unblinded.",
                        why="It shows readers each other's masks, and nobody else has masked "
                        "anything.",
                        fix="Let another reader mask the same images first.",
                    )
                moment = self._masks.moment(self._tools.now())
                self._save(unblinded=moment.isoformat())
                self._note(What.UNBLINDED, who=who)

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
        return self._offers(kind).shown

    def places(self, offers: tuple[Offer, ...]) -> Mapping[str, int]:
        """Return where each image stands in a queue, or in `answers`; made once of each."""
        known = self._places.get(id(offers))
        if known is None or known[0] is not offers:
            known = offers, {offer.sample_id: place for place, offer in enumerate(offers)}
            kept = list(self._places.items())[-(PLACES_KEPT - 1) :]
            self._places = {**dict(kept), id(offers): known}
        return known[1]

    def changed(self, since: int) -> tuple[int, list[str]]:
        """Return the images on which anything was decided after the first `since` decisions.

        Returns:
            How many decisions there are now, and the images of those after `since`.
        """
        new = self._changed[since:]
        return since + len(new), new

    def begin_queue(self, kind: Queue) -> bool:
        """Return whether `queue` answers at once; where it would take long, begin to make it.

        Raises:
            PlanError: nothing is trained yet.
        """
        with self._lock:
            first, painted = self._reviewed(), self._painted_for(kind)
        return self._queues.begin(first, kind, painted)

    def found(self, kind: Queue) -> int:
        """Return how many images a queue found, of which it may offer only the first.

        Raises:
            PlanError: as `queue`.
            MaskError: as `queue`.
        """
        return len(self._offers(kind).every)

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

    def select(self, selection: Selection, *, who: str = "") -> None:
        """Find the mispredicted in another way; masks keep the way in which theirs were found.

        Args:
            selection: the way.
            who: who asked for it.

        Raises:
            PlanError: nothing is trained yet, or the answers that it needs are not there.
        """
        with self._lock:
            self._queues.mispredicted(self._reviewed(), selection)
            self._save(selection=selection)
            self._note(What.SELECTION_SET, who=who, details={"selection": selection})

    def out_of_fold_cost(self) -> FoldCost:
        """Return what out-of-fold answers cost, before `start_out_of_fold` pays it."""
        return fold_cost(self._first)

    def start_out_of_fold(self, *, who: str = "") -> None:
        """Train the folds, or go on with them; nothing happens while they wait or run.

        Args:
            who: who asked for it.

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
            self._note(What.FOLDS_STARTED, who=who)
            self._tools.pool.submit(self._folds_job, fold_tasks(first))

    def out_of_fold_status(self) -> TrainingStatus:
        """Return how far the folds are."""
        with self._lock:
            if not self._record.folds:
                return TrainingStatus(None)
            return status_of(self._tools.pool.status(self._folds_job), fold_tasks(self._first))

    # ---- labels ---------------------------------------------------------------------------------

    def relabel(self, sample_id: str, class_name: str, *, reader: str = UNNAMED) -> None:
        """Say that a training image carries the wrong label; only the arms of triage use it.

        Args:
            sample_id: the image.
            class_name: the right label.
            reader: who says so; also of the two that follow.

        Raises:
            DataError: not a training image, no such class, or the class it has.
        """
        self._decide(Triage(sample_id, Decision.RELABEL, class_name), reader)

    def exclude(self, sample_id: str, *, reader: str = UNNAMED) -> None:
        """Say that a training image should not be learned from; only the arms of triage use it.

        Raises:
            DataError: not a training image.
        """
        self._decide(Triage(sample_id, Decision.EXCLUDE), reader)

    def keep_label(self, sample_id: str, *, reader: str = UNNAMED) -> None:
        """Say that the label is right; takes back a relabelling or exclusion.

        Raises:
            DataError: not a training image.
        """
        self._decide(Triage(sample_id, Decision.KEEP), reader)

    def triage(self, sample_id: str) -> Triage | None:
        """Return what the reader decided on an image's label; None where nobody did."""
        triage = self._record.triage
        if self._triaged is None or self._triaged[0] is not triage:
            self._triaged = triage, {each.sample_id: each for each in triage}
        return self._triaged[1].get(sample_id)

    def triaged(self) -> tuple[Triage, ...]:
        """Return the images that were relabelled or excluded."""
        return changing(self._record.triage)

    # ---- inside ---------------------------------------------------------------------------------

    def _require_images(self) -> None:
        """Raise DataError while images are missing."""
        if missing := self.missing_images:
            raise DataError(
                f"{missing} of {len(self.images)} images are not on this machine.",
                why="Masks and results are kept, but not the images themselves.",
                fix="Bring the file that the study was begun with again, on the Train tab.",
            )

    def _with_images(self) -> TrainingTask:
        """Return the first training; its working images are there, if need be after making them."""
        self._workspace.make_ready(self.plan)
        return self._first

    def _save(self, **changes: object) -> None:
        record = replace(self._record, **changes)  # type: ignore[arg-type]  # names of its fields
        # The log's last act goes along, so that one that is cut off there is missed here.
        record = replace(record, head=self._acts.head or record.head)
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
            first, selection, painted = self._reviewed(), self.selection, self._painted_for(kind)
        if kind is Queue.MISPREDICTED:
            return self._queues.mispredicted(first, selection)
        return self._queues.queue(first, kind, painted)

    def _offers(self, kind: Queue) -> _Offered:
        """Return what a queue offers now."""
        whole, triage = self._whole(kind), self._record.triage
        known = self._offered.get(kind)
        if known is None or known.whole is not whole or known.triage is not triage:
            every = self._untriaged(kind, whole)
            known = _Offered(whole, triage, every, self._cut(kind, every))
            self._offered[kind] = known
        return known

    def _offer_of(self, kind: Queue, sample_id: str) -> tuple[Offer, Queue | None]:
        """Return why a training image was offered, and from which queue; None where from none.

        A queue that can't be looked into is believed: nothing painted is refused because of it.
        Where no queue offers the image, what the trained model says of it stands in.
        """
        answers = self.answers()
        said = answers[self.places(answers)[sample_id]]
        try:
            offers = self._whole(kind) if self.begin_queue(kind) else None
        except (PlanError, MaskError):
            offers = None
        if offers is None:
            return said, kind
        place = self.places(offers).get(sample_id)
        return (said, None) if place is None else (offers[place], kind)

    def _untriaged(self, kind: Queue, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        if kind is Queue.LABEL_SUSPECT:
            return offers
        triaged = {t.sample_id for t in self.triaged()}
        return tuple(offer for offer in offers if offer.sample_id not in triaged)

    def _cut(self, kind: Queue, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        return offers[: self._workspace.allowed(self.plan)] if kind in CUT else offers

    def _painted_for(self, kind: Queue) -> tuple[str, ...]:
        """Return the names of the masks that a queue is made from."""
        return self._painted_elsewhere() if kind is Queue.WRONG_REASON else ()

    def _painted_elsewhere(self) -> tuple[str, ...]:
        """Return the names of the masks that were not painted on `wrong_reason`."""
        names = self._masks.names()
        if self._elsewhere is None or self._elsewhere[0] is not names:
            pairs = zip(names, self._masks.by_name(names), strict=True)
            found = tuple(n for n, record in pairs if record.queue is not Queue.WRONG_REASON)
            self._elsewhere = names, found
        return self._elsewhere[1]

    def _passed_over(self, sample_id: str, reader: str | None) -> bool:
        """Return whether a reader passed over an image, or anybody."""
        readers = self._record.skips if reader is None else (reader,)
        return any(sample_id in self._skipped(each) for each in readers)

    def _skipped(self, reader: str) -> frozenset[str]:
        """Return the images that a reader passed over."""
        own = self._own_skips(reader)
        known = self._skips.get(reader)
        if known is None or known[0] is not own:
            known = self._skips[reader] = own, frozenset(own)
        return known[1]

    def _own_skips(self, reader: str) -> tuple[str, ...]:
        """Return the images that one reader passed over, in the order of that."""
        return self._record.skips.get(reader, ())

    def _save_skips(self, reader: str, skipped: Iterable[str]) -> None:
        self._save(skips={**self._record.skips, reader: tuple(skipped)})

    def _decide(self, new: Triage, reader: str) -> None:
        with self._lock:
            self._save(triage=decided(self.images, self._record.triage, new))
            details = {"label": new.label} if new.label else {}
            what, who = DECIDED[new.decision], reader_name(reader)
            self._note(what, who=who, sample_id=new.sample_id, details=details)
            self._changed.append(new.sample_id)

    @property
    def _folds_job(self) -> str:
        return f"{self.study_id}-folds"

    def _paper_outliers(self, records: Sequence[MaskRecord]) -> tuple[Outlier, ...]:
        """Return the masked images that were opened as mispredicted, however found, worst first."""
        found: dict[str, Outlier] = {}
        for selection in Selection:
            ids = {
                r.sample_id
                for r in records
                if r.queue is Queue.MISPREDICTED and r.selection is selection
            }
            if ids:
                every = self._queues.mispredicted(self._first, selection)
                # Two readers may have found an image in two ways.
                found = {o.sample_id: o for o in every if o.sample_id in ids} | found
        return tuple(sorted(found.values(), key=lambda outlier: -outlier.loss))
