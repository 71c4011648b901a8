"""Where nothing trains: a pool that takes jobs and begins none, without a process."""

from __future__ import annotations

from collections.abc import Iterable

from imil.core.records import Plan
from imil.jobs.base import JobState, JobStatus
from imil.jobs.training.task import TrainingTask
from imil.study.batch.progress import IdleTrainer


class IdlePool(IdleTrainer):
    """A `Trainer` whose jobs wait for ever."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobState] = {}

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:  # noqa: ARG002
        """Take a job."""
        self.jobs[job_id] = JobState.QUEUED

    def status(self, job_id: str) -> JobStatus | None:
        """Return that a job waits, or was stopped."""
        state = self.jobs.get(job_id)
        return None if state is None else JobStatus(state)

    def stop(self, job_id: str) -> None:
        """Stop a job."""
        if job_id in self.jobs:
            self.jobs[job_id] = JobState.STOPPED

    def wait(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Return whether all of them were stopped."""
        return all(self.jobs.get(job) is JobState.STOPPED for job in job_ids)

    def takes_up(self, plan: Plan) -> bool:  # noqa: ARG002
        """Return True."""
        return True
