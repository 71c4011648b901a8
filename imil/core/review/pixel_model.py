"""A small model of which pixels are painted over, from contrast, texture and place.

Where a pretrained network is at hand, what its first stages see is added to these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
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
# With a network's maps features are ten times as many: a stronger penalty, and half of the pixels,
# or learning would take a minute. Chosen on skin lesions (docs/trials/pixel-model.md).
STAGES_INVERSE_PENALTY = 0.01
STAGES_PIXELS = 10_000
STAGES_TOLERANCE = 1e-3
# Of grey, from the first cell to the last: ranks of equal cells are then the same on every machine.
_RAMP = 1e-3


class PixelModel(nn.Module):
    """Two logistic regressions, the second of which also sees the first's answer around a pixel.

    A module whose weights are buffers, so that it can be a part of a classifier: saved with it, and
    left alone by the optimiser.

    Source: Tu, Auto-context (CVPR 2008). Without the second step a lesion's pale middle and a far
    hair look alike: on skin lesions it gained 1.5 to 5 points of the relevant region's Dice.

    Args:
        channels: 1 or 3.
        size: side S of the images, px.
        stages: from images and the grid's side to a pretrained network's maps; None without.
    """

    first: Tensor
    second: Tensor

    def __init__(self, channels: int, size: int, stages: nn.Module | None = None) -> None:
        super().__init__()
        self.size, self.side, self.stages = size, min(_GRID, size), stages
        for name, values in _constants(size, self.side).items():
            # Not saved: they follow from the size.
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        # The last weight is the intercept.
        with torch.no_grad():
            count = self.features(torch.zeros(1, channels, size, size)).shape[1]
        self.register_buffer("first", torch.zeros(count + 1))
        self.register_buffer("second", torch.zeros(count + _CONTEXT + 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, S, S), 0-1, not yet calibrated, of (B, C, S, S) float32 images in 0-1."""
        return self.answer(self.features(images))

    def answer(self, features: Tensor) -> Tensor:
        """Return (B, S, S), 0-1, not yet calibrated, of (B, F, G, G) features."""
        around = self.context(_asked(self.first, features))
        cells = _asked(self.second, torch.cat([features, around], 1))
        shape = (self.size, self.size)
        return functional.interpolate(cells, shape, mode="bilinear", align_corners=False)[:, 0]

    def features(self, images: Tensor) -> Tensor:
        """Return what each grid cell looks like, (B, F, G, G).

        Colours are taken relative to their image, never as they are: with a few dozen images a
        model would learn by heart which image is bright. On skin lesions (60 masks, three draws)
        that changed the relevant region's Dice from .73, .78, .74 to .76, .77, .77, and the spread
        with it.
        """
        colours = self._separable(self.pool, images)
        grey = colours.mean(1, keepdim=True)
        mean = colours.mean((2, 3), keepdim=True)
        # The deviation of all cells, not an estimate of it.
        deviation = (colours - mean).square().mean((2, 3), keepdim=True).sqrt() + LEAST_DEVIATION
        border = _median(colours.flatten(2)[:, :, self.ring])[:, :, None, None]
        parts = [(colours - mean) / deviation, colours - border]
        for width in range(len(BLURS)):
            matrix = self.get_buffer(f"blur_{width}")
            blurred = self._separable(matrix, colours)
            soft = self._separable(matrix, grey)
            variance = self._separable(matrix, grey.square()) - soft.square()
            parts += [
                (blurred - mean) / deviation,
                blurred - border,
                variance.clamp(min=0).sqrt(),
            ]
        rank = self._rank(self._separable(self.get_buffer("blur_0"), grey))
        place = self.place.expand(images.shape[0], -1, -1, -1)
        if self.stages is not None:
            parts.append(self.stages(images, self.side))
        return torch.cat([*parts, rank, place], 1)

    def context(self, answer: Tensor) -> Tensor:
        """Return the first answer around each cell, (B, 7, G, G), from (B, 1, G, G)."""
        mean = answer.mean((2, 3), keepdim=True).expand_as(answer)
        above = answer - answer.amin((2, 3), keepdim=True)
        widths = range(len(CONTEXT_BLURS))
        blurred = [self._separable(self.get_buffer(f"context_{w}"), answer) for w in widths]
        return torch.cat([answer, *blurred, mean, above, self._distance(answer)], 1)

    def _separable(self, matrix: Tensor, maps: Tensor) -> Tensor:
        """Apply a matrix down and across."""
        return matrix @ maps @ matrix.T

    def _distance(self, answer: Tensor) -> Tensor:
        """Return how far a cell lies from the middle of what seems relevant, share of the side."""
        weight = (1 - answer).square() + LEAST_WEIGHT
        down, across = self.place[:, :1], self.place[:, 1:2]
        total = weight.sum((2, 3), keepdim=True)
        middle_down = (weight * down).sum((2, 3), keepdim=True) / total
        middle_across = (weight * across).sum((2, 3), keepdim=True) / total
        return ((down - middle_down).square() + (across - middle_across).square()).sqrt()

    def _rank(self, grey: Tensor) -> Tensor:
        """Return each cell's place, 0-1, among its image's cells from dark to bright."""
        flat = grey.flatten(1) + self.ramp
        cells = self.side**2
        order = flat.topk(cells, dim=1, largest=False).indices
        rank = order.topk(cells, dim=1, largest=False).indices
        return (rank.float() / cells).view_as(grey)

    # Of the type checker: what `register_buffer` adds.
    pool: Tensor
    ring: Tensor
    place: Tensor
    ramp: Tensor

    def learned(self, first: Pipeline, second: Pipeline) -> Self:
        """Take over two regressions on standardised features."""
        self.first.copy_(torch.from_numpy(_weights(first)))
        self.second.copy_(torch.from_numpy(_weights(second)))
        return self


# Maps that `PixelModel.context` adds.
_CONTEXT = len(CONTEXT_BLURS) + 4


def fit_pixel_model(
    model: PixelModel, features: Tensor, masks: NDArray[np.bool_], seed: int
) -> PixelModel | None:
    """Return the model, taught; None if no cell, or every cell, of the grid is mostly painted over.

    Args:
        model: not yet taught.
        features: (P, F, G, G), what it makes of the painted images.
        masks: (P, S, S), True = hide.
        seed: of the cells that are learned from.
    """
    cells = functional.adaptive_avg_pool2d(torch.from_numpy(masks).float(), model.side)
    hidden = (cells >= MOST_OF_A_CELL).numpy().reshape(-1)
    most = PIXELS_LEARNED_FROM if model.stages is None else STAGES_PIXELS
    sampled = some_pixels(len(hidden), seed, most)
    if hidden[sampled].all() or not hidden[sampled].any():
        return None
    with torch.no_grad():
        rows = _as_rows(features)
        first = _regression(model).fit(rows[sampled], hidden[sampled])
        asked = first.predict_proba(rows)[:, 1].astype(np.float32)
        answer = torch.from_numpy(asked.reshape(-1, 1, model.side, model.side))
        both = np.hstack([rows[sampled], _as_rows(model.context(answer))[sampled]])
    return model.learned(first, _regression(model).fit(both, hidden[sampled])).eval()


def some_pixels(count: int, seed: int, most: int = PIXELS_LEARNED_FROM) -> NDArray[np.int64]:
    """Return `count` places, or `most` of them."""
    if count <= most:
        return np.arange(count)
    return np.random.default_rng(seed).choice(count, most, replace=False)


def _regression(model: PixelModel) -> Pipeline:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415  # slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415  # slow to import

    plain = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    many = LogisticRegression(C=STAGES_INVERSE_PENALTY, max_iter=1000, tol=STAGES_TOLERANCE)
    return make_pipeline(StandardScaler(), plain if model.stages is None else many)


def _weights(fitted: Pipeline) -> NDArray[np.float32]:
    """Return weights on features as they are, and the intercept last."""
    scaler, regression = fitted[0], fitted[1]
    weights = regression.coef_[0].astype(np.float64) / scaler.scale_
    intercept = regression.intercept_[0] - (weights * scaler.mean_).sum()
    return np.append(weights, intercept).astype(np.float32)


def _asked(weights: Tensor, features: Tensor) -> Tensor:
    """Return (B, 1, G, G), 0-1, of (B, F, G, G)."""
    kernel = weights[:-1].view(1, -1, 1, 1)
    return torch.sigmoid(functional.conv2d(features, kernel, weights[-1:]))


def _median(values: Tensor) -> Tensor:
    """Return (B, C), the mean of the two middle values of (B, C, K)."""
    count = values.shape[2]
    upper = values.topk(count // 2 + 1, dim=2).values
    return upper[:, :, -2:].mean(2) if count % 2 == 0 else upper[:, :, -1]


def _constants(size: int, side: int) -> dict[str, NDArray[np.generic]]:
    """Return what follows from the size: matrices that pool and blur, places, the border ring."""
    pool = functional.adaptive_avg_pool1d(torch.eye(size)[None], side)[0].T.contiguous().numpy()
    blurs = {f"blur_{i}": _blur_matrix(width, side) for i, width in enumerate(BLURS)}
    context = {f"context_{i}": _blur_matrix(width, side) for i, width in enumerate(CONTEXT_BLURS)}
    axis = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    down, across = np.broadcast_arrays(axis[:, None], axis[None, :])
    inside = np.minimum(0.5 - abs(down), 0.5 - abs(across))
    place = np.stack([down, across, np.hypot(down, across), inside])[None]
    width = max(1, round(BORDER * side))
    ring = np.ones((side, side), np.bool_)
    ring[width:-width, width:-width] = False
    ramp = np.linspace(0, _RAMP, side**2, dtype=np.float32)[None]
    return {
        "pool": pool,
        **blurs,
        **context,
        "place": place.astype(np.float32),
        "ring": np.flatnonzero(ring),
        "ramp": ramp,
    }


def _blur_matrix(width: float, side: int) -> NDArray[np.float32]:
    """Return (G, G) what blurs one axis by a Gaussian of that width, share of the side."""
    matrix: NDArray[np.float32] = ndimage.gaussian_filter1d(
        np.eye(side), width * side, axis=0, mode="nearest"
    ).astype(np.float32)
    return matrix


def _as_rows(maps: Tensor) -> NDArray[np.float32]:
    """Return (B, F, G, G) as a row of F numbers a cell."""
    rows: NDArray[np.float32] = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).numpy()
    return rows
