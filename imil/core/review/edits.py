"""What is put where a region is hidden, and whether the edited image replaces its original."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imil.core.records import Region

# Radius of the blur, as a share of the side: wide enough that a marker can't be read. Our choice.
BLUR_SHARE = 0.125


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
