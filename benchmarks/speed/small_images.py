"""A zip of many small images, read whole: peak memory, and images a second.

`python -m benchmarks.speed.small_images --out FILE` reads 100,000 PNGs of 16 px. With `--against
PATH`, another checkout reads the same zip in turn with this one, and the ratio is told as well.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
IMAGES, SIDE = 100_000, 16
CLASSES = ("normal", "sick")
# Images that lie in one folder, so that no folder grows slow on a plain disk.
FOLDER = 5000

# Runs in a process of its own, so that its peak is that of reading alone.
READ = """
import json, os, resource, sys, time
from pathlib import Path
from imil.datasets.archive.read import read_archive
from imil.datasets.listing import with_splits

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def used():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system

imports, began, before = peak(), time.perf_counter(), used()
listing = with_splits(read_archive(Path(sys.argv[1]), Path(sys.argv[2])), seed=0)
print(json.dumps({
    "images": len(listing.entries),
    "peak_mb": round(peak()),
    "of_imports_mb": round(imports),
    "seconds": round(time.perf_counter() - began, 1),
    "processor_seconds": round(used() - before, 1),
}))
"""


def write_zip(path: Path, count: int) -> None:
    """Write so many images of noise in two classes, no two alike."""
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            image = io.BytesIO()
            noise = draw.integers(0, 256, (SIDE, SIDE), np.uint8)
            Image.fromarray(noise).save(image, "PNG", compress_level=1)
            label = CLASSES[number % len(CLASSES)]
            archive.writestr(f"part_{number // FOLDER}/{label}/{number:06}.png", image.getvalue())


def read(checkout: Path, archive: Path) -> dict[str, Any]:
    """Return what a process with a checkout's code took to read a zip."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as into:
        made = subprocess.run(
            [sys.executable, "-c", READ, str(archive), str(Path(into) / "study")],
            cwd=into,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.PIPE,
            check=True,
        )
    told: dict[str, Any] = json.loads(made.stdout)
    told["images_a_second"] = round(told["images"] / told["seconds"])
    told["images_a_processor_second"] = round(told["images"] / told["processor_seconds"])
    return told


def measure(count: int, *, rounds: int, against: Path | None) -> dict[str, Any]:
    """Return each round's figures of this checkout and, in turn with it, of another one."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "images.zip"
        write_zip(archive, count)
        pairs = [
            [read(checkout, archive) for checkout in (ROOT, against) if checkout is not None]
            for _ in range(rounds)
        ]
    told: dict[str, Any] = {"this": [ours for ours, *_ in pairs]}
    if against is not None:
        told["other"] = [other for _, other in pairs]
        told["of_the_others_rate"] = {
            rate: round(median(ours[rate] / other[rate] for ours, other in pairs), 3)
            for rate in ("images_a_second", "images_a_processor_second")
        }
    return {**told, "load": round(os.getloadavg()[0], 1), "cores": os.cpu_count()}


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--images", type=int, default=IMAGES)
    asked.add_argument("--rounds", type=int, default=1)
    asked.add_argument("--against", type=Path, help="another checkout, with the same modules")
    asked.add_argument("--out", type=Path, help="a JSON file")
    given = asked.parse_args()
    found = measure(given.images, rounds=given.rounds, against=given.against)
    content = json.dumps(found, indent=1) + "\n"
    sys.stdout.write(content)
    if given.out is not None:
        given.out.write_text(content, encoding="utf-8")
