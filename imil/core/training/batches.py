"""What one optimiser step sees, and what gives it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from imil.core.arms.variants import Penalty

# (N, C, S, S) uint8: read from disk as they are used, or on the GPU.
Images: TypeAlias = NDArray[np.uint8] | Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one optimiser step sees; its tensors are on the plan's device.

    Attributes:
        images: (B, C, S, S) float32 in 0-1.
        labels: (B,) int64, or (B, classes) float32 where images are mixed.
        rows: (B,) the study's row of each image; -1 where it is shown edited. None where images
            are mixed or changed beyond the base augmentation.
        penalised: (B, S, S) bool, where the classifier must not look; None for nowhere.
        penalty_weight: weight of that penalty in the loss; 0 where nothing is penalised.
        penalty: what is penalised there.
    """

    images: Tensor
    labels: Tensor
    rows: NDArray[np.int64] | None = None
    penalised: Tensor | None = None
    penalty_weight: float = 0.0
    penalty: Penalty = Penalty.INPUT_GRADIENTS

    def part(self, of: slice) -> Batch:
        """Return some of the batch's images."""
        return replace(
            self,
            images=self.images[of],
            labels=self.labels[of],
            rows=None if self.rows is None else self.rows[of],
            penalised=None if self.penalised is None else self.penalised[of],
        )


class Batches(Protocol):
    """What an arm trains on. The same number of steps an epoch in every arm."""

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch."""

    @property
    def class_weights(self) -> Tensor:
        """(C,) float32 weights of the cross-entropy."""

    @property
    def train(self) -> NDArray[np.int64]:
        """(N_train,) rows of the training images, ascending."""

    def epoch(self, seed: int) -> Iterator[Batch]:
        """Yield `steps` augmented batches; the seed alone decides order and draws."""

    def validation(self) -> tuple[Images, NDArray[np.int64], NDArray[np.int64]]:
        """Return all un-edited images, and the rows and the labels of those of validation."""
