"""A study of many images brought, hashed and thumbnailed, and visited again after a restart.

Run as a program, it prints what that took as JSON: `python -m tests.standins.second_visit N HOME`.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imil.jobs.pool import WorkerPool
from imil.storage.local import LocalStore
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from tests.standins.visitors import no_weights

SIDE = 64


class Opened:
    """Counts the files below a folder that this process opens, while it is asked to."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self.names: list[str] = []
        sys.addaudithook(self._hear)

    @contextmanager
    def below(self, folder: Path) -> Iterator[list[str]]:
        """Count what lies below a folder; the names are those of the last count."""
        self._folder, self.names = str(folder), []
        yield self.names
        self._folder = None

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and self._folder is not None and isinstance(given[0], str | Path):
            name = str(given[0])
            if name.startswith(self._folder) and Path(name).is_file():
                self.names.append(name)


def many(path: Path, count: int) -> Path:
    """Write a zip of so many films of two classes, no two alike."""
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            film = io.BytesIO()
            # Coarse, so that films differ to whoever looks for near duplicates.
            coarse = Image.fromarray(draw.integers(0, 256, (9, 9), np.uint8))
            coarse.resize((SIDE, SIDE)).save(film, "PNG", compress_level=1)
            archive.writestr(f"{'ab'[number % 2]}/{number:06d}.png", film.getvalue())
    return path


def start(home: Path) -> tuple[Studies, WorkerPool]:
    """Start the app on a home, as after a restart."""
    pool = WorkerPool(home / "jobs")
    return Studies(home / "work", Services(LocalStore(home / "store"), pool, no_weights)), pool


def look_at_all(study: Study) -> None:
    """Make what a visitor's pages and trainings need of every image."""
    for sample in study.images.samples:
        study.pictures.thumbnail(sample.sample_id)
    for _ in study.context.workspace.prepare(study.plan):
        pass


def measured(count: int, home: Path, opened: Opened) -> dict[str, Any]:
    """Bring so many films and look at them all, then again after a restart."""
    archive = many(home / "brought.zip", count)
    told: list[tuple[int, int]] = []
    studies, pool = start(home)
    began = time.perf_counter()
    study = studies.from_archive(archive, on_progress=lambda *each: told.append(each))
    read = time.perf_counter() - began
    look_at_all(study)
    looked = time.perf_counter() - began - read
    pool.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Of the process that reads, which counts what this one had when it was started.
    reading = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    images = home / "work" / "studies" / study.study_id / "images"
    first = set((home / "work" / "studies" / study.study_id).rglob("*.jpg"))
    studies, pool = start(home)
    began = time.perf_counter()
    with opened.below(images) as names:
        look_at_all(studies.open(study.study_id))
    again = time.perf_counter() - began
    pool.close()
    return {
        "images": len(study.images),
        "thumbnails": len(first),
        "progress_told": len(told),
        "progress_grows": told == sorted(told) and told[-1] == (count, count),
        "seconds_read_and_hash": round(read, 1),
        "seconds_thumbnails_and_working_images": round(looked, 1),
        "seconds_second_visit": round(again, 1),
        "images_opened_at_second_visit": len(names),
        "peak_mb": peak // 1024,
        "reading_peak_mb": reading // 1024,
        "threads": threading.active_count(),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(json.dumps(measured(int(sys.argv[1]), folder, Opened())) + "\n")
