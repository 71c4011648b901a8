"""What more masks, and more of a clinician's minutes, gain against control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.review.queues import allowed_masks

# Shares of the training images at which accuracy is looked at; the paper masks 4 %. Our choice.
BUDGET_SHARES = (0.01, 0.02, 0.04, 0.08)
# Fewer masks than this are no dose: nothing can be predicted from them.
_FEWEST = 2
_SECONDS_A_MINUTE = 60
_NOTHING = Difference(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """An arm with some of the masks.

    Attributes:
        name: the variant; control's where nothing is masked.
        masks: images masked, mean over seeds.
        minutes: what these masks cost a clinician; None where nobody measured.
        accuracy: points against control; the interval is the one that decided.
        exploratory: whether that interval is widened by Holm's procedure.
    """

    name: Variant
    masks: float
    minutes: float | None
    accuracy: Difference
    exploratory: bool = False


@dataclass(frozen=True, slots=True)
class BudgetCurve:
    """One arm with no masks (control), then more and more of them."""

    arm: Variant
    points: tuple[BudgetPoint, ...]

    @property
    def timed(self) -> bool:
        """Whether what every dose cost a clinician is known."""
        return all(dose.minutes is not None for dose in self.points)


def budget_curves(found: Round) -> tuple[BudgetCurve, ...]:
    """Return one line for each arm that was compared at several numbers of masks.

    The first dose of each line is control: no masks, no minutes, 0 points by definition. Variants
    of equal counts stand once, the one of the larger share: with few images two shares may allow
    the same masks.

    Returns:
        In the order of the round's arms; empty where no variant has a share of its own.
    """
    figures = {arm.arm: arm for arm in found.arms}
    lines: dict[Variant, list[tuple[float, BudgetPoint]]] = {}
    shared = set()
    for paired in found.paired:
        variant = paired.arm
        whole = variant.evolve(share=None)
        # Without a share of its own an arm has all masks: 1 stands for the most.
        place = 1.0 if variant.share is None else variant.share
        lines.setdefault(whole, []).append((place, _dose(paired, figures[paired.arm])))
        if variant.share is not None:
            shared.add(whole)
    return tuple(
        BudgetCurve(arm, (BudgetPoint(CONTROL, 0, 0.0, _NOTHING), *_rising(line)))
        for arm, line in lines.items()
        if arm in shared
    )


def smaller_shares(painted: int, training_images: int) -> tuple[float, ...]:
    """Return those of `BUDGET_SHARES` that are fewer masks than are painted, and enough."""
    allowed = {share: allowed_masks(share, training_images) for share in BUDGET_SHARES}
    return tuple(share for share, masks in allowed.items() if _FEWEST <= masks < painted)


def _dose(paired: Paired, arm: ArmFigures) -> BudgetPoint:
    return BudgetPoint(
        name=paired.arm,
        masks=sum(arm.masks) / len(arm.masks) if arm.masks else 0.0,
        minutes=None if arm.seconds is None else arm.seconds / _SECONDS_A_MINUTE,
        accuracy=paired.differences[Metric.ACCURACY],
        exploratory=paired.exploratory,
    )


def _rising(line: Sequence[tuple[float, BudgetPoint]]) -> list[BudgetPoint]:
    """Return the doses by masks, each number once."""
    by_masks = {dose.masks: dose for _, dose in sorted(line, key=lambda each: each[0])}
    return [by_masks[masks] for masks in sorted(by_masks) if masks > 0]
