"""Studies without a process that trains; one trainer trains at once, where it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imil.jobs.base import JobState, JobStatus, Trainer
from imil.jobs.training.task import TrainingTask, run_task
from imil.storage.base import Store
from imil.study.batch.progress import IdleTrainer
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.synthetic.films import FilmSpec
from tests.standins.visitors import no_weights

FILMS = FilmSpec(images=60, size=48, shortcut=0.95)


class TrainingAtOnce(IdleTrainer):
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

    def follow(self, job_id: str, follower: Callable[[], None]) -> None:  # noqa: ARG002
        """Call `follower` now: every job has ended."""
        follower()


def opened(
    home: Path, store: Store, films: FilmSpec = FILMS, *, trainer: Trainer | None = None
) -> Studies:
    """Return the studies of a home, as an app that has just started has them."""
    tools = Services(store, trainer or IdleTrainer(), no_weights)
    return Studies(home / "work", tools, demo=films)
