"""Does a mask hide the finding itself? What it takes from the label, beside what chance would take.

The region is not blacked out for this question but filled from what is around it: a black hole is
something new that a model reads, and on films it hid the loss of every third finding.

A model can't tell a finding from a shortcut: without whatever it reads, the label's probability
falls. Two masks on other images can: what they suggest is irrelevant here is filled before the
question is put and after it, so that what is left to lose is more likely the finding. Until then
the check says where the model's evidence lies, and leaves to the reader what it is. All of it is
our choice; nothing here is from the paper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_dilation

from imil.core.review.edits import filled_from_around

# The probability of the label has to fall by more than this: less is no change of mind.
LEAST_FALL = 0.10
# Regions of the same shape in random places, and which of their falls a mask has to exceed.
RANDOM_REGIONS = 20
CHANCE_QUANTILE = 0.95
# Of random regions, images a pass: whoever paints on meanwhile waits for one of them at most.
REGIONS_A_PASS = 5
# What other masks suggest is widened by this share of the side on each side: a prediction's edge is
# less exact than a painted one, and what is left of a marker's rim can still be read.
WIDENED_SHARE = 1 / 64
# Words of a class that is the absence of a finding: there is nothing that a mask could hide.
ABSENCE_WORDS = frozenset(
    {
        *("0", "absent", "control", "controls", "healthy", "negative", "nofinding", "nofindings"),
        *("nondemented", "none", "normal", "notumor", "unaffected", "uninfected", "unremarkable"),
        *("gesund", "negativ", "normalbefund", "unauffällig"),
    }
)
# Before another word they turn it round: “not melanoma”, as the app names the rest of the labels.
NEGATIONS = frozenset(["no", "not", "without", "kein", "keine", "ohne"])

_WORD = re.compile(r"[^\W_]+")


def names_absence(name: str) -> bool:
    """Return whether a class says that there is no finding, by its name alone.

    “no finding”, “Normal”, “0” and “not melanoma” do; “benign” doesn't: a benign lesion is one.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if words and words[0] in NEGATIONS:
        rest = " ".join(words[1:])
        return not names_absence(rest)
    return "".join(words) in ABSENCE_WORDS or any(word in ABSENCE_WORDS for word in words)


@dataclass(frozen=True, slots=True)
class FindingCheck:
    """How far the label's probability falls with a region filled from what is around it.

    Attributes:
        fall: of the region itself, -1 to 1; below 0 it rises.
        chance: what 95 % of regions of that shape in random places stay below; None where the fall
            is too small to ask.
    """

    fall: float
    chance: float | None = None

    @property
    def warns(self) -> bool:
        """Whether the reader should look again: the fall is large, and no chance."""
        return self.fall > LEAST_FALL and self.chance is not None and self.fall > self.chance


def has_evidence(label_name: str, before: float) -> bool:
    """Return whether there is anything to hide: a finding that the model sees at least faintly.

    Args:
        label_name: the class that the image carries.
        before: its probability as the image is, 0-1. It can't fall by more than that.
    """
    return not names_absence(label_name) and before > LEAST_FALL


def random_places(
    opacity: NDArray[np.floating], rng: np.random.Generator, *, count: int = RANDOM_REGIONS
) -> NDArray[np.floating]:
    """Return a region turned by quarters, mirrored and moved to random places: (count, S, S).

    What leaves the image on one side comes in on the other, so that every copy has the same area.

    Args:
        opacity: (S, S), 0-1: how far each pixel of the working image is hidden.
        rng: draws four numbers a copy.
        count: how many.
    """
    side = opacity.shape[0]
    places = []
    for _ in range(count):
        turned = np.rot90(opacity, int(rng.integers(4)))
        if rng.integers(2):
            turned = turned[:, ::-1]
        down, across = (int(by) for by in rng.integers(side, size=2))
        places.append(np.roll(turned, (down, across), (0, 1)))
    return np.stack(places)


def chance_of(falls: NDArray[np.floating]) -> float:
    """Return what 95 % of the falls of random regions stay below."""
    return float(np.quantile(falls, CHANCE_QUANTILE))


def check_finding(
    image: NDArray[np.uint8],
    hidden: NDArray[np.floating],
    *,
    before: float,
    shares: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    rng: np.random.Generator,
    elsewhere: NDArray[np.floating] | None = None,
) -> FindingCheck:
    """Return how far the label falls without a region; beside chance only where it falls by enough.

    Args:
        image: (C, S, S), the working image.
        hidden: (S, S), 0-1: how far each of its pixels is hidden.
        before: probability of the label of the image as it is; not used where `elsewhere` is given.
        shares: of (N, C, S, S) images, (N,) probabilities of the label; asked for one, and where
            that falls by enough for `RANDOM_REGIONS` more, a few at a time.
        rng: places the random regions.
        elsewhere: (S, S), 0-1: what masks on other images suggest is irrelevant in this one. It is
            filled in every copy, so the fall is of what the region hides beyond that. None where
            too few images are masked.
    """
    besides = None if elsewhere is None else _widened(elsewhere)

    def filled(regions: NDArray[np.floating]) -> NDArray[np.floating]:
        every = regions if besides is None else np.maximum(regions, besides)
        return shares(filled_from_around(image, every))

    if besides is None:
        fall = float(before - filled(hidden[None])[0])
    else:
        before, after = (float(share) for share in filled(np.stack([0 * hidden, hidden])))
        fall = before - after
    if fall <= LEAST_FALL:
        return FindingCheck(fall)
    places = random_places(hidden, rng)
    parts = np.split(places, range(REGIONS_A_PASS, len(places), REGIONS_A_PASS))
    after_each = np.concatenate([filled(part) for part in parts])
    return FindingCheck(fall, chance_of(before - after_each))


def _widened(region: NDArray[np.floating]) -> NDArray[np.floating]:
    by = 2 * math.ceil(WIDENED_SHARE * region.shape[0]) + 1
    wide: NDArray[np.floating] = grey_dilation(region, size=(by, by))
    return wide
