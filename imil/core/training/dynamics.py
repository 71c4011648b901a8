"""What a model answered to each training image, epoch by epoch, made whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fill_gaps(epochs: NDArray[np.float32], otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores of every image in every epoch.

    An epoch leaves out the images of its last, smaller batch, others each time. The answer of the
    nearest epoch stands in; of two equally near ones the earlier, when less was learned by heart.
    Our choice.

    Args:
        epochs: (E, N, C) scores; NaN where an image was not shown.
        otherwise: (N, C) for images that no epoch has shown.

    Returns:
        (E, N, C) without NaN, as far as the two have none in common.
    """
    shown: NDArray[np.bool_] = np.asarray(~np.isnan(epochs).any(2))
    count, images = shown.shape
    numbers: NDArray[np.int64] = np.arange(count)
    # In units of half an epoch, so that of two equally near the earlier one is nearer.
    away: NDArray[np.int64] = 2 * np.abs(numbers[:, None] - numbers[None]) + (
        numbers[None] > numbers[:, None]
    )
    filled = epochs.copy()
    for epoch in range(count):
        gaps = np.flatnonzero(~shown[epoch])
        reach = np.where(shown[:, gaps], away[epoch][:, None], 2 * count + 1)
        filled[epoch, gaps] = epochs[reach.argmin(0), gaps]
    never = np.flatnonzero(~shown.any(0)) if count else np.arange(images)
    filled[:, never] = otherwise[never]
    return filled
