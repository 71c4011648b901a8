"""What is claimed of training on a GPU; where there is none, each test says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from imil.core.arms.registry import ArmInputs, batches_of
from imil.core.arms.variants import parse_variant
from imil.core.records import Plan
from imil.core.training.device_images import cache_on_gpu
from imil.core.training.fit import EpochReport, TrainState, fit, initial_state, predict, restore

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

CPU = Plan(size=32, epochs=4, epochs_after=2, batch_size=8, threads=1)
GPU = replace(CPU, device="cuda")


def inputs(plan: Plan) -> ArmInputs:
    rng = np.random.default_rng(0)
    labels = np.arange(80, dtype=np.int64) % 2
    images = rng.integers(0, 100, (80, 1, 32, 32), np.uint8)
    images[labels == 1, :, 8:24, 8:24] += 80
    upper = np.zeros((32, 32), np.bool_)
    upper[:8] = True
    black = {row: np.where(upper, 0, images[row]).astype(np.uint8) for row in range(6)}
    return ArmInputs(
        plan,
        images,
        labels,
        2,
        np.arange(64),
        np.arange(64, 80),
        False,
        edited=black,
        masks=dict.fromkeys(black, upper),
        resident=cache_on_gpu(images, plan.device),
    )


def train(
    plan: Plan,
    state: TrainState | None = None,
    *,
    arm: str = "control",
    should_stop: Callable[[], bool] = lambda: False,
) -> list[EpochReport]:
    start = state or initial_state(plan, classes=2, channels=1)
    events = fit(plan, start, batches_of(inputs(plan), parse_variant(arm)), should_stop=should_stop)
    return [event for event in events if isinstance(event, EpochReport)]


@pytest.mark.parametrize("near", [True, False], ids=["resident", "from disk"])
@pytest.mark.parametrize(
    "arm", ["control", "imil", "counterexample", "right_reason", "right_reason+grad_cam", "mixup"]
)
def test_no_step_waits_for_the_gpu(arm: str, near: bool) -> None:
    plan = replace(GPU, batch_size=4)
    given = inputs(plan)
    batches = batches_of(given if near else replace(given, resident=None), parse_variant(arm))
    asked = 0

    def should_stop() -> bool:
        # Between the first steps, in which all is set up, and the epoch's end, when sums are read.
        nonlocal asked
        asked += 1
        torch.cuda.set_sync_debug_mode("error" if 5 < asked < batches.steps else "default")
        return asked > batches.steps

    start = initial_state(plan, classes=2, channels=1)
    try:
        for _ in fit(plan, start, batches, should_stop=should_stop):
            pass
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert asked > batches.steps


@pytest.mark.parametrize("arm", ["control", "imil", "right_reason"])
def test_a_gpu_learns_what_a_cpu_learns(arm: str) -> None:
    on_gpu, on_cpu = train(GPU, arm=arm), train(CPU, arm=arm)

    for gpu, cpu in zip(on_gpu, on_cpu, strict=True):
        assert gpu.figures.train_loss == pytest.approx(cpu.figures.train_loss, abs=0.03)
        assert gpu.figures.validation_loss == pytest.approx(cpu.figures.validation_loss, abs=0.05)
        assert np.isnan(gpu.scores).any(1).tolist() == np.isnan(cpu.scores).any(1).tolist()


def test_a_gpu_goes_on_where_it_was_stopped() -> None:
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 12  # in the middle of the second epoch of eight steps

    (first,) = train(GPU, should_stop=should_stop)
    resumed, whole = train(GPU, first.state)[-1], train(GPU)[-1]

    assert resumed.figures.train_loss == pytest.approx(whole.figures.train_loss, abs=0.01)
    assert resumed.figures.validation_loss == pytest.approx(whole.figures.validation_loss, abs=0.02)


def test_a_checkpoint_of_a_gpu_trains_on_on_a_cpu() -> None:
    (*_, last) = train(GPU)
    following = replace(last.state, round=1, epoch=0)

    on_cpu, on_gpu = train(CPU, following)[-1], train(GPU, following)[-1]

    assert all(tensor.is_contiguous() for tensor in last.state.tensors.values())
    assert on_cpu.figures.validation_loss == pytest.approx(on_gpu.figures.validation_loss, abs=0.05)


def test_a_gpu_gives_the_answers_of_a_cpu() -> None:
    (*_, last) = train(GPU)
    given = inputs(GPU)
    assert given.resident is not None

    on_cpu = predict(restore(CPU, last.state), given.images)
    on_gpu = [
        predict(restore(GPU, last.state).cuda(), images, device="cuda")
        for images in (given.images, given.resident)
    ]

    assert torch.equal(*on_gpu)
    # A GPU multiplies with TensorFloat-32, whose numbers have 10 bits behind the point.
    assert torch.allclose(on_cpu, on_gpu[0], atol=1e-2)


def test_images_that_do_not_fit_stay_where_they_are() -> None:
    free, _ = torch.cuda.mem_get_info()
    huge = np.broadcast_to(np.zeros((1, 1, 64, 64), np.uint8), (free // 4096, 1, 64, 64))

    assert cache_on_gpu(huge, "cuda") is None
