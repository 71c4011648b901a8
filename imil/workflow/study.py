"""One study: train, review, mask, compare; every step saved before it is shown."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imil.compute.pool import JobState
from imil.core.counterfactual import Answer
from imil.core.images import to_uint8
from imil.core.masks import check_mask
from imil.core.plans import check_plan
from imil.core.records import Budget, Origin, Plan, Queue, Region
from imil.core.saliency import SaliencyMap
from imil.core.splits import DisjointProof
from imil.errors import ImilError, MaskChangedError, MaskError, PlanError
from imil.sources.listing import ImportReport
from imil.store.codec import MaskRecord
from imil.store.studies import Confirmation, StudyRecord
from imil.workflow.copying import Copying
from imil.workflow.demo import Hint, demo_hint
from imil.workflow.maskbook import key_of
from imil.workflow.outoffold import fold_tasks
from imil.workflow.predictions import check_seen, check_training
from imil.workflow.status import TrainingStatus, status_of
from imil.workflow.tools import Tools
from imil.workflow.workspace import Workspace


class Study(Copying):
    """A handle on one study; safe to use from several threads. Its state is in the store."""

    def __init__(
        self,
        record: StudyRecord,
        workspace: Workspace,
        tools: Tools,
        *,
        proof: DisjointProof,
        report: ImportReport,
    ) -> None:
        super().__init__(record, workspace, tools, proof=proof)
        self.report = report
        self._preparing: str | None = None
        self._stopping = threading.Event()
        self._failure: ImilError | None = None
        self._go_on()

    @property
    def images_from(self) -> Mapping[str, Any]:
        """Where the images come from; its `kind` is demo, archive or hub."""
        return self._record.source

    @property
    def positive(self) -> str | None:
        """The label that is told from all others; None where every class is told apart."""
        label: str | None = self._record.source.get("positive")
        return label

    @property
    def started(self) -> bool:
        """Whether training was asked for; the plan is fixed from then on."""
        return self._record.started

    def set_plan(self, plan: Plan) -> None:
        """Change how the study will train.

        Raises:
            PlanError: a setting is out of range, or training has begun.
        """
        with self._lock:
            if self._record.started and plan != self.plan:
                raise PlanError(
                    "The plan is fixed once training has begun.",
                    why="Arms can be compared only under one plan, from one checkpoint.",
                    fix="Begin a new study to train with other settings.",
                )
            self._save(plan=check_plan(plan))

    # ---- training -------------------------------------------------------------------------------

    def start_training(self) -> None:
        """Train round 0, or go on with it; nothing happens while it waits or runs."""
        with self._lock:
            if self.training_status().active or self._first.finished:
                return
            self._save(started=True)
            self._prepare_then_submit()

    def stop(self) -> None:
        """Stop whatever trains, within one batch; it can be started again and goes on."""
        self._stopping.set()
        for job in (self._training_job, self._comparison_job, self._folds_job):
            self._tools.pool.stop(job)

    def training_status(self) -> TrainingStatus:
        """Return how far round 0 is."""
        with self._lock:
            if self._failure is not None:
                return TrainingStatus(JobState.FAILED, error=self._failure)
            if self._preparing is not None:
                return TrainingStatus(
                    JobState.RUNNING, step=self._preparing, epochs=self.plan.epochs
                )
            status = status_of(self._tools.pool.status(self._training_job), (self._first,))
            if status.state is None and self._record.started:
                # Stopped while its images were prepared, before there was a job.
                return replace(status, state=JobState.STOPPED)
            return status

    # ---- review ---------------------------------------------------------------------------------

    def review_state(self, sample_id: str) -> Literal["masked", "skipped"] | None:
        """Return what the reader decided on an image."""
        if sample_id in self._masks:
            return "masked"
        return "skipped" if sample_id in self._record.skipped else None

    def picture(self, sample_id: str) -> NDArray[np.uint8]:
        """Return the image at its own size and 8 bits, (H, W) or (H, W, 3)."""
        return to_uint8(self.images.original(sample_id))

    def thumbnail(self, sample_id: str) -> Path:
        """Return a small JPEG of the image, made once."""
        return self._workspace.thumbnail(sample_id)

    def hint(self, sample_id: str) -> Hint | None:
        """Return what a newcomer may paint on a film of the demo; None in any other study."""
        self.images.position(sample_id)
        return demo_hint(self._record.source, sample_id)

    def irrelevant(self, sample_id: str) -> Region | None:
        """Return the mask that was accepted for an image, (H, W), True = hide."""
        record = self._masks.last(sample_id)
        return None if record is None else record.irrelevant

    def mask_name(self, sample_id: str) -> str:
        """Return a short name of the accepted mask of an image; "" where there is none."""
        name = self._masks.name_of(sample_id)
        return (key_of((name,)) or "") if name else ""

    def origin(self, sample_id: str) -> Origin:
        """Return how the accepted mask of an image came about; `painted` where there is none."""
        record = self._masks.last(sample_id)
        return Origin.PAINTED if record is None else record.origin

    def copied_from(self, sample_id: str) -> str:
        """Return the image that the accepted mask of an image was copied from; "" for none."""
        last = self._masks.last(sample_id)
        return "" if last is None else last.source

    def answer(self, sample_id: str, irrelevant: Region | None) -> Answer:
        """Return what the model says to an image as it is, and with a region blacked out.

        Raises:
            PlanError: nothing is trained yet.
            DataError: no such image.
            MaskError: the mask is not of the image's size.
        """
        self._check_trained()
        return self._tools.models.answer(self._workspace, self._first, sample_id, irrelevant)

    def saliency(self, sample_id: str, irrelevant: Region | None = None) -> SaliencyMap:
        """Return where the model looks in an image, as it is or with a region blacked out.

        Raises:
            PlanError: nothing is trained yet, or the model can't be explained.
            DataError: no such image.
            MaskError: the mask is not of the image's size.
            ComputeError: the model's answer is not a finite number.
        """
        self._check_trained()
        return self._tools.models.saliency(self._workspace, self._first, sample_id, irrelevant)

    def predicted(self, sample_id: str) -> Region:
        """Return the predicted region of a training image, (H, W), True = hide; MaskError."""
        return self.predictions.region(sample_id)

    def confirm_predictions(self, key: str, *, reader: str) -> None:
        """Keep that a reader found the predicted masks right; a later mask withdraws it.

        Args:
            key: of the masks whose predictions were looked at, `Learned.key`.
            reader: who looked.

        Raises:
            MaskError: the masks are others by now, too few, or contradict each other.
        """
        check_seen(key, self.predictions.key)
        self.predictions.learn()
        with self._lock:
            self._save(confirmation=Confirmation(key, reader, self._tools.now().isoformat()))

    def export_predictions(self, path: Path) -> None:
        """Write the predicted masks of all training images as Parquet; MaskError."""
        self.predictions.export(path, study=self.study_id, now=self._tools.now())

    def submit_mask(
        self,
        sample_id: str,
        irrelevant: NDArray[np.bool_],
        *,
        reader: str,
        seconds: float,
        queue: Queue = Queue.MISPREDICTED,
        origin: Origin = Origin.PAINTED,
        replaces: str | None = None,
    ) -> Budget:
        """Keep a mask; when this returns it is on disk. A later one replaces it.

        A mask that comes twice, as it does when a connection breaks before the answer, is kept
        once: it hides the same, and took the same seconds of the same reader.

        `queue` is the one from which the image was opened. Where that queue does not hold it, the
        reader chose the image, as from a cell of the confusion matrix, and the mask says so: only
        masks of images that are in `mispredicted` and were opened from there are the paper's.
        `replaces` is the `mask_name` that the reader knew of; None is for those who replace
        whatever is there.

        Raises:
            MaskChangedError: the image has another mask by now than `replaces`.
            MaskError: empty, too large, of the wrong size, over the budget, or not of a training
                image.
        """
        check_training(self._workspace, sample_id)
        region = check_mask(irrelevant, self.images.original(sample_id).shape[:2])
        with self._lock:
            last = self._masks.last(sample_id)
            if last is not None and _came_twice(last, region, reader, seconds):
                return self.budget()
            if replaces is not None and replaces != self.mask_name(sample_id):
                raise _changed(sample_id)
            self._check_budget(sample_id)
            offer, opened_from = self._offer_of(queue, sample_id)
            record = self._mask_record(
                sample_id,
                region,
                offer,
                reader=reader,
                seconds=seconds,
                queue=opened_from,
                origin=origin,
                source=self.copied_from(sample_id) if origin is Origin.COPIED else "",
            )
            self._masks.add(record)
            self._save(skipped=tuple(s for s in self._record.skipped if s != sample_id))
            return self.budget()

    def skip(self, sample_id: str) -> None:
        """Pass over an image; its mask, if it has one, stays."""
        self.images.position(sample_id)
        with self._lock:
            self._save(skipped=tuple(dict.fromkeys((*self._record.skipped, sample_id))))

    def seconds_spent(self) -> float:
        """Return the time that went into the masks that count."""
        return self._masks.seconds()

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def _training_job(self) -> str:
        return f"{self.study_id}-training"

    def _go_on(self) -> None:
        """Take up what a killed process left unfinished."""
        if self._record.started and not self._first.finished:
            if self._tools.pool.status(self._training_job) is None:
                self._prepare_then_submit()
            return
        if self._record.folds and self.out_of_fold_status().state is None:
            self._tools.pool.submit(self._folds_job, fold_tasks(self._first))
        if self._record.comparison is not None and self.comparison_status().state is None:
            self._submit_comparison()

    def _prepare_then_submit(self) -> None:
        self._failure = None
        self._stopping.clear()
        self._preparing = "Preparing images"
        threading.Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        try:
            total = len(self.images)
            for done in self._workspace.prepare(self.plan):
                self._preparing = f"Preparing image {done} of {total}"
                if self._stopping.is_set():
                    return
            notice = self._workspace.keep_pretrained(self.plan, self._tools.fetch_weights)
            with self._lock:
                if notice is not None:
                    self._save(notices=(notice,))
                if self._stopping.is_set():
                    return
                self._tools.pool.submit(self._training_job, (self._first,))
        except ImilError as error:
            self._failure = error
        finally:
            self._preparing = None

    def _check_trained(self) -> None:
        if not self._first.finished:
            raise PlanError(
                "There is nothing to review yet.",
                why="Outliers are training images that a trained model gets wrong.",
                fix="Train a model first, on the Train tab.",
            )

    def _check_budget(self, sample_id: str) -> None:
        used = self.budget()
        if sample_id not in self._masks and used.painted >= used.allowed:
            raise MaskError(
                f"The budget is used up: {used.painted} of {used.allowed} images are masked.",
                why=f"The study compares what masks on {used.share:.0%} of the images can do.",
                fix="Compare with and without masks now, or change a mask you already drew.",
            )


def _came_twice(last: MaskRecord, region: Region, reader: str, seconds: float) -> bool:
    same = (last.reader, last.seconds) == (reader, seconds)
    return same and np.array_equal(last.irrelevant, region)


def _changed(sample_id: str) -> MaskChangedError:
    return MaskChangedError(
        f"Another mask of “{sample_id}” was saved meanwhile.",
        why="It was painted in another tab, or by another reader.",
        fix="Yours is kept on the screen; save it again to replace the other one.",
    )
