"""What pixels of a few images say: whether they have two values alone, as masks do."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image

# Bytes and pixels of an image that is looked at; a mask of a film packs into a few kilobytes.
MAX_BYTES, MAX_PIXELS = 4 * 2**20, 16 * 2**20
# Grey levels that count as one, and the share of pixels that the two fullest must have.
_BIN, _SHARE = 16, 0.97
# Grey levels of a map of several regions, numbered from 0.
MOST_LEVELS_OF_MASKS = 6
# Why an image that shows nothing is left out.
ONE_LEVEL = "It is of one grey level or colour alone, and shows nothing."
TRANSPARENT = "It is transparent all over, and shows nothing."
# Share of the second one, below which an image has one value alone and tells nothing.
_LEAST = 0.002


def two_valued(file: BinaryIO) -> bool | None:
    """Return whether an image has two grey values alone; None where that can't be told.

    Values near each other count as one, as JPEG makes of them. A few exact values count as well:
    those of a map of several regions.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            counts = np.asarray(image.convert("L").histogram(), float)
    except Exception:  # noqa: BLE001  # a damaged file makes Pillow raise almost anything
        return None
    if 2 <= np.count_nonzero(counts) <= MOST_LEVELS_OF_MASKS:
        return True
    bins = np.sort(counts.reshape(-1, _BIN).sum(axis=1)) / max(counts.sum(), 1)
    if bins[-2] < _LEAST:
        return None
    return bool(bins[-2:].sum() >= _SHARE)


def why_blank(file: BinaryIO) -> str:
    """Say in one sentence why an image shows nothing; "" where it shows something or isn't read.

    It has one grey level or colour, or is transparent all over.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS or getattr(image, "is_animated", False):
                return ""
            if image.mode == "F":  # may hold what is no number
                return ""
            alpha = image.convert("RGBA").getchannel("A").getextrema()
            if alpha == (0, 0):
                return TRANSPARENT
            as_shown = image.mode in ("P", "PA", "LA", "RGBA")
            levels = (image.convert("RGB") if as_shown else image).getextrema()
    except Exception:  # noqa: BLE001  # a damaged file makes Pillow raise almost anything
        return ""
    bands = levels if isinstance(levels[0], tuple) else (levels,)
    return ONE_LEVEL if all(low == high for low, high in bands) else ""
