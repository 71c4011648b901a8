"""What a model hides at prediction: learned from an arm's masks, or a fixed region beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imil.core.arms.registry import ARMS, ArmInputs, fill_of
from imil.core.arms.variants import RegionSource, Variant
from imil.core.nets.focus import (
    LEAST_EXPECTED_DICE,
    DrawnRegion,
    FixedRegion,
    Focus,
    FocusSettings,
    PixelFinder,
)
from imil.core.records import Region
from imil.core.review.edits import Fill
from imil.core.review.irrelevance import (
    AskedModel,
    IrrelevancePredictor,
    learn_irrelevance,
    too_few_masks_error,
)

# By how much the relevant region is widened, share of the side: a predicted edge that lies inside
# a finding would hide a part of it. Our choice, from trials on skin lesions.
MARGIN = 0.04
# Training images of which the mean colour is taken.
_COLOURED = 1000


def learn_focus(
    inputs: ArmInputs, variant: Variant, *, seed: int, stages: nn.Module | None = None
) -> Focus:
    """Return what hides regions in the model of an arm that has it.

    Args:
        inputs: whose masks it is learned from; painted ones alone.
        variant: the arm, and which region it hides.
        seed: of the first training, as for every other prediction from these masks.
        stages: as for `learn_irrelevance`; becomes a part of what is returned.

    Raises:
        MaskError: there are fewer than two masks, or they contradict each other.
        ValueError: the arm's model sees images as they are.
    """
    raw = ARMS[variant.arm].raw
    if raw is None:
        raise ValueError(f"the model of {variant.arm} hides nothing")
    if not inputs.masks:
        raise too_few_masks_error(0)
    source = variant.region or RegionSource.PREDICTED
    settings = FocusSettings(
        raw=raw if variant.raw is None else variant.raw,
        threshold=0.5,
        margin=MARGIN if variant.margin is None else variant.margin,
        least=0.0,
    )
    colour = torch.zeros(inputs.images.shape[1])
    if fill_of(variant) is Fill.MEAN:
        colour = mean_colour(inputs.images, inputs.train)
    if source is not RegionSource.PREDICTED:
        return Focus(_unseen(source, inputs.masks), settings, colour)
    images = np.asarray(inputs.images)
    predictor = learn_irrelevance(images, inputs.masks, seed=seed, stages=stages)
    trusted = FocusSettings(settings.raw, predictor.threshold, settings.margin, LEAST_EXPECTED_DICE)
    return Focus(finder_of(predictor), trusted, colour)


def finder_of(predictor: IrrelevancePredictor) -> nn.Module:
    """Return a predictor as a part of a network; it gives the same confidences."""
    if isinstance(predictor.raw, AskedModel):
        calibration = torch.tensor([predictor.slope, predictor.intercept])
        return PixelFinder(predictor.raw.model, calibration)
    # A consensus is the same for every image.
    whatever = np.zeros((1, 1, 1, 1), np.uint8)
    return FixedRegion(torch.from_numpy(predictor.confidence(whatever)[0]))


def mean_colour(images: NDArray[np.uint8], train: NDArray[np.int64]) -> Tensor:
    """Return (C,), 0-1, of the training images; of many some, evenly apart."""
    some = train[np.linspace(0, len(train) - 1, min(len(train), _COLOURED)).astype(np.int64)]
    return torch.from_numpy(np.asarray(images[some]).mean((0, 2, 3)) / 255).float()


def central_disc(size: int, area: float) -> NDArray[np.bool_]:
    """Return (S, S), True = hide: all but a disc around the middle.

    Args:
        size: S, px.
        area: what is hidden, share of the image, 0-1.
    """
    return _most(_far(size), area)


def template(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (S, S), True = hide: the pixels hidden most often, as many as a mask hides on average.

    Args:
        masks: (P, S, S), True = hide.
    """
    # Of pixels hidden equally often the outer ones come first.
    return _most(masks.mean(0) + 1e-3 / len(masks) * _far(masks.shape[-1]), float(masks.mean()))


def _unseen(source: RegionSource, masks: Mapping[int, Region]) -> nn.Module:
    """Return a finder that doesn't look at the image."""
    painted = np.stack([masks[row] for row in sorted(masks)])
    if source is RegionSource.SHUFFLED:
        return DrawnRegion(torch.from_numpy(painted))
    if source is RegionSource.TEMPLATE:
        return FixedRegion(torch.from_numpy(template(painted)))
    disc = central_disc(painted.shape[-1], float(painted.mean()))
    return FixedRegion(torch.from_numpy(disc))


def _far(size: int) -> NDArray[np.float64]:
    axis = np.arange(size) - (size - 1) / 2
    far: NDArray[np.float64] = np.hypot(axis[:, None], axis[None, :]) / size
    return far


def _most(values: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Return where the highest of these values are, that share of all."""
    count = round(share * values.size)
    hidden = np.zeros(values.size, np.bool_)
    hidden[np.argsort(-values.reshape(-1), kind="stable")[:count]] = True
    return hidden.reshape(values.shape)
