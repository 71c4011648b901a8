"""The demo's first training as it is shipped with the app: a new demo study begins trained."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imil.core.disk import full_disk
from imil.core.plans import default_plan
from imil.core.records import Plan
from imil.errors import StoreError
from imil.jobs.pool import WorkerPool
from imil.jobs.training.machine import this_machine
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import check_version, plan_from_json
from imil.storage.local import write_atomic
from imil.study.batch.progress import train_all
from imil.study.workspace import Workspace
from imil.synthetic.films import FILMS_VERSION, FilmSpec, film_set

# One thread on the CPU: what every machine has, so that the same plan holds wherever it is shown.
# By this seed the worst outliers carry the marker, so that a first visitor finds something to paint
# on the first film. Our choice; it says nothing about the method, and benchmarks have their own.
DEMO_PLAN = replace(default_plan("film_net"), seed=1, threads=1, device="cpu")
ABOUT = "about.json"
SHIPPED_SCHEMA = 1
MAKE_AGAIN = "Make it again with “make demo”, in a checkout of the app."


@dataclass(frozen=True, slots=True)
class TrainedDemo:
    """A finished first training of the demo's films, in a folder of its own.

    Attributes:
        folder: holds the files of a segment's folder.
        films: what the films are like.
        films_version: the `FILMS_VERSION` that they were drawn by.
        plan: how it was trained.
        files: from a file's name in the folder to its SHA-256.
        made_on: machine and versions; where they are the same, it is made again bit by bit.
    """

    folder: Path
    films: FilmSpec
    films_version: int
    plan: Plan
    files: dict[str, str]
    made_on: dict[str, str]

    @property
    def digest(self) -> str:
        """Names exactly these files."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()


def read_trained_demo(folder: Path, films: FilmSpec) -> TrainedDemo | None:
    """Return the training that lies in a folder, every file checked; None only where none does.

    Args:
        folder: where `make_trained_demo` left it.
        films: what the demo's films are like now.

    Raises:
        StoreError: a file is missing or changed, or it was trained on other films, on films drawn
            in another way, or by another plan than today's.
    """
    path = folder / ABOUT
    if not path.exists():
        return None
    try:
        about = json.loads(path.read_bytes())
        check_version("The trained demo", about["schema_version"], SHIPPED_SCHEMA)
        found = TrainedDemo(
            folder=folder,
            films=FilmSpec(**about["films"]),
            films_version=about["films_version"],
            plan=plan_from_json(about["plan"]),
            files=about["files"],
            made_on=about["made_on"],
        )
        changed = [name for name, digest in found.files.items() if _digest(folder / name) != digest]
    except (ValueError, KeyError, TypeError, OSError) as cause:
        raise _damaged(folder, "It can't be read whole") from cause
    if changed:
        raise _damaged(folder, f"{', '.join(changed)} is not the file that was made")
    if (found.films, found.films_version, found.plan) != (films, FILMS_VERSION, DEMO_PLAN):
        raise StoreError(
            f"The trained demo in “{folder}” is out of date.",
            why="It was trained on other films than the demo's, or by another plan.",
            fix=MAKE_AGAIN,
        )
    return found


def make_trained_demo(
    out: Path, films: FilmSpec, *, on_progress: Callable[[str, float, float | None], None]
) -> TrainedDemo:
    """Train the first round of the demo's films, and leave it in `out` for the app to ship.

    Args:
        out: the folder; a training that is there already is replaced.
        films: what the films are like.
        on_progress: told (step, share 0-1, seconds left or None) a few times a second.

    Raises:
        ComputeError: the training failed.
    """
    with tempfile.TemporaryDirectory(prefix="imil-demo-") as work:
        workspace = Workspace(Path(work) / "study", film_set(films), Path(work) / "films")
        for done in workspace.prepare(DEMO_PLAN):
            on_progress("drawing films", done / len(workspace.images), None)
        task = workspace.first_task(DEMO_PLAN)
        pool = WorkerPool(Path(work) / "jobs")
        try:
            train_all(pool, {"demo": (task,)}, on_progress, "training")
        finally:
            pool.close()
        return _pack(task, films, out)


def install_demo_training(trained: TrainedDemo, task: TrainingTask) -> None:
    """Leave in the task's folder what training it would have left: links, or copies.

    No file of a segment is ever changed in place, so that one file may serve all studies.
    """
    # Last the scores: a segment with scores is finished.
    last = task.logits.name
    for name in sorted(trained.files, key=lambda name: (name == last, name)):
        target = task.folder / name
        if target.exists():
            continue
        unfinished = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        with full_disk("The demo's training"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _link_or_copy(trained.folder / name, unfinished)
                unfinished.replace(target)
            finally:
                unfinished.unlink(missing_ok=True)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file that belongs to somebody else
        shutil.copyfile(source, target)


def _pack(task: TrainingTask, films: FilmSpec, out: Path) -> TrainedDemo:
    # What each epoch took is true of the machine it was made on, not of the one it is shown on.
    dynamics = [task.dynamics(epoch) for epoch in range(1, task.plan.epochs + 1)]
    made = [task.checkpoint, task.logits, *dynamics]
    out.mkdir(parents=True, exist_ok=True)
    (out / ABOUT).unlink(missing_ok=True)  # until all is there, there is no trained demo
    files = {}
    for path in made:
        name = path.relative_to(task.folder).as_posix()
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out / name, path.read_bytes())
        files[name] = _digest(path)
    about: dict[str, Any] = {
        "schema_version": SHIPPED_SCHEMA,
        "films": asdict(films),
        "films_version": FILMS_VERSION,
        "plan": asdict(task.plan),
        "files": files,
        "made_on": this_machine(),
    }
    write_atomic(out / ABOUT, (json.dumps(about, indent=1) + "\n").encode())
    return TrainedDemo(out, films, FILMS_VERSION, task.plan, files, about["made_on"])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _damaged(folder: Path, why: str) -> StoreError:
    return StoreError(f"The trained demo in “{folder}” is damaged.", why=f"{why}.", fix=MAKE_AGAIN)
