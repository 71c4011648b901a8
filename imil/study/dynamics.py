"""What a study's first training answered in each epoch, as it was kept while it trained."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imil.core.records import Split
from imil.core.training.dynamics import without_gaps
from imil.errors import PlanError
from imil.jobs.training.task import TrainingTask
from imil.study.workspace import Workspace, read_curves, read_logits


def dynamics(workspace: Workspace, first: TrainingTask) -> NDArray[np.float32]:
    """Return (E, N_train, C): what the first training answered in each epoch, without gaps.

    An image that no epoch has shown (in very short trainings) has the trained model's answer.

    Raises:
        PlanError: the training was done before such scores were kept.
    """
    paths = [first.dynamics(epoch + 1) for epoch in range(len(read_curves(first)))]
    if not paths or not all(path.exists() for path in paths):
        raise PlanError(
            "The answers of each epoch were not kept.",
            why="Label suspects and persistence are read from how answers changed in training, and "
            "this model was trained by a version that did not keep them.",
            fix="Begin a new study of the same images, or use the mispredicted queue in-sample.",
        )
    epochs = np.stack([np.load(path, allow_pickle=False) for path in paths])
    return without_gaps(epochs, read_logits(first)[workspace.rows(Split.TRAIN)])
