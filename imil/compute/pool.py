"""Jobs, their order, and the processes that do them."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import imil
from imil.compute.task import TrainingTask, task_from_json, task_to_json
from imil.core.records import EpochFigures
from imil.errors import ComputeError, ImilError, StoreError
from imil.store.codec import read_checkpoint_figures
from imil.store.local import write_atomic

# What ends this often without finishing an epoch, the process or the whole app, will not do better
# next time.
MAX_ATTEMPTS = 3


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
        step: name of the segment that is trained now.
        epoch: epoch of that segment, from 1; 0 before the first.
        epochs: epochs of that segment.
        share: of the whole job, 0-1.
        seconds_left: for the whole job, as measured so far; None before anything was measured.
        curves: finished epochs of that segment.
        error: why it failed.
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

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {JobState.QUEUED, JobState.RUNNING}


@dataclass(slots=True)
class _Job:
    job_id: str
    tasks: tuple[TrainingTask, ...]
    status: JobStatus = field(default_factory=lambda: JobStatus(JobState.QUEUED))
    stopping: bool = False
    child: subprocess.Popen[str] | None = None
    # How often in a row it was ended from outside without finishing an epoch.
    attempts: int = 0
    # When it was asked for, ns; what a restarted app orders its queue by.
    submitted: int = field(default_factory=time.time_ns)
    # When measuring began, and the share done then.
    measured_from: tuple[float, float] | None = None


class WorkerPool:
    """Runs jobs in processes of their own, in order of arrival, and keeps the list on disk.

    Unfinished jobs go on from their last finished epoch when a pool is opened on the same folder.

    Args:
        folder: where the list of jobs is kept.
        workers: processes, each doing one job at a time.

    Raises:
        ComputeError: another process uses the folder.
    """

    def __init__(self, folder: Path, *, workers: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.workers = workers
        self._lock_file = _lock(folder)
        self._changed = threading.Condition()
        self._jobs: dict[str, _Job] = {}
        self._waiting: list[_Job] = []
        self._closing = False
        self._children: set[subprocess.Popen[str]] = set()
        with self._changed:
            self._restore()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:
        """Queue a job; nothing happens if it waits or runs already.

        A job that was stopped, failed or done before goes on where it is: finished segments are not
        trained again.

        Raises:
            ComputeError: the list can't be written; nothing was queued.
        """
        with self._changed:
            known = self._jobs.get(job_id)
            if known is not None and known.status.active:
                return
            job = _Job(job_id, tasks)
            try:
                self._save(job)
            except OSError as cause:
                raise ComputeError(
                    "The training could not be put on the list.",
                    why=f"The system says: {cause.strerror}.",
                    fix="Free some space, or check that IMIL_HOME can be written to, then retry.",
                ) from cause
            self._jobs[job_id] = job
            self._waiting.append(job)
            self._changed.notify_all()

    def status(self, job_id: str) -> JobStatus | None:
        """Return how far a job is; None if this pool never had it."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None:
                return None
            if job in self._waiting:
                return replace(job.status, position=self._waiting.index(job) + 1)
            return job.status

    def stop(self, job_id: str) -> None:
        """Stop a job within one batch; it can be submitted again and goes on."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None or not job.status.active:
                return
            job.stopping = True
            if job in self._waiting:
                self._waiting.remove(job)
                self._finish(job, JobState.STOPPED)
                return
            # On disk first: should the app die now, the job stays stopped.
            self._note(job)
            if job.child is not None:
                _tell(job.child, {"stop": job_id})

    def wait(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether all of the jobs ended within `timeout` seconds."""
        wanted = [self._jobs[job_id] for job_id in job_ids]
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(job.status.active for job in wanted), timeout
            )

    @property
    def closed(self) -> bool:
        """Whether the processes were ended: nothing will be trained any more."""
        return self._closing

    def close(self) -> None:
        """End the processes; unfinished jobs stay on the list."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            children = list(self._children)
        for child in children:
            child.kill()
        for thread in self._threads:
            thread.join()
        for job in self._jobs.values():
            if job.status.state is JobState.RUNNING:
                # Ended on purpose: that is no attempt that failed.
                job.status = replace(job.status, state=JobState.QUEUED)
                self._note(job)
        self._lock_file.close()

    def _serve(self) -> None:
        child: subprocess.Popen[str] | None = self._start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._waiting)
                if self._closing:
                    break
                job = self._waiting.pop(0)
                job.status = replace(job.status, state=JobState.RUNNING)
                self._note(job)
            for number in range(len(job.tasks)):
                child = self._run(job, number, child)
                if not job.status.active or self._closing:
                    break
            else:
                with self._changed:
                    self._finish(job, JobState.DONE)
        if child is not None:
            self._drop(child)

    def _run(
        self, job: _Job, number: int, child: subprocess.Popen[str] | None
    ) -> subprocess.Popen[str] | None:
        """Do one task, starting the process anew when it dies; return the living process."""
        task = job.tasks[number]
        while not self._closing:
            if child is not None and child.poll() is not None:
                self._drop(child)
                child = None
            child = child or self._start()
            before = _finished_epochs(task)
            with self._changed:
                job.child = child
                epochs = epochs_of_task(task)
                job.status = replace(job.status, step=task.name, epoch=0, epochs=epochs, curves=())
                if job.stopping:
                    self._finish(job, JobState.STOPPED)
                    return child
                # Told before anybody else may speak: a stop must not come ahead of its job.
                _tell(child, {"job": job.job_id, "task": task_to_json(task)})
            if self._follow(job, number, child):
                job.attempts = 0
                return child
            self._drop(child)
            child = None
            job.attempts = 0 if _finished_epochs(task) > before else job.attempts + 1
            if job.attempts >= MAX_ATTEMPTS and not self._closing:
                with self._changed:
                    self._finish(job, JobState.FAILED, _crash_loop(task))
                return None
        return child

    def _follow(self, job: _Job, number: int, child: subprocess.Popen[str]) -> bool:
        """Read the task's events; True when it ended in a known way, False if the process died."""
        if child.stdout is None:
            raise ValueError("the process was started without a pipe")
        for line in child.stdout:
            event = json.loads(line)
            if event["job"] != job.job_id:
                continue
            with self._changed:
                match event["event"]:
                    case "done":
                        return True
                    case "stopped":
                        self._finish(job, JobState.STOPPED)
                        return True
                    case "failed":
                        self._finish(job, JobState.FAILED, ComputeError(**_error(event["error"])))
                        return True
                    case "crashed":
                        sys.stderr.write(event["traceback"])
                        self._finish(job, JobState.FAILED, _crashed(event["traceback"]))
                        return True
                    case _:
                        self._advance(job, number, event["report"])
        return False

    def _advance(self, job: _Job, number: int, report: Mapping[str, Any]) -> None:
        status, epochs = job.status, max(1, job.status.epochs)
        if "batch" in report:
            done = (report["epoch"] - 1 + report["batch"] / report["batches"]) / epochs
            status = replace(status, epoch=report["epoch"])
        else:
            figures = EpochFigures(**report)
            done = figures.epoch / epochs
            status = replace(status, epoch=figures.epoch, curves=(*status.curves, figures))
        share = (number + done) / len(job.tasks)
        now = time.monotonic()
        if job.measured_from is None:
            job.measured_from = (now, share)
        since, before = job.measured_from
        gained = share - before
        left = (now - since) / gained * (1 - share) if gained > 0 else None
        job.status = replace(status, share=share, seconds_left=left)
        self._changed.notify_all()

    def _finish(self, job: _Job, state: JobState, error: ImilError | None = None) -> None:
        share = 1.0 if state is JobState.DONE else job.status.share
        job.status = replace(job.status, state=state, share=share, seconds_left=None, error=error)
        job.child = None
        self._note(job)
        self._changed.notify_all()

    def _note(self, job: _Job) -> None:
        """Save where a job stands; without room for that it goes on, and is told from memory."""
        try:
            self._save(job)
        except OSError as error:
            sys.stderr.write(f"The list of jobs could not be saved: {error.strerror}.\n")

    def _save(self, job: _Job) -> None:
        status, error = job.status, job.status.error
        content = {
            "schema_version": 1,
            "job": job.job_id,
            "state": JobState.STOPPED if job.stopping and status.active else status.state,
            "submitted": job.submitted,
            "attempts": job.attempts,
            "epochs": _epochs_of_job(job),
            "error": error and {"what": error.what, "why": error.why, "fix": error.fix},
            "tasks": [task_to_json(task) for task in job.tasks],
        }
        write_atomic(self._folder / f"{job.job_id}.json", json.dumps(content).encode())

    def _restore(self) -> None:
        saved = [json.loads(p.read_bytes()) for p in self._folder.glob("*.json")]
        for content in sorted(saved, key=lambda c: c["submitted"]):
            tasks = tuple(task_from_json(t) for t in content["tasks"])
            job = _Job(content["job"], tasks, submitted=content["submitted"])
            self._jobs[job.job_id] = job
            match JobState(content["state"]):
                case JobState.QUEUED:
                    self._waiting.append(job)
                case JobState.RUNNING:
                    self._take_up(job, content)
                case ended:
                    error = content.get("error")
                    job.status = JobStatus(ended, error=error and ComputeError(**error))

    def _take_up(self, job: _Job, saved: Mapping[str, Any]) -> None:
        """Go on with a job during which the app was ended, unless it ends the app each time."""
        if _epochs_of_job(job) <= saved["epochs"]:
            job.attempts = saved["attempts"] + 1
        unfinished = next((task for task in job.tasks if not task.finished), None)
        if job.attempts >= MAX_ATTEMPTS and unfinished is not None:
            self._finish(job, JobState.FAILED, _crash_loop(unfinished))
        else:
            self._waiting.append(job)

    def _start(self) -> subprocess.Popen[str]:
        # The package is found where this process found it, installed or not.
        root = str(Path(imil.__file__).parent.parent)
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
        child = subprocess.Popen(  # our own module, no shell
            [sys.executable, "-m", "imil.compute.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C reaches the app alone, which then stops the jobs
        )
        with self._changed:
            self._children.add(child)
            if self._closing:
                child.kill()
        return child

    def _drop(self, child: subprocess.Popen[str]) -> None:
        _end(child)
        with self._changed:
            self._children.discard(child)


def epochs_of_task(task: TrainingTask) -> int:
    """Return how many epochs the segment has."""
    return task.plan.epochs if task.start is None else task.plan.epochs_after


def _finished_epochs(task: TrainingTask) -> int:
    """Return how many epochs of the segment are on disk; a damaged checkpoint is the worker's."""
    try:
        return len(read_checkpoint_figures(task.checkpoint)) if task.checkpoint.exists() else 0
    except StoreError:
        return 0


def _epochs_of_job(job: _Job) -> int:
    return sum(_finished_epochs(task) for task in job.tasks)


def _tell(child: subprocess.Popen[str], message: Mapping[str, Any]) -> None:
    try:
        if child.stdin is not None:
            child.stdin.write(json.dumps(message) + "\n")
            child.stdin.flush()
    except OSError:
        return  # the process died: whoever reads its events sees that and starts it anew


def _end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # an unread message of a dead process


def _lock(folder: Path) -> Any:
    file = (folder / ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as cause:
        file.close()
        raise ComputeError(
            "Another IMIL process is using this folder.",
            why="Two trainings that write the same checkpoints would damage both.",
            fix="Close the other one, or give this one a folder of its own (--out or IMIL_HOME).",
        ) from cause
    return file


def _error(saved: Mapping[str, str]) -> dict[str, str]:
    return {key: saved[key] for key in ("what", "why", "fix")}


def _crashed(traceback: str) -> ComputeError:
    kind = traceback.strip().splitlines()[-1].split(":")[0]
    return ComputeError(
        "Training ended with an unexpected error.",
        why=f"It is a fault of the program ({kind}); the details are in its log.",
        fix="Train on from the last finished epoch, or report the log to the maintainers.",
    )


def _crash_loop(task: TrainingTask) -> ComputeError:
    return ComputeError(
        f"Training of “{task.name}” ended {MAX_ATTEMPTS} times without finishing an epoch.",
        why="The process was killed each time, most often because memory ran out.",
        fix="Choose a smaller image size or batch, then train on; finished epochs are kept.",
    )
