"""Windows: which stored values of a grey image are shown from black to white."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import numpy as np

from imil.core.records import Pixels

# Shares of an image's grey values that become black and white in the window `auto`, which is also
# how the classifier sees more than 8 bits. Our choice: wide enough to keep the anatomy, narrow
# enough that one bright marker doesn't flatten it.
AUTO_PERCENTILES = (0.5, 99.5)

# A radiograph's grey values have no unit, so that a preset is a share of the window `auto`: air is
# in its lower part, bone in its upper one. Our choice.
LUNG_SHARE = (0.0, 0.65)
BONE_SHARE = (0.4, 1.0)

# The lowest stored value, shown black, and the highest, shown white.
Bounds: TypeAlias = tuple[int, int]


class Window(StrEnum):
    """A preset, in the order in which the screen offers them."""

    FULL = "full"
    LUNG = "lung"
    BONE = "bone"
    AUTO = "auto"


def auto_bounds(pixels: Pixels) -> tuple[float, float]:
    """Return the grey values at `AUTO_PERCENTILES`; equal where the image is of one grey."""
    low, high = np.percentile(pixels, AUTO_PERCENTILES)
    return float(low), float(high)


def full_bounds(pixels: Pixels) -> Bounds:
    """Return all values: 0-255 at 8 bits, the darkest and brightest there are at 16.

    Of 16 bits most images use few: what is not there needs no grey.
    """
    if pixels.dtype == np.uint8:
        return 0, 255
    return _apart(float(pixels.min()), float(pixels.max()))


def window_presets(pixels: Pixels) -> dict[Window, Bounds]:
    """Return the bounds of each preset for an image.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.

    Returns:
        Low and high stored values, low < high; `full` alone for colour, where grey values mean
        nothing by themselves.
    """
    presets = {Window.FULL: full_bounds(pixels)}
    if pixels.ndim == 3:
        return presets
    low, high = auto_bounds(pixels)
    for name, (start, end) in {
        Window.LUNG: LUNG_SHARE,
        Window.BONE: BONE_SHARE,
        Window.AUTO: (0.0, 1.0),
    }.items():
        presets[name] = _apart(low + start * (high - low), low + end * (high - low))
    return presets


def _apart(low: float, high: float) -> Bounds:
    black, white = round(low), round(high)
    return black, max(white, black + 1)
