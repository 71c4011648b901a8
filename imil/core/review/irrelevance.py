"""From a few painted masks to what is probably irrelevant in every other image.

Two ways, and the painted masks themselves decide between them. Where images are aligned (films,
radiographs) a *consensus* is best: the share of painted masks that hide a pixel. Where the subject
lies anywhere (skin lesions) a small *pixel model* learns what was painted over, from contrast,
texture and place, and from what the first stages of a pretrained network see. Both are judged on
painted masks that they were not made from, and their confidence is calibrated on the same. All of
it is our choice; reference masks are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from imil.core.records import Region
from imil.core.review.pixel_model import PixelModel, fit_pixel_model, some_pixels
from imil.errors import MaskError

FEWEST_PAINTED = 2
_FOLDS = 5
# The mean of two Dice, of the irrelevant and of the relevant region: a guess that hides the right
# share at random places reaches 0.5 whatever that share is. Hiding all or nothing gets less.
CHANCE_DICE = 0.5
# Below it a prediction is of no use to anybody; our choice.
LEAST_DICE = 0.6
# The consensus and the threshold 0.5 are given up only for a gain in agreement above this: smaller
# ones are luck where the masks are few, and a consensus can't be led astray by an odd image.
LEAST_GAIN = 0.02
USUAL_THRESHOLD = 0.5
THRESHOLDS = tuple(i / 20 for i in range(2, 19))  # 0.10 to 0.90
SUREST = 1e-3  # shares of 0 and 1 are confidences of 0.001 and 0.999: a few masks can't say never
_PREDICT_BATCH = 64  # images; some 10 MB of features
# Images that a pretrained network's stages see at once: some 100 MB.
_SEEN_AT_ONCE = 16
# Of the linear algebra: on two cores with one busy, two threads were five times slower than one
# (40 masks of 128 px: 26 s and 5 s).
THREADS = 1


class PredictionKind(StrEnum):
    """How irrelevance is predicted."""

    CONSENSUS = "consensus"
    PIXEL_MODEL = "pixel_model"


class _Raw(Protocol):
    """From (B, C, S, S) uint8 images to (B, S, S) float32 confidence, not yet calibrated."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]: ...

    def of_features(self, features: Tensor) -> NDArray[np.float32]:
        """Return the same of what a pixel model makes of the images."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class IrrelevancePredictor:
    """A rule learned from painted masks; holds no image.

    Attributes:
        kind: which of the two ways agreed best with painted masks that it was not made from.
        threshold: the confidence from which a pixel is best called irrelevant, 0-1.
        agreement: at that threshold, the mean of the Dice of the irrelevant and of the relevant
            region on held-out painted masks, each kind; chance is `CHANCE_DICE`.
    """

    kind: PredictionKind
    threshold: float
    agreement: Mapping[PredictionKind, float]
    raw: _Raw
    slope: float
    intercept: float

    def confidence(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (B, S, S), 0-1: how probable it is that a clinician would hide the pixel.

        Args:
            images: (B, C, S, S) of the size and channels that it was learned from; memory grows
                with B, see `predict_in_batches`.
        """
        with threadpool_limits(THREADS):
            return _calibrated(self.raw(images), self.slope, self.intercept)

    def of_features(self, features: Tensor) -> NDArray[np.float32]:
        """Return the same of images of which `features_of` was made, with the same stages."""
        with threadpool_limits(THREADS):
            return _calibrated(self.raw.of_features(features), self.slope, self.intercept)

    def irrelevant(self, confidence: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return the predicted regions, True = hide, of confidences of any shape."""
        return confidence >= self.threshold


def learn_irrelevance(
    images: NDArray[np.uint8],
    painted: Mapping[int, Region],
    *,
    seed: int,
    stages: nn.Module | None = None,
) -> IrrelevancePredictor:
    """Return the better of consensus and pixel model, calibrated on held-out painted masks.

    Args:
        images: (N, C, S, S) working images; only the painted rows are read.
        painted: from row to its (S, S) mask at working size, True = hide.
        seed: of the folds and of the pixels that are learned from.
        stages: what the pixel model looks through beside its own features; None for these alone.

    Raises:
        MaskError: fewer than `FEWEST_PAINTED` masks, or masks from which neither way can tell what
            a held-out mask hides: they contradict each other.
        ValueError: if a mask is not boolean or not of the images' size.
    """
    _check_painted(painted, images.shape[2:])
    rows = np.array(sorted(painted), np.int64)
    shown, masks = images[rows], np.stack([painted[int(row)] for row in rows])
    with threadpool_limits(THREADS):
        seen = _Seen.of(shown, stages)
        trials = {kind: _trial(kind, seen, masks, seed) for kind in PredictionKind}
    agreement = {kind: float(trial.agreements.mean()) for kind, trial in trials.items()}
    consensus, pixel_model = PredictionKind.CONSENSUS, PredictionKind.PIXEL_MODEL
    clear = agreement[pixel_model] > agreement[consensus] + LEAST_GAIN
    kind = pixel_model if clear else consensus
    if agreement[kind] < LEAST_DICE:
        raise MaskError(
            f"From the {len(rows)} painted masks it can't be told what is irrelevant elsewhere.",
            why=f"Tried on painted images that were left out, the agreement is "
            f"{agreement[kind]:.2f}, and a guess reaches {CHANCE_DICE:.2f}: the masks contradict "
            f"each other.",
            fix="Look through the painted masks for some that hide the finding or were drawn the "
            "other way round, or paint more images.",
        )
    best = trials[kind]
    with threadpool_limits(THREADS):
        raw = _fit(kind, seen, masks, seed)
    return IrrelevancePredictor(
        kind=kind,
        threshold=best.threshold,
        agreement=agreement,
        raw=raw,
        slope=best.slope,
        intercept=best.intercept,
    )


def features_of(images: NDArray[np.uint8], stages: nn.Module | None) -> Tensor:
    """Return (B, F, G, G): what a pixel model learns from, of (B, C, S, S) images."""
    model = PixelModel(images.shape[1], images.shape[2], stages)
    with torch.inference_mode():
        return torch.cat([model.features(part) for part in _floats(images)])


def predict_in_batches(
    predictor: IrrelevancePredictor, images: NDArray[np.uint8], rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield (rows, their confidence), `_PREDICT_BATCH` images at a time, in the order of `rows`.

    Args:
        predictor: from `learn_irrelevance`.
        images: (N, C, S, S); read from disk as they are used, so N may be any number.
        rows: the images wanted.
    """
    for start in range(0, len(rows), _PREDICT_BATCH):
        part = rows[start : start + _PREDICT_BATCH]
        yield part, predictor.confidence(images[part])


def region_at(
    predictor: IrrelevancePredictor, confidence: NDArray[np.floating], shape: tuple[int, int]
) -> Region:
    """Return the predicted region of one image at its own (H, W), True = hide.

    The confidence is enlarged, not the region, so that its edge is smooth.

    Args:
        predictor: whose threshold is used.
        confidence: (S, S), 0-1, at working size.
        shape: the image's own (H, W).
    """
    height, width = shape
    enlarged = Image.fromarray(confidence.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    return predictor.irrelevant(np.asarray(enlarged))


def mean_confidence(
    predictor: IrrelevancePredictor, confidence: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return (B,), 0-1: the mean confidence over each predicted region, 0 where it is empty.

    It is the share of the region that a clinician would be expected to hide; over the whole image
    the figure would be high wherever little is hidden. Our choice.

    Args:
        predictor: whose threshold is used.
        confidence: (B, S, S), 0-1.
    """
    region = predictor.irrelevant(confidence)
    total = np.where(region, confidence, 0).sum((1, 2), dtype=np.float64)
    means: NDArray[np.float64] = total / np.maximum(region.sum((1, 2)), 1)
    return means


def spread_pages(
    confidence: NDArray[np.floating], labels: Sequence[int], size: int
) -> list[list[int]]:
    """Return places in pages: of each class its share, from the least sure to the surest.

    Args:
        confidence: (N,) of each image, 0-1; equal ones keep their order.
        labels: N class indices.
        size: places a page; the last page may have fewer.
    """
    left = np.argsort(confidence, kind="stable").tolist()
    pages = []
    while left:
        of_class = {label: [at for at in left if labels[at] == label] for label in set(labels)}
        counts = dict.fromkeys(of_class, 0)
        for _ in range(min(size, len(left))):
            free = [label for label in sorted(counts) if counts[label] < len(of_class[label])]
            counts[min(free, key=lambda label: counts[label])] += 1
        taken = {
            of_class[label][int(place)]
            for label, count in counts.items()
            for place in np.linspace(0, len(of_class[label]) - 1, count).round()
        }
        pages.append([at for at in left if at in taken])
        left = [at for at in left if at not in taken]
    return pages


def dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (B,) overlaps, 0-1, of (B, S, S) regions; 1 where both are empty."""
    total = predicted.sum((1, 2)) + truth.sum((1, 2))
    both = (predicted & truth).sum((1, 2))
    overlaps: NDArray[np.float64] = np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)
    return overlaps


def mean_dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (B,) means of the Dice of the region and of its complement; see `CHANCE_DICE`."""
    return (dice(predicted, truth) + dice(~predicted, ~truth)) / 2


def too_few_masks_error(painted: int) -> MaskError:
    """Return the error of predicting from that many masks, fewer than `FEWEST_PAINTED`."""
    return MaskError(
        "Only one image is painted." if painted else "No image is painted.",
        why="What the masks have in common shows only from two masks on.",
        fix="Paint another image, better a dozen.",
    )


def _check_painted(painted: Mapping[int, Region], shape: tuple[int, ...]) -> None:
    if len(painted) < FEWEST_PAINTED:
        raise too_few_masks_error(len(painted))
    for irrelevant in painted.values():
        if irrelevant.dtype != np.bool_ or irrelevant.shape != shape:
            raise ValueError("a painted mask is boolean and has the working images' size")


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """How one way did on painted masks that it was not made from; `agreements` is (P,)."""

    agreements: NDArray[np.float64]
    threshold: float
    slope: float
    intercept: float


def _trial(kind: PredictionKind, seen: _Seen, masks: NDArray[np.bool_], seed: int) -> _Trial:
    """Predict each painted mask from the other folds, calibrate, and find the best threshold."""
    places = np.random.default_rng(seed).permutation(len(masks))
    raw = np.empty(masks.shape, np.float32)
    for fold in np.array_split(places, min(_FOLDS, len(masks))):
        others = np.setdiff1d(places, fold)
        fitted = _fit(kind, seen.some(others), masks[others], seed)
        raw[fold] = fitted.of_features(seen.features[fold])
    slope, intercept = _calibration(raw, masks, seed)
    confidence = _calibrated(raw, slope, intercept)
    tried = {t: mean_dice(confidence >= t, masks) for t in THRESHOLDS}
    best = max(THRESHOLDS, key=lambda t: float(tried[t].mean()))
    if tried[best].mean() <= tried[USUAL_THRESHOLD].mean() + LEAST_GAIN:
        best = USUAL_THRESHOLD
    return _Trial(tried[best], best, slope, intercept)


def _calibration(
    raw: NDArray[np.float32], masks: NDArray[np.bool_], seed: int
) -> tuple[float, float]:
    """Return slope and intercept that turn held-out confidence into shares (Platt, 1999).

    Two numbers rather than a free curve: the pixels are many, the masks that they come from few.
    The slope is never below 0: of masks that contradict each other the left-out ones are the rarer
    among the rest, and turning the prediction round would look like knowledge.
    """
    pixels = some_pixels(raw.size, seed)
    truth = masks.reshape(-1)[pixels]
    if truth.all() or not truth.any():
        return 1.0, 0.0
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import

    model = LogisticRegression(C=np.inf).fit(_logits(raw).reshape(-1, 1)[pixels], truth)
    slope = float(model.coef_[0, 0])
    if slope <= 0:
        return 0.0, float(logit(truth.mean()))
    return slope, float(model.intercept_[0])


def _calibrated(raw: NDArray[np.float32], slope: float, intercept: float) -> NDArray[np.float32]:
    confidence: NDArray[np.float32] = expit(slope * _logits(raw) + intercept).astype(np.float32)
    return confidence


def _logits(confidence: NDArray[np.float32]) -> NDArray[np.float32]:
    odds: NDArray[np.float32] = logit(np.clip(confidence, SUREST, 1 - SUREST))
    return odds


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the pixel model makes of the painted images, (P, F, G, G): made once for all folds."""

    features: Tensor
    channels: int
    size: int
    stages: nn.Module | None

    @classmethod
    def of(cls, images: NDArray[np.uint8], stages: nn.Module | None) -> _Seen:
        channels, size = images.shape[1:3]
        return cls(features_of(images, stages), channels, size, stages)

    def some(self, rows: NDArray[np.int64]) -> _Seen:
        return replace(self, features=self.features[rows])


def _floats(images: NDArray[np.uint8]) -> Iterator[Tensor]:
    """Yield the images, `_SEEN_AT_ONCE` at a time, as float32 in 0-1."""
    for start in range(0, len(images), _SEEN_AT_ONCE):
        part = np.array(images[start : start + _SEEN_AT_ONCE])
        yield torch.from_numpy(part).float().div_(255)


def _fit(kind: PredictionKind, seen: _Seen, masks: NDArray[np.bool_], seed: int) -> _Raw:
    if kind is PredictionKind.CONSENSUS:
        return Consensus(masks.mean(0, dtype=np.float32))
    blank = PixelModel(seen.channels, seen.size, seen.stages)
    model = fit_pixel_model(blank, seen.features, masks, seed)
    # Masks that are too small for its grid leave the pixel model nothing to learn.
    return Consensus(masks.mean(0, dtype=np.float32)) if model is None else AskedModel(model)


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """(S, S) share of the painted masks that hide the pixel: the same answer for every image."""

    share: NDArray[np.float32]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the share for each image."""
        return np.broadcast_to(self.share, (len(images), *self.share.shape))

    def of_features(self, features: Tensor) -> NDArray[np.float32]:
        """Return the share for each image."""
        return np.broadcast_to(self.share, (len(features), *self.share.shape))


@dataclass(frozen=True, slots=True, eq=False)
class AskedModel:
    """A pixel model that takes images as they are stored."""

    model: PixelModel

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return its answers."""
        with torch.inference_mode():
            parts = [self.model(part).numpy() for part in _floats(images)]
        answers: NDArray[np.float32] = np.concatenate(parts)
        return answers

    def of_features(self, features: Tensor) -> NDArray[np.float32]:
        """Return its answers."""
        with torch.inference_mode():
            answers: NDArray[np.float32] = self.model.answer(features).numpy()
        return answers
