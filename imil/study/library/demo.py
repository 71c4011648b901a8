"""The demo's films on this machine: one image set and one set of working images for all studies."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil.core.images import ImageSet
from imil.core.records import Region, Split
from imil.core.splits import DisjointProof, prove_disjoint
from imil.study.library.demo_training import TrainedDemo, install_demo_training
from imil.study.workspace import Workspace
from imil.synthetic.films import (
    FILMS_VERSION,
    MARKER_DISAGREES,
    FilmSpec,
    film_set,
    marker_place,
)

# Outliers whose small pictures are drawn beforehand: the gallery's first page.
DRAWN_FIRST = 50
# Seconds of rest after each film, of 3 ms, that is drawn beforehand: visitors go first.
PAUSE = 0.002
# Share of the marker's square from which on a mask covers it: a stroke leaves corners. Our choice.
COVERED = 0.6
# A model that is this much worse where the marker misleads reads the marker. Our choice.
READS_MARKER = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class DemoFilms:
    """Films that every demo study shares: dealt once, drawn once, proven disjoint once."""

    images: ImageSet
    proof: DisjointProof
    cache: Path
    making: threading.Lock = field(default_factory=threading.Lock)

    def workspace(self, folder: Path) -> Workspace:
        """Return the workspace of a study of these films."""
        return Workspace(folder, self.images, self.cache, self.making)


def demo_films(spec: FilmSpec, folder: Path) -> DemoFilms:
    """Return films whose working images lie in `folder`."""
    images = film_set(spec)
    drawn = "-".join(_exact(value) for value in asdict(spec).values())
    cache = folder / f"films-{FILMS_VERSION}-{drawn}"
    return DemoFilms(images, prove_disjoint(images.samples), cache)


def _exact(value: float) -> str:
    """Return a number in a word that no other number has: films of two kinds share no folder."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def draw_beforehand(films: DemoFilms, trained: TrainedDemo) -> None:
    """Draw what the first visitor of a trained demo will see, then what its arms will train on."""
    workspace = films.workspace(films.cache / "trained")
    task = workspace.first_task(trained.plan)
    install_demo_training(trained, task)
    for outlier in workspace.outliers(task)[:DRAWN_FIRST]:
        workspace.thumbnail(outlier.sample_id)
    for _ in workspace.prepare(trained.plan):
        time.sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class Hint:
    """What a newcomer to the demo may paint on one of its films.

    `marker` is the marker's left, top and side, in shares of the film's; None where there is none.
    """

    marker: tuple[float, float, float] | None

    def covered_by(self, irrelevant: Region) -> bool:
        """Return whether a mask (H, W) hides most of the marker; False where there is none."""
        if self.marker is None:
            return False
        height, width = irrelevant.shape
        left, top, side = self.marker
        rows = slice(int(top * height), int((top + side) * height) + 1)
        columns = slice(int(left * width), int((left + side) * width) + 1)
        return bool(irrelevant[rows, columns].mean() >= COVERED)


def demo_hint(source: Mapping[str, Any], sample_id: str) -> Hint | None:
    """Return the hint for a film of the demo; None for an image of any other study.

    Args:
        source: of the study, as it is kept.
        sample_id: an image of the study.
    """
    if source["kind"] != "demo":
        return None
    return Hint(marker_place(FilmSpec(**source["films"]), sample_id))


@dataclass(frozen=True, slots=True)
class ShortcutFigures:
    """How often a model of the demo is right on films it never saw: validation films.

    Attributes:
        films: how many there are.
        right: share of them, 0-1, that it calls right.
        misled_films: how many have a marker, or none, that says the opposite of the label.
        misled_right: share of these.
    """

    films: int
    right: float
    misled_films: int
    misled_right: float

    @property
    def reads_marker(self) -> bool:
        """Whether it is so much worse where the marker misleads that it must have read it."""
        return self.right - self.misled_right >= READS_MARKER


def shortcut_figures(
    source: Mapping[str, Any], images: ImageSet, logits: NDArray[np.float32]
) -> ShortcutFigures | None:
    """Return how a model does where the marker misleads; None but in a demo that has such films.

    Args:
        source: of the study, as it is kept.
        images: its images.
        logits: (N, C) what the model says to each.
    """
    if source["kind"] != "demo":
        return None
    rows = images.rows(Split.VALIDATION)
    right = logits[rows].argmax(1) == images.labels[rows]
    misled = np.array([images.samples[row].group == MARKER_DISAGREES for row in rows])
    if not misled.any():
        return None
    return ShortcutFigures(
        len(rows), float(right.mean()), int(misled.sum()), float(right[misled].mean())
    )
