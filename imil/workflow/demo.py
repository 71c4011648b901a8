"""The demo's films on this machine: one image set and one set of working images for all studies."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from imil.core.films import FILMS_VERSION, FilmSpec, film_set
from imil.core.images import ImageSet
from imil.core.splits import DisjointProof, prove_disjoint
from imil.workflow.shipped import TrainedDemo, lay_out
from imil.workflow.workspace import Workspace

# Outliers whose small pictures are drawn beforehand: the gallery's first page.
DRAWN_FIRST = 50


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
    drawn = "-".join(f"{value:g}" for value in asdict(spec).values())
    cache = folder / f"films-{FILMS_VERSION}-{drawn}"
    return DemoFilms(images, prove_disjoint(images.samples), cache)


def draw_beforehand(films: DemoFilms, trained: TrainedDemo) -> None:
    """Draw what the first visitor of a trained demo will see, then what its arms will train on."""
    workspace = films.workspace(films.cache / "trained")
    task = workspace.first_task(trained.plan)
    lay_out(trained, task)
    for outlier in workspace.outliers(task)[:DRAWN_FIRST]:
        workspace.thumbnail(outlier.sample_id)
    workspace.make_ready(trained.plan)
