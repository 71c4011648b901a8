"""How far a training is: what the pool says, else what is on disk."""

from __future__ import annotations

from imil.jobs.base import JobState, JobStatus, epochs_of_task
from imil.jobs.training.task import TrainingTask
from imil.study.workspace import read_curves


def status_of(job: JobStatus | None, tasks: tuple[TrainingTask, ...]) -> JobStatus:
    """Return how far the tasks are.

    Args:
        job: what the pool says; None where it never had the job.
        tasks: the job's segments, in order.
    """
    if job is not None and (job.active or job.error is not None):
        return job
    finished = all(task.finished for task in tasks)
    last = next((task for task in reversed(tasks) if task.checkpoint.exists()), tasks[0])
    curves = read_curves(last)
    done = sum(task.finished for task in tasks)
    partly = 0 if last.finished else len(curves) / epochs_of_task(last)
    # A job that was done knows nothing of what was asked for since.
    ended = None if job is None or job.state is JobState.DONE else job.state
    return JobStatus(
        state=JobState.DONE if finished else ended,
        step=last.name,
        epoch=len(curves),
        epochs=epochs_of_task(last),
        share=min(1.0, (done + partly) / len(tasks)),
        curves=curves,
    )
