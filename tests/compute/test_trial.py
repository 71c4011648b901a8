from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from imil.compute.trial import BATCH, MARGIN, WORTH, Subject, name_of, settled, try_out
from imil.core.records import Plan, Precision

AUTO = Plan(backbone="resnet18", size=32, precision=Precision.AUTO, threads=2)
# So long that a trial pays: a step of one second, and hours of them.
LONG = Subject(AUTO, classes=2, channels=3, images=10_000)


class Machine:
    """Takes so many seconds a step in each setting."""

    def __init__(self, **seconds: float) -> None:
        self._seconds = seconds
        self.steps: Counter[str] = Counter()

    def time_step(self, plan: Plan) -> float:
        self.steps[name_of(plan)] += 1
        layout = "last" if plan.channels_last else "first"
        return self._seconds.get(f"{plan.precision}_{layout}_{plan.threads}", 1.0)


def test_what_is_fastest_is_chosen_and_told() -> None:
    machine = Machine(bf16_last_2=0.4, bf16_last_1=0.8)

    found = try_out(LONG, time_step=machine.time_step)

    assert (found.plan.precision, found.plan.channels_last) == (Precision.BF16, True)
    assert found.plan.threads == 2
    assert "bf16, channels last, 2 threads" in found.told
    assert "2.5 times as fast as fp32" in found.told


def test_fewer_threads_and_another_layout_are_tried_too() -> None:
    machine = Machine(fp32_last_2=1.0, bf16_last_2=3.0, fp32_first_2=0.8, fp32_first_1=0.5)

    found = try_out(LONG, time_step=machine.time_step)

    assert name_of(found.plan) == "fp32, channels first, 1 thread"


def test_what_is_hardly_faster_is_not_chosen() -> None:
    machine = Machine(bf16_last_2=1 / MARGIN + 0.01)

    found = try_out(LONG, time_step=machine.time_step)

    assert name_of(found.plan) == "fp32, channels last, 2 threads"


def test_a_training_shorter_than_a_trial_is_left_as_it_is() -> None:
    machine = Machine(bf16_last_2=0.1)
    epochs = AUTO.epochs + AUTO.epochs_after
    short = Subject(AUTO, 2, 3, images=int(WORTH * BATCH / epochs) - 1)

    found = try_out(short, time_step=machine.time_step)

    assert found.plan.precision is Precision.FP32
    assert sum(machine.steps.values()) == 2
    assert "too short" in found.told


def test_what_was_asked_for_is_not_tried() -> None:
    plan = Plan(precision=Precision.BF16)

    assert settled(Subject(plan, 2, 1, 10_000)).plan == plan


@pytest.mark.slow
def test_a_trial_settles_the_arithmetic_in_a_process_of_its_own() -> None:
    found = settled(LONG)

    assert found.plan.precision in {Precision.FP32, Precision.BF16}
    assert "Training is in" in found.told
    assert all(seconds > 0 for seconds in found.steps.values())


def test_a_trial_that_fails_leaves_float32_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no memory >&2\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))

    found = settled(LONG)

    assert found.plan.precision is Precision.FP32
    assert "failed" in found.told
    assert "no memory" in capfd.readouterr().err
