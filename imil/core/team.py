"""The processes that train one net together, each on its part of every batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Team:
    """One of several processes; what they say to each other goes through torch.distributed.

    Every process draws the same order and the same changes of images from the epoch's seed, so
    that together they see the batches that one process alone would see.

    Attributes:
        rank: which one this is, from 0; the first one alone writes files.
        size: how many there are; a process alone says nothing to anybody.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def part(self, of: slice) -> slice:
        """Return this process's own part of things in a row, from `of.start` to `of.stop`."""
        count = of.stop - of.start
        first, last = (of.start + count * rank // self.size for rank in (self.rank, self.rank + 1))
        return slice(first, last)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all processes; what was given is left as it is."""
        if self.size == 1:
            return values
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    def add_gradients(self, module: nn.Module) -> None:
        """Replace every gradient by its sum over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        # One message for all: a net has hundreds of small tensors.
        whole = self.total(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        parts = torch.split(whole, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, module: nn.Module) -> None:
        """Give every process the first one's statistics, which normalisation keeps of its part."""
        if self.size > 1:
            for buffer in module.buffers():
                distributed.broadcast(buffer, 0)

    def all_told(self, own: Told) -> list[Told]:
        """Return what each process has to tell, in their order, to all of them."""
        if self.size == 1:
            return [own]
        told: list[Told | None] = [None] * self.size
        distributed.all_gather_object(told, own)
        return [each for each in told if each is not None]

    def heard(self, said: Told | None) -> Told | None:
        """Return what the first process says, to all of them."""
        if self.size == 1:
            return said
        message: list[Told | None] = [said]
        distributed.broadcast_object_list(message, 0)
        return message[0]


ALONE = Team()


def interleaved(parts: Sequence[Sequence[Told]]) -> list[Told]:
    """Return what every process kept of each batch, batch after batch, in the processes' order."""
    return [kept for batch in zip(*parts, strict=True) for kept in batch]
