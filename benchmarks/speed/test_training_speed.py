"""How fast training and scoring are on one core, beside loops written by hand, in one run.

Each pair takes turns, and what counts is the processor's own time, on one thread as the app trains
beside its server: whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imil.core.arms.registry import ArmInputs, control
from imil.core.plans import default_plan, with_arithmetic
from imil.core.records import Plan, Precision, Progress, Split
from imil.core.review.queues import find_outliers
from imil.core.training.augment import base_draws, base_grid, moved
from imil.core.training.fit import (
    EpochReport,
    TrainState,
    fit,
    initial_state,
    predict,
    restore,
)
from imil.core.training.steps import make_optimiser, make_step
from imil.jobs.training.machine import cpu_model, has_native_bf16
from imil.synthetic.films import FILMS_VERSION, FilmSpec, film_set

Record = Callable[[dict[str, Any]], None]
Images = NDArray[np.uint8]
# Least ratios: ours to the loop by hand.
RESNET_AT_LEAST, FILM_AT_LEAST, SCORING_AT_LEAST = 3.0, 0.95, 0.95
# Both arithmetics' accuracies, each seed of the same films and weights, may differ by chance alone.
SEEDS = 5


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def in_turn(rounds: int, **acts: Callable[[], object]) -> dict[str, list[float]]:
    """Return processor seconds of each act, every round; a round before warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    for turn in range(rounds + 1):
        for name, act in acts.items():
            began = time.process_time()
            act()
            if turn:
                seconds[name].append(time.process_time() - began)
    return seconds


def told(seconds: dict[str, list[float]], images: int, ours: str, other: str) -> dict[str, Any]:
    # Pair by pair: a moment in which the processor is slower falls on both of a pair.
    ratios = [b / a for a, b in zip(seconds[ours], seconds[other], strict=True)]
    return {
        "images_per_second": {name: round(images / median(s), 2) for name, s in seconds.items()},
        "ratio": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def films(size: int, images: int, *, channels: int = 1, seed: int = 0) -> tuple[Images, Any]:
    """Return films without a shortcut at working size, and the set."""
    found = film_set(FilmSpec(images=images, size=size, shortcut=0.5, seed=seed))
    pixels = np.stack([found.original(s.sample_id).astype(np.uint8) for s in found.samples])
    return np.repeat(pixels[:, None], channels, axis=1), found


def inputs_of(plan: Plan, pixels: Images, found: Any) -> ArmInputs:
    return ArmInputs(
        plan=plan,
        images=pixels,
        labels=found.labels,
        classes=2,
        train=found.rows(Split.TRAIN),
        validation=found.rows(Split.VALIDATION),
        mirrored=found.mirrored,
    )


def plain_steps(pixels: Images, labels: NDArray[np.int64], batch: int) -> Iterator[None]:
    """Train as torchvision's reference does: float32, a transform an image, a `DataLoader`."""
    from torchvision import models  # noqa: PLC0415  # slow to import
    from torchvision.transforms import v2  # noqa: PLC0415  # slow to import

    change = v2.Compose(
        [
            v2.RandomAffine(0, translate=(0.05, 0.05), scale=(0.95, 1.05)),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )

    class Films(torch.utils.data.Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return len(pixels)

        def __getitem__(self, row: int) -> tuple[Tensor, int]:
            return change(torch.from_numpy(pixels[row])), int(labels[row])

    net = models.resnet50(num_classes=2)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4)
    loader = torch.utils.data.DataLoader(Films(), batch, shuffle=True, drop_last=True)
    while True:
        for images, answers in loader:
            loss = functional.cross_entropy(net(images), answers)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            yield


@pytest.mark.soak
def test_resnet50_at_224_px_trains_three_times_as_fast_as_a_plain_loop(record: Record) -> None:
    batch = 16
    pixels, found = films(224, 64, channels=3)
    open_plan = replace(default_plan("resnet50", size=224), batch_size=batch, threads=1)
    plan = with_arithmetic(open_plan, native_bf16=has_native_bf16())
    inputs = inputs_of(plan, pixels, found)
    ours = steps_of(plan, inputs, initial_state(plan, classes=2, channels=3))
    rows = inputs.train
    plain = plain_steps(pixels[rows], found.labels[rows], batch)

    seconds = in_turn(5, imil=lambda: next(ours), plain=lambda: next(plain))

    measured = told(seconds, batch, "imil", "plain")
    record(
        measured
        | {
            "backbone": "resnet50",
            "size": 224,
            "batch": batch,
            "precision": plan.precision,
            **about(),
        }
    )
    assert measured["ratio"] >= RESNET_AT_LEAST


def steps_of(plan: Plan, inputs: ArmInputs, state: TrainState) -> Iterator[None]:
    """Train as `fit` does, and yield after each step."""
    module = restore(plan, state)
    step = make_step(module, make_optimiser(module, plan, state.tensors), plan, None)
    module.train()
    while True:
        for batch in control(inputs).epoch(plan.seed):
            step(batch, plan.learning_rate)
            yield


def tuned_epochs(plan: Plan, inputs: ArmInputs, state: TrainState) -> Iterator[None]:
    """Train the same net by hand with all that makes it fast here, and nothing besides."""
    module = restore(plan, state)
    decayed = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-4, weight_decay=0.05, fused=True)
    pixels, labels = torch.tensor(inputs.images), torch.tensor(inputs.labels)
    train, size = torch.tensor(inputs.train), plan.batch_size
    validation = torch.tensor(inputs.validation)
    generator = torch.Generator().manual_seed(0)
    while True:
        module.train()
        order = train[torch.randperm(len(train), generator=generator)]
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            signed = base_draws(size, generator)
            grid = base_grid(signed, plan.size, shift_share=0.05, scale_share=0.05, mirrored=False)
            images = moved(pixels[rows].float().div_(255), grid)
            loss = functional.cross_entropy(module(images), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
        module.eval()
        with torch.inference_mode():
            for start in range(0, len(validation), 128):
                part = validation[start : start + 128]
                module(pixels[part].float().div_(255))
        yield


def epochs_of_ours(plan: Plan, inputs: ArmInputs, state: TrainState) -> Iterator[EpochReport]:
    reports = fit(plan, state, control(inputs), should_stop=lambda: False)
    yield from (report for report in reports if not isinstance(report, Progress))


@pytest.mark.soak
def test_film_net_trains_as_fast_as_a_loop_tuned_by_hand(record: Record) -> None:
    rounds, images = 7, 1000
    pixels, found = films(64, images)
    plan = replace(Plan(), epochs=rounds + 1)
    inputs = inputs_of(plan, pixels, found)
    state = initial_state(plan, classes=2, channels=1)
    ours, tuned = epochs_of_ours(plan, inputs, state), tuned_epochs(plan, inputs, state)
    half = replace(plan, precision=Precision.BF16)
    in_half = epochs_of_ours(half, inputs, state)

    seconds = in_turn(
        rounds,
        imil=lambda: next(ours),
        tuned=lambda: next(tuned),
        imil_bf16=lambda: next(in_half),
    )

    measured = told(seconds, images, "imil", "tuned")
    record(measured | {"backbone": "film_net", "size": 64, "batch": plan.batch_size, **about()})
    assert measured["ratio"] >= FILM_AT_LEAST


@pytest.mark.soak
def test_a_queue_is_scored_as_fast_as_the_net_answers(record: Record) -> None:
    measured = {}
    for name, size, channels, count in (("film_net", 64, 1, 1000), ("resnet50", 224, 3, 24)):
        pixels, found = films(size, count, channels=channels)
        pixels, labels = pixels[:count], found.labels[:count]
        ids = [sample.sample_id for sample in found.samples[:count]]
        plan = Plan(backbone=name, size=size)
        state = initial_state(plan, classes=2, channels=channels)
        module = restore(plan, state).eval()
        scaled = torch.from_numpy(pixels).float().div_(255)
        ready = [scaled[start : start + 128] for start in range(0, count, 128)]

        def forward(net: nn.Module = module, parts: list[Tensor] = ready) -> None:
            with torch.inference_mode():
                for part in parts:
                    net(part)

        def queue(
            net: nn.Module = module,
            images: Images = pixels,
            truth: NDArray[np.int64] = labels,
            names: list[str] = ids,
        ) -> None:
            find_outliers(predict(net, images), truth, names)

        seconds = in_turn(7 if name == "film_net" else 5, queue=queue, forward=forward)
        measured[name] = told(seconds, count, "queue", "forward") | {"size": size}

    record({"backbones": measured, **about()})
    assert min(each["ratio"] for each in measured.values()) >= SCORING_AT_LEAST


@pytest.mark.soak
def test_bfloat16_is_as_accurate_as_float32_within_the_seeds_interval(record: Record) -> None:
    accuracies: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for seed in range(SEEDS):
        pixels, found = films(64, 1000, seed=seed)
        for precision in (Precision.FP32, Precision.BF16):
            plan = replace(Plan(), epochs=12, seed=seed, precision=precision)
            inputs = inputs_of(plan, pixels, found)
            (*_, last) = epochs_of_ours(plan, inputs, initial_state(plan, classes=2, channels=1))
            rows = found.rows(Split.TEST)
            scores = predict(restore(plan, last.state), pixels[rows])
            right = scores.argmax(1) == torch.from_numpy(found.labels[rows])
            accuracies[precision.value].append(round(float(right.double().mean()), 4))

    points = 100 * (np.array(accuracies["bf16"]) - np.array(accuracies["fp32"]))
    half = 2.776 * points.std(ddof=1) / np.sqrt(SEEDS)  # Student's t, four degrees of freedom
    low, high = points.mean() - half, points.mean() + half
    record(
        {
            "accuracy": accuracies,
            "points_bf16_minus_fp32": round(float(points.mean()), 2),
            "interval_95": [round(float(low), 2), round(float(high), 2)],
            "films": "1,000 of 64 px without a shortcut, 400 for the test, 12 epochs of film_net",
            "films_version": FILMS_VERSION,
            **about(),
        }
    )
    assert low <= 0 <= high


def about() -> dict[str, Any]:
    return {"threads": 1, "clock": "processor", "cpu": cpu_model(), "torch": torch.__version__}
