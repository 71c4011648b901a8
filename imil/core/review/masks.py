"""What a mask does to an image, and which masks are refused. True = hide, everywhere."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.core.bounds import MOST_SECONDS
from imil.core.images import to_uint8
from imil.core.records import Pixels, Region
from imil.errors import MaskError

# Above this share too little is left to learn the diagnosis from. Our choice, not the paper's.
MAX_COVERAGE = 0.9


def check_seconds(seconds: Any) -> float:
    """Return the time that a mask took, in seconds.

    Raises:
        MaskError: it is no finite number from 0 to `MOST_SECONDS`.
    """
    number = isinstance(seconds, Real)
    if not number or not 0 <= seconds <= MOST_SECONDS:
        raise MaskError(
            "The time that the mask took can't be kept.",
            why=f"It is a number of seconds from 0 to {MOST_SECONDS:.0f}, and this is none.",
            fix="Send the seconds that the image was in sight.",
        )
    return float(seconds)


def coverage(irrelevant: Region) -> float:
    """Return the share of the image that is hidden, 0-1."""
    return float(irrelevant.mean())


def check_mask(irrelevant: NDArray[np.generic], shape: tuple[int, int]) -> Region:
    """Return the mask if it can be used on an image of that (H, W).

    Raises:
        MaskError: wrong size, nothing painted, or more than `MAX_COVERAGE` painted.
        ValueError: not boolean.
    """
    region = check_mask_size(irrelevant, shape)
    if not region.any():
        raise MaskError(
            "Nothing is painted.",
            why="An empty mask would change nothing, but would count against the budget.",
            fix="Paint over what should not matter, or skip this image.",
        )
    if coverage(region) > MAX_COVERAGE:
        raise MaskError(
            f"{coverage(region):.0%} of the image is blacked out.",
            why=f"Over {MAX_COVERAGE:.0%} leaves too little to learn from.",
            fix="Erase part of the mask so that the finding stays visible.",
        )
    return region


def check_mask_size(irrelevant: NDArray[np.generic], shape: tuple[int, int]) -> Region:
    """Return the mask if it is of that (H, W), however much it hides.

    Raises:
        MaskError: wrong size.
        ValueError: not boolean.
    """
    if irrelevant.dtype != np.bool_:
        raise ValueError("a mask is boolean")
    region: Region = irrelevant.astype(np.bool_, copy=False)
    if region.shape != shape:
        drawn = " x ".join(map(str, region.shape[::-1]))
        raise MaskError(
            f"The mask is {drawn} px, the image {shape[1]} x {shape[0]} px.",
            why="A mask says for every pixel of the stored image whether it is hidden.",
            fix="Give a mask of the image's own size.",
        )
    return region


def working_region(irrelevant: Region, *, size: int) -> Region:
    """Return the region at working size, (size, size): a pixel is hidden if half of it was."""
    areas = Image.fromarray(irrelevant.astype(np.uint8) * 255).resize(
        (size, size), Image.Resampling.BOX
    )
    region: Region = np.asarray(areas) >= 128
    return region


def fitted_region(irrelevant: Region, shape: tuple[int, int]) -> Region:
    """Return the region at another image's (H, W): each pixel takes the nearest one's value."""
    height, width = shape
    if irrelevant.shape == shape:
        return irrelevant
    fitted = Image.fromarray(irrelevant).resize((width, height), Image.Resampling.NEAREST)
    region: Region = np.asarray(fitted, np.bool_)
    return region


def apply_blackout(pixels: Pixels, irrelevant: Region) -> NDArray[np.uint8]:
    """Return the image as it is shown, with its irrelevant pixels black (the paper's edit).

    The window of an image of more than 8 bits is taken before anything is hidden: stored zeros
    would move it, and so change the grey of every pixel that is not hidden.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16; left as it is.
        irrelevant: (H, W).

    Returns:
        The same shape, uint8; outside the region equal to `to_uint8(pixels)`.

    Raises:
        ValueError: if the sizes differ.
    """
    if pixels.shape[:2] != irrelevant.shape:
        raise ValueError("mask and image differ in size")
    edited = to_uint8(pixels).copy()
    edited[irrelevant] = 0
    return edited
