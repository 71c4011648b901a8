"""What pixels of a few images say: whether they have two values alone, as masks do."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image

# Bytes and pixels of an image that is looked at; a mask of a film packs into a few kilobytes.
MAX_BYTES, MAX_PIXELS = 4 * 2**20, 16 * 2**20
# Grey levels that count as one, and the share of pixels that the two fullest must have.
_BIN, _SHARE = 16, 0.97
# Share of the second one, below which an image has one value alone and tells nothing.
_LEAST = 0.002


def two_valued(file: BinaryIO) -> bool | None:
    """Return whether an image has two grey values alone; None where that can't be told.

    Values near each other count as one, as JPEG makes of them.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            counts = np.asarray(image.convert("L").histogram(), float)
    except Exception:  # noqa: BLE001  # a damaged file makes Pillow raise almost anything
        return None
    bins = np.sort(counts.reshape(-1, _BIN).sum(axis=1)) / max(counts.sum(), 1)
    if bins[-2] < _LEAST:
        return None
    return bool(bins[-2:].sum() >= _SHARE)
