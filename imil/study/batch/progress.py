"""Training to the end in a run without a screen, with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from imil.core.records import Plan
from imil.errors import ComputeError
from imil.jobs.base import JobStatus
from imil.jobs.pool import WorkerPool
from imil.jobs.training.distributed import DistributedTrainer
from imil.jobs.training.task import TrainingTask

# Seconds between two looks at the jobs.
_POLL = 0.2


class IdleTrainer:
    """A trainer that trains nothing, for studies that are only to be read."""

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:
        """Do nothing."""

    def status(self, job_id: str) -> JobStatus | None:  # noqa: ARG002  # there is none
        """Return that there never was such a job."""
        return None

    def stop(self, job_id: str) -> None:
        """Do nothing."""

    def wait(
        self,
        job_ids: Iterable[str],  # noqa: ARG002  # there is none
        *,
        timeout: float | None = None,  # noqa: ARG002  # nothing is waited for
    ) -> bool:
        """Return that every job has ended."""
        return True

    def follow(self, job_id: str, follower: Callable[[], None]) -> None:
        """Do nothing: no job ends."""

    def followed(
        self,
        job_ids: Iterable[str],  # noqa: ARG002  # there is none
        *,
        timeout: float | None = None,  # noqa: ARG002  # nothing is waited for
    ) -> bool:
        """Return that nothing follows."""
        return True

    def device_for(self, plan: Plan) -> str:
        """Return the plan's own device."""
        return plan.device

    @property
    def asks_on(self) -> str | None:
        """The plan's own device."""
        return None

    def takes_up(self, plan: Plan) -> bool:  # noqa: ARG002  # the same for all
        """Return that nothing goes on by itself."""
        return False


def train_all(
    pool: WorkerPool | DistributedTrainer,
    jobs: Mapping[str, tuple[TrainingTask, ...]],
    on_progress: Callable[[str, float, float | None], None],
    step: str,
) -> None:
    """Train the jobs to their end.

    Args:
        pool: where they train.
        jobs: segments by a job's id; one that stands in it twice is trained once.
        on_progress: told (step, share 0-1, seconds left or None) a few times a second.
        step: what is being done, for people.

    Raises:
        ComputeError: what the first failed job says, or that the pool was closed.
    """
    for job, tasks in jobs.items():
        distinct = {task.folder: task for task in tasks}
        pool.submit(job, tuple(distinct.values()))
    ended = False
    while not ended:
        ended = pool.wait(jobs, timeout=_POLL)
        known = [status for job in jobs if (status := pool.status(job)) is not None]
        failed = next((status.error for status in known if status.error is not None), None)
        if failed is not None:
            raise failed
        if pool.closed:
            raise ComputeError(
                "The training was stopped.",
                why="The program was interrupted.",
                fix="Run the same command again: it goes on where it stopped.",
            )
        on_progress(step, sum(s.share for s in known) / len(known), _seconds_left(known))


def _seconds_left(known: Sequence[JobStatus]) -> float | None:
    """Return the time until all jobs end: those running as measured, those waiting after them."""
    running = [s.seconds_left for s in known if s.active and s.seconds_left is not None]
    share = sum(s.share for s in known) / len(known)
    if not running:
        return None
    slowest = max(running)
    active_share = np.mean([s.share for s in known if s.active and s.seconds_left is not None])
    whole = slowest / max(1 - float(active_share), 1e-6)
    return max(slowest, whole * (1 - share) * len(known) / len(running))
