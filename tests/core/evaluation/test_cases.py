from __future__ import annotations

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL, IMIL
from imil.core.evaluation.cases import Cases, arm_confusion, broken, cases_of, fixed, in_cell
from imil.core.records import Sample, Split

SAMPLES = tuple(Sample(f"i{n}", n % 2, Split.VALIDATION) for n in range(4))


@pytest.fixture
def cases() -> Cases:
    # Labels are 0 1 0 1. Control is wrong on the last two, the arm on the first and the last.
    control = np.array([[2, 0], [0, 1], [0, 1], [3, 0]], np.float32)
    arm = np.array([[0, 1], [0, 2], [5, 0], [1, 0]], np.float32)
    scores = {CONTROL: (control, control), IMIL: (arm, control)}
    return cases_of(scores, SAMPLES, (0, 1))


def test_fixed_is_right_only_in_the_arm_and_broken_right_only_in_control(cases: Cases) -> None:
    assert [case.sample_id for case in fixed(cases, IMIL)] == ["i2"]
    assert [case.sample_id for case in broken(cases, IMIL)] == ["i0"]
    assert fixed(cases, CONTROL) == broken(cases, CONTROL) == ()


def test_only_the_first_seed_counts(cases: Cases) -> None:
    # In its second seed the arm answers as control does.
    assert len(fixed(cases, IMIL)) == 1
    assert cases.seeds == (0, 1)


def test_a_case_tells_what_both_said_and_how_surely(cases: Cases) -> None:
    (case,) = fixed(cases, IMIL)

    assert (case.label, case.predicted, case.control) == (0, 0, 1)
    assert case.confidence == pytest.approx(0.9933, abs=1e-4)
    assert case.control_confidence == pytest.approx(0.7311, abs=1e-4)


def test_a_cell_holds_as_many_images_as_it_says_the_surest_first(cases: Cases) -> None:
    assert arm_confusion(cases, IMIL, classes=2) == ((1, 1), (1, 1))
    assert arm_confusion(cases, CONTROL, classes=2) == ((1, 1), (1, 1))
    every = [
        case.sample_id
        for label in range(2)
        for predicted in range(2)
        for case in in_cell(cases, IMIL, label=label, predicted=predicted)
    ]
    assert sorted(every) == ["i0", "i1", "i2", "i3"]
    two = cases_of({CONTROL: (np.array([[1, 0], [4, 0]], np.float32),)}, SAMPLES[::2], (0,))
    assert [case.sample_id for case in in_cell(two, CONTROL, label=0, predicted=0)] == [
        "i2",
        "i0",
    ]
