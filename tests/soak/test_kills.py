"""A training is not lost however often its process is killed, see also `tests/attacks/test_kills`.

Small in every run, long in `make soak`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL
from imil.core.records import Plan, Split
from imil.jobs.base import JobState
from imil.jobs.training.inputs import write_samples
from imil.jobs.training.task import TrainingTask, run_task
from imil.storage.codec import read_checkpoint_figures
from tests.standins.documents import ROOT

Record = Callable[[dict[str, Any]], None]
# The processes find this checkout, not another one that may be installed.
PATH = {"PYTHONPATH": str(ROOT)}
# A machine that is busy with other things takes its time, s.
PATIENCE = 300.0
SIZES = [
    pytest.param(3, id="small", marks=pytest.mark.slow),
    pytest.param(50, id="long", marks=pytest.mark.soak),
]

# Holds the pool of an app, and tells the processes that train.
APP = """
import sys
import time
from pathlib import Path
from imil.jobs.pool import WorkerPool
from tests.soak.test_kills import segment

pool = WorkerPool(Path(sys.argv[1]) / "jobs")
if pool.status("job") is None:
    pool.submit("job", (segment(Path(sys.argv[1]), "killed", epochs=int(sys.argv[2])),))
told = None
while pool.status("job").active:
    training = [child.pid for child in list(pool._children)]
    if training != told:
        print(*training, flush=True)
        told = training
    time.sleep(0.02)
print(pool.status("job").state, flush=True)
pool.close()
"""


class App:
    """A process that can be killed and started again, as a machine would."""

    def __init__(self, folder: Path, epochs: int) -> None:
        self._command = [sys.executable, "-c", APP, str(folder), str(epochs)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | PATH
        )
        self.lines: list[str] = []
        self.listener = threading.Thread(target=self._listen, args=(self.process,), daemon=True)
        self.listener.start()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        """Wait for the process, and for its last line."""
        self.process.wait(PATIENCE)
        self.listener.join(PATIENCE)

    def kill_worker(self) -> None:
        """Kill the process that trains now; one that has just died is killed already."""
        for pid in self.lines[-1].split() if self.lines else ():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        lines = self.lines
        assert process.stdout is not None
        with process.stdout:
            lines.extend(line.strip() for line in process.stdout)


@pytest.mark.parametrize("kills", SIZES)
def test_a_training_goes_on_bit_identical_however_often_worker_and_app_are_killed(
    kills: int, tmp_path: Path, record: Record
) -> None:
    epochs = 12 * kills
    task, whole = (segment(tmp_path, name, epochs=epochs) for name in ("killed", "whole"))
    chance = random.Random(0)
    app = App(tmp_path, epochs)
    hit = {"app": 0, "worker": 0}
    unlucky = 0
    for kill in range(kills):
        before = epochs_done(task)
        # While it starts, or in the middle of an epoch. Three starts in a row that come to nothing
        # are a crash loop, which is to be given up.
        if unlucky < 2 and chance.random() < 0.4:
            time.sleep(chance.uniform(0, 3))
        else:
            until(lambda before=before: epochs_done(task) > before)  # type: ignore[misc]  # now
            time.sleep(chance.uniform(0, 0.3))
        unlucky = 0 if epochs_done(task) > before else unlucky + 1
        target = ("worker", "app")[kill % 2]
        hit[target] += 1
        if target == "app":
            app.kill()
            app.start()
        else:
            app.kill_worker()
    done = epochs_done(task)
    app.end()
    for _ in run_task(whole, should_stop=lambda: False):
        pass

    identical = np.array_equal(np.load(task.logits), np.load(whole.logits))
    same_file = task.checkpoint.read_bytes() == whole.checkpoint.read_bytes()
    record({"kills": hit, "epochs": epochs, "bit_identical": bool(identical and same_file)})
    assert done < epochs, "the training was over before it was killed that often"
    assert app.lines[-1] == JobState.DONE
    assert identical
    assert same_file


def epochs_done(task: TrainingTask) -> int:
    """Return how many finished epochs are on disk."""
    return len(read_checkpoint_figures(task.checkpoint)) if task.checkpoint.exists() else 0


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


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
        arm=CONTROL,
        classes=2,
        mirrored=False,
    )
