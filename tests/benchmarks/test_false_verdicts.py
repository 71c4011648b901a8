from __future__ import annotations

import numpy as np
import pytest

from benchmarks.false_verdicts import (
    NAMED,
    World,
    false_verdicts,
    simulate,
    verdicts_table,
)
from imil.core.evaluation.metrics import Metric

SMALL = World(images=60, a_patient=2, classes=2, spread=2.0)


def test_arms_that_do_nothing_differ_from_control_by_chance_alone() -> None:
    drawn = list(simulate(SMALL, studies=100, draws=500, seed=0))

    for arm in NAMED:
        for figure in Metric.ACCURACY, Metric.BALANCED_ACCURACY:
            shares = [study[arm].on_images_like_these[figure].share for study in drawn]
            assert np.mean(shares) == pytest.approx(0, abs=4 * float(np.std(shares)) / 10)


def test_every_study_gets_one_verdict_an_arm() -> None:
    found = false_verdicts([SMALL], studies=30, draws=500)

    (row,) = found["worlds"]
    assert sum(row["of_an_arm"].values()) == pytest.approx(1)
    assert row["of_a_study"]["helps"] <= 0.2
    assert "| 60 | 2 | 2 | 2 |" in verdicts_table(found)


def test_every_class_has_patients_in_every_kind_of_study() -> None:
    for classes in (2, 3):
        world = World(200, 4, classes, 0.0)

        assert np.bincount(world.labels).min() >= 8 * 4
        assert all(len(set(world.labels[world.clusters == p])) == 1 for p in range(50))
