"""How near training on a GPU comes to what the GPU can do.

`python -m benchmarks.speed.gpu_speed [OUT.json]`, from the project's folder, wherever there is a
GPU; `make soak` does the same.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from imil.core.arms.registry import ArmInputs, control, imil
from imil.core.plans import default_plan
from imil.core.records import Plan
from imil.core.training.batches import Batches
from imil.core.training.cuda_graph import CudaGraphStep
from imil.core.training.device_images import cache_on_gpu
from imil.core.training.fit import fit, initial_state, restore

NOT_MEASURED = "not measured: there is no GPU here"


@dataclass(frozen=True, slots=True)
class Size:
    """What is measured.

    `warm` steps go by before `steps` are timed, `rounds` times in turn with the synthetic ones.
    """

    backbone: str
    side: int
    channels: int
    batch: int
    warm: int
    steps: int
    rounds: int = 3


SIZES = (
    Size("resnet50", 224, 3, 256, warm=8, steps=20, rounds=2),
    Size("film_net", 64, 1, 1024, warm=30, steps=150),
    Size("film_net", 64, 1, 32, warm=30, steps=300),
)
REHEARSAL = (Size("film_net", 32, 1, 8, warm=1, steps=2, rounds=1),)
# Share of the images that the masked arm shows edited: the paper's budget.
MASKED = 0.04
# Distinct images; more are the same ones again, as a step takes equally long for them.
DISTINCT = 2048


def measure(sizes: tuple[Size, ...] = SIZES) -> dict[str, Any]:
    """Return images a second of our training and of the bare step on this machine's GPU.

    Without a GPU everything is done once at a small size, and nothing is told but that it was not
    measured.
    """
    there = torch.cuda.is_available()
    device = "cuda" if there else "cpu"
    rates = [_of(size, device) for size in (sizes if there else REHEARSAL)]
    return {
        "claim": "training on a GPU runs at 0.9 of the rate of the bare step or faster",
        "bare_step": "forward, backward and fused AdamW on synthetic batches that lie on the GPU, "
        "bfloat16, channels last",
        "captured_step": "the same as a CUDA graph, for comparison",
        "gpu": torch.cuda.get_device_name() if there else NOT_MEASURED,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "rates": rates if there else NOT_MEASURED,
    }


def _of(size: Size, device: str) -> dict[str, Any]:
    plan = replace(
        default_plan(size.backbone, size=size.side),
        batch_size=size.batch,
        epochs=1,
        device=device,
    )
    inputs = _inputs(plan, size)
    there = replace(inputs, resident=cache_on_gpu(inputs.images, device))
    ways: dict[str, Callable[[], float]] = {
        "bare_step": lambda: _bare(plan, size, captured=False),
        "captured_step": lambda: _bare(plan, size, captured=True),
        "control": lambda: _ours(plan, size, control(there)),
        "imil": lambda: _ours(plan, size, imil(there)),
        "control_from_disk": lambda: _ours(plan, size, control(inputs)),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(size.rounds):
        for name, way in ways.items():
            rates[name].append(way())
    middle = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "backbone": size.backbone,
        "side": size.side,
        "batch": size.batch,
        "images_per_second": {n: [round(r, 1) for r in found] for n, found in rates.items()},
        "of_the_bare_step": {
            name: round(rate / middle["bare_step"], 3)
            for name, rate in middle.items()
            if name not in {"bare_step", "captured_step"}
        },
    }


def _inputs(plan: Plan, size: Size) -> ArmInputs:
    rng = np.random.default_rng(0)
    count = size.batch * (size.warm + size.steps + 2)
    images = rng.integers(0, 256, (DISTINCT, size.channels, size.side, size.side), np.uint8)
    images = images[np.arange(count) % DISTINCT]
    masked = rng.choice(count, round(MASKED * count), replace=False).tolist()
    region = np.zeros((size.side, size.side), np.bool_)
    region[: size.side // 4] = True
    return ArmInputs(
        plan=plan,
        images=images,
        labels=rng.integers(0, 2, count),
        classes=2,
        train=np.arange(count),
        validation=np.arange(min(count, size.batch)),
        mirrored=False,
        edited=dict.fromkeys(masked, np.zeros_like(images[0])),
        masks=dict.fromkeys(masked, region),
    )


def _ours(plan: Plan, size: Size, batches: Batches) -> float:
    """Return images a second of `fit` itself, between two steps of one epoch."""
    clock = _Clock(size, plan.device)
    state = initial_state(plan, classes=2, channels=size.channels)
    for _ in fit(plan, state, batches, should_stop=clock.step):
        pass
    return size.steps * size.batch / clock.seconds


def _bare(plan: Plan, size: Size, *, captured: bool) -> float:
    """Return images a second of the step alone, in the usual fast way, or captured as a graph."""
    device = torch.device(plan.device)
    state = initial_state(plan, classes=2, channels=size.channels)
    net: nn.Module = restore(plan, state)
    net = net.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]  # of modules its stubs know none
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True, capturable=captured)
    generator = torch.Generator(device).manual_seed(0)
    shape = (size.batch, size.channels, size.side, size.side)
    images = [torch.rand(shape, generator=generator, device=device) for _ in range(4)]
    images = [batch.contiguous(memory_format=torch.channels_last) for batch in images]
    labels = torch.arange(size.batch, device=device) % 2
    clock = _Clock(size, plan.device)
    number = 0

    def step(shown: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        return _bare_step(net, optimiser, shown, of)

    once = CudaGraphStep(step) if captured and plan.device == "cuda" else step
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
        while not clock.step():
            once(images[number % len(images)], labels)
            number += 1
    return size.steps * size.batch / clock.seconds


def _bare_step(
    net: nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = net(images)
        loss = functional.cross_entropy(logits, labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    optimiser.step()
    return loss.detach(), logits.detach()


class _Clock:
    """Asked before each step; waits for the GPU only where timing begins and ends."""

    def __init__(self, size: Size, device: str) -> None:
        self._size, self._device, self._steps = size, device, 0
        self._began = self.seconds = 0.0

    def step(self) -> bool:
        """Return whether all steps were timed."""
        timed = self._steps - self._size.warm
        if timed in {0, self._size.steps}:
            if self._device == "cuda":
                torch.cuda.synchronize()
            self.seconds = time.perf_counter() - self._began
            self._began = time.perf_counter()
        self._steps += 1
        return timed >= self._size.steps


if __name__ == "__main__":
    told = json.dumps(measure(), indent=1) + "\n"
    sys.stdout.write(told)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(told, encoding="utf-8")
