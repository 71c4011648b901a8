"""Zips as a visitor brings them, with all that must not be kept: names, patients, EXIF."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

# What a study must not know of the zip that `telling_zip` makes.
TELLING = ("Doe_Jane", "Roe_Richard", "MRN-4711", "BirthdateFebruary", "Mercy_General")


def telling_zip(path: Path, *, each: int = 24, side: int = 24, seed: int = 0) -> Path:
    """Write a zip of two classes whose names, table and EXIF say whose images these are.

    Class "b" is brighter, so that there is something to learn. One file can't be read.
    """
    rng = np.random.default_rng(seed)
    rows = ["file_name,label,patient_id"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2 * each):
            name = f"Mercy_General/Doe_Jane_{number:03d}.tif"
            archive.writestr(name, picture(rng, bright=number % 2 == 1, side=side))
            rows.append(f"Doe_Jane_{number:03d}.tif,{'ab'[number % 2]},MRN-4711-{number // 2}")
        rows.append("Roe_Richard.png,a,MRN-4711-x")
        archive.writestr("Mercy_General/metadata.csv", "\n".join(rows))
        archive.writestr("Mercy_General/Roe_Richard.png", b"no image")
    return path


def picture(rng: np.random.Generator, *, bright: bool, side: int) -> bytes:
    """Return a grey TIFF with a description of whom it shows."""
    level = 150 if bright else 60
    pixels = rng.integers(level - 40, level + 40, (side, side), dtype=np.uint8)
    file = io.BytesIO()
    # 270: the image's description.
    Image.fromarray(pixels).save(file, "TIFF", tiffinfo={270: "Roe_Richard BirthdateFebruary"})
    return file.getvalue()
