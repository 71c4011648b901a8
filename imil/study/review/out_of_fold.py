"""Out-of-fold scores: each training image answered by a model that was not trained on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imil.core.evaluation.comparison import clusters_of
from imil.core.records import Split
from imil.core.training.folds import FOLDS, make_folds
from imil.errors import PlanError
from imil.jobs.training.inputs import write_array
from imil.jobs.training.task import TrainingTask, epoch_seconds
from imil.study.workspace import Workspace, read_logits


@dataclass(frozen=True, slots=True)
class FoldCost:
    """What out-of-fold scores cost, before anybody pays it.

    Attributes:
        trainings: models to train.
        epochs: their epochs, counted in epochs of the whole training set.
        seconds: as the first training's epochs took; None where nobody measured them.
    """

    trainings: int
    epochs: int
    seconds: float | None


def fold_cost(first: TrainingTask) -> FoldCost:
    """Return the cost of out-of-fold scores for a study's first training."""
    # Each of the folds trains on all but one part.
    epochs = (FOLDS - 1) * first.plan.epochs
    measured = list(epoch_seconds(first).values())
    # The median: the first epoch also waits for files and caches.
    seconds = float(np.median(measured)) * epochs if measured else None
    return FoldCost(FOLDS, epochs, seconds)


def fold_tasks(first: TrainingTask) -> tuple[TrainingTask, ...]:
    """Return the trainings: like the first one, each on the rows that `write_folds` saved."""
    home = first.folder.parent
    return tuple(
        replace(
            first,
            name=f"fold {fold + 1} of {FOLDS}",
            folder=home / f"fold-{fold + 1}",
            subset=home / "folds" / f"train-{fold + 1}.npy",
        )
        for fold in range(FOLDS)
    )


def write_folds(workspace: Workspace, first: TrainingTask) -> None:
    """Save which rows each fold trains on; the same seed gives the same folds.

    Raises:
        PlanError: a class has too few patients.
    """
    rows = workspace.rows(Split.TRAIN)
    clusters = clusters_of(workspace.samples(Split.TRAIN))
    folds = make_folds(workspace.images.labels[rows], clusters, seed=first.plan.seed)
    for task, held in zip(fold_tasks(first), folds, strict=True):
        if task.subset is not None and not task.subset.exists():
            write_array(task.subset, np.delete(rows, held))


def folds_finished(first: TrainingTask) -> bool:
    """Return whether every fold is trained."""
    return all(task.finished for task in fold_tasks(first))


def held_out_scores(workspace: Workspace, first: TrainingTask) -> NDArray[np.float32]:
    """Return (N_train, C): each training image's scores by the model that never saw it.

    Raises:
        PlanError: the folds are not trained.
    """
    if not folds_finished(first):
        cost = fold_cost(first)
        raise PlanError(
            "There are no out-of-fold answers yet.",
            why=f"They come from {cost.trainings} more trainings, each without a third of the "
            "training images.",
            fix="Train the folds first, or find the mispredicted in-sample or by persistence.",
        )
    rows = workspace.rows(Split.TRAIN)
    classes = len(workspace.images.classes)
    scores = np.full((len(rows), classes), np.nan, np.float32)
    for task in fold_tasks(first):
        trained_on = np.load(task.subset, allow_pickle=False)  # type: ignore[arg-type]  # each has one
        held = np.flatnonzero(~np.isin(rows, trained_on))
        scores[held] = read_logits(task)[rows[held]]
    return scores
