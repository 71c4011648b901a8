"""Jobs, their order, and the processes that do them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

import imil
from imil.core.records import Plan
from imil.environment import child_environment
from imil.errors import ComputeError, ImilError
from imil.jobs.base import (
    EndCallbacks,
    JobState,
    JobStatus,
    advance,
    crash_error,
    ended,
    epochs_of_task,
    finished_epochs,
    time_left,
)
from imil.jobs.training.task import TrainingTask, task_from_json, task_to_json
from imil.storage.local import write_atomic

# What ends this often without finishing an epoch, the process or the whole app, will not do better
# next time.
MAX_ATTEMPTS = 3


@dataclass(slots=True)
class _Job:
    job_id: str
    tasks: tuple[TrainingTask, ...]
    status: JobStatus = field(default_factory=lambda: JobStatus(JobState.QUEUED))
    # It was stopped, or a task failed with this error: nothing more of it is begun.
    stopping: bool = False
    error: ImilError | None = None
    # The numbers of tasks that no process has taken yet, and of those that were done.
    todo: list[int] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    # By the number of a task at work: how far it is, and the process that does it.
    at_work: dict[int, JobStatus] = field(default_factory=dict)
    children: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    # A seed of it is trained, and others may follow.
    had_turn: bool = False
    # A process was ended from outside, as where memory ran out: one task at a time from now on.
    alone: bool = False
    # How often in a row it was ended from outside without finishing an epoch.
    attempts: int = 0
    # When it was asked for, ns; what a restarted app orders its queue by.
    submitted: int = field(default_factory=time.time_ns)
    # When measuring began, and the share done then.
    measured_from: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self.todo = list(range(len(self.tasks)))


class WorkerPool:
    """Runs jobs in processes of their own, in order of arrival, and keeps the list on disk.

    Between two seeds of a job, those that have none yet go first: nobody waits for a first look
    longer than for the seeds at work.

    Unfinished jobs go on from their last finished epoch when a pool is opened on the same folder.

    Args:
        folder: where the list of jobs is kept.
        workers: processes, each doing one task at a time.
        cores: of the machine. One job is done at a time then, and as many of its tasks side by side
            as their threads have cores. None: the processes take tasks of whatever jobs there are.
        warm: start the processes at once, so that the first job does not wait seconds for torch;
            otherwise each starts with its first task.

    Raises:
        ComputeError: another process uses the folder, or it can't be written to.
    """

    def __init__(
        self, folder: Path, *, workers: int = 1, cores: int | None = None, warm: bool = False
    ) -> None:
        self._folder = folder
        self._warm = warm
        self.workers = workers
        self._cores = cores
        self._lock_file = hold(folder)
        self._changed = threading.Condition()
        self._followers = EndCallbacks()
        self._jobs: dict[str, _Job] = {}
        # Jobs of which a task is waiting, in order.
        self._waiting: list[_Job] = []
        self._working: list[_Job] = []
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
            if job.status.state is JobState.QUEUED:
                queued = [j for j in self._line() if j.status.state is JobState.QUEUED]
                ahead = queued[: queued.index(job)]
                return replace(
                    job.status, position=len(ahead) + 1, starts_in=self._starts_in(ahead)
                )
            return job.status

    def _starts_in(self, ahead: list[_Job]) -> float | None:
        """Return the seconds until what comes after `ahead` begins; None before any is measured.

        A job gives way after a seed. Of jobs that have not begun, each training is taken to last as
        long as one of the job at work: our choice, for nothing else is known of them.
        """
        working = [job for job in self._working if job.status.seconds_left is not None]
        if not working:
            return None
        job = working[0]
        left = 1 - job.status.share
        each = (job.status.seconds_left or 0.0) / max(1e-6, left * len(job.tasks))
        seed = job.tasks[min(job.at_work)].plan.seed if job.at_work else None
        turn = sum(1 - status.share for status in job.at_work.values())
        turn += sum(job.tasks[number].plan.seed == seed for number in job.todo)
        turn += sum(_first_seed(other) for other in ahead)
        return each * turn

    def stop(self, job_id: str) -> None:
        """Stop a job within one batch; it can be submitted again and goes on."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None or not job.status.active:
                return
            job.stopping = True
            # On disk first: should the app die now, the job stays stopped.
            self._note(job)
            self._break_off(job)

    def wait(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether all of the jobs ended within `timeout` seconds."""
        wanted = [self._jobs[job_id] for job_id in job_ids]
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(job.status.active for job in wanted), timeout
            )

    def follow(self, job_id: str, follower: Callable[[], None]) -> None:
        """Have `follower` called in a thread of its own, as tasks of the job end; see `Trainer`."""
        with self._changed:
            self._followers.add(job_id, follower)
            job = self._jobs.get(job_id)
            if job is None or not job.status.active:
                self._followers.call(job_id)

    def followed(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Return whether what was called by `follow` has ended within `timeout` seconds."""
        return self._followers.join(job_ids, timeout=timeout)

    def device_for(self, plan: Plan) -> str:
        """Return the plan's own device: it is there at all times."""
        return plan.device

    @property
    def asks_on(self) -> str | None:
        """None: whatever a plan names is there for the app as well."""
        return None

    def takes_up(self, plan: Plan) -> bool:  # noqa: ARG002  # of other trainers it depends on it
        """Return True: it costs nobody anything."""
        return True

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
        self._lock_file.release()

    def _serve(self) -> None:
        """Do one task after the other, in a process that is started anew when it dies."""
        child: subprocess.Popen[str] | None = None
        while not self._closing:
            if self._warm:
                child = child or self._start()
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._next() is not None)
                found = self._next()
                if self._closing or found is None:
                    break
                if child is not None and child.poll() is not None:
                    self._drop(child)  # ended while nobody needed it: no attempt of the job
                    child = None
                child = child or self._start()
                job, task = found
                self._take(job, task, child)
            if not self._follow(job, task, child):
                self._drop(child)
                child = None
        if child is not None:
            self._drop(child)

    def _next(self) -> tuple[_Job, int] | None:
        """Return the task to do next, if there is one that may be begun now."""
        if not self._waiting:
            return None
        job = self._line()[0]
        number = job.todo[0]
        if job.alone and job.at_work:
            return None
        if self._cores is not None and self._working:
            if self._working != [job]:
                return None
            plans = [job.tasks[each].plan for each in (*job.at_work, number)]
            # A GPU is not shared: one net fills it, or its memory.
            if any(plan.device != "cpu" for plan in plans):
                return None
            if sum(plan.threads for plan in plans) > self._cores:
                return None
        return job, number

    def _line(self) -> list[_Job]:
        """Return the jobs that wait in their order: those without a seed yet go first."""
        return sorted(self._waiting, key=lambda job: job.had_turn)

    def _take(self, job: _Job, number: int, child: subprocess.Popen[str]) -> None:
        """Give a task to a process."""
        task = job.tasks[number]
        job.had_turn = False
        job.todo.remove(number)
        if not job.todo:
            self._waiting.remove(job)
        elif job.tasks[job.todo[0]].plan.seed != task.plan.seed:
            # The last of a seed: those that wait for their first one go before the next.
            job.had_turn = True
            self._waiting.remove(job)
            self._waiting.append(job)
        if job not in self._working:
            self._working.append(job)
        job.children[number] = child
        job.at_work[number] = JobStatus(
            JobState.RUNNING, step=task.name, epochs=epochs_of_task(task)
        )
        if job.status.state is not JobState.RUNNING:
            job.status = replace(job.status, state=JobState.RUNNING)
            self._note(job)
        self._tell_how_far(job)
        # Told before anybody else may speak: a stop must not come ahead of its job.
        _tell(child, {"job": job.job_id, "task": task_to_json(task)})

    def _follow(self, job: _Job, number: int, child: subprocess.Popen[str]) -> bool:
        """Read the task's events; True when it ended in a known way, False if the process died."""
        before = finished_epochs(job.tasks[number])
        for event in _events(child):
            if event["job"] != job.job_id:
                continue
            with self._changed:
                match event["event"]:
                    case "done":
                        job.attempts = 0
                        job.done.add(number)
                        self._end_task(job, number)
                        if job.status.active:
                            self._followers.call(job.job_id, ended=False)
                    case "stopped":
                        self._end_task(job, number)
                    case "failed":
                        self._end_task(job, number, ComputeError(**_error(event["error"])))
                    case "crashed":
                        sys.stderr.write(event["traceback"])
                        self._end_task(job, number, crash_error(event["traceback"]))
                    case _:
                        self._advance(job, number, event["report"])
                        continue
            return True
        if not self._closing:
            with self._changed:
                self._end_without_a_word(job, number, before)
        return False

    def _end_without_a_word(self, job: _Job, number: int, before: int) -> None:
        """Do a task again whose process was ended from outside, unless that is in vain."""
        task = job.tasks[number]
        if finished_epochs(task) > before:
            job.attempts = 0
        elif len(job.at_work) == 1:  # beside another it may have had too little room: no attempt
            job.attempts += 1
        if job.attempts >= MAX_ATTEMPTS:
            self._end_task(job, number, _crash_loop(task))
        elif job.stopping or job.error is not None:
            self._end_task(job, number)
        else:
            job.alone = True
            self._leave(job, number)
            if not job.todo:
                self._put_first(job)
            job.todo.insert(0, number)
            self._changed.notify_all()

    def _put_first(self, job: _Job) -> None:
        """Put a job back, before those that nobody has begun."""
        begun = [each for each in self._waiting if each.status.state is JobState.RUNNING]
        self._waiting.insert(len(begun), job)

    def _end_task(self, job: _Job, number: int, error: ImilError | None = None) -> None:
        """Note that a task is not at work any more, be it done or not."""
        self._leave(job, number)
        if error is not None:
            job.error = job.error or error
            self._break_off(job)
        elif not job.at_work and not job.todo:
            self._finish(job)
        self._changed.notify_all()

    def _leave(self, job: _Job, number: int) -> None:
        job.at_work.pop(number)
        job.children.pop(number)
        if job.at_work:
            self._tell_how_far(job)
            return
        self._working.remove(job)
        if job.todo and not job.stopping and self._line()[0] is not job:
            job.status = replace(job.status, state=JobState.QUEUED)
            self._note(job)

    def _break_off(self, job: _Job) -> None:
        """Begin no task of a job any more, and end those at work."""
        if job.todo:
            job.todo.clear()
            self._waiting.remove(job)
        for child in job.children.values():
            _tell(child, {"stop": job.job_id})
        if not job.at_work:
            self._finish(job)

    def _advance(self, job: _Job, number: int, report: Mapping[str, Any]) -> None:
        job.at_work[number] = advance(job.at_work[number], report, number=0, tasks=1)
        self._tell_how_far(job)
        now, share = time.monotonic(), job.status.share
        if job.measured_from is None:
            job.measured_from = (now, share)
        job.status = replace(job.status, seconds_left=time_left(job.measured_from, now, share))
        self._changed.notify_all()

    def _tell_how_far(self, job: _Job) -> None:
        """Say how far the job is: its share as a whole, the rest of its first task at work."""
        leading = job.at_work[min(job.at_work)]
        done = len(job.done) + sum(each.share for each in job.at_work.values())
        job.status = replace(
            job.status,
            step=leading.step,
            epoch=leading.epoch,
            epochs=leading.epochs,
            curves=leading.curves,
            share=done / len(job.tasks),
        )

    def _finish(self, job: _Job) -> None:
        state = JobState.DONE if len(job.done) == len(job.tasks) else JobState.STOPPED
        state = JobState.FAILED if job.error is not None else state
        job.status = ended(job.status, state, job.error)
        self._note(job)
        self._changed.notify_all()
        self._followers.call(job.job_id)

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
            job.error = _crash_loop(unfinished)
            self._finish(job)
        else:
            self._waiting.append(job)

    def _start(self) -> subprocess.Popen[str]:
        child = subprocess.Popen(  # our own module, no shell
            [sys.executable, "-m", "imil.jobs.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=program_environment(),
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


def program_environment() -> dict[str, str]:
    """Return the environment of a process of ours: no secrets, and where the package is."""
    root = str(Path(imil.__file__).parent.parent)
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    return child_environment(os.environ) | {"PYTHONPATH": path}


def _epochs_of_job(job: _Job) -> int:
    return sum(finished_epochs(task) for task in job.tasks)


def _events(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    if child.stdout is None:
        raise ValueError("the process was started without a pipe")
    for line in child.stdout:
        yield json.loads(line)


def _first_seed(job: _Job) -> int:
    """Return how many trainings a job has to its next change of seed."""
    seed = job.tasks[job.todo[0]].plan.seed if job.todo else None
    return sum(job.tasks[number].plan.seed == seed for number in job.todo)


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


def hold(folder: Path) -> BaseFileLock:
    """Make a folder and keep other processes out of it, until what is returned is released.

    Raises:
        ComputeError: another process uses the folder, or it can't be written to.
    """
    # Whoever closes a pool may be another thread than the one that opened it.
    lock = FileLock(folder / ".lock", timeout=0, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as cause:
        raise ComputeError(
            "Another IMIL process is using this folder.",
            why="Two trainings that write the same checkpoints would damage both.",
            fix="Close the other one, or give this one a folder of its own (--out or IMIL_HOME).",
        ) from cause
    except OSError as cause:
        raise ComputeError(
            "The folder for IMIL's state can't be written to.",
            why=f"The system says: {cause.strerror}.",
            fix="Set IMIL_HOME to a folder that this user may write to, on a disk with some room.",
        ) from cause
    return lock


def _error(saved: Mapping[str, str]) -> dict[str, str]:
    return {key: saved[key] for key in ("what", "why", "fix")}


def _crash_loop(task: TrainingTask) -> ComputeError:
    return ComputeError(
        f"Training of “{task.name}” ended {MAX_ATTEMPTS} times without finishing an epoch.",
        why="The process was killed each time, most often because memory ran out.",
        fix="Choose a smaller image size or batch, then train on; finished epochs are kept.",
    )
