"""Working images where they are needed: on the GPU, which is never waited for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Largest share of the GPU's free memory for images: the rest is for the training itself. Our
# choice; 100,000 grey images of 64 px are 0.4 GB.
MOST_OF_FREE = 0.4
# Bytes read from disk and sent at once.
_PART = 1 << 28


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return the values on the device; a GPU copies them while the program goes on."""
    if device.type == "cpu":
        return values
    # Without pinned memory the copy would wait until the GPU has done all before it.
    return values.pin_memory().to(device, non_blocking=True)


def cache_on_gpu(images: NDArray[np.uint8], device: str) -> Tensor | None:
    """Return the images, (N, C, S, S) uint8, on the GPU; None without one, or where they don't fit.

    They are then gathered there row by row, and no step waits for images.
    """
    if device == "cpu":
        return None
    free, _ = torch.cuda.mem_get_info()
    if images.nbytes > MOST_OF_FREE * free:
        return None
    there = torch.empty(images.shape, dtype=torch.uint8, device=device)
    rows = max(1, _PART // max(1, images[:1].nbytes))
    for start in range(0, len(images), rows):
        # A copy: images read from disk can't be written to, which torch asks for.
        part = torch.from_numpy(np.array(images[start : start + rows]))
        there[start : start + rows].copy_(part)
    return there


def gather(
    images: NDArray[np.uint8] | Tensor, rows: NDArray[np.int64], device: torch.device
) -> Tensor:
    """Return a copy of some rows of the images, uint8, on the device."""
    if isinstance(images, Tensor):
        return images.index_select(0, to_device(torch.from_numpy(rows), device))
    return to_device(torch.from_numpy(np.asarray(images[rows])), device)


def to_float(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """Return uint8 images as float32 in 0-1, where they are."""
    # A copy: images read from disk as they are used can't be written to, which torch asks for.
    there = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    return there.float().div_(255)
