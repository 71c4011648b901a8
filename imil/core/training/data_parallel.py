"""Several processes that train one network: each computes its slice of every batch.

They are those of torch.distributed's default group; a process without a group trains alone. All
draw the same batches from the epoch's seed, and torch's DistributedDataParallel synchronises the
gradients.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from imil.core.nets.backbones import Classifier
from imil.core.training.batches import Batch


def world_size() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if _grouped() else 1


def rank() -> int:
    """Return which of them this one is, from 0; the first alone writes files."""
    return distributed.get_rank() if _grouped() else 0


def _grouped() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def with_synced_batch_norm(module: Classifier) -> Classifier:
    """Let normalisation see the whole batch; torch has this for GPUs alone."""
    return cast("Classifier", nn.SyncBatchNorm.convert_sync_batchnorm(module))  # type: ignore[no-untyped-call]  # torch's


class DataParallelObjective:
    """The loss of whole batches, of which each process computes its slice.

    Args:
        objective: from a batch to the mean loss, the penalty added to it, and the logits.
        weights: (C,) of the cross-entropy.
    """

    def __init__(self, objective: nn.Module, weights: Tensor | None) -> None:
        self._parallel = DistributedDataParallel(objective)
        self._weights = weights

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return what to minimise here, and the loss and the logits of the whole batch."""
        count = len(batch.labels)
        start, stop = (count * each // world_size() for each in (rank(), rank() + 1))
        own = batch.part(slice(start, stop))
        loss, penalty, answers = self._parallel(own)
        # Of the whole batch's mean, not of the mean of the slices' means: they differ in size, and
        # in the weights of their classes. DistributedDataParallel divides the sum by `world_size`.
        total = loss * self._divisor(own.labels) / self._divisor(batch.labels)
        if penalty is not None:
            total = total + penalty * (stop - start) / count
        logits = torch.zeros(count, answers.shape[1], device=answers.device)
        logits[start:stop] = answers.detach()
        distributed.all_reduce(logits)
        whole = functional.cross_entropy(logits, batch.labels, self._weights)
        return total * world_size(), whole, logits

    def _divisor(self, labels: Tensor) -> Tensor | float:
        """Return what a mean over labels divides by; soft ones count one each, as in torch."""
        if self._weights is None or labels.ndim > 1:
            return float(len(labels))
        return self._weights[labels].sum()
