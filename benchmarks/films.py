"""The benchmark of the method on synthetic films: every arm over a grid of shortcuts and noise."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.charts import film_plots
from benchmarks.grid import Cell, grid_content
from benchmarks.pooled import Outcome
from benchmarks.table import films_table
from benchmarks.targets import film_targets
from imil.core.arms.variants import CONTROL, IMIL, Variant, parse_variant
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.recommendation import Candidate
from imil.core.records import Arm, Plan
from imil.core.splits import prove_disjoint
from imil.errors import PlanError, WeightsError
from imil.jobs.pool import WorkerPool
from imil.jobs.training.machine import versions
from imil.storage.local import write_atomic
from imil.study.batch.runner import Request, as_now, run_study
from imil.synthetic.films import FILMS_VERSION, FilmSpec, film_set

# The grid: share of the training films whose token agrees with the label, and of wrong labels.
SHORTCUTS = (1.0, 0.95, 0.85, 0.5)
LABEL_NOISES = (0.0, 0.04)
ARMS_BY_DEFAULT = (
    CONTROL,
    IMIL,
    Variant(Arm.COUNTEREXAMPLE),
    Variant(Arm.PROPAGATED),
)
SEEDS = (0, 1, 2, 3, 4)
BENCH_SCHEMA = 3
# What the folder of a benchmark was begun with.
SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class Grid:
    """What a benchmark runs.

    Attributes:
        out: folder of results; run again to go on.
        arms: control first.
        seeds: each a full replication on films of its own.
        shortcuts: of the grid.
        label_noises: of the grid.
        images: training films a seed.
        plan: how to train; 6 + 8 epochs of film_net by default.
    """

    out: Path
    arms: tuple[Variant, ...] = ARMS_BY_DEFAULT
    seeds: tuple[int, ...] = SEEDS
    shortcuts: tuple[float, ...] = SHORTCUTS
    label_noises: tuple[float, ...] = LABEL_NOISES
    images: int = 1000
    plan: Plan = field(default_factory=Plan)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every setting, noise by noise."""
        return tuple(Cell(s, n) for n, s in product(self.label_noises, self.shortcuts))

    @property
    def left(self) -> int:
        """How many studies are still to be run."""
        every = product(self.cells, self.seeds)
        return sum(_answers(self, cell, seed) is None for cell, seed in every)


def run_grid(
    grid: Grid, pool: WorkerPool, *, on_progress: Callable[[str, float, float | None], None]
) -> dict[str, Any]:
    """Run or finish the grid; write `bench.json`, `bench.md` and plots, and return the JSON.

    Args:
        grid: what to run.
        pool: as many workers as cores; studies run side by side, one thread each.
        on_progress: told (step, share 0-1, seconds left or None) after each study.

    Raises:
        PlanError: the folder holds a benchmark of other films or another plan.
    """
    began = time.monotonic()
    _check_folder(grid)
    outcomes = _outcomes(grid, pool, on_progress)
    found = grid_content(outcomes, cells=grid.cells, seeds=grid.seeds, arms=grid.arms)
    targets = film_targets(found["cells"], seeds=len(grid.seeds))
    content = {
        "schema_version": BENCH_SCHEMA,
        "films_version": FILMS_VERSION,
        "arms": list(grid.arms),
        "seeds": list(grid.seeds),
        "seed_scope": "replication",
        "images": grid.images,
        "plan": asdict(grid.plan),
        **found,
        "targets": [asdict(target) for target in targets],
        "seconds_of_this_call": round(time.monotonic() - began, 1),
        "versions": versions(),
        "trained_with": _trained_with(grid),
    }
    write_atomic(grid.out / "bench.json", json.dumps(content, indent=1).encode())
    write_atomic(grid.out / "bench.md", films_table(content).encode())
    for name, svg in film_plots(content).items():
        write_atomic(grid.out / name, svg.encode())
    return content


def _check_folder(grid: Grid) -> None:
    about = {"films_version": FILMS_VERSION, "images": grid.images, "plan": asdict(grid.plan)}
    path = grid.out / SETTINGS
    if path.exists() and as_now(json.loads(path.read_bytes())) != as_now(about):
        raise PlanError(
            f"“{grid.out.name}” holds a benchmark of other films or another plan.",
            why="Its studies would be mixed with these.",
            fix="Use the former settings to go on, or another --out to begin anew.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(about, indent=1).encode())


def _outcomes(
    grid: Grid, pool: WorkerPool, on_progress: Callable[[str, float, float | None], None]
) -> dict[tuple[Cell, int], Outcome]:
    began = time.monotonic()
    outcomes = {
        (cell, seed): found
        for cell, seed in product(grid.cells, grid.seeds)
        if (found := _answers(grid, cell, seed)) is not None
    }
    todo = [each for each in product(grid.cells, grid.seeds) if each not in outcomes]
    every, kept = len(outcomes) + len(todo), len(outcomes)
    on_progress(f"{len(todo)} studies", kept / every, None)
    threads = ThreadPoolExecutor(max_workers=pool.workers)
    running = {threads.submit(_study, grid, *each, pool): each for each in todo}
    try:
        for done in as_completed(running):
            outcomes[running[done]] = done.result()
            made = len(outcomes) - kept
            left = (time.monotonic() - began) / made * (len(todo) - made)
            on_progress(f"study {len(outcomes)} of {every}", len(outcomes) / every, left)
    finally:
        # After Ctrl-C, or an error in one study, the others are not waited for.
        threads.shutdown(wait=False, cancel_futures=True)
        if len(outcomes) < every:
            pool.close()
    return outcomes


def _study(grid: Grid, cell: Cell, seed: int, pool: WorkerPool) -> Outcome:
    spec = FilmSpec(
        images=grid.images,
        size=grid.plan.size,
        shortcut=cell.shortcut,
        label_noise=cell.label_noise,
        seed=seed,
    )
    images = film_set(spec)
    request = Request(
        images=images,
        proof=prove_disjoint(images.samples),
        plan=grid.plan,
        arms=grid.arms,
        seeds=(seed,),
        masks="reference",
        out=_folder(grid, cell, seed),
        fetch_weights=_no_weights,
        job_prefix=f"{cell.name}-",
        explain=False,
        intervals=False,
    )
    run_study(request, pool)
    found = _answers(grid, cell, seed)
    if found is None:
        raise ValueError("a finished study lacks an arm's answers")
    return found


def _folder(grid: Grid, cell: Cell, seed: int) -> Path:
    return grid.out / cell.name / f"seed-{seed}"


def _answers(grid: Grid, cell: Cell, seed: int) -> Outcome | None:
    """Return what a finished study left; None where it is unfinished or lacks an arm."""
    folder = _folder(grid, cell, seed)
    if not (folder / "results.json").exists() or not (folder / "predictions.npz").exists():
        return None
    with np.load(folder / "predictions.npz", allow_pickle=False) as saved:
        if not set(grid.arms) <= set(saved.files):
            return None
        answers = {arm: saved[arm][0] for arm in grid.arms}
        validation = {k: saved[k] for k in ("validation_labels", "validation_clusters")}
        independent, of_test = (
            {arm: saved[f"{kind}.{arm}"][0] for arm in grid.arms if f"{kind}.{arm}" in saved.files}
            for kind in ("independent", "test_independent")
        )
        labels, clusters = saved["labels"], saved["clusters"]
    told = json.loads((folder / "results.json").read_bytes()).get("candidates") or {}
    return Outcome(
        labels,
        clusters,
        answers,
        tuple(
            Candidate(
                parse_variant(name),
                accuracy=tuple(found["accuracy"]),
                independent=tuple(found["independent_balanced_accuracy"]),
                gain=Difference(**found["gain"]),
                swapped_balanced_accuracy=tuple(found["swapped_balanced_accuracy"]),
                masks=found["masks"],
            )
            for name, found in told.items()
        ),
        **validation,
        independent=independent,
        test_independent=of_test,
    )


def _trained_with(grid: Grid) -> list[dict[str, str]]:
    """Return the versions that the studies were trained with, which another call may have done."""
    found: list[dict[str, str]] = []
    for cell, seed in product(grid.cells, grid.seeds):
        told = json.loads((_folder(grid, cell, seed) / "results.json").read_bytes())
        if told["versions"] not in found:
            found.append(told["versions"])
    return found


def _no_weights(backbone: str) -> bytes:
    raise WeightsError(
        f"Films need no weights for {backbone}.",
        why="They are trained from scratch.",
        fix="Use film_net.",
    )
