"""Where nothing trains: a pool that takes jobs and begins none, without a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imil.core.records import Plan
from imil.jobs.base import JobState, JobStatus
from imil.jobs.training.task import TrainingTask


class IdlePool:
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

    def when_ended(self, job_id: str, follower: Callable[[], None]) -> None:
        """Do nothing: no job ends by itself."""

    def followed(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Return True: nothing follows."""
        return True

    def device_for(self, plan: Plan) -> str:
        """Return the plan's own device."""
        return plan.device

    @property
    def asks_on(self) -> str | None:
        """None: the plan's own device is there."""
        return None

    def takes_up(self, plan: Plan) -> bool:  # noqa: ARG002
        """Return True."""
        return True
