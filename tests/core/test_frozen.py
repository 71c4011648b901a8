from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from imil.core.arms import ArmInputs, batches_of
from imil.core.backbones import BACKBONES, backbone
from imil.core.frozen import Features, LastStage, features_of
from imil.core.pictures import to_float
from imil.core.records import Arm, Plan
from imil.core.training import EpochReport, TrainState, fit, initial_state, next_round, restore

PLAN = Plan(size=32, epochs=1, epochs_after=2, batch_size=8, fast=True)
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 1, 32, 32), np.uint8)
START = next_round(initial_state(PLAN, classes=2, channels=1))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def features() -> Features:
    module = restore(PLAN, START)
    parts = features_of(module, "film_net", IMAGES, device="cpu", should_stop=lambda: False)
    return np.concatenate(list(parts))


def trained(state: TrainState, arm: Arm = Arm.CONTROL, *, stop_after: int = 99) -> list[TrainState]:
    rows = np.arange(16)
    inputs = ArmInputs(
        plan=PLAN,
        images=IMAGES,
        labels=np.arange(24, dtype=np.int64) % 2,
        classes=2,
        train=rows,
        validation=np.arange(16, 24),
        mirrored=False,
        masks=dict.fromkeys(rows[:3].tolist(), np.ones((32, 32), np.bool_)),
        still=True,
    )
    asked = iter(range(1000))
    reports = fit(
        PLAN,
        state,
        batches_of(inputs, arm),
        should_stop=lambda: next(asked) >= stop_after,
        features=features(),
    )
    return [report.state for report in reports if isinstance(report, EpochReport)]


def differing(one: TrainState, other: TrainState) -> set[str]:
    named = (name for name in one.tensors if name.startswith("model."))
    return {name for name in named if not torch.equal(one.tensors[name], other.tensors[name])}


@pytest.mark.parametrize("arm", [Arm.CONTROL, Arm.COUNTEREXAMPLE, Arm.MIXUP, Arm.RIGHT_REASON])
def test_a_fast_round_trains_the_last_stage_and_the_head_alone(arm: Arm) -> None:
    first = fit(
        replace(PLAN, fast=False),
        replace(START, round=0),
        batches_of(_inputs(), "control"),
        should_stop=lambda: False,
    )
    (before,) = [next_round(r.state) for r in first if isinstance(r, EpochReport)]

    after = trained(before, arm)[-1]

    # The last block is the sixth part of film_net's body.
    changed = {name.split(".")[1] + "." + name.split(".")[2] for name in differing(before, after)}
    assert changed == {"body.5", "head.weight", "head.bias"}


def _inputs() -> ArmInputs:
    labels = np.arange(24, dtype=np.int64) % 2
    return ArmInputs(PLAN, IMAGES, labels, 2, np.arange(16), np.arange(16, 24), False)


def test_going_on_in_a_fast_round_is_bit_identical() -> None:
    whole = trained(START)[-1]

    resumed = trained(trained(START, stop_after=3)[0])[-1]

    assert whole.tensors.keys() == resumed.tensors.keys()
    assert all(torch.equal(whole.tensors[k], resumed.tensors[k]) for k in whole.tensors)


def test_an_edited_image_is_answered_like_one_whose_features_are_kept() -> None:
    late = LastStage(restore(PLAN, START).eval(), "film_net", features())
    images = to_float(IMAGES[:4])

    kept = late.logits(images, np.arange(4))
    made = late.logits(images, None)
    mixed = late.logits(images, np.array([0, -1, 2, -1]))

    assert torch.allclose(kept, made, atol=1e-4)
    assert torch.allclose(kept, mixed, atol=1e-4)


def test_answers_of_a_fast_round_are_those_of_the_whole_net() -> None:
    module = restore(PLAN, START).eval()
    late = LastStage(module, "film_net", features())

    scores = late.predict(np.arange(20, 24), "cpu")

    assert torch.allclose(scores, module(to_float(IMAGES[20:])), atol=1e-3)


def test_every_backbone_has_a_last_stage_to_train() -> None:
    assert {name: backbone(name).last_stage for name in BACKBONES} == {
        "film_net": 1,
        "resnet18": 1,
        "resnet50": 1,
        "tf_efficientnet_lite0": 2,
    }


def test_a_fast_round_without_features_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="fast rounds train on features"):
        next(fit(PLAN, START, batches_of(_inputs(), "control"), should_stop=lambda: False))
