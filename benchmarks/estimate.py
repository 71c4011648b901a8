"""How long a benchmark on films will take, from a short trial."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch

from benchmarks.films import Grid
from imil.core.arms.registry import ArmInputs, control, with_weights
from imil.core.records import Arm, Plan
from imil.core.training.fit import EpochReport, fit, initial_state

# Images of the trial: four steps of the usual batch, the first epoch of which only warms up.
TRIAL_IMAGES = 128
TRIAL_EPOCHS = 3
# Beside the epochs of a study: films, masks, figures, and the scores of all images. Measured.
SECONDS_A_STUDY = 6.0
# An epoch against control's: film_net, 64 px, one thread. Measured; arms not named cost the same.
COSTS: Mapping[Arm, float] = MappingProxyType(
    {
        Arm.COUNTEREXAMPLE: 1.1,
        Arm.RIGHT_REASON: 2.2,
        Arm.RANDAUGMENT: 1.1,
        Arm.TRIVIALAUGMENT: 1.1,
        Arm.AUGMIX: 1.55,
        Arm.RANDOM_ERASING: 1.1,
    }
)


def estimate(grid: Grid, studies: int, *, epoch: float, workers: int) -> float:
    """Return the seconds that so many studies will take on an idle machine.

    Args:
        grid: whose arms and plan.
        studies: how many are still to be run.
        epoch: seconds of an epoch of control.
        workers: studies side by side.
    """
    arms = sum(COSTS.get(name.arm, 1.0) for name in with_weights(grid.arms))
    epochs = grid.plan.epochs + arms * grid.plan.epochs_after
    return studies * (epochs * epoch + SECONDS_A_STUDY) / workers


def seconds_an_epoch(plan: Plan, images: int, *, channels: int = 1) -> float:
    """Return what an epoch of so many images takes on the plan's threads, tried on noise.

    Processor time, so that other programs don't count.
    """
    torch.set_num_threads(plan.threads)
    trained = min(images, TRIAL_IMAGES)
    validated = max(1, trained // 5)
    rng = np.random.default_rng(0)
    size = (trained + validated, channels, plan.size, plan.size)
    inputs = ArmInputs(
        plan=plan,
        images=rng.integers(0, 256, size, np.uint8),
        labels=np.arange(size[0]) % 2,
        classes=2,
        train=np.arange(trained),
        validation=np.arange(trained, size[0]),
        mirrored=False,
    )
    state = initial_state(plan, classes=2, channels=channels)
    times: list[float] = []
    began = time.process_time()
    for report in fit(plan, state, control(inputs), should_stop=lambda: len(times) >= TRIAL_EPOCHS):
        if isinstance(report, EpochReport):
            times.append(time.process_time() - began)
            began = time.process_time()
    return min(times) * images / trained
