from __future__ import annotations

import numpy as np
import pytest

from imil.core.metrics import Metric
from imil.core.records import Arm, EpochFigures, Sample, Split
from imil.core.rounds import Round, Setting, Trained, clusters_of, compare
from imil.core.verdict import Verdict

CURVES = ((EpochFigures(1, 0.5, 0.8, 0.4, 0.9),),) * 5
SAMPLES = [Sample(str(i), i % 2, Split.TEST, patient=f"p{i // 2}") for i in range(200)]
LABELS = np.array([sample.label for sample in SAMPLES])


def trained(accuracy: float, *, seed: int) -> Trained:
    """Return five seeds of an arm that is right on about that share of the images."""
    rng = np.random.default_rng(seed)
    sides = (2 * np.eye(2)[LABELS] - 1)[None] * np.where(rng.random((5, 200, 1)) < accuracy, 1, -1)
    return Trained(tuple(sides), CURVES)


def found(**arms: float) -> Round:
    outcomes = {
        Arm(name): trained(accuracy, seed=i) for i, (name, accuracy) in enumerate(arms.items())
    }
    setting = Setting(1, Split.TEST, (0, 1, 2, 3, 4), "replication", (4,) * 5, 8, 100, 1)
    return compare(outcomes, SAMPLES, setting)


def test_the_papers_arm_is_named_beforehand_and_the_others_are_exploratory() -> None:
    paired = {p.arm: p for p in found(control=0.7, imil=0.9, upweight=0.9, mixup=0.7).paired}

    assert not paired[Arm.IMIL].exploratory
    assert paired[Arm.IMIL].levels[Metric.ACCURACY] == 0.95
    assert paired[Arm.UPWEIGHT].exploratory
    assert paired[Arm.UPWEIGHT].levels[Metric.ACCURACY] == pytest.approx(0.975)


def test_each_arm_gets_its_verdict_against_control() -> None:
    paired = {p.arm: p.verdict for p in found(control=0.8, imil=0.6, upweight=0.95).paired}

    assert paired == {Arm.IMIL: Verdict.HARMFUL, Arm.UPWEIGHT: Verdict.SHOWN}


def test_figures_are_means_over_seeds_with_counts_summed() -> None:
    control = found(control=0.8, imil=0.8).arms[0]

    values = control.values[Metric.ACCURACY]
    assert len(values) == 5
    assert control.figures[Metric.ACCURACY].value == pytest.approx(np.mean(values))
    assert sum(map(sum, control.confusion)) == 5 * 200


def test_patients_are_counted_only_where_all_are_known() -> None:
    one_unknown = [*SAMPLES[:-1], Sample("199", 1, Split.TEST)]
    outcomes = {Arm.CONTROL: trained(0.8, seed=0), Arm.IMIL: trained(0.8, seed=1)}
    setting = Setting(1, Split.TEST, (0,) * 5, "replication", (4,) * 5, 8, 100, 1)

    assert found(control=0.8, imil=0.8).patients == 100
    assert compare(outcomes, one_unknown, setting).patients is None


def test_an_image_of_an_unknown_patient_stands_alone() -> None:
    samples = [
        Sample("a", 0, Split.TEST, patient="p"),
        Sample("b", 0, Split.TEST),
        Sample("c", 0, Split.TEST, patient="p"),
        Sample("d", 0, Split.TEST),
    ]

    assert clusters_of(samples).tolist() == [0, 1, 0, 2]
