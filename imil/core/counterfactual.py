"""What would the model say if what is irrelevant came from another image?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def swap_region(
    images: NDArray[np.uint8], irrelevant: NDArray[np.bool_], donors: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return copies whose irrelevant pixels are those of the donors, at the same place.

    The edge is hard. A soft one would mix the original's irrelevant pixels into a border that the
    model still sees, so that a prediction could lean on them all the same; our choice.

    Args:
        images: (B, C, S, S), at working size; left as they are.
        irrelevant: (B, S, S).
        donors: (B, C, S, S), the other image of each.

    Raises:
        ValueError: if the shapes differ or the regions are not boolean.
    """
    if images.shape != donors.shape or images.shape[:1] + images.shape[2:] != irrelevant.shape:
        raise ValueError("images, regions and donors differ in shape")
    if irrelevant.dtype != np.bool_:
        raise ValueError("a region is boolean")
    return np.where(irrelevant[:, None], donors, images)


def draw_donors(
    rows: NDArray[np.int64], candidates: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return another image for each row: uniform over the candidates, never the row itself.

    Args:
        rows: (B,) rows of the images to edit; they may or may not be candidates.
        candidates: distinct rows of the images that may lend their pixels: of the same split.
        rng: draws one number a row, whatever the candidates are.

    Returns:
        (B,) rows.

    Raises:
        ValueError: if candidates repeat, or a row has no other candidate than itself.
    """
    pool = np.unique(candidates)
    if len(pool) != len(candidates):
        raise ValueError("candidates are not distinct")
    place = np.searchsorted(pool, rows)
    own = pool[np.minimum(place, len(pool) - 1)] == rows if len(pool) else np.zeros(len(rows), bool)
    others = len(pool) - own
    if (others < 1).any():
        raise ValueError("an image has no other to take pixels from")
    drawn = np.minimum((rng.random(len(rows)) * others).astype(np.int64), others - 1)
    # The candidates without the row itself: those from its place on move up by one.
    donors: NDArray[np.int64] = pool[drawn + (own & (drawn >= place))]
    return donors


def flip_rate(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Return the share (0-1) of predictions that the edit changes, whether to right or to wrong.

    Args:
        before: (N, C) scores of the images as they are, N at least 1.
        after: (N, C) or (M, N, C) scores of edited copies; M copies an image are averaged over.

    Raises:
        ValueError: if the shapes do not go together.
    """
    if before.ndim != 2 or before.shape != after.shape[-2:] or after.size == 0:
        raise ValueError("scores before and after differ in shape")
    return float((after.argmax(-1) != before.argmax(-1)).mean())
