"""Copies whose irrelevant region comes from another image, and which image lends it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# How far inside a region a soft edge reaches, as a share of the side: 3 px of 64. Our choice.
FADE_SHARE = 0.05
# A region of which less would be left than this share keeps its hard edge: it would hardly hide.
LEAST_LEFT = 0.5
# Share of the region to fill that a donor has irrelevant itself; else another one is drawn.
LEAST_BACKGROUND = 0.9
# Donors drawn for one image before the best of them is taken.
DONOR_TRIES = 8
# A weight below it is none.
_NOTHING = 1e-6


def swap_region(
    images: NDArray[np.uint8],
    irrelevant: NDArray[np.bool_],
    donors: NDArray[np.uint8],
    lent: NDArray[np.bool_] | None,
) -> NDArray[np.uint8]:
    """Return copies whose irrelevant pixels fade into those of the donors at the same place.

    Of a donor only what is irrelevant there comes: its relevant part is painted over first, see
    `without_relevant`.

    A hard edge is a mark of its own: trained on such copies a model learns which images are edited,
    and goes on to trust the irrelevant region of those that are not; asked about them, one that was
    never trained on edges is put off by the edge itself. It also runs along what is relevant, such
    as the edge of a lung.

    Args:
        images: (B, C, S, S), at working size; left as they are.
        irrelevant: (B, S, S).
        donors: (B, C, S, S), the other image of each.
        lent: (B, S, S) the donors' own irrelevant regions; None where nobody knows them, and the
            donors come as they are.

    Raises:
        ValueError: if the shapes differ or the regions are not boolean.

    Source: our choice, from trials on films and on dermoscopic images.
    """
    _check_regions(images, irrelevant)
    if images.shape != donors.shape:
        raise ValueError("images and donors differ in shape")
    opacity = soft_edges(irrelevant)
    if lent is not None:
        donors = _cleaned(donors, lent, opacity > 0)
    share = opacity[:, None]
    mixed: NDArray[np.uint8] = np.round(images * (1 - share) + donors * share).astype(np.uint8)
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


def without_relevant(images: NDArray[np.uint8], irrelevant: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return copies whose relevant part is painted over with what surrounds it.

    A donor lends what tells nothing. Pasted as it is, where images are not aligned, its own finding
    arrives under another image's label: of dermoscopic images 47 % of a donor's lesion stayed
    visible. Averages over ever larger squares of what is irrelevant fill it, the nearest first.

    Args:
        images: (B, C, S, S), left as they are.
        irrelevant: (B, S, S) bool, of each image; where it is True nothing changes. Without any,
            nothing is known to come from, and the image is one grey.

    Raises:
        ValueError: if the shapes differ or the regions are not boolean.

    Source: pull-push interpolation (Gortler et al., The Lumigraph, SIGGRAPH 1996); to use it here
        is our choice, measured against the mean colour and OpenCV's inpainting in
        docs/trials/clean-swaps.md.
    """
    _check_regions(images, irrelevant)
    known = torch.from_numpy(irrelevant.astype(np.float32))[:, None]
    filled = _pull_push(torch.from_numpy(images.astype(np.float32)), known).numpy()
    painted: NDArray[np.uint8] = np.round(filled).clip(0, 255).astype(np.uint8)
    return np.where(irrelevant[:, None], images, painted)


def usable_background(
    irrelevant: NDArray[np.bool_], lent: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return (B,), 0-1: how much of each region its donor can fill with what is irrelevant there.

    1 where there is nothing to fill.

    Args:
        irrelevant: (B, S, S) the regions to fill.
        lent: (B, S, S) the donors' own irrelevant regions.
    """
    asked = irrelevant.sum((1, 2))
    share: NDArray[np.float64] = (irrelevant & lent).sum((1, 2)) / np.maximum(asked, 1)
    return np.where(asked > 0, share, 1.0)


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


def draw_fitting_donors(
    regions: NDArray[np.bool_],
    draw: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    lent: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.int64]:
    """Return a donor for each region, refusing those with too little usable background.

    Of up to `DONOR_TRIES` a region the first of `LEAST_BACKGROUND` is taken, else the best.

    Args:
        regions: (B, S, S) what is to be filled.
        draw: from (n,) places of regions to (n,) donors, drawn anew each time.
        lent: from (n,) donors to their own irrelevant regions, (n, S, S).

    Returns:
        (B,) donors.
    """
    places = np.arange(len(regions))
    donors = draw(places)
    share = usable_background(regions, lent(donors))
    for _ in range(DONOR_TRIES - 1):
        refused = places[share < LEAST_BACKGROUND]
        if not len(refused):
            break
        others = draw(refused)
        found = usable_background(regions[refused], lent(others))
        better = found > share[refused]
        donors[refused[better]], share[refused[better]] = others[better], found[better]
    return donors


def _cleaned(
    donors: NDArray[np.uint8], lent: NDArray[np.bool_], seen: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return the donors without what is relevant in them; as they are where none of it is seen."""
    shows = (seen & ~lent).any((1, 2))
    if not shows.any():
        return donors
    cleaned = donors.copy()
    cleaned[shows] = without_relevant(donors[shows], lent[shows])
    return cleaned


def _pull_push(images: Tensor, known: Tensor) -> Tensor:
    """Return (B, C, S, S) images whose unknown pixels are means of what is known around them.

    Args:
        images: (B, C, S, S) float.
        known: (B, 1, S, S), 1 where a pixel is known, else 0.
    """
    sums, weights = images * known, known
    levels = []
    while weights.shape[-1] > 1:
        levels.append((sums, weights))
        sums, weights = (functional.avg_pool2d(one, 2, ceil_mode=True) for one in (sums, weights))
    filled = sums / weights.clamp_min(_NOTHING)
    for sums, weights in reversed(levels):
        around = functional.interpolate(filled, size=weights.shape[-2:], mode="bilinear")
        filled = sums + (1 - weights) * around
    return filled


def _check_regions(images: NDArray[np.uint8], irrelevant: NDArray[np.bool_]) -> None:
    if images.shape[:1] + images.shape[2:] != irrelevant.shape:
        raise ValueError("images and regions differ in shape")
    if irrelevant.dtype != np.bool_:
        raise ValueError("a region is boolean")
