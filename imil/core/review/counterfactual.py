"""What would the model say if what is irrelevant were hidden, or came from another image?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch.nn import functional

# How far inside a region a soft edge reaches, as a share of the side: 3 px of 64. Our choice.
FADE_SHARE = 0.05
# A region of which less would be left than this share keeps its hard edge: it would hardly hide.
LEAST_LEFT = 0.5
# The probability of the label falls if it falls by this or more: by less, both figures on the
# screen are the same. Our choice.
LEAST_FALL = 0.01
# Above this share a mask may hide the finding whatever the model says; a warning, never a refusal.
# Our choice.
LARGE_COVERAGE = 0.6


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says to an image as it is, and with a region hidden.

    Attributes:
        label: the class that the image carries.
        before: probability of each class, 0-1, of the image as it is.
        after: the same with the region hidden; equal to `before` where nothing is hidden.
        coverage: share of the image that is hidden, 0-1.
    """

    label: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    coverage: float = 0.0

    @property
    def predicted_before(self) -> int:
        """The most probable class of the image as it is."""
        return int(np.argmax(self.before))

    @property
    def predicted_after(self) -> int:
        """The most probable class with the region hidden."""
        return int(np.argmax(self.after))

    @property
    def flips(self) -> bool:
        """Whether hiding the region changes the prediction."""
        return self.predicted_before != self.predicted_after

    @property
    def evidence_falls(self) -> bool:
        """Whether the probability of the label falls by `LEAST_FALL` or more."""
        return self.before[self.label] - self.after[self.label] >= LEAST_FALL

    @property
    def may_hide_finding(self) -> bool:
        """Whether the reader should look again: the evidence falls, or much is hidden."""
        return self.evidence_falls or self.coverage > LARGE_COVERAGE


def answer_of(
    before: NDArray[np.floating],
    after: NDArray[np.floating] | None,
    *,
    label: int,
    coverage: float,
) -> Answer:
    """Return the answer of (C,) raw scores; `after` is None where nothing is hidden."""
    was = tuple(float(p) for p in softmax(before.astype(np.float64)))
    if after is None:
        return Answer(label, was, was)
    return Answer(label, was, tuple(float(p) for p in softmax(after.astype(np.float64))), coverage)


def swap_region(
    images: NDArray[np.uint8], irrelevant: NDArray[np.bool_], donors: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return copies whose irrelevant pixels fade into those of the donors at the same place.

    A hard edge is a mark of its own: trained on such copies a model learns which images are edited,
    and goes on to trust the irrelevant region of those that are not; asked about them, one that was
    never trained on edges is put off by the edge itself. It also runs along what is relevant, such
    as the edge of a lung.

    Args:
        images: (B, C, S, S), at working size; left as they are.
        irrelevant: (B, S, S).
        donors: (B, C, S, S), the other image of each.

    Raises:
        ValueError: if the shapes differ or the regions are not boolean.

    Source: our choice, from trials on films.
    """
    _check_swap(images, irrelevant, donors)
    opacity = soft_edges(irrelevant)[:, None]
    mixed: NDArray[np.uint8] = np.round(images * (1 - opacity) + donors * opacity).astype(np.uint8)
    return mixed


def soft_edges(irrelevant: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return (B, S, S) opacities, 0-1: 0 outside the regions, rising to 1 over `FADE_SHARE` inside.

    The image's border is no edge. A region too small or thin to fade, such as a marker painted
    over, keeps its hard edge.

    Args:
        irrelevant: (B, S, S) bool.
    """
    hard = irrelevant.astype(np.float32)
    reach = round(FADE_SHARE * irrelevant.shape[-1])
    # The share of hidden pixels in a square round each pixel: a half at a straight edge.
    around = functional.avg_pool2d(
        torch.from_numpy(hard)[:, None], 2 * reach + 1, 1, reach, count_include_pad=False
    )
    soft = hard * (2 * around[:, 0] - 1).clamp(0, 1).numpy()
    thin = soft.sum((1, 2)) < LEAST_LEFT * hard.sum((1, 2))
    opacity: NDArray[np.float32] = np.where(thin[:, None, None], hard, soft)
    return opacity


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


def _check_swap(
    images: NDArray[np.uint8], irrelevant: NDArray[np.bool_], donors: NDArray[np.uint8]
) -> None:
    if images.shape != donors.shape or images.shape[:1] + images.shape[2:] != irrelevant.shape:
        raise ValueError("images, regions and donors differ in shape")
    if irrelevant.dtype != np.bool_:
        raise ValueError("a region is boolean")
