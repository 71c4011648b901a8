"""What the services of one study share: its record, its masks, its folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from imil.core.images import ImageSet
from imil.core.records import Plan
from imil.errors import PlanError
from imil.jobs.training.task import TrainingTask
from imil.storage.base import Store
from imil.storage.records.acts import ChainHead
from imil.storage.records.studies import StudyRecord, save_study
from imil.study.review.mask_book import MaskBook
from imil.study.services import Services
from imil.study.workspace import Workspace


class StudyState:
    """A study's record, of which a copy is in the store.

    `lock` is held by whoever decides on what the record says, until that is saved and in the log.
    """

    def __init__(self, record: StudyRecord, store: Store) -> None:
        self.record = record
        self.lock = threading.RLock()
        # Returns the last event of the log; the log is made after the state, which it reads.
        self.log_head: Callable[[], ChainHead | None] = lambda: None
        # Set while whatever trains is being stopped: no figures are begun meanwhile.
        self.ending = threading.Event()
        # Set once the study is being deleted: nothing begins any more.
        self.deleted = False
        self._store = store
        self._touched: list[str] = []

    def update(self, **changes: object) -> None:
        """Save the record with these fields changed; StoreError if that fails."""
        with self.lock:
            # The log's last event goes along, so that one that is cut off there is missed here.
            changes["head"] = self.log_head() or self.record.head
            record = replace(self.record, **changes)  # type: ignore[arg-type]  # its fields' names
            save_study(self._store, record)
            self.record = record

    def touch(self, sample_ids: Iterable[str]) -> None:
        """Note that something was decided on these images."""
        self._touched.extend(sample_ids)

    def touched(self, since: int) -> tuple[int, list[str]]:
        """Return how many decisions there are, and the images of those after the first `since`."""
        new = self._touched[since:]
        return since + len(new), new


@dataclass(frozen=True, slots=True, eq=False)
class StudyContext:
    """What the services of one study share.

    Attributes:
        state: the study's record.
        workspace: the study's images and working folder.
        services: those of the process; its store is the study's own part.
        masks: the study's masks.
    """

    state: StudyState
    workspace: Workspace
    services: Services
    masks: MaskBook = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "masks", MaskBook(self.store, self.log_id))

    @property
    def record(self) -> StudyRecord:
        """The study's record as it is now."""
        return self.state.record

    @property
    def study_id(self) -> str:
        """The study's random id."""
        return self.record.study_id

    @property
    def log_id(self) -> str:
        """The id that the study's own files use; see `StudyRecord.origin_id`."""
        return self.record.log_id

    @property
    def plan(self) -> Plan:
        """How the study trains."""
        return self.record.plan

    @property
    def images(self) -> ImageSet:
        """The study's images."""
        return self.workspace.images

    @property
    def store(self) -> Store:
        """All that the study reads and writes goes through here, and it is the study's own."""
        return self.services.store

    @property
    def goes_to(self) -> str | None:
        """The Hub repo that masks and results go to; None where all stays on this machine."""
        return self.store.saved(self.study_id).repo

    @property
    def first(self) -> TrainingTask:
        """The first training, and where it leaves its files."""
        return self.workspace.first_task(self.plan)

    @property
    def is_shipped(self) -> bool:
        """Whether the first training came with the program, and was not done here."""
        return "trained" in self.record.source

    def trained(self) -> TrainingTask:
        """Return the finished first training; PlanError before."""
        first = self.first
        if not first.finished:
            raise PlanError(
                "There is nothing to review yet.",
                why="Outliers are training images that a trained model gets wrong.",
                fix="Train a model first, on the Train tab.",
            )
        return first

    def with_images(self) -> TrainingTask:
        """Return the first training; its working images are there, if need be after making them."""
        self.workspace.make_ready(self.plan)
        return self.first

    def now(self) -> datetime:
        """Return the time."""
        return self.services.now()
