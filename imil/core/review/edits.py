"""What is put where a region is hidden, and whether the edited image replaces its original."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional

from imil.core.records import Region

# Radius of the blur, as a share of the side: wide enough that a marker can't be read. Our choice.
BLUR_SHARE = 0.125
# What fills a region from around it: worked out on a grid of at most this side, with a pixel's mean
# over the smallest of these radii in which this share is seen. Our choice, from films of 64 px.
FILL_GRID = 64
FILL_RADII = (1, 2, 4, 8, 16, 32)
LEAST_SEEN = 0.2


class Fill(StrEnum):
    """What hides a region."""

    BLACK = "black"  # the paper
    MEAN = "mean"
    NOISE = "noise"
    BLUR = "blur"
    SWAP = "swap"


class Mode(StrEnum):
    """Whether edited copies take the places of their originals (the paper) or stand beside them."""

    REPLACE = "replace"
    APPEND = "append"


def fill_region(
    image: NDArray[np.uint8],
    irrelevant: Region,
    fill: Fill,
    *,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return a copy of a working image with its irrelevant region filled.

    Args:
        image: (C, S, S) uint8; left as it is.
        irrelevant: (S, S), True = hide.
        fill: `black` is 0; `mean` the image's own mean a channel; `noise` normal with the image's
            mean and spread; `blur` a Gaussian blur of `BLUR_SHARE`. All but black are our choice.
            Not `swap`, which needs a donor: see `swap_region`.
        rng: of the noise.

    Raises:
        ValueError: sizes differ, or the fill is `swap`.
    """
    if image.shape[1:] != irrelevant.shape:
        raise ValueError("mask and image differ in size")
    edited = image.copy()
    edited[:, irrelevant] = _content(image, fill, rng)[:, irrelevant]
    return edited


def filled_from_around(
    image: NDArray[np.uint8], opacities: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Return copies of a working image, each with a region filled from what is around it.

    Unlike black it draws no hole with an edge, which a model may read as something new. A pixel
    takes the mean of what is seen within the smallest of some radii in which enough is seen.

    Args:
        image: (C, S, S) uint8; left as it is.
        opacities: (N, S, S), 0-1: how far each pixel is hidden in each copy.

    Returns:
        (N, C, S, S).

    Source: our choice, among eight fills tried on films.
    """
    pixels = torch.from_numpy(image.astype(np.float32))
    hidden = torch.from_numpy(np.ascontiguousarray(opacities, np.float32))[:, None]
    seen, step = 1 - hidden, math.ceil(image.shape[-1] / FILL_GRID)
    values = functional.avg_pool2d(pixels * seen, step, ceil_mode=True)
    weights = functional.avg_pool2d(seen, step, ceil_mode=True)
    filled, missing = torch.zeros_like(values), torch.ones_like(weights)
    for radius in FILL_RADII:
        weight = _smoothed(weights, radius)
        found = missing * (weight > LEAST_SEEN)
        filled += found * _smoothed(values, radius) / weight.clamp(min=LEAST_SEEN)
        missing -= found
    everywhere = values.mean((2, 3), keepdim=True) / weights.mean((2, 3), keepdim=True).clamp(1e-6)
    filled += missing * everywhere
    filled = functional.interpolate(filled, pixels.shape[-2:], mode="bilinear")
    copies: NDArray[np.uint8] = (pixels * seen + filled * hidden).round().byte().numpy()
    return copies


def _smoothed(grid: torch.Tensor, radius: int) -> torch.Tensor:
    """Return a (N, C, h, w) grid after two box blurs; beyond its border is nothing."""
    across, down = (1, 2 * radius + 1), (2 * radius + 1, 1)
    for kernel in (across, down, across, down):
        padding = (kernel[0] // 2, kernel[1] // 2)
        grid = functional.avg_pool2d(grid, kernel, 1, padding, count_include_pad=False)
    return grid


def _content(image: NDArray[np.uint8], fill: Fill, rng: np.random.Generator) -> NDArray[np.uint8]:
    if fill is Fill.BLACK:
        return np.zeros_like(image)
    if fill is Fill.SWAP:
        raise ValueError("a swap needs a donor")
    mean = image.mean((1, 2), keepdims=True)
    if fill is Fill.MEAN:
        return np.broadcast_to(np.round(mean).astype(np.uint8), image.shape)
    if fill is Fill.NOISE:
        noise = rng.normal(mean, image.std((1, 2), keepdims=True), image.shape)
        return np.clip(np.round(noise), 0, 255).astype(np.uint8)
    blur = ImageFilter.GaussianBlur(BLUR_SHARE * image.shape[1])
    return np.stack([np.asarray(Image.fromarray(c).filter(blur)) for c in image])
