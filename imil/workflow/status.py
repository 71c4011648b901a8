"""How far a training is: what the pool says, else what is on disk."""

from __future__ import annotations

from dataclasses import dataclass

from imil.compute.pool import JobState, JobStatus, epochs_of_task
from imil.compute.task import TrainingTask
from imil.core.records import EpochFigures
from imil.errors import ImilError
from imil.workflow.workspace import read_curves


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """How far a training or comparison is; `state` is None where none was asked for.

    See `imil.compute.pool.JobStatus` for the other fields.
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


def status_of(job: JobStatus | None, tasks: tuple[TrainingTask, ...]) -> TrainingStatus:
    """Return how far the tasks are.

    Args:
        job: what the pool says; None where it never had the job.
        tasks: the job's segments, in order.
    """
    if job is not None and (job.active or job.error is not None):
        return TrainingStatus(
            state=job.state,
            position=job.position,
            step=job.step,
            epoch=job.epoch,
            epochs=job.epochs,
            share=job.share,
            seconds_left=job.seconds_left,
            curves=job.curves,
            error=job.error,
        )
    finished = all(task.finished for task in tasks)
    last = next((task for task in reversed(tasks) if task.checkpoint.exists()), tasks[0])
    curves = read_curves(last)
    done = sum(task.finished for task in tasks)
    partly = 0 if last.finished else len(curves) / epochs_of_task(last)
    return TrainingStatus(
        state=JobState.DONE if finished else None if job is None else job.state,
        step=last.name,
        epoch=len(curves),
        epochs=epochs_of_task(last),
        share=min(1.0, (done + partly) / len(tasks)),
        curves=curves,
    )
