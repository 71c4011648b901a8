"""Training on ZeroGPU: a GPU lent for seconds at a time, out of the minutes of whoever asked.

A lease is a process forked from this one and killed once its time is up. So all state is in files,
written by the same code as everywhere (`run_task`), and a lease tells only small things: one that
is killed while it sends something large can leave its reader waiting for ever.

Whose minutes they are is read from the request of the visitor's event, which Gradio keeps in a
context variable: a job runs in a copy of the context in which it was asked for.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import copy_context
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from queue import Empty
from statistics import median
from typing import Any

import gradio as gr
import httpx
import spaces
import torch

from imil.core.records import EpochFigures, Plan, Progress
from imil.errors import ComputeError, ImilError
from imil.jobs.base import (
    EndCallbacks,
    JobState,
    JobStatus,
    advance,
    begun,
    crash_error,
    ended,
    epochs_of_task,
    finished_epochs,
    time_left,
)
from imil.jobs.leases import (
    LEASE_MARGIN,
    LONGEST_LEASE,
    Lease,
    LeaseRefused,
    Refusal,
    fruitless_error,
    plan_lease,
    refusal_error,
    shorter_lease,
)
from imil.jobs.pool import WorkerPool
from imil.jobs.training.task import TrainingTask, epoch_seconds, run_task

# Leases in a row that bring nothing, after which a job is given up.
MAX_FRUITLESS = 2
# Trained by the worker, on the CPU, on such a Space too: minutes there, and no visitor's quota.
ON_CPU = frozenset({"film_net"})


# What trains within a lease; tests give one that is watched.
Borrow = Callable[[Lease, tuple[TrainingTask, ...]], Iterator[dict[str, Any]]]


def _asked(lease: Lease, tasks: tuple[TrainingTask, ...]) -> int:  # noqa: ARG001  # as the task's
    return lease.seconds


@spaces.GPU(duration=_asked)  # type: ignore[untyped-decorator, unused-ignore]  # it has no types
def train_in_lease(lease: Lease, tasks: tuple[TrainingTask, ...]) -> Iterator[dict[str, Any]]:
    """Train the tasks, from where each stands, as far as a lease allows.

    Yields:
        `{"task": number}` when one begins; `{"error": dict}` or `{"crash": traceback}`; and
        `{"report": dict, "pace": seconds an epoch, "new": whether it is an epoch trained now}` for
        each `Progress` and `EpochFigures`, those of earlier leases among them.
    """
    ends = time.monotonic() + lease.seconds - LEASE_MARGIN
    left = lease.epochs
    try:
        for number, task in enumerate(tasks):
            if task.finished:
                continue
            if left <= 0:
                return
            yield {"task": number}
            for told in _train(task, left, lease.stop, ends):
                left -= told["new"]
                yield told
    except ImilError as error:
        yield {"error": {"what": error.what, "why": error.why, "fix": error.fix}}
    except Exception:  # noqa: BLE001  # its class name is all that would reach the app
        yield {"crash": traceback.format_exc()}


def _train(task: TrainingTask, most: int, stop: Path, ends: float) -> Iterator[dict[str, Any]]:
    """Train at most so many epochs of a task, until a moment of the monotonic clock."""
    before, last = finished_epochs(task), epochs_of_task(task)
    full = threading.Event()
    began = time.monotonic()

    def should_stop() -> bool:
        return full.is_set() or time.monotonic() > ends or stop.exists()

    for report in run_task(task, should_stop=should_stop):
        now = time.monotonic()
        whole = isinstance(report, EpochFigures)
        new = isinstance(report, EpochFigures) and report.epoch > before
        part = report.batch / report.batches if isinstance(report, Progress) else 1
        yield {"report": asdict(report), "pace": (now - began) / part, "new": new}
        if whole:
            began = time.monotonic()
        # The answers of a finished segment belong to its last epoch.
        if new and report.epoch < last and report.epoch - before >= most:
            full.set()


@dataclass(slots=True)
class _Borrower:
    """A job on borrowed time."""

    job_id: str
    tasks: tuple[TrainingTask, ...]
    status: JobStatus = field(default_factory=lambda: JobStatus(JobState.QUEUED))
    stopping: bool = False
    number: int = 0
    # Seconds that whole epochs took, and what the part of one lets expect.
    paces: list[float] = field(default_factory=list)
    guessed: float | None = None
    # The longest lease that may be asked for, s.
    longest: int = LONGEST_LEASE
    measured_from: tuple[float, float] | None = None

    @property
    def pace(self) -> float | None:
        """Seconds an epoch; None before anything was measured.

        The median: the first epoch of a lease also warms the GPU up.
        """
        return median(self.paces) if self.paces else self.guessed


class ZeroGpuTrainer:
    """Trains on ZeroGPU what a visitor asks for, and on the CPU what is small enough for it.

    Jobs on a GPU run side by side: ZeroGPU itself puts them in a queue. One that waits for a quota
    is stopped, with an error that says for how long; asked for again it goes on.

    Args:
        folder: for the marks that stop a lease.
        worker: trains what needs no GPU.
        borrow: what trains within a lease.
    """

    asks_on = "cpu"

    def __init__(
        self, folder: Path, worker: WorkerPool, *, borrow: Borrow = train_in_lease
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # A process with threads of OpenMP's can't be forked into one that uses them.
        torch.set_num_threads(1)
        self._folder = folder
        self._worker = worker
        self._borrow = borrow
        self._changed = threading.Condition()
        self._followers = EndCallbacks()
        self._jobs: dict[str, _Borrower] = {}
        self._threads: list[threading.Thread] = []

    def device_for(self, plan: Plan) -> str:
        """Return "cpu" for small networks; a GPU, which costs a visitor's quota, for others."""
        return "cpu" if plan.backbone in ON_CPU else plan.device

    def lent(self, plan: Plan) -> bool:
        """Return whether a plan trains on borrowed time."""
        return plan.device != "cpu"

    def takes_up(self, plan: Plan) -> bool:
        """Return whether it trains on the CPU: nobody's quota is used before they ask."""
        return not self.lent(plan)

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:
        """Train the tasks where their plan says; nothing happens while they train already.

        To be called in the visitor's event, or in a copy of its context.
        """
        if not self.lent(tasks[0].plan):
            self._worker.submit(job_id, tasks)
            return
        with self._changed:
            known = self._jobs.get(job_id)
            if known is not None and known.status.active:
                return
            self._mark(job_id).unlink(missing_ok=True)
            job = self._jobs[job_id] = _Borrower(job_id, tasks, paces=_known_paces(tasks[0]))
            thread = threading.Thread(
                target=copy_context().run, args=(self._serve, job_id, job), daemon=True
            )
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            thread.start()

    def status(self, job_id: str) -> JobStatus | None:
        """Return how far a job is; None if this process never had it."""
        with self._changed:
            job = self._jobs.get(job_id)
            return self._worker.status(job_id) if job is None else job.status

    def stop(self, job_id: str) -> None:
        """Stop a job within one batch; one that waits for a GPU, once it has one."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None:
                self._worker.stop(job_id)
            elif job.status.active:
                job.stopping = True
                self._mark(job_id).touch()

    def wait(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether all of the jobs ended, or paused, within `timeout` seconds."""
        began = time.monotonic()
        wanted = list(job_ids)
        with self._changed:
            lent = [self._jobs[job_id] for job_id in wanted if job_id in self._jobs]
            others = [job_id for job_id in wanted if job_id not in self._jobs]
            if not self._changed.wait_for(
                lambda: not any(job.status.active for job in lent), timeout
            ):
                return False
        left = None if timeout is None else max(0, timeout - (time.monotonic() - began))
        return self._worker.wait(others, timeout=left)

    def follow(self, job_id: str, follower: Callable[[], None]) -> None:
        """Have `follower` called in a thread of its own, as tasks of the job end; see `Trainer`."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None:
                self._worker.follow(job_id, follower)
                return
            self._followers.add(job_id, follower)
            if not job.status.active:
                self._followers.call(job_id)

    def followed(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether what was called by `follow` has ended within `timeout` seconds."""
        wanted, began = list(job_ids), time.monotonic()
        if not self._followers.join(wanted, timeout=timeout):
            return False
        left = None if timeout is None else max(0, timeout - (time.monotonic() - began))
        return self._worker.followed(wanted, timeout=left)

    def close(self) -> None:
        """End everything; finished epochs are on disk."""
        with self._changed:
            for job_id, job in self._jobs.items():
                job.stopping = True
                self._mark(job_id).touch()
        self._worker.close()

    def _mark(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.stop"

    def _serve(self, job_id: str, job: _Borrower) -> None:
        try:
            self._borrow_until_done(job, self._mark(job_id))
        except Exception:  # noqa: BLE001  # told to who waits: a thread that dies tells nobody
            text = traceback.format_exc()
            sys.stderr.write(text)
            self._end(job, JobState.FAILED, crash_error(text))

    def _borrow_until_done(self, job: _Borrower, mark: Path) -> None:
        """Borrow until all is trained, or somebody has to act."""
        fruitless = 0
        while job.status.active:
            left = _left(job.tasks)
            if left == 0 or job.stopping:
                self._end(job, JobState.STOPPED if left else JobState.DONE)
                return
            pace = job.pace
            lease = plan_lease(left, pace, job.longest, mark)
            refused = self._use(job, lease)
            if refused is not None:
                allowed = shorter_lease(lease, pace, refused)
                if allowed is None:
                    self._end(job, JobState.STOPPED, refusal_error(refused, kept=_kept(job.tasks)))
                    return
                job.longest = allowed
                continue
            fruitless = 0 if _left(job.tasks) < left else fruitless + 1
            if fruitless >= MAX_FRUITLESS and not job.stopping:
                self._end(job, JobState.FAILED, fruitless_error(fruitless, lease))

    def _use(self, job: _Borrower, lease: Lease) -> LeaseRefused | None:
        """Train within one lease; return why ZeroGPU gave none, None where it gave one."""
        try:
            for told in self._borrowed(lease, job.tasks):
                with self._changed:
                    self._hear(job, told)
        except gr.Error as error:
            if error.title == Refusal.ABORTED:
                return None
            return LeaseRefused(error.title, error.message)
        return None

    def _borrowed(self, lease: Lease, tasks: tuple[TrainingTask, ...]) -> Iterator[dict[str, Any]]:
        try:
            yield from self._borrow(lease, tasks)
        except (RuntimeError, httpx.HTTPError, Empty) as cause:
            # Its own client raises these for whatever it doesn't expect.
            sys.stderr.write(f"ZeroGPU: {type(cause).__name__}: {cause}\n")
            raise gr.Error(str(cause), title="", print_exception=False) from cause

    def _hear(self, job: _Borrower, told: Mapping[str, Any]) -> None:
        match told:
            case {"task": number}:
                job.number = number
                self._followers.call(job.job_id, ended=False)
                job.status = begun(job.status, job.tasks[number])
            case {"error": parts}:
                self._end(job, JobState.FAILED, ComputeError(**parts))
            case {"crash": text}:
                sys.stderr.write(text)
                self._end(job, JobState.FAILED, crash_error(text))
            case {"report": report, "pace": pace, "new": new}:
                self._advance(job, report, pace, new=new)
        self._changed.notify_all()

    def _advance(
        self, job: _Borrower, report: Mapping[str, Any], pace: float, *, new: bool
    ) -> None:
        status = advance(job.status, report, number=job.number, tasks=len(job.tasks))
        if new:
            job.paces.append(pace)
        elif "batch" in report:
            job.guessed = pace
        now = time.monotonic()
        if job.measured_from is None:
            job.measured_from = (now, status.share)
        job.status = replace(status, seconds_left=time_left(job.measured_from, now, status.share))

    def _end(self, job: _Borrower, state: JobState, error: ImilError | None = None) -> None:
        with self._changed:
            job.status = ended(job.status, state, error)
            self._changed.notify_all()
            self._followers.call(job.job_id)


def _known_paces(task: TrainingTask) -> list[float]:
    """Return the seconds that epochs of the study's first training took."""
    first = task if task.start is None else replace(task, folder=task.start.parent)
    return list(epoch_seconds(first).values())


def _left(tasks: tuple[TrainingTask, ...]) -> int:
    """Return how much is left of tasks, in epochs; the answers after the last one count as one."""
    return sum(
        epochs_of_task(task) - finished_epochs(task) + 1 for task in tasks if not task.finished
    )


def _kept(tasks: tuple[TrainingTask, ...]) -> str:
    done = sum(finished_epochs(task) for task in tasks)
    return f"{done} of {sum(epochs_of_task(task) for task in tasks)} epochs are kept"
