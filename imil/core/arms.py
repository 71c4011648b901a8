"""What each arm trains on: one function and one registry line an arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imil.core.augment import base_augmentation
from imil.core.records import Arm, Plan
from imil.core.training import Batch, Batches, to_float
from imil.errors import PlanError


@dataclass(frozen=True, slots=True, eq=False)
class ArmInputs:
    """What an arm may use, at working size.

    Attributes:
        plan: batch size and base augmentation, the same for every arm.
        images: (N, C, S, S) uint8, the whole study, read from disk as it is used.
        labels: (N,) class indices.
        classes: number of classes.
        train: rows of the training images.
        validation: rows of the validation images.
        mirrored: whether flips keep an image plausible.
        edited: from the row of a masked training image to its blacked-out copy, (C, S, S) uint8.
    """

    plan: Plan
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    mirrored: bool
    edited: Mapping[int, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class ReplacingBatches:
    """Every training image once an epoch; those in `replaced` as their edited copy."""

    inputs: ArmInputs
    replaced: Mapping[int, NDArray[np.uint8]]

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch; a last, smaller batch is left out of it."""
        return max(1, len(self.inputs.train) // self.inputs.plan.batch_size)

    @property
    def class_weights(self) -> Tensor:
        """(C,) float32, inversely proportional to class frequency, 1 on average over images."""
        counts = np.bincount(self.inputs.labels[self.inputs.train], minlength=self.inputs.classes)
        weights = counts.sum() / (self.inputs.classes * np.maximum(counts, 1))
        return torch.from_numpy(weights).float()

    def epoch(self, seed: int) -> Iterator[Batch]:
        """Yield the epoch's batches in the order that the seed gives."""
        plan = self.inputs.plan
        generator = torch.Generator().manual_seed(seed)
        order = np.random.default_rng(seed).permutation(self.inputs.train)
        for start in range(0, self.steps * plan.batch_size, plan.batch_size):
            rows = order[start : start + plan.batch_size]
            images = self.inputs.images[rows]
            for place, row in enumerate(rows):
                if (copy := self.replaced.get(int(row))) is not None:
                    images[place] = copy
            augmented = base_augmentation(
                to_float(images),
                generator,
                shift_share=plan.shift_share,
                scale_share=plan.scale_share,
                mirrored=self.inputs.mirrored,
            )
            yield Batch(augmented, torch.from_numpy(self.inputs.labels[rows]))

    def validation(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the un-edited validation images and their labels."""
        rows = self.inputs.validation
        return self.inputs.images[rows], self.inputs.labels[rows]


def control(inputs: ArmInputs) -> Batches:
    """Train on without masks: the same extra steps, nothing else."""
    return ReplacingBatches(inputs, {})


def imil(inputs: ArmInputs) -> Batches:
    """Replace the masked images by their blacked-out copies (the paper's way).

    With no mask at all it equals `control`.
    """
    return ReplacingBatches(inputs, inputs.edited)


ARMS: Mapping[Arm, Callable[[ArmInputs], Batches]] = MappingProxyType(
    {Arm.CONTROL: control, Arm.IMIL: imil}
)


def parse_arms(names: tuple[str, ...]) -> tuple[Arm, ...]:
    """Return the named arms, `control` first and always among them, each once.

    Raises:
        PlanError: if a name is unknown.
    """
    unknown = [name for name in names if name not in set(Arm)]
    if unknown:
        raise PlanError(
            f"There is no arm “{unknown[0]}”.",
            why="A comparison is made of known training conditions only.",
            fix=f"Use one of: {', '.join(ARMS)}.",
        )
    return tuple(dict.fromkeys((Arm.CONTROL, *(Arm(name) for name in names))))
