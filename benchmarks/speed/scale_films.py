"""Write very many films of their own: `python -m benchmarks.speed.scale_films OUT IMAGES`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from imil.core.images import ImageSet
from imil.core.records import Sample, Split
from imil.synthetic.films import CLASSES, FilmSpec, film_set

# What is stored, and what is drawn: drawing at full size would take seven times as long.
STORED, DRAWN = 224, 64
# Films a task of the pool.
PART = 500


def spec_of(images: int) -> FilmSpec:
    """Return what gives that many films over all three splits."""
    return FilmSpec(images=round(images / 1.6), size=DRAWN)


def write(out: Path, images: int, *, workers: int) -> None:
    """Write the films as an image folder with reference masks, unless they are there.

    Every film is a scene of its own, drawn at 64 px and enlarged to 224 px: distinct files, as
    large and as slow to decode as films drawn at that size.
    """
    if (out / "complete").exists():
        return
    for split in Split:
        for kind in ("images", "relevant"):
            (out / split / kind).mkdir(parents=True, exist_ok=True)
    spec = spec_of(images)
    films = film_set(spec)
    parts = [films.samples[i : i + PART] for i in range(0, len(films), PART)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for _ in pool.map(partial(_write_part, out, spec), parts):
            pass
    for split in Split:
        with (out / split / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("file_name", "label", "patient_id", "group", "relevant_file_name"))
            table.writerows(_line(s) for s in films.samples if s.split is split)
    (out / "complete").touch()


def _line(sample: Sample) -> tuple[str, ...]:
    name = f"{sample.sample_id}.png"
    label, patient = CLASSES[sample.label], sample.patient or ""
    return f"images/{name}", label, patient, sample.group or "", f"relevant/{name}"


def _write_part(out: Path, spec: FilmSpec, samples: Sequence[Sample]) -> None:
    films = film_set(spec)
    for sample in samples:
        _save(films, sample, out / sample.split)


def _save(films: ImageSet, sample: Sample, folder: Path) -> None:
    whole = (STORED, STORED)
    name = f"{sample.sample_id}.png"
    drawn = Image.fromarray(films.original(sample.sample_id))
    drawn.resize(whole, Image.Resampling.BICUBIC).save(folder / "images" / name, compress_level=3)
    relevant = films.reference_relevant(sample.sample_id)
    if relevant is not None:
        Image.fromarray(relevant).resize(whole).save(folder / "relevant" / name)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), workers=2)
