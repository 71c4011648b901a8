from __future__ import annotations

import numpy as np
import pytest

from imil.core.evaluation.differences import auroc_difference
from imil.core.evaluation.metrics import quick_auroc

RNG = np.random.default_rng(0)
POSITIVE = np.arange(120) % 3 == 0
NOISE = [np.round(RNG.normal(size=120), 1) for _ in range(3)]  # rounded: with ties
ALONE = np.arange(120)


def test_the_difference_is_that_of_the_two_aurocs_averaged_over_seeds() -> None:
    better = [scores + POSITIVE for scores in NOISE]
    expected = np.mean(
        [
            quick_auroc(a, POSITIVE) - quick_auroc(b, POSITIVE)
            for a, b in zip(better, NOISE, strict=True)
        ]
    )

    found = auroc_difference(better, NOISE, POSITIVE, ALONE)

    assert found.points == pytest.approx(100 * float(expected))
    assert 0 < found.low < found.points < found.high


def test_an_arm_that_orders_as_control_does_gains_nothing_in_any_draw() -> None:
    found = auroc_difference([3 * scores for scores in NOISE], NOISE, POSITIVE, ALONE)

    assert (found.points, found.low, found.high) == (0.0, 0.0, 0.0)


def test_images_of_one_patient_count_as_one() -> None:
    """Each image ten times tells no more than once: the interval stays as wide."""
    ten = [np.tile(scores, 10) for scores in NOISE]
    better = [scores + POSITIVE for scores in NOISE]
    ten_better = [np.tile(scores, 10) for scores in better]

    once = auroc_difference(better, NOISE, POSITIVE, ALONE)
    often = auroc_difference(ten_better, ten, np.tile(POSITIVE, 10), np.tile(ALONE, 10))

    assert (often.low, often.high) == pytest.approx((once.low, once.high))
