"""A process of a team: trains a net without BatchNorm, and saves what it and its state became.

It fails if anything is left of the group once its work is done.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn

from imil.core.arms.registry import ArmInputs, batches_of
from imil.core.arms.variants import parse_variant
from imil.core.nets import backbones
from imil.core.records import Plan
from imil.core.training.data_parallel import rank
from imil.core.training.fit import EpochReport, fit, initial_state
from imil.jobs.training.distributed import DistributedTrainer, join_process_group, run_follower

# An odd batch, so that two processes have parts of two sizes.
PLAN = Plan(backbone="plain", size=32, epochs=2, batch_size=9, threads=1)
ARMS = ("control", "imil", "counterexample", "right_reason", "mixup")


def plain(channels: int) -> tuple[nn.Module, int]:
    first, second = nn.Conv2d(channels, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)
    return nn.Sequential(first, nn.GroupNorm(2, 8), nn.SiLU(), second, nn.SiLU()), 16


def inputs() -> ArmInputs:
    rng = np.random.default_rng(0)
    # Classes of unequal size, so that the parts' weights differ.
    labels = (np.arange(44) % 4 == 0).astype(np.int64)
    images = rng.integers(0, 100, (44, 1, 32, 32), np.uint8)
    images[labels == 1, :, 8:24, 8:24] += 80
    upper = np.zeros((32, 32), np.bool_)
    upper[:8] = True
    black = {row: np.where(upper, 0, images[row]).astype(np.uint8) for row in range(6)}
    masks = dict.fromkeys(black, upper)
    rows = np.arange(44)
    return ArmInputs(PLAN, images, labels, 2, rows[:37], rows[37:], False, black, masks)


def with_plain() -> Mapping[str, backbones.Backbone]:
    """Return the backbones, and one without BatchNorm."""
    kind = replace(backbones.BACKBONES["film_net"], name="plain", body=plain)
    return {**backbones.BACKBONES, "plain": kind}


def became() -> dict[str, object]:
    """Return what each arm became: figures, scores and state."""
    return dict(pair for arm in ARMS for pair in _trained(arm))


def _trained(arm: str) -> Iterator[tuple[str, object]]:
    start = initial_state(PLAN, classes=2, channels=1)
    for event in fit(
        PLAN, start, batches_of(inputs(), parse_variant(arm)), should_stop=lambda: False
    ):
        if isinstance(event, EpochReport):
            last = event
            yield f"{arm}.figures.{event.state.epoch}", asdict(event.figures)
    yield f"{arm}.scores", torch.from_numpy(last.scores)
    yield f"{arm}.state", dict(last.state.tensors)


if __name__ == "__main__":
    torch.set_num_threads(1)
    backbones.BACKBONES = with_plain()
    join_process_group(os.environ, "cpu")
    group = weakref.ref(distributed.group.WORLD)
    torch.save(became(), Path(sys.argv[1]) / f"{rank()}.pt")
    if rank() == 0:
        DistributedTrainer().close()
    else:
        run_follower()
    if group() is not None:
        sys.exit("The group's threads live on, and may abort this process at its end.")
