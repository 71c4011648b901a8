from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from imil.core.arms.penalties import grad_cam_penalty, gradient_penalty
from imil.core.arms.registry import ARMS, ArmBatches, ArmInputs, batches_of, control
from imil.core.arms.variants import parse_variant
from imil.core.records import Arm, Plan, Precision, Progress
from imil.core.training.batches import Batches
from imil.core.training.fit import (
    EpochReport,
    TrainState,
    fit,
    initial_state,
    learning_rate,
    next_round,
    predict,
    restore,
)
from imil.errors import ComputeError

PLAN = Plan(size=32, epochs=3, epochs_after=2, batch_size=8, threads=1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def inputs(plan: Plan = PLAN) -> ArmInputs:
    rng = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int64) % 2
    images = rng.integers(0, 100, (40, 1, 32, 32), np.uint8)
    images[labels == 1, :, 8:24, 8:24] += 80
    return ArmInputs(plan, images, labels, 2, np.arange(32), np.arange(32, 40), False, {})


def train(
    state: TrainState, *, plan: Plan = PLAN, stop_after: int | None = None
) -> list[Progress | EpochReport]:
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return stop_after is not None and asked > stop_after

    return list(fit(plan, state, control(inputs(plan)), should_stop=should_stop))


def reports(events: list[Progress | EpochReport]) -> list[EpochReport]:
    return [event for event in events if isinstance(event, EpochReport)]


def start() -> TrainState:
    return initial_state(PLAN, classes=2, channels=1)


def test_an_epoch_keeps_the_last_answer_to_each_image_that_it_showed() -> None:
    thirty = replace(inputs(), train=np.arange(1, 31))
    twice = ArmBatches(thirty, np.concatenate([thirty.train, thirty.train[:2]]))

    def told(batches: Batches) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        (report, *_) = reports(list(fit(PLAN, start(), batches, should_stop=lambda: False)))
        return report.scores

    plain, repeated = told(control(thirty)), told(twice)
    assert plain.shape == repeated.shape == (30, 2)
    # Three batches of eight: six images of thirty are left out of the epoch.
    assert np.isnan(plain).all(1).sum() == 6
    assert not np.isnan(plain).any() ^ np.isnan(plain).all(1).any()


def test_answers_to_edited_images_are_not_kept() -> None:
    given = inputs()
    rows = given.train[:20]
    black = np.zeros((1, 32, 32), np.uint8)
    masks = dict.fromkeys(rows.tolist(), np.ones((32, 32), np.bool_))
    masked = replace(given, edited=dict.fromkeys(rows.tolist(), black), masks=masks)

    def known(arm: Arm) -> list[int]:
        batches = ARMS[arm].batches(masked)
        (report, *_) = reports(list(fit(PLAN, start(), batches, should_stop=lambda: False)))
        rows: list[int] = np.flatnonzero(~np.isnan(report.scores).any(1)).tolist()
        return rows

    assert known(Arm.IMIL) == list(range(20, 32))
    assert 0 < len(known(Arm.IMIL_APPEND)) < 32  # copies took the places of some originals
    assert known(Arm.MIXUP) == []


def test_reports_each_epoch_with_the_state_to_save() -> None:
    found = reports(train(start()))

    assert [r.figures.epoch for r in found] == [1, 2, 3]
    assert [r.state.epoch for r in found] == [1, 2, 3]


def test_learns_what_can_be_learned() -> None:
    plan = replace(PLAN, epochs=8)

    found = reports(train(initial_state(plan, classes=2, channels=1), plan=plan))

    assert found[-1].figures.validation_accuracy == 1.0


def test_going_on_from_an_epoch_is_bit_identical_to_not_having_stopped() -> None:
    whole = reports(train(start()))[-1].state

    first = reports(train(start(), stop_after=6))[-1].state
    resumed = reports(train(first))[-1].state

    assert first.epoch == 1
    assert whole.tensors.keys() == resumed.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name


def test_stops_before_the_next_batch() -> None:
    events = train(start(), stop_after=1)

    assert events == [Progress(epoch=1, epochs=3, batch=1, batches=4)]


def test_the_next_round_keeps_the_moments_and_counts_its_own_epochs() -> None:
    first = reports(train(start()))[-1].state

    second = next_round(first)
    trained = reports(train(second))

    assert second.tensors is first.tensors
    assert any(name.endswith(".exp_avg_sq") for name in second.tensors)
    assert [r.figures.epoch for r in trained] == [1, 2]


def test_a_finished_round_trains_no_further() -> None:
    finished = reports(train(start()))[-1].state

    assert train(finished) == []


def test_another_seed_draws_other_batches() -> None:
    one = reports(train(start()))[0].state
    other = reports(train(start(), plan=replace(PLAN, seed=1)))[0].state

    assert any(not torch.equal(t, other.tensors[n]) for n, t in one.tensors.items())


def test_warms_up_then_falls_to_zero() -> None:
    rates = [learning_rate(replace(PLAN, learning_rate=1.0), step, 100) for step in range(100)]

    assert rates[0] == pytest.approx(1 / 15)
    assert rates[15] == pytest.approx(1.0)
    assert rates[99] < 0.001
    assert rates.index(max(rates)) in {14, 15}


def test_prediction_is_the_same_in_any_company() -> None:
    module = restore(PLAN, reports(train(start()))[-1].state)
    images = inputs().images

    together = predict(module, images)
    alone = torch.cat([predict(module, images[i : i + 1]) for i in range(len(images))])

    assert torch.allclose(together, alone, atol=1e-5)


def test_a_loss_that_is_no_number_ends_with_a_way_out() -> None:
    with pytest.raises(ComputeError, match=r"not a number any more.*Lower the learning rate"):
        train(start(), plan=replace(PLAN, learning_rate=1e30, clip_norm=1e30))


def test_penalised_regions_lose_their_influence() -> None:
    given = replace(inputs(), masks={row: np.ones((32, 32), np.bool_) for row in range(32)})
    batches = batches_of(given, parse_variant("right_reason+1000"))
    plan = replace(PLAN, epochs=8)

    def influence(trained: Batches) -> float:
        (*_, last) = reports(list(fit(plan, start(), trained, should_stop=lambda: False)))
        module = restore(plan, last.state).eval()
        images = torch.from_numpy(given.images[:16]).float().div(255).requires_grad_()
        region = torch.ones(16, 32, 32, dtype=torch.bool)
        return float(gradient_penalty(module(images), images, region).detach())

    assert influence(batches) < 0.3 * influence(control(given))


def test_penalised_maps_leave_the_region() -> None:
    upper = np.zeros((32, 32), np.bool_)
    upper[:16] = True
    given = replace(inputs(), masks=dict.fromkeys(range(32), upper))
    plan = replace(PLAN, epochs=8)

    def seen(trained: Batches) -> float:
        (*_, last) = reports(list(fit(plan, start(), trained, should_stop=lambda: False)))
        module = restore(plan, last.state).eval()
        maps = module.feature_maps(torch.from_numpy(given.images[:16]).float().div(255))
        labels = torch.from_numpy(given.labels[:16])
        region = torch.from_numpy(np.stack([upper] * 16))
        return float(grad_cam_penalty(module.answer(maps), maps, labels, region).detach())

    assert seen(batches_of(given, parse_variant("right_reason+grad_cam+10"))) < 0.5 * seen(
        control(given)
    )


def test_mixed_images_can_be_trained_on() -> None:
    mixed = ARMS[Arm.MIXUP].batches(inputs())

    found = reports(list(fit(PLAN, start(), mixed, should_stop=lambda: False)))

    assert len(found) == 3


def test_in_bfloat16_going_on_is_bit_identical_and_not_what_float32_learns() -> None:
    plan = replace(PLAN, precision=Precision.BF16)
    whole = reports(train(start(), plan=plan))[-1].state

    first = reports(train(start(), plan=plan, stop_after=6))[-1].state
    resumed = reports(train(first, plan=plan))[-1].state

    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name
    full = reports(train(start()))[-1].state
    assert not torch.equal(full.tensors["model.head.weight"], whole.tensors["model.head.weight"])


def test_the_layout_of_maps_changes_how_fast_but_hardly_what_is_learned() -> None:
    first = reports(train(start(), plan=replace(PLAN, channels_last=False)))[0]

    last = reports(train(start()))[0]

    assert first.figures.train_loss == pytest.approx(last.figures.train_loss, abs=1e-3)


def test_nothing_is_trained_before_its_arithmetic_is_chosen() -> None:
    with pytest.raises(ValueError, match="arithmetic is settled before"):
        train(start(), plan=replace(PLAN, precision=Precision.AUTO))
