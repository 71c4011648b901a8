from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL
from imil.core.records import Plan, Split
from imil.jobs.training.inputs import write_samples
from imil.jobs.training.task import TrainingTask


@pytest.fixture
def make_task(tmp_path: Path) -> Callable[..., TrainingTask]:
    """Return a maker of tiny, learnable segments that share their images."""
    rng = np.random.default_rng(0)
    labels = np.arange(48, dtype=np.int64) % 2
    images = rng.integers(0, 100, (48, 1, 32, 32), np.uint8)
    images[labels == 1, :, 8:24, 8:24] += 80
    np.save(tmp_path / "working.npy", images)
    splits = (Split.TRAIN,) * 32 + (Split.VALIDATION,) * 8 + (Split.TEST,) * 8
    write_samples(tmp_path / "samples.npy", labels, splits)

    def make(name: str = "first", *, epochs: int = 3, seed: int = 0) -> TrainingTask:
        return TrainingTask(
            name=name,
            folder=tmp_path / name,
            images=tmp_path / "working.npy",
            samples=tmp_path / "samples.npy",
            plan=Plan(size=32, epochs=epochs, epochs_after=2, batch_size=8, seed=seed),
            arm=CONTROL,
            classes=2,
            mirrored=False,
        )

    return make
