"""A small picture of an image with what is hidden under paint, or black."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.core.records import Region

# The paint of the painter, and how much of it is seen: every mask looks like a painted one.
PAINT = np.array([255, 61, 187], np.float32)
VEIL = 0.58


def picture(path: Path) -> NDArray[np.uint8]:
    """Return the (H, W, 3) pixels of an image file."""
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"), np.uint8)


def painted_jpeg(pixels: NDArray[np.uint8], region: Region) -> bytes:
    """Return (H, W, 3) pixels as a JPEG, the (H, W) region under paint."""
    veiled = np.where(region[..., None], (1 - VEIL) * pixels + VEIL * PAINT, pixels)
    return _jpeg(veiled.round().astype(np.uint8))


def blackout_jpeg(pixels: NDArray[np.uint8], region: Region) -> bytes:
    """Return (H, W, 3) pixels as a JPEG, the (H, W) region black: as training goes on with it."""
    return _jpeg(np.where(region[..., None], np.uint8(0), pixels))


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88)
    return file.getvalue()
