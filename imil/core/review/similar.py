"""Which images look alike to the model: the nearest in what its head decides on."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from imil.core.nets.backbones import Classifier
from imil.core.training.pictures import to_float
from imil.errors import PlanError


def penultimate(module: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (N, F) float32, what the head decides on for each image; one forward pass.

    Args:
        module: from `imil.core.nets.backbones.build`, on the CPU; left in eval mode.
        images: (N, C, S, S) uint8, few enough for one pass.

    Raises:
        PlanError: the module is none of ours.
    """
    if not isinstance(module, Classifier):
        raise PlanError(
            f"Similar images can't be found with a {type(module).__name__}.",
            why="They are compared in what a classifier's head decides on, and this has no head.",
            fix="Use one of the backbones that a plan can name.",
        )
    module.eval()
    with torch.inference_mode():
        features = module.features(to_float(images))
    return cast("NDArray[np.float32]", features.float().numpy())


def nearest(
    features: NDArray[np.float32], wanted: NDArray[np.float32], *, limit: int
) -> NDArray[np.int64]:
    """Return the places of the most similar features, the most similar first.

    By cosine similarity: how strongly the model answers differs between images that look alike, and
    the length of a feature follows that. Our choice.

    Args:
        features: (N, F) of the candidates.
        wanted: (F,) of the image that others are to resemble.
        limit: the most places to return.

    Returns:
        (at most `limit`,) places in `features`, none twice; empty for no candidates. Ties keep
        row order; features that are zero everywhere resemble nothing, and come last.

    Raises:
        ValueError: if the sizes differ.
    """
    if features.ndim != 2 or wanted.shape != features.shape[1:]:
        raise ValueError("features differ in size")
    lengths = np.linalg.norm(features, axis=1)
    products = (features @ wanted).astype(np.float64)
    likeness = np.full(len(features), -np.inf)
    np.divide(products, lengths, out=likeness, where=lengths > 0)
    order: NDArray[np.int64] = np.argsort(-likeness, kind="stable")[: max(0, limit)]
    return order
