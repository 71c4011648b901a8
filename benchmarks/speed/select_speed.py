"""Seconds that a model behind Select takes: of the sizes of SlimSAM-77 and SAM-B, random weights.

What a network computes costs the same whatever its weights are. Run it from the repository:
`python -m benchmarks.speed.select_speed [cpu|cuda]`; it needs the extra `sam`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import SamConfig, SamModel, SamVisionConfig

from imil.models.objects import ObjectModel

SIZES = {
    "SlimSAM-77": SamVisionConfig(hidden_size=168, mlp_dim=696),
    "SAM-B": SamVisionConfig(),
}
TIMES = 3


def seconds(model: ObjectModel, image: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    model.find(image, (200.0, 300.0))
    return time.perf_counter() - began


def main(device: str = "cpu") -> None:
    """Print a line a size: weights, seconds of an image's first click and of a further one."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (TIMES + 1, 512, 512), np.uint8)
    for name, vision in SIZES.items():
        torch.manual_seed(0)
        network = SamModel(SamConfig(vision_config=vision)).eval().to(device)
        model = ObjectModel("none/none", Path(), device)
        model._model = network
        model.find(images[0], (9.0, 9.0))
        first = median(seconds(model, image) for image in images[1:])
        again = median(seconds(model, images[1]) for _ in range(TIMES))
        weights = sum(each.numel() for each in network.parameters()) / 1e6
        told = f"{first:.2f} s, then {again:.2f} s, {torch.get_num_threads()} threads"
        sys.stdout.write(f"{name}: {weights:.0f} M weights, {told}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
