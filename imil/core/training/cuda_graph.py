"""A training step told to the GPU once and repeated: small nets else keep it waiting for orders."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

# Pixels of a batch above which a GPU computes for longer than it takes to tell it what to do, so
# that nothing is gained for the memory it costs. Our choice: film_net's largest batch is half.
MOST_GRAPH_PIXELS = 1 << 23
# Steps taken as usual first: libraries set themselves up in them, and pick their algorithms.
_WARM = 3

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class CudaGraphStep:
    """A step that is taken as usual a few times, then captured as a CUDA graph and replayed.

    Whatever the step changes, it must change in place; so an optimiser is `capturable`, and its
    rate a tensor on the GPU.

    Args:
        step: from images and labels on the GPU to loss and logits.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._warm = 0
        self._graphs: dict[Hashable, _Captured] = {}

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step and return its loss and logits."""
        shape = (images.shape, labels.shape, labels.dtype)
        if shape not in self._graphs:
            if self._warm < _WARM:
                self._warm += 1
                return self._aside(images, labels)
            self._graphs[shape] = _Captured(self._step, images, labels)
        return self._graphs[shape].replay(images, labels)

    def _aside(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take the step on another stream, as CUDA asks of steps that are captured later."""
        usual = torch.cuda.current_stream()
        self._side.wait_stream(usual)
        with torch.cuda.stream(self._side):
            told = self._step(images, labels)
        usual.wait_stream(self._side)
        return told


class _Captured:
    """A step's graph for one shape, and the tensors that it reads and writes."""

    def __init__(self, step: Step, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = images.clone(), labels.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._told = step(self._images, self._labels)

    def replay(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        loss, logits = self._told
        # The next replay writes over both.
        return loss.clone(), logits.clone()
