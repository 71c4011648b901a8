"""Trainers that start no process: one trains nothing, one trains at once, where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imil.compute.jobs import JobState, JobStatus, Trainer
from imil.compute.task import TrainingTask, run_task
from imil.core.films import FilmSpec
from imil.core.records import Plan
from imil.store.base import Store
from imil.workflow.studies import Studies
from imil.workflow.tools import Tools
from tests.standins.visitors import no_weights

FILMS = FilmSpec(images=60, size=48, shortcut=0.95)


class Untraining:
    """Takes jobs, and never begins one."""

    asks_on: str | None = None

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:
        """Drop the job."""

    def status(self, job_id: str) -> JobStatus | None:  # noqa: ARG002  # of no job
        """Return that there never was one."""
        return None

    def stop(self, job_id: str) -> None:
        """Nothing runs."""

    def wait(self, job_ids: Iterable[str], *, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Return that all have ended."""
        return True

    def device_for(self, plan: Plan) -> str:
        """Return the plan's own."""
        return plan.device

    def takes_up(self, plan: Plan) -> bool:  # noqa: ARG002  # it takes up nothing
        """Return no."""
        return False


class TrainingAtOnce(Untraining):
    """Trains a job before `submit` returns."""

    def __init__(self) -> None:
        self._done: set[str] = set()

    def submit(self, job_id: str, tasks: tuple[TrainingTask, ...]) -> None:
        """Train the tasks."""
        for task in tasks:
            for _ in run_task(task, should_stop=lambda: False):
                pass
        self._done.add(job_id)

    def status(self, job_id: str) -> JobStatus | None:
        """Return that it is done, once it was asked for."""
        return JobStatus(JobState.DONE) if job_id in self._done else None


def opened(
    home: Path, store: Store, films: FilmSpec = FILMS, *, trainer: Trainer | None = None
) -> Studies:
    """Return the studies of a home, as an app that has just started has them."""
    tools = Tools(store, trainer or Untraining(), no_weights)
    return Studies(home / "work", tools, demo=films)
