"""The benchmark of the method on synthetic films: every arm over a grid of shortcuts and noise."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil.compute.pool import WorkerPool
from imil.core.films import FILMS_VERSION, FilmSpec, film_set
from imil.core.metrics import Metric
from imil.core.records import Arm, Plan
from imil.core.splits import prove_disjoint
from imil.core.verdict import Decision, PairedOutcome, decide_all, drawn_over_replications
from imil.errors import WeightsError
from imil.store.local import write_atomic
from imil.workflow.headless import Request, run_study
from imil.workflow.results import versions

# The grid: share of the training films whose token agrees with the label, and of wrong labels.
SHORTCUTS = (1.0, 0.95, 0.85, 0.5)
LABEL_NOISES = (0.0, 0.04)
# A token that agrees with half of the labels is no shortcut: its cell is the clean reference.
CLEAN = 0.5
ARMS_BY_DEFAULT = (Arm.CONTROL, Arm.IMIL, Arm.COUNTEREXAMPLE, Arm.PROPAGATED)
SEEDS = (0, 1, 2, 3, 4)
# Below this gap to the clean reference, in points, a share of it means nothing.
LEAST_GAP = 5.0
DRAWS = 10_000
BENCH_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting of the grid."""

    shortcut: float
    label_noise: float

    @property
    def name(self) -> str:
        """The cell's folder."""
        return f"shortcut-{self.shortcut:g}-noise-{self.label_noise:g}"


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
    arms: tuple[Arm, ...] = ARMS_BY_DEFAULT
    seeds: tuple[int, ...] = SEEDS
    shortcuts: tuple[float, ...] = SHORTCUTS
    label_noises: tuple[float, ...] = LABEL_NOISES
    images: int = 1000
    plan: Plan = field(default_factory=Plan)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every setting, noise by noise."""
        return tuple(Cell(s, n) for n, s in product(self.label_noises, self.shortcuts))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One seed of one cell: each arm's answers to that seed's test films."""

    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]
    answers: Mapping[Arm, NDArray[np.int64]]

    def right(self, arm: Arm) -> NDArray[np.bool_]:
        """Return (N,) whether the arm was right."""
        right: NDArray[np.bool_] = self.answers[arm] == self.labels
        return right

    def accuracy(self, arm: Arm) -> float:
        """Return the arm's accuracy, 0-1."""
        return float(self.right(arm).mean())


def run_grid(
    grid: Grid, pool: WorkerPool, *, on_progress: Callable[[str, float, float | None], None]
) -> dict[str, Any]:
    """Run or finish the grid; write `bench.json` and `bench.md`, and return what they say.

    Args:
        grid: what to run.
        pool: as many workers as cores; studies run side by side, one thread each.
        on_progress: told (step, share 0-1, seconds left or None) after each study.
    """
    began = time.monotonic()
    todo = [(cell, seed) for cell in grid.cells for seed in grid.seeds]
    outcomes: dict[tuple[Cell, int], Outcome] = {}
    on_progress(f"{len(todo)} studies", 0.0, None)
    threads = ThreadPoolExecutor(max_workers=pool.workers)
    running = {threads.submit(_study, grid, *each, pool): each for each in todo}
    try:
        for done in as_completed(running):
            outcomes[running[done]] = done.result()
            share = len(outcomes) / len(todo)
            left = (time.monotonic() - began) / share * (1 - share)
            on_progress(f"study {len(outcomes)} of {len(todo)}", share, left)
    finally:
        # After Ctrl-C, or an error in one study, the others are not waited for.
        threads.shutdown(wait=False, cancel_futures=True)
        if len(outcomes) < len(todo):
            pool.close()
    content = {
        "schema_version": BENCH_SCHEMA,
        "films_version": FILMS_VERSION,
        "arms": list(grid.arms),
        "seeds": list(grid.seeds),
        "seed_scope": "replication",
        "images": grid.images,
        "plan": asdict(grid.plan),
        "cells": [
            _cell(
                cell,
                [outcomes[cell, seed] for seed in grid.seeds],
                [outcomes.get((Cell(CLEAN, cell.label_noise), seed)) for seed in grid.seeds],
                grid,
            )
            for cell in grid.cells
        ],
        "seconds_of_this_call": round(time.monotonic() - began, 1),
        "versions": versions(),
    }
    write_atomic(grid.out / "bench.json", json.dumps(content, indent=1).encode())
    write_atomic(grid.out / "bench.md", bench_table(content).encode())
    return content


def _study(grid: Grid, cell: Cell, seed: int, pool: WorkerPool) -> Outcome:
    out = grid.out / cell.name / f"seed-{seed}"
    predictions = out / "predictions.npz"
    if not predictions.exists():
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
            out=out,
            fetch_weights=_no_weights,
            job_prefix=f"{cell.name}-",
        )
        run_study(request, pool)
    with np.load(predictions, allow_pickle=False) as saved:
        answers = {arm: saved[arm.value][0] for arm in grid.arms}
        return Outcome(saved["labels"], saved["clusters"], answers)


def _no_weights(backbone: str) -> bytes:
    raise WeightsError(
        f"Films need no weights for {backbone}.",
        why="They are trained from scratch.",
        fix="Use film_net.",
    )


def _cell(
    cell: Cell, outcomes: Sequence[Outcome], clean: Sequence[Outcome | None], grid: Grid
) -> dict[str, Any]:
    drawn = {
        arm: drawn_over_replications(
            [
                PairedOutcome(o.right(arm), o.right(Arm.CONTROL), o.labels, o.clusters)
                for o in outcomes
            ]
        )
        for arm in grid.arms
        if arm is not Arm.CONTROL
    }
    decisions = decide_all(drawn, recommended=None, seeds=len(grid.seeds))
    reference = [o.accuracy(Arm.CONTROL) for o in clean if o is not None]
    accuracies = {arm: [o.accuracy(arm) for o in outcomes] for arm in grid.arms}
    return {
        "shortcut": cell.shortcut,
        "label_noise": cell.label_noise,
        "clean": reference,
        "accuracy": {arm.value: values for arm, values in accuracies.items()},
        "paired": {
            arm.value: _paired(
                decision, share_closed(accuracies[arm], accuracies[Arm.CONTROL], reference)
            )
            for arm, decision in decisions.items()
        },
    }


def _paired(decision: Decision, closed: Mapping[str, float] | None) -> dict[str, Any]:
    differences = {metric.value: asdict(found) for metric, found in decision.differences.items()}
    return {
        "against": Arm.CONTROL.value,
        "verdict": decision.verdict.value,
        "exploratory": decision.exploratory,
        **differences,
        "share_closed": closed,
    }


def share_closed(
    arm: Sequence[float], control: Sequence[float], clean: Sequence[float]
) -> dict[str, float] | None:
    """Return how much of control's gap to clean films an arm closes, with a 95 % interval.

    Mean gain over mean gap, seeds resampled together (`DRAWS` draws).

    Args:
        arm: accuracy a seed, 0-1.
        control: the same seeds' control.
        clean: the same seeds' control on shortcut-free films; empty where it was not run.

    Returns:
        value, low and high; None where there is no reference or the gap is under `LEAST_GAP`.
    """
    if len(clean) != len(control):
        return None
    gain, gap = np.subtract(arm, control), np.subtract(clean, control)
    if 100 * gap.mean() < LEAST_GAP:
        return None
    picks = np.random.default_rng(0).integers(len(gain), size=(DRAWS, len(gain)))
    drawn = gain[picks].mean(1) / gap[picks].mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": float(gain.mean() / gap.mean()), "low": float(low), "high": float(high)}


def bench_table(content: Mapping[str, Any]) -> str:
    """Return the grid as a Markdown table: control, then points of each arm against it."""
    arms = [name for name in content["arms"] if name != Arm.CONTROL]
    seeds, images = len(content["seeds"]), content["images"]
    lines = [
        f"Accuracy on test films, {seeds} seeds (each new films, a full replication), {images} "  # noqa: ISC004  # one sentence
        "training films. Points against control, 95 % interval.",
        "",
        f"| shortcut | label noise | control | {' | '.join(arms)} |",
        f"|---|---|---|{'---|' * len(arms)}",
    ]
    for cell in content["cells"]:
        control = np.mean(cell["accuracy"][Arm.CONTROL])
        points = [_points(cell["paired"][name]) for name in arms]
        lines.append(
            f"| {cell['shortcut']:g} | {cell['label_noise']:.0%} | {control:.3f} "
            f"| {' | '.join(points)} |"
        )
    return "\n".join(lines) + "\n"


def _points(paired: Mapping[str, Any]) -> str:
    found = paired[Metric.ACCURACY]
    words = paired["verdict"].replace("_", " ")
    closed = paired["share_closed"]
    share = "" if closed is None else f", closes {closed['value']:.0%}"
    return f"{found['points']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}] {words}{share}"
