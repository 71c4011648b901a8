"""How the trainings of a study went, an epoch a row, as its data set shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from imil.jobs.training.task import TrainingTask
from imil.storage.records.runs import FIRST_TRAINING, RunRow
from imil.study.context import StudyContext
from imil.study.workspace import read_curves


def first_rows(context: StudyContext) -> tuple[RunRow, ...]:
    """Return how the first training went; nothing where it was not done here."""
    if context.is_shipped:
        return ()
    return run_rows(context, (context.first,), arm=FIRST_TRAINING, number=0, masks=0)


def run_rows(
    context: StudyContext, tasks: Sequence[TrainingTask], *, arm: str, number: int, masks: int
) -> tuple[RunRow, ...]:
    """Return how finished trainings of an arm went."""
    now = context.now()
    return tuple(
        RunRow(
            study=context.log_id,
            round=number,
            arm=arm,
            seed=task.plan.seed,
            **asdict(epoch),
            backbone=task.plan.backbone,
            masks=masks,
            time=now,
        )
        for task in tasks
        for epoch in read_curves(task)
    )
