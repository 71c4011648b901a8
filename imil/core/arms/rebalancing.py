"""A last layer fitted anew, so that what the irrelevant part says no longer goes with the label.

Where nobody knows who has the shortcut, a head that sees the irrelevant part alone says so: what it
calls an image stands for a group label. Every pair of label and that word then weighs equal.

Source: the known-group anchor is Kirichenko et al., Last Layer Re-Training (ICLR 2023); groups from
the irrelevant part alone are our choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imil.core.arms.focusing import mean_colour
from imil.core.arms.registry import ArmInputs
from imil.core.nets.backbones import Classifier
from imil.core.training.device_images import to_float
from imil.core.training.fit import TrainState, restore

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# scikit-learn's C, on standardised features: strong, as in trials on skin lesions.
_INVERSE_PENALTY = 0.003
# Images that a pair must have to be weighed up in full; a rarer one counts less, or a few images
# would decide. Our choice.
FEWEST_IN_PAIR = 10
_FOLDS = 5
_BATCH = 128


def rebalanced(state: TrainState, inputs: ArmInputs, *, seed: int) -> TrainState:
    """Return the state with its last layer fitted anew on the training images.

    Args:
        state: of the trained arm.
        inputs: its images, labels, and what is irrelevant in them, painted or predicted.
        seed: of the folds.
    """
    module = restore(inputs.plan, state).to(inputs.device).eval()
    labels = inputs.labels[inputs.train]
    whole = _features(module, inputs, alone=False)
    said = _said(_features(module, inputs, alone=True), labels, seed)
    fitted = _head().fit(
        whole, labels, logisticregression__sample_weight=pair_weights(labels, said)
    )
    weight, bias = _as_layer(fitted, inputs.classes)
    return replace(
        state, tensors={**state.tensors, "model.head.weight": weight, "model.head.bias": bias}
    )


def pair_weights(labels: NDArray[np.int64], said: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,) weights by which every pair of label and word weighs equal, 1 on average.

    Args:
        labels: (N,) class indices.
        said: (N,) what the irrelevant part alone is called.
    """
    pairs = labels * (max(labels.max(), said.max()) + 1) + said
    _, place, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    weights = 1 / np.maximum(counts, FEWEST_IN_PAIR)[place]
    shares: NDArray[np.float64] = weights / weights.mean()
    return shares


def _features(module: Classifier, inputs: ArmInputs, *, alone: bool) -> NDArray[np.float32]:
    """Return (N_train, F) of the training images, or of their irrelevant part alone."""
    found = []
    with torch.inference_mode():
        for images in _shown(inputs, alone=alone):
            maps = module.feature_maps(images)
            found.append(maps.mean((2, 3)).float().cpu())
    features: NDArray[np.float32] = torch.cat(found).numpy()
    return features


def _shown(inputs: ArmInputs, *, alone: bool) -> Iterator[Tensor]:
    colour = mean_colour(inputs.images, inputs.train).view(1, -1, 1, 1)
    for start in range(0, len(inputs.train), _BATCH):
        rows = inputs.train[start : start + _BATCH]
        images = to_float(torch.from_numpy(np.asarray(inputs.images[rows])))
        if alone:
            kept = np.stack([inputs.irrelevant(int(row)) for row in rows])
            images = torch.where(torch.from_numpy(kept)[:, None], images, colour)
        yield images.to(inputs.device)


def _said(alone: NDArray[np.float32], labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return (N,) the class that a head on the irrelevant part says, of images it never saw."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict  # noqa: PLC0415  # slow

    # A class of fewer images than folds can't be dealt out.
    folds = int(min(_FOLDS, np.bincount(labels)[np.unique(labels)].min()))
    if folds < 2:  # nothing to leave out
        return np.zeros(len(labels), np.int64)
    deal = StratifiedKFold(folds, shuffle=True, random_state=seed)
    said: NDArray[np.int64] = cross_val_predict(_head(), alone, labels, cv=deal)
    return said


def _head() -> Pipeline:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415  # slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415  # slow to import

    regression = LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), regression)


def _as_layer(fitted: Pipeline, classes: int) -> tuple[Tensor, Tensor]:
    """Return (C, F) weights and (C,) intercepts on features as they are."""
    scaler, regression = fitted[0], fitted[1]
    weights = regression.coef_ / scaler.scale_
    intercepts = regression.intercept_ - weights @ scaler.mean_
    if len(weights) == 1:  # of two classes scikit-learn keeps the difference
        weights, intercepts = (np.concatenate([-v, v]) / 2 for v in (weights, intercepts))
    every, shift = np.zeros((classes, weights.shape[1])), np.full(classes, -1e4)
    every[regression.classes_], shift[regression.classes_] = weights, intercepts
    return torch.from_numpy(every).float(), torch.from_numpy(shift).float()
