"""A small model of which pixels are painted over, from contrast, texture and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Side of the grid that the model works on; finer ones cost more and gained nothing in trials.
_GRID = 32
BLURS = (0.02, 0.05, 0.1)  # widths (sigma) of the blurred colours, share of the side
CONTEXT_BLURS = (0.03, 0.08, 0.16)  # the same for the first answer that the second one reads
BORDER = 0.08  # share of the side: the ring that colours are compared with
LEAST_DEVIATION = 0.02  # of colours in 0-1, so that a flat image's grain is not blown up
LEAST_WEIGHT = 1e-3  # of a cell in the middle of what is relevant, so that there always is one
MOST_OF_A_CELL = 0.5  # share of a cell's pixels
PIXELS_LEARNED_FROM = 20_000  # neighbours are alike; more cost time and gain nothing
INVERSE_PENALTY = 0.1  # scikit-learn's C: strong, because a few dozen masks are few


@dataclass(frozen=True, slots=True, eq=False)
class PixelModel:
    """Two logistic regressions, the second of which also sees the first's answer around a pixel.

    Source: Tu, Auto-context (CVPR 2008). Without the second step a lesion's pale middle and a far
    hair look alike: on skin lesions it gained 1.5 to 5 points of the relevant region's Dice.
    """

    first: Pipeline
    second: Pipeline

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (B, S, S), 0-1, not yet calibrated, of (B, C, S, S) images."""
        features = _features(images)
        side = _grid_side(images)
        around = _context(_asked(self.first, features).reshape(-1, side, side))
        cells = _asked(self.second, np.hstack([features, around])).reshape(-1, 1, side, side)
        whole = functional.interpolate(
            torch.from_numpy(cells), images.shape[2:], mode="bilinear", align_corners=False
        )
        confidence: NDArray[np.float32] = whole[:, 0].numpy()
        return confidence


def fit_pixel_model(
    images: NDArray[np.uint8], masks: NDArray[np.bool_], seed: int
) -> PixelModel | None:
    """Return the model; None if no cell, or every cell, of the grid is mostly painted over.

    Args:
        images: (P, C, S, S), the painted ones.
        masks: (P, S, S), True = hide.
        seed: of the cells that are learned from.
    """
    side = _grid_side(images)
    cells = functional.adaptive_avg_pool2d(torch.from_numpy(masks).float(), side)
    hidden = (cells >= MOST_OF_A_CELL).numpy().reshape(-1)
    sampled = some_pixels(len(hidden), seed)
    if hidden[sampled].all() or not hidden[sampled].any():
        return None
    features = _features(images)
    first = _regression().fit(features[sampled], hidden[sampled])
    around = _context(_asked(first, features).reshape(-1, side, side))
    both = np.hstack([features, around])[sampled]
    return PixelModel(first, _regression().fit(both, hidden[sampled]))


def some_pixels(count: int, seed: int) -> NDArray[np.int64]:
    """Return at most `PIXELS_LEARNED_FROM` of `count` places."""
    if count <= PIXELS_LEARNED_FROM:
        return np.arange(count)
    return np.random.default_rng(seed).choice(count, PIXELS_LEARNED_FROM, replace=False)


def _regression() -> Pipeline:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415  # slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415  # slow to import

    return make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=1000))


def _asked(model: Pipeline, features: NDArray[np.float32]) -> NDArray[np.float32]:
    asked: NDArray[np.float32] = model.predict_proba(features)[:, 1].astype(np.float32)
    return asked


def _grid_side(images: NDArray[np.uint8]) -> int:
    return min(_GRID, int(images.shape[-1]))


def _features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what each grid cell looks like, (B * G * G, F).

    Colours are taken relative to their image, never as they are: with a few dozen images a model
    would learn by heart which image is bright. On skin lesions (60 masks, three draws) that changed
    the relevant region's Dice from .73, .78, .74 to .76, .77, .77, and the spread with it.
    """
    side = _grid_side(images)
    pixels = torch.from_numpy(np.array(images)).float().div_(255)
    colours = functional.adaptive_avg_pool2d(pixels, side).numpy()
    grey = colours.mean(1, keepdims=True)
    mean = colours.mean((2, 3), keepdims=True)
    deviation = colours.std((2, 3), keepdims=True) + LEAST_DEVIATION
    border = np.median(colours[:, :, _ring(side)], axis=2)[:, :, None, None]
    parts = [(colours - mean) / deviation, colours - border]
    for width in BLURS:
        blurred = _blur(colours, width)
        variance = _blur(grey**2, width) - _blur(grey, width) ** 2
        parts += [
            (blurred - mean) / deviation,
            blurred - border,
            np.sqrt(np.maximum(variance, 0)),
        ]
    parts += [_rank(_blur(grey, BLURS[0])), _place(len(images), side)]
    return _as_rows(np.concatenate(parts, axis=1))


def _context(confidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first answer around each cell, (B * G * G, 7), from (B, G, G)."""
    answer = confidence[:, None]
    mean = np.broadcast_to(answer.mean((2, 3), keepdims=True), answer.shape)
    above = answer - answer.min((2, 3), keepdims=True)
    blurred = [_blur(answer, width) for width in CONTEXT_BLURS]
    return _as_rows(np.concatenate([answer, *blurred, mean, above, _distance(answer)], axis=1))


def _distance(answer: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far a cell lies from the middle of what seems relevant, share of the side."""
    weight = (1 - answer) ** 2 + LEAST_WEIGHT
    down, across = _axes(answer.shape[-1])
    total = weight.sum((2, 3), keepdims=True)
    middle_down = (weight * down).sum((2, 3), keepdims=True) / total
    middle_across = (weight * across).sum((2, 3), keepdims=True) / total
    away: NDArray[np.float32] = np.hypot(down - middle_down, across - middle_across)
    return away


def _place(count: int, side: int) -> NDArray[np.float32]:
    """Return (B, 4, G, G): down, across, distance to the middle and to the border."""
    down, across = np.broadcast_arrays(*_axes(side))
    inside = np.minimum(0.5 - abs(down), 0.5 - abs(across))
    place = np.stack([down, across, np.hypot(down, across), inside])
    return np.broadcast_to(place, (count, *place.shape))


def _axes(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    axis = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    return axis[:, None], axis[None, :]


def _rank(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each cell's place, 0-1, among its image's cells from dark to bright."""
    flat = grey.reshape(len(grey), -1)
    order = flat.argsort(1, kind="stable").argsort(1, kind="stable")
    return (order / flat.shape[1]).astype(np.float32).reshape(grey.shape)


def _ring(side: int) -> NDArray[np.bool_]:
    width = max(1, round(BORDER * side))
    ring = np.ones((side, side), np.bool_)
    ring[width:-width, width:-width] = False
    return ring


def _blur(maps: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return (B, K, G, G) maps blurred by a Gaussian of that width, share of the side."""
    sigma = width * maps.shape[-1]
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(
        maps, (0, 0, sigma, sigma), mode="nearest"
    )
    return blurred


def _as_rows(maps: NDArray[Any]) -> NDArray[np.float32]:
    """Return (B, F, G, G) as a row of F numbers a cell."""
    rows: NDArray[np.float32] = maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1])
    return rows.astype(np.float32, copy=False)
