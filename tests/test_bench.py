from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imil.bench import share_closed
from imil.core.metrics import Metric
from imil.core.verdict import PairedOutcome, drawn_over_replications


def test_share_closed_is_gain_over_gap() -> None:
    found = share_closed([0.85, 0.95], [0.8, 0.8], [0.9, 1.0])

    assert found is not None
    assert found["value"] == pytest.approx(0.1 / 0.15)
    assert found["low"] <= found["value"] <= found["high"]


def test_no_share_is_given_where_there_is_no_gap_to_close() -> None:
    assert share_closed([0.95, 0.95], [0.94, 0.94], [0.95, 0.95]) is None
    assert share_closed([0.95, 0.95], [0.8, 0.8], []) is None


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
    command = [sys.executable, "-m", "imil", "bench", "films", "--out", str(tmp_path / "out"),
               "--shortcuts", "0.95,0.5", "--label-noises", "0", "--images", "60", "--size", "48",
               "--epochs", "1", "--epochs-after", "1"]  # fmt: skip

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
    assert found["arms"] == ["control", "imil", "counterexample", "propagated"]
    assert [len(c["accuracy"]["imil"]) for c in found["cells"]] == [2, 2]
    assert found["cells"][0]["clean"] == found["cells"][1]["accuracy"]["control"]
    assert found["cells"][0]["paired"]["imil"]["verdict"] == "one_run"
    assert found["cells"][0]["paired"]["propagated"]["exploratory"]
    assert {p: p.stat().st_mtime_ns for p in first} == first
    assert "| 0.95 | 0% |" in printed
    assert (tmp_path / "out" / "bench.md").read_text() in printed.replace("\r", "") + "\n"


@pytest.mark.slow
def test_ctrl_c_ends_a_benchmark_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "imil", "bench", "films", "--out", str(tmp_path), "--images", "100",
         "--epochs", "200"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not list(tmp_path.rglob("checkpoint.safetensors")):
        assert time.monotonic() < end
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=15)

    assert process.returncode == 130
    assert "goes on where it stopped" in said
