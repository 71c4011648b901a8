from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from benchmarks.estimate import estimate, seconds_an_epoch
from benchmarks.films import Grid, run_grid
from imil.core.arms.registry import parse_arms
from imil.core.arms.variants import CONTROL, IMIL, parse_variant
from imil.core.evaluation.differences import PairedOutcome, drawn_over_replications
from imil.core.evaluation.metrics import Metric
from imil.core.records import Plan
from imil.errors import PlanError
from imil.jobs.pool import WorkerPool

ARMS = ["control", "imil", "propagated", "upweight", "right_reason"]


class NoPool:
    """A pool that nothing may be asked of."""

    workers = 1


def test_a_folder_of_other_films_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"images": 40}')

    with pytest.raises(PlanError, match="holds a benchmark of other films") as caught:
        run_grid(Grid(tmp_path), cast("WorkerPool", NoPool()), on_progress=lambda *_: None)

    assert "another --out" in caught.value.fix
    assert (tmp_path / "settings.json").read_text() == '{"images": 40}'


def test_an_estimate_counts_epochs_arms_and_workers(tmp_path: Path) -> None:
    plan = replace(Plan(), epochs=6, epochs_after=8)
    cheap, dear = (
        Grid(tmp_path, arms=(CONTROL, IMIL), plan=plan),
        parse_arms(("right_reason",)),
    )

    one = estimate(cheap, 10, epoch=2.0, workers=1)

    assert one == pytest.approx(10 * (22 * 2.0 + 6))
    assert estimate(cheap, 10, epoch=2.0, workers=2) == pytest.approx(one / 2)
    # Four weights of its penalty are trained, each at twice the cost.
    assert estimate(replace(cheap, arms=dear), 10, epoch=2.0, workers=1) > 3 * one
    variant = replace(cheap, arms=(CONTROL, parse_variant("imil+noise")))
    assert estimate(variant, 10, epoch=2.0, workers=1) == one


def test_the_trial_takes_longer_for_more_films() -> None:
    plan = replace(Plan(), size=32)

    assert 0 < seconds_an_epoch(plan, 40) < seconds_an_epoch(plan, 4000)


def replication(gain: float, *, seed: int) -> PairedOutcome:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 200)
    control = rng.random(200) < 0.7
    return PairedOutcome(control | (rng.random(200) < gain), control, labels, np.arange(200) // 2)


def test_replications_on_images_of_their_own_are_pooled() -> None:
    outcomes = [replication(0.3, seed=seed) for seed in range(5)]

    found = drawn_over_replications(outcomes)[Metric.ACCURACY].interval()

    gains = [(o.right.mean() - o.control_right.mean()) * 100 for o in outcomes]
    assert found.points == pytest.approx(np.mean(gains))
    assert 3 < found.low < found.points < found.high < 20


def test_seeds_that_disagree_widen_the_pooled_interval() -> None:
    steady = [replication(0.3, seed=seed) for seed in range(6)]
    torn = [replication(0.6 if seed % 2 else 0.0, seed=seed) for seed in range(6)]

    narrow, wide = (drawn_over_replications(o)[Metric.ACCURACY].interval() for o in (steady, torn))

    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@pytest.mark.slow
def test_a_small_grid_runs_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "films", "--out", str(tmp_path / "out"),
               "--shortcuts", "0.95,0.5", "--label-noises", "0", "--images", "40", "--size", "32",
               "--epochs", "1", "--epochs-after", "1", "--arms", ",".join(ARMS[1:])]  # fmt: skip

    def bench(seeds: str) -> str:
        done = subprocess.run(
            [*command, "--seeds", seeds],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"IMIL_HOME": str(tmp_path), "COLUMNS": "200"},
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    bench("0")
    first = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("logits.npy")}
    printed = bench("0,1")

    found = json.loads((tmp_path / "out" / "bench.json").read_bytes())
    assert [(c["shortcut"], c["label_noise"]) for c in found["cells"]] == [(0.95, 0.0), (0.5, 0.0)]
    assert found["arms"] == ARMS
    assert [len(c["accuracy"]["imil"]) for c in found["cells"]] == [2, 2]
    assert found["cells"][0]["clean"] == found["cells"][1]["accuracy"]["control"]
    assert found["cells"][0]["paired"]["imil"]["verdict"] == "too_early_to_say"
    assert found["cells"][0]["recommended"]["arm"] in ARMS
    assert len(found["cells"][0]["recommended"]["a_seed"]) == 2
    assert found["rule"]["recommended"]["single"]["cases"] == 4
    assert {p: p.stat().st_mtime_ns for p in first} == first
    assert printed.startswith("Studies left: 2, each of 5 arms; about ")
    assert (tmp_path / "out" / "bench.md").read_text() in printed.replace("\r", "") + "\n"
    assert "shortcut 0.95" in (tmp_path / "out" / "gain-noise-0.svg").read_text()


@pytest.mark.slow
def test_ctrl_c_ends_a_benchmark_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "films", "--out", str(tmp_path), "--images", "100",
         "--epochs", "200"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    end = time.monotonic() + 240
    while not list(tmp_path.rglob("checkpoint.safetensors")):
        assert time.monotonic() < end
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=15)

    assert process.returncode == 130
    assert "goes on where it stopped" in said
