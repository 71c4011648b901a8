"""Nothing is lost however often a process is killed. Small in every run, long in `make soak`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil.compute.pool import JobState, WorkerPool
from imil.compute.task import TrainingTask, run_task, write_samples
from imil.core.records import Arm, Plan, Split
from imil.store.local import LocalStore
from imil.workflow.maskbook import MaskBook

Record = Callable[[dict[str, Any]], None]
SIZES = [
    pytest.param(3, id="small", marks=pytest.mark.slow),
    pytest.param(50, id="long", marks=pytest.mark.soak),
]

# Submits masks to the first study it finds, and tells each one once it was accepted.
READER = """
import sys
import numpy as np
from pathlib import Path
from imil.store.codec import MaskRecord
from imil.store.local import LocalStore
from imil.workflow.maskbook import MaskBook
from datetime import UTC, datetime

book = MaskBook(LocalStore(Path(sys.argv[1])), "abc")
rng = np.random.default_rng(int(sys.argv[2]))
while True:
    number = len(book)
    irrelevant = rng.random((64, 64)) < 0.3
    now = datetime.now(UTC)
    book.add(MaskRecord("abc", f"film_{number}", irrelevant, "a", "b", 0.5, "r", 1.0, 1, now))
    print(number, int(irrelevant.sum()), flush=True)
"""


@pytest.mark.parametrize("kills", SIZES)
def test_every_acknowledged_mask_survives_kills(kills: int, tmp_path: Path, record: Record) -> None:
    chance = random.Random(0)
    acknowledged: dict[str, int] = {}
    for kill in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(tmp_path), str(kill)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        until = None
        for line in process.stdout:
            number, pixels = line.split()
            acknowledged[f"film_{number}"] = int(pixels)
            until = until or time.monotonic() + chance.uniform(0, 0.3)
            if time.monotonic() > until:
                break
        process.kill()
        # What was told between the last line read and the kill counts as well.
        for line in process.communicate()[0].splitlines():
            if len(line.split()) == 2:
                number, pixels = line.split()
                acknowledged[f"film_{number}"] = int(pixels)

    book = MaskBook(LocalStore(tmp_path), "abc")

    kept = {name: book.last(name) for name in acknowledged}
    lost = [name for name, mask in kept.items() if mask is None]
    changed = [
        name
        for name, mask in kept.items()
        if mask is not None and int(mask.irrelevant.sum()) != acknowledged[name]
    ]
    record({"kills": kills, "acknowledged": len(acknowledged), "lost": len(lost)})
    assert lost == changed == []


@pytest.mark.parametrize("kills", SIZES)
def test_a_training_killed_again_and_again_ends_bit_identical(
    kills: int, tmp_path: Path, record: Record
) -> None:
    task = segment(tmp_path, "killed", epochs=8 * kills)
    whole = segment(tmp_path, "whole", epochs=8 * kills)
    chance = random.Random(0)
    pool = WorkerPool(tmp_path / "jobs")
    pool.submit("job", (task,))
    for _ in range(kills):
        before = epochs_done(pool)
        while epochs_done(pool) <= before:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        for child in list(pool._children):
            os.kill(child.pid, signal.SIGKILL)
    assert pool.wait(["job"], timeout=600)
    ended = pool.status("job")
    pool.close()
    for _ in run_task(whole, should_stop=lambda: False):
        pass

    identical = np.array_equal(np.load(task.logits), np.load(whole.logits))
    record({"kills": kills, "epochs": 8 * kills, "bit_identical": bool(identical)})
    assert ended is not None
    assert ended.state is JobState.DONE
    assert identical


def epochs_done(pool: WorkerPool) -> int:
    """Return how many epochs the job has finished, or a number that ends the waiting."""
    status = pool.status("job")
    assert status is not None
    return len(status.curves) if status.active else sys.maxsize


def segment(folder: Path, name: str, *, epochs: int) -> TrainingTask:
    """Return a tiny segment to train."""
    rng = np.random.default_rng(0)
    labels = np.arange(96, dtype=np.int64) % 2
    images = rng.integers(0, 100, (96, 1, 32, 32), np.uint8)
    images[labels == 1, :, 8:24, 8:24] += 80
    np.save(folder / "working.npy", images)
    splits = (Split.TRAIN,) * 64 + (Split.VALIDATION,) * 16 + (Split.TEST,) * 16
    write_samples(folder / "samples.npy", labels, splits)
    return TrainingTask(
        name=name,
        folder=folder / name,
        images=folder / "working.npy",
        samples=folder / "samples.npy",
        plan=Plan(size=32, epochs=epochs, epochs_after=1, batch_size=8),
        arm=Arm.CONTROL,
        classes=2,
        mirrored=False,
    )
