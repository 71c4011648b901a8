from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from imil.core.arms import ARMS, ArmInputs, control, right_reason
from imil.core.records import Arm, Plan, Progress
from imil.core.training import (
    Batches,
    EpochReport,
    TrainState,
    fit,
    gradient_penalty,
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


def test_the_gradient_penalty_of_a_linear_model_is_known() -> None:
    # logits = (x, -x): the sum of log-probabilities is -2 softplus-like, with gradient -2 tanh(x).
    images = torch.tensor([[[[0.5, 2.0]]]], requires_grad=True)
    logits = torch.stack([images.sum((1, 2, 3)), -images.sum((1, 2, 3))], 1)
    inside = torch.tensor([[[True, False]]])

    penalty = gradient_penalty(logits, images, inside)

    assert float(penalty.detach()) == pytest.approx(float((2 * np.tanh(2.5)) ** 2), rel=1e-5)


def test_penalised_regions_lose_their_influence() -> None:
    given = replace(inputs(), masks={row: np.ones((32, 32), np.bool_) for row in range(32)})
    batches = replace(right_reason(given), penalty_weight=1000.0)
    plan = replace(PLAN, epochs=8)

    def influence(trained: Batches) -> float:
        (*_, last) = reports(list(fit(plan, start(), trained, should_stop=lambda: False)))
        module = restore(plan, last.state).eval()
        images = torch.from_numpy(given.images[:16]).float().div(255).requires_grad_()
        region = torch.ones(16, 32, 32, dtype=torch.bool)
        return float(gradient_penalty(module(images), images, region).detach())

    assert influence(batches) < 0.3 * influence(control(given))


def test_mixed_images_can_be_trained_on() -> None:
    mixed = ARMS[Arm.MIXUP].batches(inputs())

    found = reports(list(fit(PLAN, start(), mixed, should_stop=lambda: False)))

    assert len(found) == 3
