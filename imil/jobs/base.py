"""Where a job stands, and who does jobs."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from imil.core.records import EpochFigures, Plan
from imil.errors import ComputeError, ImilError, StoreError
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import read_checkpoint_figures


class JobState(StrEnum):
    """Where a job stands; the values are also what is saved."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is.

    Attributes:
        state: where it stands; None where no job was asked for.
        position: jobs before it in the queue; 0 once it runs.
        starts_in: seconds until one that waits begins, as estimated from what trains now; None
            before anything was measured, and once it runs.
        step: name of the segment that is trained now.
        epoch: epoch of that segment, from 1; 0 before the first.
        epochs: epochs of that segment.
        share: of the whole job, 0-1.
        seconds_left: for the whole job, as measured so far; None before anything was measured.
        curves: finished epochs of that segment.
        error: why it failed, or why it stopped by itself and waits to be asked again.
    """

    state: JobState | None
    position: int = 0
    step: str = ""
    epoch: int = 0
    epochs: int = 0
    share: float = 0.0
    seconds_left: float | None = None
    curves: tuple[EpochFigures, ...] = ()
    error: ImilError | None = None
    starts_in: float | None = None

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {JobState.QUEUED, JobState.RUNNING}


class EndCallbacks:
    """Who is to be called as a job's tasks end; each in a thread of its own, whatever it raises."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callable[[], None]]] = {}
        self._called: dict[str, list[threading.Thread]] = {}
        self._lock = threading.Lock()

    def add(self, job_id: str, follower: Callable[[], None]) -> None:
        """Have a follower called as tasks of a job end; once, however often it is added."""
        with self._lock:
            waiting = self._waiting.setdefault(job_id, [])
            if follower not in waiting:
                waiting.append(follower)

    def call(self, job_id: str, *, ended: bool = True) -> None:
        """Call those of a job of which a task was done; for the last time where it has ended."""
        with self._lock:
            waiting = self._waiting.pop(job_id, []) if ended else self._waiting.get(job_id, [])
            for follower in waiting:
                thread = threading.Thread(target=_survived, args=(follower,), daemon=True)
                self._called[job_id] = [*self._at_work(job_id), thread]
                thread.start()

    def join(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether those that were called have ended within `timeout` seconds."""
        with self._lock:
            threads = [each for job_id in job_ids for each in self._at_work(job_id)]
        ends = None if timeout is None else time.monotonic() + timeout
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(None if ends is None else max(0, ends - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _at_work(self, job_id: str) -> list[threading.Thread]:
        return [thread for thread in self._called.get(job_id, ()) if thread.is_alive()]


def _survived(follower: Callable[[], None]) -> None:
    try:
        follower()
    except Exception:  # noqa: BLE001  # nobody waits for it: what went wrong is told in the log
        sys.stderr.write(f"What follows a training failed.\n{traceback.format_exc()}")


class Trainer(Protocol):
    """Where the studies of a process train."""

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:
        """Train the tasks in order, from where each stands; nothing happens while they do."""

    def status(self, job_id: str) -> JobStatus | None:
        """Return how far a job is; None if there never was one."""

    def stop(self, job_id: str) -> None:
        """Stop a job within one batch; it can be submitted again and goes on."""

    def wait(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether all of the jobs, which it had, ended within `timeout` seconds."""

    def follow(self, job_id: str, follower: Callable[[], None]) -> None:
        """Have `follower` called in a thread of its own, whenever a task of the job is done.

        Once more when the job ends, be it done or not; at once where it is not active, or was never
        there.
        """

    def followed(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether what was called by `follow` has ended within `timeout` seconds."""

    def device_for(self, plan: Plan) -> str:
        """Return the device that a plan trains on here, before it is fixed."""

    @property
    def asks_on(self) -> str | None:
        """The device on which the app itself asks trained models; None for their plan's own."""

    def takes_up(self, plan: Plan) -> bool:
        """Return whether what a killed app left unfinished may go on before anybody asks."""


def begun(status: JobStatus, task: TrainingTask) -> JobStatus:
    """Return the status once a task begins."""
    epochs = epochs_of_task(task)
    return replace(
        status, state=JobState.RUNNING, step=task.name, epoch=0, epochs=epochs, curves=()
    )


def ended(status: JobStatus, state: JobState, error: ImilError | None = None) -> JobStatus:
    """Return the status of a job that has ended, in whichever state."""
    share = 1.0 if state is JobState.DONE else status.share
    return replace(status, state=state, share=share, seconds_left=None, error=error)


def advance(status: JobStatus, report: Mapping[str, Any], *, number: int, tasks: int) -> JobStatus:
    """Return the status after one report, `Progress` or `EpochFigures` as a dict.

    Args:
        status: before it.
        report: of the task that is trained now.
        number: that task's place in the job, from 0.
        tasks: of the job.
    """
    epochs = max(1, status.epochs)
    if "batch" in report:
        done = (report["epoch"] - 1 + report["batch"] / report["batches"]) / epochs
        status = replace(status, epoch=report["epoch"])
    else:
        figures = EpochFigures(**report)
        done = figures.epoch / epochs
        status = replace(status, epoch=figures.epoch, curves=(*status.curves, figures))
    return replace(status, share=(number + done) / tasks)


def time_left(measured_from: tuple[float, float], now: float, share: float) -> float | None:
    """Return the seconds until a job is done; None before anything was measured.

    Args:
        measured_from: a moment, s, and the share that was done then.
        now: s.
        share: done by now.
    """
    since, before = measured_from
    gained = share - before
    return (now - since) / gained * (1 - share) if gained > 0 else None


def epochs_of_task(task: TrainingTask) -> int:
    """Return how many epochs the segment has."""
    return task.plan.epochs if task.start is None else task.plan.epochs_after


def finished_epochs(task: TrainingTask) -> int:
    """Return how many epochs of the segment are on disk; a damaged checkpoint is the worker's."""
    try:
        return len(read_checkpoint_figures(task.checkpoint)) if task.checkpoint.exists() else 0
    except StoreError:
        return 0


def crash_error(traceback: str) -> ComputeError:
    """Return what a fault of the program means for who asked, from its traceback."""
    kind = traceback.strip().splitlines()[-1].split(":")[0]
    return ComputeError(
        "Training ended with an unexpected error.",
        why=f"It is a fault of the program ({kind}); the details are in its log.",
        fix="Train on from the last finished epoch, or report the log to the maintainers.",
    )
