"""What a clinician's masks add over one region that is the same in every image, or none at all.

A model that hides predicted regions may owe its gain to hiding *something*: where findings lie in
the middle, a disc that nobody painted does as well. So nothing is the masks' until they beat every
such rival that was compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.registry import ARMS
from imil.core.arms.variants import RegionSource, Variant
from imil.core.evaluation.comparison import Trained
from imil.core.evaluation.differences import Difference, paired_differences
from imil.core.evaluation.metrics import Metric

FIXED = (RegionSource.DISC, RegionSource.TEMPLATE)
# What else hides regions without knowing where in an image to look.
RIVALS = (*FIXED, RegionSource.SHUFFLED)


@dataclass(frozen=True, slots=True)
class OverFixed:
    """An arm that hides predicted regions, less the same arm with a region that ignores the image.

    Attributes:
        arm: that hides what masks predict.
        rival: that hides a fixed or a random region, all else being equal.
        like_these: difference in balanced accuracy on un-edited images, 95 % interval.
        without_shortcut: the same with what the irrelevant region tells taken off; None where
            nothing was swapped to tell it by.
    """

    arm: Variant
    rival: Variant
    like_these: Difference
    without_shortcut: Difference | None

    @property
    def above(self) -> bool:
        """Whether the interval of the question that masks are painted for lies above 0."""
        decides = self.like_these if self.without_shortcut is None else self.without_shortcut
        return decides.low > 0


def over_fixed(
    trained: Mapping[Variant, Trained], labels: NDArray[np.int64], clusters: NDArray[np.int64]
) -> tuple[OverFixed, ...]:
    """Return each arm that hides predicted regions against each of its rivals that was trained.

    No rival is chosen by its figures, so no interval needs a correction: masks add something where
    they beat all of them.

    Args:
        trained: arms of one comparison, a value a seed.
        labels: (N,) class indices of the split's images.
        clusters: (N,) patient numbers.
    """
    found = []
    for arm, outcome in trained.items():
        if ARMS[arm.arm].raw is None or arm.region not in (None, RegionSource.PREDICTED):
            continue
        for rival in (arm.evolve(region=region) for region in RIVALS):
            if rival in trained:
                differences = _differences(outcome, trained[rival], labels, clusters)
                found.append(OverFixed(arm, rival, *differences))
    return tuple(found)


def _differences(
    outcome: Trained, rival: Trained, labels: NDArray[np.int64], clusters: NDArray[np.int64]
) -> tuple[Difference, Difference | None]:
    own, other = (
        np.stack([logits.argmax(1) == labels for logits in each.logits])
        for each in (outcome, rival)
    )
    alike = paired_differences(own, other, labels, clusters)[Metric.BALANCED_ACCURACY]
    independent, others = outcome.independent(labels), rival.independent(labels)
    if independent is None or others is None:
        return alike, None
    without = paired_differences(independent, others, labels, clusters)
    return alike, without[Metric.BALANCED_ACCURACY]


def fixed_notices(found: Sequence[OverFixed], *, painted: int) -> tuple[str, ...]:
    """Return what has to be said beside figures: a sentence an arm and rival, then what to do.

    Args:
        found: from `over_fixed`.
        painted: how many images were painted.
    """
    told = [_told(each) for each in found]
    for arm in dict.fromkeys(each.arm for each in found):
        rivals = [each for each in found if each.arm == arm]
        if all(each.above for each in rivals):
            told.append(f"{arm}: the masks add to every rival that was compared.")
        elif any(each.rival.region in FIXED and not each.above for each in rivals):
            told.append(
                f"{arm}: no advantage of masks over a fixed region is shown. Hiding the rim of "
                f"every image takes one mask instead of {painted}."
            )
        else:
            told.append(f"{arm}: no advantage of masks over shuffled ones is shown.")
    return tuple(told)


def _told(found: OverFixed) -> str:
    question, difference = "on images like these", found.like_these
    if found.without_shortcut is not None:
        question, difference = "without the shortcut", found.without_shortcut
    return (
        f"{found.arm} less {found.rival}, {question}: {difference.points:+.1f} points of balanced "
        f"accuracy [{difference.low:+.1f}, {difference.high:+.1f}]."
    ).replace("-", "−")
