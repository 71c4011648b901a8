"""Folds of the training images: each is answered by a model that never saw it."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from imil.errors import PlanError

# Models an out-of-fold reading takes: each trains on two thirds. Our choice: more folds cost more
# and change little, with two half the images would be missing.
FOLDS = 3


def make_folds(
    labels: NDArray[np.int64], clusters: NDArray[np.int64], *, seed: int, folds: int = FOLDS
) -> tuple[NDArray[np.int64], ...]:
    """Return the places held out in each fold: stratified by label, patients never parted.

    Args:
        labels: (N,) class indices of the training images.
        clusters: (N,) patient numbers; an image of an unknown patient has a number of its own.
        seed: of the shuffle.
        folds: how many, 2 or more.

    Returns:
        `folds` arrays of places 0 to N - 1, ascending; together every place once.

    Raises:
        PlanError: a class has too few patients to be learned outside of each fold.
    """
    for label in np.unique(labels):
        patients = len(np.unique(clusters[labels == label]))
        if patients < folds:
            raise _too_few(patients, folds)
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415  # slow to import

    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Where patients are few, shares differ between folds: checked below by what matters.
        warnings.simplefilter("ignore", UserWarning)
        parts = [held for _, held in splitter.split(np.zeros(len(labels)), labels, clusters)]
    every = np.unique(labels)
    for held in parts:
        learned = np.unique(np.delete(labels, held))
        if not len(held) or len(learned) < len(every):
            raise _too_few(len(np.unique(clusters)), folds)
    return tuple(np.sort(held).astype(np.int64) for held in parts)


def _too_few(patients: int, folds: int) -> PlanError:
    return PlanError(
        f"{patients} patients are too few for {folds} folds.",
        why="Each fold is answered by a model trained on the other patients, who must show every "
        "class.",
        fix="Find the mispredicted in-sample or by persistence, or add images of the rare class.",
    )
