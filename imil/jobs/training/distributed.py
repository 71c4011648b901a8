"""Several processes, on one machine or more, that train one net: the first leads, others follow.

They are started by `accelerate launch` or `torchrun`, which tell each its place through the
environment. The leader runs the study; the others train what it trains, and write nothing.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from imil.core.records import Arm
from imil.core.training.data_parallel import world_size
from imil.errors import ComputeError, ImilError, PlanError
from imil.jobs.base import JobState, JobStatus, advance, begun, ended
from imil.jobs.training.task import TrainingTask, run_task, task_from_json, task_to_json

# The others wait while the leader prepares images, asks the trained net and computes figures.
PEER_TIMEOUT = timedelta(days=7)


def join_process_group(environment: Mapping[str, str], device: str) -> None:
    """Join the processes that were started with this one, if any were.

    Raises:
        ComputeError: there are more processes than GPUs on this machine.
    """
    if int(environment.get("WORLD_SIZE", "1")) == 1:
        return
    if device == "cuda":
        place, gpus = int(environment["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= gpus:
            raise ComputeError(
                f"This machine has {gpus} GPUs, and more processes were started on it.",
                why="Each process trains on a GPU of its own.",
                fix="Start as many processes as there are GPUs, or add --device cpu.",
            )
        torch.cuda.set_device(place)
    # Its functions keep, for good, the group that there is when they are imported, as making an
    # optimizer does. A group that is kept has threads, which may abort the process at its end.
    importlib.import_module("torch.distributed.nn.functional")
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=PEER_TIMEOUT
    )


def run_follower() -> None:
    """Train whatever the leader trains, until it has no more.

    Raises:
        ImilError: as `run_task`; mostly the leader says the same, but memory may run out in one.
    """
    while (said := _heard(None)) is not None:
        for _ in run_task(task_from_json(said), should_stop=_never):
            pass
    distributed.destroy_process_group()


def _heard(said: dict[str, Any] | None) -> dict[str, Any] | None:
    """Broadcast what the leader says to all."""
    message = [said]
    distributed.broadcast_object_list(message, 0)
    return message[0]


class DistributedTrainer:
    """Trains jobs in this process and in those that follow it, in order of arrival.

    Nothing goes on by itself: training happens while somebody waits for it.
    """

    workers = 1
    closed = False

    def __init__(self) -> None:
        self._status: dict[str, JobStatus] = {}
        self._running: dict[str, Iterator[JobStatus]] = {}

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:
        """Queue a job.

        Raises:
            PlanError: an arm can't be trained by several GPUs, or batches have fewer images than
                there are processes.
        """
        for task in tasks:
            if task.plan.batch_size < world_size():
                raise PlanError(
                    f"{world_size()} processes can't share batches of {task.plan.batch_size}.",
                    why="Each computes at least one image of a batch.",
                    fix="Start fewer processes, or choose a larger batch.",
                )
            if task.plan.device == "cuda" and task.arm.arm is Arm.RIGHT_REASON:
                raise PlanError(
                    f"The arm “{task.arm}” can't be trained by several GPUs together.",
                    why="Its penalty is a gradient of a gradient, which normalisation over "
                    "several GPUs does not give.",
                    fix="Leave it out, or run the study in one process.",
                )
        self._status[job_id] = JobStatus(JobState.QUEUED)
        self._running[job_id] = self._reports(self._status[job_id], tasks)

    def status(self, job_id: str) -> JobStatus | None:
        """Return how far a job is; None if this pool never had it."""
        return self._status.get(job_id)

    def wait(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:
        """Train for `timeout` seconds or longer; return whether all of the jobs ended."""
        until = None if timeout is None else time.monotonic() + timeout
        for job_id in job_ids:
            for status in self._running[job_id]:
                self._status[job_id] = status
                if until is not None and time.monotonic() > until:
                    return False
        return True

    def close(self) -> None:
        """Let the others go."""
        if any(status.state is not JobState.DONE for status in self._status.values()):
            return  # they may be anywhere: who started them ends them once this process has ended
        _heard(None)
        distributed.destroy_process_group()

    def _reports(self, status: JobStatus, tasks: tuple[TrainingTask, ...]) -> Iterator[JobStatus]:
        try:
            for number, task in enumerate(tasks):
                status = begun(status, task)
                _heard(task_to_json(task))
                for report in run_task(task, should_stop=_never):
                    status = advance(status, asdict(report), number=number, tasks=len(tasks))
                    yield status
        except ImilError as error:
            yield ended(status, JobState.FAILED, error)
        else:
            yield ended(status, JobState.DONE)


def _never() -> bool:
    return False
