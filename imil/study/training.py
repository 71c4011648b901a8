"""The first training of a study, and its folds: asked for, stopped, taken up again."""

from __future__ import annotations

import sys
import threading
import traceback
from contextvars import copy_context
from dataclasses import asdict, replace
from functools import partial

from imil.core.disk import full_disk
from imil.core.plans import check_plan, with_arithmetic
from imil.core.records import Deployment, Plan, Precision, Selection
from imil.errors import ImilError, PlanError
from imil.jobs.base import JobState, JobStatus, crash_error
from imil.jobs.training.machine import has_native_bf16
from imil.jobs.training.task import TrainingTask
from imil.storage.records.acts import PROGRAM, ActKind
from imil.study.audit.trail import AuditTrail
from imil.study.backup import RemoteBackup
from imil.study.context import StudyContext
from imil.study.pictures import Pictures
from imil.study.review.out_of_fold import (
    FoldCost,
    fold_cost,
    fold_tasks,
    folds_finished,
    write_folds,
)
from imil.study.review.queueing import starves
from imil.study.status import status_of

MADE_AGAIN = (
    "The first training was made again from the plan, because its checkpoint was lost. On the same "
    "kind of machine it is the same to the last bit; elsewhere its figures may differ a little."
)


class FirstTraining:
    """Round 0 of a study, in which no mask is known, and the out-of-fold models beside it."""

    def __init__(
        self,
        context: StudyContext,
        audit: AuditTrail,
        pictures: Pictures,
        backup: RemoteBackup,
    ) -> None:
        self._context = context
        self._audit = audit
        self._pictures = pictures
        self._backup = backup
        self._pool = context.services.pool
        self._job = f"{context.study_id}-training"
        self._folds_job = f"{context.study_id}-folds"
        # What is being prepared, in words, and the thread that does it.
        self._preparing: str | None = None
        self._preparer: threading.Thread | None = None
        self._stopping = threading.Event()
        # Why the preparation failed, which no job knows.
        self.failure: ImilError | None = None

    @property
    def started(self) -> bool:
        """Whether training was asked for; the plan is fixed from then on."""
        return self._context.record.started

    @property
    def task(self) -> TrainingTask:
        """The first training, and where it leaves its files."""
        return self._context.first

    @property
    def jobs(self) -> tuple[str, ...]:
        """The ids of its jobs."""
        return self._job, self._folds_job

    def set_plan(self, plan: Plan, *, who: str = "") -> None:
        """Change how the study will train; `who` asked for it.

        Raises:
            PlanError: a setting is out of range, or training has begun.
        """
        with self._context.state.lock:
            if self.started and plan != self._context.plan:
                raise PlanError(
                    "The plan is fixed once training has begun.",
                    why="Arms can be compared only under one plan, from one checkpoint.",
                    fix="Begin a new study to train with other settings.",
                )
            if plan != self._context.plan:
                self._context.state.update(plan=check_plan(plan))
                self._audit.note(ActKind.PLAN_SET, who=who, details={"plan": asdict(plan)})

    @property
    def deployment_fixed(self) -> bool:
        """Whether a comparison was asked for: where the model will work is fixed from then on."""
        return self._context.record.comparison is not None

    def set_deployment(self, deployment: Deployment, *, who: str = "") -> None:
        """Keep where the model will work, as the person answers; `who` answered.

        Raises:
            PlanError: a comparison was asked for, and the answer is another one.
        """
        with self._context.state.lock:
            if deployment is self._context.record.deployment:
                return
            if self.deployment_fixed:
                raise PlanError(
                    "Where the model will work is fixed once a comparison was asked for.",
                    why="An arm is recommended by it, and nobody may choose that by the results.",
                    fix="Begin a new study to answer otherwise.",
                )
            self._context.state.update(deployment=deployment)
            details = {"deployment": deployment}
            self._audit.note(ActKind.DEPLOYMENT_SET, who=who, details=details)

    def start(self, *, who: str = "") -> None:
        """Train round 0, or go on with it; nothing happens while it waits or runs.

        `who` asked for it.
        """
        with self._context.state.lock:
            if self.status().active or self.task.finished:
                return
            self._pictures.require()
            plan = self._context.plan
            if not self.started:
                plan = replace(plan, device=self._pool.device_for(plan))
            self._begin(plan, who)

    def stop(self, *, who: str = "") -> None:
        """Stop it, and the folds, within one batch; started again they go on.

        `who` asked for it.
        """
        self._stopping.set()
        if self.status().active:
            self._audit.note(ActKind.TRAINING_STOPPED, who=who)
        for job in self.jobs:
            self._pool.stop(job)

    def join(self, timeout: float) -> None:
        """Wait until nothing is being prepared any more, `timeout` seconds at most."""
        if (preparer := self._preparer) is not None:
            preparer.join(timeout)

    def status(self) -> JobStatus:
        """Return how far round 0 is."""
        with self._context.state.lock:
            if self.failure is not None:
                return JobStatus(JobState.FAILED, error=self.failure)
            if self._preparing is not None:
                epochs = self._context.plan.epochs
                return JobStatus(JobState.RUNNING, step=self._preparing, epochs=epochs)
            status = status_of(self._pool.status(self._job), (self.task,))
            if status.state is None and self.started:
                # Stopped while its images were prepared, before there was a job.
                return replace(status, state=JobState.STOPPED)
            return status

    def out_of_fold_cost(self) -> FoldCost:
        """Return what out-of-fold answers cost, before `start_out_of_fold` pays it."""
        return fold_cost(self.task)

    def start_out_of_fold(self, *, who: str = "") -> None:
        """Train the folds, or go on with them; nothing happens while they wait or run.

        Args:
            who: who asked for it.

        Raises:
            PlanError: nothing is trained yet, or a class has too few patients.
        """
        context = self._context
        with context.state.lock:
            first = context.trained()
            if self.out_of_fold_status().active or folds_finished(first):
                return
            context.workspace.make_ready(context.plan)
            write_folds(context.workspace, first)
            context.state.update(folds=True)
            self._audit.note(ActKind.FOLDS_STARTED, who=who)
            self._pool.submit(self._folds_job, fold_tasks(first))

    def out_of_fold_status(self) -> JobStatus:
        """Return how far the folds are."""
        with self._context.state.lock:
            if not self._context.record.folds:
                return JobStatus(None)
            return status_of(self._pool.status(self._folds_job), fold_tasks(self.task))

    def resume(self) -> bool:
        """Take up what a killed process left unfinished; return whether round 0 trains.

        Its folder may be lost, too: then it is trained again.
        """
        if self.started and not self.task.finished:
            job = self._pool.status(self._job)
            if self._context.plan.precision is Precision.AUTO:  # an older version was killed early
                self._begin(self._context.plan, PROGRAM)
            elif job is None or job.state is JobState.DONE:
                # A job that was done has left nothing: its folder was lost since.
                self._prepare_then_submit()
            else:
                self._follow()
            return True
        if self._context.record.folds and self.out_of_fold_status().state is None:
            self._pool.submit(self._folds_job, fold_tasks(self.task))
        return False

    # ---- inside ---------------------------------------------------------------------------------

    def _begin(self, plan: Plan, who: str) -> None:
        plan = with_arithmetic(plan, native_bf16=has_native_bf16())
        self._context.state.update(started=True, plan=plan)
        self._audit.note(ActKind.TRAINING_STARTED, who=who, details={"plan": asdict(plan)})
        self._prepare_then_submit()

    def _prepare_then_submit(self) -> None:
        self.failure = None
        self._stopping.clear()
        self._preparing = "Preparing images"
        # On behalf of whoever asked: a GPU that is lent is lent to the visitor of this request.
        prepare = partial(copy_context().run, self._prepare)
        self._preparer = threading.Thread(target=prepare, daemon=True)
        self._preparer.start()

    def _prepare(self) -> None:
        try:
            with full_disk("What training needs"):
                self._prepare_or_stop()
        except ImilError as error:
            self.failure = error
        except Exception:  # noqa: BLE001  # told to who waits: a thread that dies tells nobody
            text = traceback.format_exc()
            sys.stderr.write(text)
            self.failure = crash_error(text)
        finally:
            self._preparing = None

    def _prepare_or_stop(self) -> None:
        context = self._context
        total = len(context.images)
        for done in context.workspace.prepare(context.plan):
            self._preparing = f"Preparing image {done} of {total}"
            if self._stopping.is_set():
                return
        notice = context.workspace.keep_pretrained(context.plan, context.services.fetch_weights)
        with context.state.lock:
            if self._stopping.is_set():
                return
            again = MADE_AGAIN if self._reviewed_before() else None
            told = (*context.record.notices, notice, again)
            context.state.update(notices=tuple(dict.fromkeys(each for each in told if each)))
            self._pool.submit(self._job, (self.task,))
            self._follow()

    def _follow(self) -> None:
        self._pool.follow(self._job, self._when_ended)

    def _when_ended(self) -> None:
        if self.task.finished and not self._context.state.ending.is_set():
            self._audit.note_finished()
            self._backup.send()
            self._fill_queue()

    def _fill_queue(self) -> None:
        """Train the folds unasked where the trained model gets too few images wrong to mask.

        Not where a GPU is lent, whose time is the visitor's own; nor once somebody has chosen how
        the mispredicted are found, or has masked.
        """
        context = self._context
        with context.state.lock:
            chosen = context.record.selection is not Selection.IN_SAMPLE or context.record.folds
            if chosen or len(context.masks) or not self._pool.takes_up(context.plan):
                return
            if not starves(context.workspace, self.task):
                return
            try:
                self.start_out_of_fold(who=PROGRAM)
            except PlanError:  # a class has too few patients: there are in-sample ones alone
                return
            context.state.update(selection=Selection.FILLED)
            details = {"selection": Selection.FILLED}
            self._audit.note(ActKind.SELECTION_SET, who=PROGRAM, details=details)

    def _reviewed_before(self) -> bool:
        """Return whether a first training was reviewed that is not there any more."""
        reviewed = len(self._context.masks) > 0 or self._context.record.comparison is not None
        return reviewed and not self.task.checkpoint.exists()
