from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.pixel_model import (
    Outlined,
    measure_pixel_model,
    outlined,
    pixel_model_table,
    write_pixel_model,
)
from imil.core.nets.backbones import build
from imil.core.nets.stages import Stages

pytestmark = pytest.mark.slow

SIDE = 32


def lesions(count: int) -> Outlined:
    rng = np.random.default_rng(0)
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    middles = rng.integers(9, 23, (count, 2))
    far = np.hypot(down - middles[:, :1, None], across - middles[:, 1:, None])
    pixels = rng.normal(np.where(far > 6, 190, 90)[:, None], 12, (count, 3, SIDE, SIDE))
    return Outlined(pixels.clip(0, 255).astype(np.uint8), far > 6)


def test_both_kinds_of_features_are_measured_and_told(tmp_path: Path) -> None:
    net = build("film_net", classes=2, channels=3, size=SIDE, seed=0)
    stages = Stages(net.body, ("3",), net.mean, net.std)

    content = measure_pixel_model(
        lesions(10), {"elsewhere": lesions(4)}, stages, numbers=(6,), draws=1
    )
    write_pixel_model(content, tmp_path)

    assert [each["features"] for each in content["figures"]] == [
        "own features",
        "and pretrained stages",
    ]
    assert all(each["dice"][0] > 0.8 for each in content["figures"])
    assert "| images | features | 6 painted |" in pixel_model_table(content)
    assert {path.name for path in tmp_path.iterdir()} == {"pixel_model.json", "pixel_model.md"}


def test_images_are_drawn_with_their_reference_masks(tmp_path: Path) -> None:
    given = lesions(3)
    with (tmp_path / "metadata.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["file_name", "relevant_file_name"])
        for at, (pixels, hidden) in enumerate(zip(given.pixels, given.irrelevant, strict=True)):
            Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / f"{at}.png")
            Image.fromarray((~hidden).astype(np.uint8) * 255).save(tmp_path / f"{at}-mask.png")
            rows.writerow([f"{at}.png", f"{at}-mask.png"])

    found = outlined(tmp_path, 2, size=SIDE, seed=0)

    assert found.pixels.shape == (2, 3, SIDE, SIDE)
    assert all(
        any((hidden == own).all() for own in given.irrelevant) for hidden in found.irrelevant
    )
