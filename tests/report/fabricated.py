"""Rounds that hold everything a round can hold, made without training."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import CONTROL, IMIL, parse_variant
from imil.core.evaluation.comparison import (
    RoundContext,
    Trained,
    Validation,
    clusters_of,
    evaluate_round,
)
from imil.core.evaluation.metrics import Explanation, Interval, Metric
from imil.core.evaluation.robustness import MaskOnly
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import Change
from imil.core.nets.saliency import Explainer
from imil.core.records import EpochFigures, Sample, Split

IMAGES = 60
MAPS = 8
CURVE = (EpochFigures(1, 0.7, 0.5, 0.6, 0.6), EpochFigures(2, 0.4, 0.8, 0.5, 0.75))
AT_CHANCE = MaskOnly(Interval(0.51, 0.42, 0.6), 0.5, 40, at_chance=True)
ABOVE_CHANCE = MaskOnly(Interval(0.8, 0.7, 0.9), 0.5, 40, at_chance=False)
# Images right of 60, un-edited and swapped; images masked; what they cost, seconds.
USUAL: dict[str, tuple[int, int, int, float | None]] = {
    "control": (40, 30, 0, None),
    "imil": (30, 28, 10, 120.0),
    "propagated": (56, 54, 12, 150.0),
    "upweight": (42, 31, 10, 120.0),
}


def scores(right: int, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return scores that are right on the first `right` images."""
    classes = int(labels.max()) + 1
    said = np.where(np.arange(len(labels)) < right, labels, (labels + 1) % classes)
    return np.eye(classes, dtype=np.float32)[said] * 3


@cache
def make_round(
    gained: int, *, seeds: int = 5, split: Split = Split.VALIDATION, patients: bool = True
) -> Round:
    """Return a round of 200 images on which `imil` is right on `gained` more than control's 150."""
    labels = np.arange(200) % 2
    samples = tuple(
        Sample(f"i{n}", int(labels[n]), split, patient=f"p{n // 2}" if patients else None)
        for n in range(200)
    )

    def right_on(number: int) -> Trained:
        said = np.where(np.arange(200) < number, labels, 1 - labels)
        return Trained((np.eye(2, dtype=np.float32)[said],) * seeds, (CURVE,) * seeds)

    setting = RoundContext(
        number=1,
        split=split,
        seeds=tuple(range(seeds)),
        seed_scope="train_on",
        masked=(40,) * seeds,
        allowed=40,
        training_images=1000,
        test_openings=int(split is Split.TEST),
    )
    trained = {CONTROL: right_on(150), IMIL: right_on(150 + gained)}
    return evaluate_round(
        trained, samples, setting, Validation(trained, labels, clusters_of(samples))
    )


def probed(
    *extra: tuple[str, float, int, float | None],
    split: Split = Split.TEST,
    seeds: int = 5,
    classes: int = 2,
    groups: bool = True,
    zeros: int = 0,
    mask_only: MaskOnly | None = AT_CHANCE,
    without: tuple[str, ...] = (),
    swapped: bool = True,
) -> Round:
    """Return a round of 60 images; see `USUAL` for what each arm does.

    Args:
        extra: variants besides: name, points against control, masks, seconds.
        split: whose figures they are said to be.
        seeds: how many.
        classes: how many.
        groups: whether images have groups.
        zeros: maps of each arm, explainer and seed that are zero everywhere.
        mask_only: what masks alone give away.
        without: arms of `USUAL` to leave out.
        swapped: whether swapped images and saliency were asked for.
    """
    found = replace(
        _compared(tuple(name for name in USUAL if name not in without), seeds, classes, zeros),
        split=split,
        test_openings=int(split is Split.TEST),
        mask_only=mask_only,
    )
    changes: dict[str, Any] = {}
    if split is Split.VALIDATION:
        changes |= {"operating_point": None}
    if not groups:
        changes |= {"groups": {}}
    if not swapped:
        changes |= {"swapped": {}, "explanations": ()}
        found = replace(found, swapped_by=None)
    found = replace(found, arms=tuple(replace(arm, **changes) for arm in found.arms))
    for name, points, masks, seconds in extra:
        found = _with_variant(found, name, points, masks, seconds)
    return found


def _with_variant(
    found: Round, name: str, points: float, masks: int, seconds: float | None
) -> Round:
    """Return the round with one arm more, or with other masks and minutes of one it has."""
    variant = parse_variant(name)
    model = next(arm for arm in found.arms if arm.arm.arm == variant.arm)
    arm = replace(model, arm=variant, masks=(masks,) * len(found.seeds), seconds=seconds)
    gain = Change(points, points - 2, points + 2)
    first = found.paired[0]
    paired = replace(
        first,
        arm=variant,
        differences={**first.differences, Metric.ACCURACY: gain},
        exploratory=True,
    )
    return replace(
        found,
        arms=(*(a for a in found.arms if a.arm != name), arm),
        paired=(*(p for p in found.paired if p.arm != name), paired),
    )


@cache
def _compared(names: tuple[str, ...], seeds: int, classes: int, zeros: int) -> Round:
    labels = np.arange(IMAGES) % classes
    values = np.linspace(0.2, 0.4, MAPS)
    values[:zeros] = np.nan
    every = {(by, figure): (values,) * seeds for by in Explainer for figure in Explanation}

    def trained(right: int, again: int, masks: int, seconds: float | None) -> Trained:
        return Trained(
            logits=(scores(right, labels),) * seeds,
            curves=(CURVE,) * seeds,
            swapped=(scores(again, labels)[None],) * seeds,
            same=(scores(right, labels)[None],) * seeds,
            other=(scores(again, labels)[None],) * seeds,
            explained=every,
            explained_places=np.arange(MAPS),
            masks=(masks,) * seeds,
            seconds=seconds,
        )

    samples = tuple(
        Sample(
            f"i{n}",
            int(labels[n]),
            Split.TEST,
            patient=f"p{n // 2}",
            group="token <b>with</b> label" if n < IMAGES // 2 else "token against label",
        )
        for n in range(IMAGES)
    )
    setting = RoundContext(
        number=1,
        split=Split.TEST,
        seeds=tuple(range(seeds)),
        seed_scope="train_on",
        masked=(10,) * seeds,
        allowed=12,
        training_images=300,
        test_openings=1,
        swapped_by="predicted",
    )
    arms = {parse_variant(name): trained(*USUAL[name]) for name in names}
    return evaluate_round(arms, samples, setting, Validation(arms, labels, clusters_of(samples)))
