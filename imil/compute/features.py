"""The features that fast rounds train on, kept once for all arms that start from one checkpoint."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from imil.core.disk import full_disk
from imil.core.frozen import Features, features_of
from imil.core.records import Plan
from imil.core.training import TrainState, restore


def kept_features(
    path: Path,
    plan: Plan,
    state: TrainState,
    images: NDArray[np.uint8],
    *,
    should_stop: Callable[[], bool],
) -> Features | None:
    """Return the features of every image, made where there are none yet; None if stopped.

    Args:
        path: of the file, which appears under its name only when it is complete.
        plan: how the study trains.
        state: whose frozen stages look at the images.
        images: (N, C, S, S), the whole study.
        should_stop: asked before each part.

    Raises:
        ComputeError: the disk has no room for them.
    """
    if not path.exists():
        with full_disk("Features of the frozen stages"):
            path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            with full_disk("Features of the frozen stages"):
                done = _write(unfinished, plan, state, images, should_stop)
                if done < len(images):
                    return None
                unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return cast("Features", np.load(path, mmap_mode="r", allow_pickle=False))


def _write(
    path: Path,
    plan: Plan,
    state: TrainState,
    images: NDArray[np.uint8],
    should_stop: Callable[[], bool],
) -> int:
    """Write the features of as many images as there was time for; return how many."""
    module, done = restore(plan, state).to(plan.device), 0
    parts = features_of(module, plan.backbone, images, device=plan.device, should_stop=should_stop)
    with path.open("wb") as file:
        for part in parts:
            if not done:
                shape = (len(images), *part.shape[1:])
                header = {"descr": part.dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            # Written, not mapped: a full disk ends a mapping process without a word.
            file.write(np.ascontiguousarray(part).data)
            done += len(part)
    return done
