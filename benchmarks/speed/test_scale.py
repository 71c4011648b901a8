"""A study of 100,000 films: what it holds in memory, and whether it is as fast as a small one.

Drawing that many films takes half an hour: SCALE_FILMS names a folder where they are kept, and
SCALE_IMAGES how many there are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.speed.scale_films import write
from imil.core.arms.variants import CONTROL
from imil.core.records import EpochFigures, Plan
from imil.jobs.training.task import TrainingTask, run_task

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
MANY, FEW = 100_000, 1_600  # films over all three splits; of the few, 1,000 are trained on
# How often the few are trained on: it takes seconds.
ROUNDS = 5
# Seconds between two looks at the processes.
LOOK = 0.2
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"
IMPORTS = (
    "imil.cli.main",
    "imil.jobs.training.task",
)  # of the process that runs a study, and of its worker


def anonymous_mb(*pids: int) -> float:
    """Return RssAnon + RssShmem of processes and all that they started, MB."""
    kb = 0
    for pid in _families(pids):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue  # it ended meanwhile
        kb += sum(int(x.split()[1]) for x in lines if x.startswith(("RssAnon", "RssShmem")))
    return kb / 1024


def _families(pids: tuple[int, ...]) -> set[int]:
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    family = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def of_imports() -> float:
    """Return what the processes of a run hold once they have imported, MB."""
    held = 0.0
    for module in IMPORTS:
        code = f"import {module}; print(flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            held += anonymous_mb(process.pid)
            process.kill()
    return held


def study(films: Path, out: Path) -> dict[str, Any]:
    """Run a whole study and return its peak, MB, and what it says of its steps."""
    command = [sys.executable, "-m", "imil", "run", "--data", str(films), "--out", str(out)]
    command += ["--size", "64", "--epochs", "1", "--epochs-after", "1", "--masks", "reference"]
    command += ["--threads", "1"]
    began, peak = time.monotonic(), 0.0
    with (out.parent / f"{out.name}.log").open("w") as log:
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log)
        while process.poll() is None:
            peak = max(peak, anonymous_mb(process.pid))
            time.sleep(LOOK)
    assert process.returncode == 0, (out.parent / f"{out.name}.log").read_text()
    seconds = json.loads((out / "results.json").read_bytes())["seconds"]
    whole = time.monotonic() - began
    return {"peak_mb": peak, "seconds": {"whole": whole, **seconds}}


def epoch_of(out: Path, folder: Path) -> Callable[[], float]:
    """Return what trains an epoch of a study's images, and says images a second of processor."""
    work = out / "work"

    def train() -> float:
        plan, began = Plan(epochs=1), time.process_time()
        task = TrainingTask(
            "speed",
            folder / str(time.monotonic_ns()),
            work / "working-64.npy",
            work / "samples.npy",
            plan,
            CONTROL,
            2,
            mirrored=False,
        )
        for report in run_task(task, should_stop=lambda: False):
            if isinstance(report, EpochFigures):
                break
        content = json.loads((out / "results.json").read_bytes())
        images = sum(content["data"]["counts"]["train"].values())
        return float(images / (time.process_time() - began))

    return train


@pytest.mark.soak
def test_a_hundred_thousand_films_fit_in_memory_and_train_as_fast_as_a_thousand(
    tmp_path: Path,
) -> None:
    kept = Path(os.environ.get("SCALE_FILMS", tmp_path / "films"))
    many = int(os.environ.get("SCALE_IMAGES", MANY))
    for images in (FEW, many):
        write(kept / str(images), images, workers=os.cpu_count() or 1)
    imports = of_imports()

    few, large = (study(kept / str(n), tmp_path / f"out-{n}") for n in (FEW, many))

    torch.set_num_threads(1)
    of_few, of_many = (epoch_of(tmp_path / f"out-{n}", tmp_path) for n in (FEW, many))
    rates_few = [of_few() for _ in range(ROUNDS)]
    rate_many = of_many()
    rates_few += [of_few() for _ in range(ROUNDS)]
    ratio = rate_many / statistics.median(rates_few)
    told = {
        "claim": f"a study of {many:,} films holds less than 2.5 GB of anonymous memory above its "
        "imports and trains within a tenth of the rate of 1,000 films",
        "films": "each a scene of its own, drawn at 64 px and enlarged to 224 px PNGs",
        "study": "film_net, 64 px, one epoch before and one after, control and imil, one seed",
        "images": {"few": FEW, "many": many},
        "imports_mb": round(imports),
        "peak_mb_above_imports": {
            "few": round(few["peak_mb"] - imports),
            "many": round(large["peak_mb"] - imports),
        },
        "images_per_processor_second": {
            "few": [round(rate) for rate in rates_few],
            "many": round(rate_many),
            "ratio": round(ratio, 3),
        },
        "seconds": {
            name: {step: round(s, 1) for step, s in run["seconds"].items()}
            for name, run in (("few", few), ("many", large))
        },
        "torch": torch.__version__,
    }
    RESULTS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    assert large["peak_mb"] - imports < 2500
    assert ratio > 0.9
