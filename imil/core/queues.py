"""Which training images are offered for review, in which order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from imil.core.records import Budget, Outlier
from imil.errors import PlanError


def find_outliers(
    logits: Tensor, labels: NDArray[np.int64], sample_ids: Sequence[str]
) -> tuple[Outlier, ...]:
    """Return the mispredicted samples, highest cross-entropy first: queue `mispredicted`.

    Never padded: an image that is merely of high loss is no outlier.

    Args:
        logits: (N, C) raw scores of the *training* images, un-edited, un-augmented, in eval mode.
        labels: (N,) class indices.
        sample_ids: N ids, in the order of the rows.

    Returns:
        Empty when every prediction is right. Ties keep row order.

    Raises:
        ValueError: if the three inputs differ in length.

    Source: Rao et al., IMIL (CVPR Workshops 2024), "misprediction outliers"; the order is our
    choice.
    """
    if not len(logits) == len(labels) == len(sample_ids):
        raise ValueError("logits, labels and sample_ids differ in length")
    target = torch.from_numpy(labels)
    losses = functional.cross_entropy(logits.double(), target, reduction="none").numpy()
    predicted = logits.argmax(1).numpy()
    confidence = torch.softmax(logits.double(), 1).amax(1).numpy()
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-losses[wrong], kind="stable")]
    return tuple(
        Outlier(
            sample_ids[i], int(labels[i]), int(predicted[i]), float(confidence[i]), float(losses[i])
        )
        for i in order
    )


def allowed_masks(share: float, training_images: int) -> int:
    """Return how many distinct training images may be painted: the share, rounded up.

    Raises:
        PlanError: if the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise PlanError(
            f"A budget of {share:g} can't be used.",
            why="The budget is the share of the training images that may be painted.",
            fix="Give a share above 0 and at most 1, such as 0.04 (the paper's 4 %).",
        )
    # A share such as 0.07 of 100 is 7.000000000000001 in binary: don't let it become 8.
    return math.ceil(round(share * training_images, 9))


def budget(share: float, training_images: int, painted: int) -> Budget:
    """Return how much of the study's budget is used."""
    return Budget(share, allowed_masks(share, training_images), painted)
