"""A part of a classifier that hides what is irrelevant before the classifier looks.

It finds the region in the raw image itself, so a model that has it needs one input, the raw image,
wherever it is used: at prediction, in counterfactuals, in saliency, in an exported file. What it
holds are buffers: saved with the weights, and left alone by the optimiser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from imil.core.review.pixel_model import PixelModel
from imil.errors import WeightsError

# Expected Dice of the relevant region below which the region is not trusted and nothing is hidden.
# In trials on skin lesions it tracked the true Dice, which the mean confidence did not. Our choice.
LEAST_EXPECTED_DICE = 0.5
# Width of the soft edge, share of the side: a hard edge is a shape that a model may read.
SOFT_EDGE = 0.05
# Width of the confidences, around the threshold, over which a pixel goes from seen to hidden: with
# a hard step rounding, which differs between machines and formats, would give other answers.
_RAMP = 0.1
# Most painted masks that a model holds to draw from.
MOST_DRAWN = 4096
# Side of the middle part of an image that decides which mask is drawn, px.
_DRAWN_BY = 32
_FINDERS = ("fixed", "drawn", "pixel")
_LOGIT_BOUND = 1e-3  # as `SUREST` of `imil.core.review.irrelevance`


@dataclass(frozen=True, slots=True)
class FocusSettings:
    """How a region is hidden, and how much the raw image still counts.

    Attributes:
        raw: weight of the answer to the raw image, 0-1; above 0 half of the training images stay
            raw too.
        threshold: confidence from which a pixel is irrelevant, 0-1.
        margin: by how much the relevant region is widened, share of the side, 0-0.5.
        least: expected Dice of the relevant region below which nothing is hidden, 0-1.
    """

    raw: float
    threshold: float
    margin: float
    least: float


class FixedRegion(nn.Module):
    """The same (S, S) confidence for every image: a disc, a template, or a consensus."""

    share: Tensor

    def __init__(self, share: Tensor) -> None:
        super().__init__()
        self.register_buffer("share", share.float().clone())

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, S, S), 0-1."""
        return self.share.expand(images.shape[0], -1, -1)


class DrawnRegion(nn.Module):
    """One of (P, S, S) painted masks for each image, whatever it shows: masks shuffled.

    The grey values in the middle of the image decide which, so that an image always gets the same.
    """

    regions: Tensor

    def __init__(self, regions: Tensor) -> None:
        super().__init__()
        self.register_buffer("regions", regions.to(torch.uint8).clone())

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, S, S), 0 or 1."""
        start = (int(images.shape[-1]) - _DRAWN_BY) // 2
        middle = images[:, :, start : start + _DRAWN_BY, start : start + _DRAWN_BY]
        # A sum of whole numbers below 2^24: exact, in whatever order it is summed.
        total = (middle * 255).round().sum((1, 2, 3))
        place = torch.remainder(total, float(len(self.regions))).long()
        return self.regions[place].float()


class PixelFinder(nn.Module):
    """A pixel model and its calibration, learned from painted masks."""

    calibration: Tensor

    def __init__(self, model: PixelModel, calibration: Tensor) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("calibration", calibration.float().clone())

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, S, S), 0-1: how probable it is that a clinician would hide the pixel."""
        raw = self.model(images).clamp(_LOGIT_BOUND, 1 - _LOGIT_BOUND)
        return torch.sigmoid(self.calibration[0] * torch.logit(raw) + self.calibration[1])


class Focus(nn.Module):
    """Hide what is irrelevant, and ask a classifier's body.

    Args:
        finder: from (B, C, S, S) images in 0-1 to (B, S, S) confidence that a pixel is irrelevant.
        settings: how.
        colour: (C,) what fills the hidden region, 0-1.
    """

    colour: Tensor
    told: Tensor

    def __init__(self, finder: nn.Module, settings: FocusSettings, colour: Tensor) -> None:
        super().__init__()
        kind = {FixedRegion: "fixed", DrawnRegion: "drawn", PixelFinder: "pixel"}[type(finder)]
        self.add_module(kind, finder)
        self._finder = kind
        self.settings = settings
        self.register_buffer("told", torch.tensor(astuple(settings)))
        self.register_buffer("colour", colour.float().view(1, -1, 1, 1).clone())

    def maps(self, images: Tensor, body: Callable[[Tensor], Tensor]) -> Tensor:
        """Return a body's feature maps, weighted over the raw and the filled images.

        Because a classifier averages its maps and its head is linear, its answer is the weighted
        mean of its answers to both. In training half of the images are shown raw.

        Args:
            images: (B, C, S, S) float32 in 0-1.
            body: of the classifier.
        """
        filled, raw = self.filled(images), self.settings.raw
        if raw == 0:
            return body(filled)
        if self.training:
            shown = filled.clone()
            shown[::2] = images[::2]  # the order of a batch is random
            return body(shown)
        both = body(torch.cat([images, filled]))
        count = images.shape[0]  # `len` would be a constant in an exported file
        return raw * both[:count] + (1 - raw) * both[count:]

    def filled(self, images: Tensor) -> Tensor:
        """Return the images as the classifier sees them; gradients pass where nothing is hidden."""
        with torch.no_grad():
            hidden = self._opacity(self.hidden(images))
        return images * (1 - hidden) + self.colour * hidden

    def hidden(self, images: Tensor) -> Tensor:
        """Return (B, S, S), 0-1: what is hidden, nothing where the finder is not sure."""
        with torch.no_grad():
            # Not in half precision: a region must be the same in training and afterwards.
            with torch.autocast(images.device.type, enabled=False):
                confidence = self.confidence(images.float())
            region = self._region(confidence)
            sure = expected_dice(confidence, region) >= self.settings.least
            relevant = 1 - region
            reach = round(self.settings.margin * int(images.shape[-1]))
            if reach:
                relevant = functional.max_pool2d(relevant[:, None], 2 * reach + 1, 1, reach)[:, 0]
            return (1 - relevant) * sure[:, None, None]

    def sure(self, images: Tensor) -> Tensor:
        """Return (B,) bool: whether the finder is sure enough for anything to be hidden."""
        with torch.no_grad():
            confidence = self.confidence(images.float())
            return expected_dice(confidence, self._region(confidence)) >= self.settings.least

    def _region(self, confidence: Tensor) -> Tensor:
        return ((confidence - self.settings.threshold) / _RAMP + 0.5).clamp(0, 1)

    def confidence(self, images: Tensor) -> Tensor:
        """Return (B, S, S), 0-1, of every pixel to be irrelevant."""
        finder: Tensor = self.get_submodule(self._finder)(images)
        return finder

    def _opacity(self, hidden: Tensor) -> Tensor:
        reach = round(SOFT_EDGE * int(hidden.shape[-1]) / 2)
        soft = hidden[:, None]
        if not reach:
            return soft
        return functional.avg_pool2d(soft, 2 * reach + 1, 1, reach, count_include_pad=False)


def expected_dice(confidence: Tensor, region: Tensor) -> Tensor:
    """Return (B,), 0-1: the Dice that the relevant region would have if confidences were true.

    Args:
        confidence: (B, S, S), 0-1, of a pixel to be irrelevant.
        region: (B, S, S), 0-1: what is called irrelevant. Where that is all, the figure is 0.
    """
    relevant, kept = 1 - confidence, 1 - region
    both = 2 * (relevant * kept).sum((1, 2))
    return both / (relevant.sum((1, 2)) + kept.sum((1, 2))).clamp(min=1e-6)


def focus_from_tensors(
    tensors: Mapping[str, Tensor],
    *,
    channels: int,
    size: int,
    stages: Callable[[], nn.Module | None],
    prefix: str = "",
) -> Focus | None:
    """Return the focus whose tensors these are, without their weights; None where there is none.

    Args:
        tensors: of a whole model, by name; from files that may be anybody's.
        channels: of the images.
        size: side of the images, px.
        stages: makes what a pixel model of this backbone may look through; None where it can't.
        prefix: of the names.

    Raises:
        WeightsError: they are no focus for such images.
    """
    start = f"{prefix}focus."
    own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    if not own:
        return None
    settings, kinds = _settings(own.get("told")), {k.partition(".")[0] for k in own}
    found = kinds & set(_FINDERS)
    if settings is None or len(found) != 1:
        raise _no_focus()
    kind, colour = found.pop(), torch.zeros(channels)
    if kind != "pixel":
        return Focus(_unseeing(kind, own, size), settings, colour)
    looks = any(name.startswith("pixel.model.stages.") for name in own)
    through = stages() if looks else None
    if looks and through is None:
        raise _no_focus()
    finder = PixelFinder(PixelModel(channels, size, through), torch.zeros(2))
    return Focus(finder, settings, colour)


def _unseeing(kind: str, own: Mapping[str, Tensor], size: int) -> nn.Module:
    if kind == "fixed":
        return FixedRegion(torch.zeros(size, size))
    regions = own.get("drawn.regions")
    if regions is None or regions.ndim != 3 or not 0 < len(regions) <= MOST_DRAWN:
        raise _no_focus()
    return DrawnRegion(torch.zeros(len(regions), size, size))


def _settings(told: Tensor | None) -> FocusSettings | None:
    if told is None or told.shape != (4,) or not told.is_floating_point():
        return None
    values = [float(value) for value in told.tolist()]
    # NaN is in no range.
    if not all(0 <= value <= 1 for value in values) or values[2] > 0.5:  # noqa: PLR2004
        return None
    return FocusSettings(*values)


def _no_focus() -> WeightsError:
    return WeightsError(
        "The weights hold a mask predictor that can't be used.",
        why="Its settings or its parts are not those of a model of IMIL's.",
        fix="Fetch the file again, or train the arm again.",
    )
