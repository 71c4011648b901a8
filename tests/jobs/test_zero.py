from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

from imil.core.records import Plan
from imil.jobs.base import JobState, JobStatus, finished_epochs
from imil.jobs.leases import Lease
from imil.jobs.pool import WorkerPool
from imil.jobs.training.task import TrainingTask, run_task, task_to_json
from imil.jobs.zero_gpu import ZeroGpuTrainer, train_in_lease
from tests.standins.documents import ROOT
from tests.standins.fakezero import FakeZero

MakeTask = Callable[..., TrainingTask]
Told = Iterator[dict[str, Any]]


def new_epochs(told: Iterable[dict[str, Any]]) -> list[int]:
    return [each["report"]["epoch"] for each in told if each.get("new")]


def lease(tmp_path: Path, *, seconds: int = 60, epochs: int = 99) -> Lease:
    return Lease(seconds, epochs, tmp_path / "stop")


# ---- what happens within a lease -------------------------------------------------------------


def test_a_lease_ends_after_the_epochs_it_was_asked_for(
    make_task: MakeTask, tmp_path: Path
) -> None:
    task = make_task(epochs=5)

    assert new_epochs(train_in_lease(lease(tmp_path, epochs=2), (task,))) == [1, 2]
    assert not task.finished
    assert new_epochs(train_in_lease(lease(tmp_path, epochs=3), (task,))) == [3, 4, 5]
    assert task.finished


def test_a_lease_goes_on_with_the_next_segment_and_counts_its_epochs_in(
    make_task: MakeTask, tmp_path: Path
) -> None:
    first, second = make_task("one", epochs=2), make_task("two", epochs=2)

    told = list(train_in_lease(lease(tmp_path, epochs=3), (first, second)))

    assert [each["task"] for each in told if "task" in each] == [0, 1]
    assert first.finished
    assert finished_epochs(second) == 1


def test_a_lease_ends_before_it_would_be_killed(make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task(epochs=3)

    told = list(train_in_lease(lease(tmp_path, seconds=0), (task,)))

    assert told == [{"task": 0}]


def test_a_lease_ends_once_its_mark_is_there(make_task: MakeTask, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()

    assert new_epochs(train_in_lease(lease(tmp_path), (make_task(),))) == []


def test_what_went_wrong_in_a_lease_is_told_whole(make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task()
    task.folder.mkdir()
    task.checkpoint.write_bytes(b"half a checkpoint")
    lost = replace(make_task("lost"), images=tmp_path / "none.npy")

    (_, damaged), (_, crash) = (
        list(train_in_lease(lease(tmp_path), (each,))) for each in (task, lost)
    )

    assert "damaged" in damaged["error"]["why"]
    assert "FileNotFoundError" in crash["crash"]


# ---- the pool --------------------------------------------------------------------------------


class Lender:
    """Says what ZeroGPU would, in order; lends once it has nothing more to say."""

    def __init__(self, *said: tuple[str, str]) -> None:
        self.said = list(said)
        self.leases: list[Lease] = []

    def __call__(self, lease: Lease, tasks: tuple[TrainingTask, ...]) -> Told:
        self.leases.append(lease)
        if self.said:
            title, message = self.said.pop(0)
            raise gr.Error(message, title=title)
        yield from train_in_lease(lease, tasks)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerPool]:
    opened = WorkerPool(tmp_path / "jobs")
    yield opened
    opened.close()


@pytest.fixture
def lending(tmp_path: Path, worker: WorkerPool) -> Callable[..., tuple[ZeroGpuTrainer, Lender]]:
    """Return a maker of pools that lend their own CPU, whatever a plan says."""

    class Lent(ZeroGpuTrainer):
        def lent(self, plan: Plan) -> bool:  # noqa: ARG002  # see above
            return True

    def make(*said: tuple[str, str]) -> tuple[ZeroGpuTrainer, Lender]:
        lender = Lender(*said)
        return Lent(tmp_path / "leases", worker, borrow=lender), lender

    return make


def ended(pool: ZeroGpuTrainer) -> JobStatus:
    assert pool.wait(["job"], timeout=60)
    found = pool.status("job")
    assert found is not None
    return found


QUOTA = "You have exceeded your free ZeroGPU quota ({asked}s requested vs. {left}s left). "
WAIT = "Try again in 3:20:00. "


def test_a_job_is_trained_on_borrowed_time(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]], make_task: MakeTask
) -> None:
    pool, lender = lending()
    tasks = (make_task("one"), make_task("two"))

    pool.submit("job", tasks)

    assert ended(pool).state is JobState.DONE
    assert ended(pool).share == 1
    assert all(task.finished for task in tasks)
    assert len(lender.leases) == 1


def test_what_follows_a_job_is_called_once_however_it_ends(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]],
    make_task: MakeTask,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pool, _ = lending(("ZeroGPU quota exceeded", QUOTA.format(asked=45, left=2) + WAIT))
    called: list[JobState | None] = []

    def follow() -> None:
        called.append(ended(pool).state)
        raise ArithmeticError

    pool.submit("job", (make_task(),))
    pool.follow("job", follow)
    ended(pool)

    assert pool.followed(["job"], timeout=60)
    assert called == [JobState.STOPPED]
    assert "ArithmeticError" in capfd.readouterr().err
    # Of a job that has ended, or never was, at once.
    pool.follow("job", follow)
    pool.follow("unknown", lambda: called.append(None))
    assert pool.followed(["job", "unknown"], timeout=60)
    assert sorted(map(str, called)) == ["None", "stopped", "stopped"]


def test_without_quota_a_job_waits_says_for_how_long_and_goes_on_when_asked(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]], make_task: MakeTask
) -> None:
    pool, lender = lending(("ZeroGPU quota exceeded", QUOTA.format(asked=45, left=2) + WAIT))
    task = make_task()

    pool.submit("job", (task,))

    said = ended(pool)
    assert said.state is JobState.STOPPED
    assert "You can continue in 3 h 20 min" in str(said.error)
    assert "0 of 3 epochs are kept" in str(said.error)
    pool.submit("job", (task,))
    assert ended(pool).state is JobState.DONE
    assert len(lender.leases) == 2


def test_what_is_left_of_a_quota_is_used(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]], make_task: MakeTask
) -> None:
    pool, lender = lending(("ZeroGPU quota exceeded", QUOTA.format(asked=45, left=30) + WAIT))

    pool.submit("job", (make_task(),))

    assert ended(pool).state is JobState.DONE
    # Of 30 seconds that were asked for 45 were counted.
    assert [each.seconds for each in lender.leases] == [30, 20]


def test_a_lease_that_is_too_long_for_this_visitor_is_halved(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]], make_task: MakeTask
) -> None:
    pool, lender = lending(("ZeroGPU illegal duration", "larger than the maximum allowed"))

    pool.submit("job", (make_task(),))

    assert ended(pool).state is JobState.DONE
    assert [each.seconds for each in lender.leases] == [30, 15]


def test_leases_that_bring_nothing_are_given_up(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]], make_task: MakeTask
) -> None:
    killed = ("ZeroGPU worker error", "GPU task aborted")
    pool, lender = lending(killed, killed)

    pool.submit("job", (make_task(),))

    assert ended(pool).state is JobState.FAILED
    assert "2 leases of a GPU in a row brought no epoch" in str(ended(pool).error)
    assert len(lender.leases) == 2


def test_an_answer_that_nobody_expects_is_told_and_logged(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]],
    make_task: MakeTask,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pool, _ = lending()

    def broken(lease: Lease, tasks: tuple[TrainingTask, ...]) -> Told:
        raise RuntimeError("ZeroGPU API /schedule error: 418")
        yield from train_in_lease(lease, tasks)

    pool._borrow = broken
    pool.submit("job", (make_task(),))

    assert ended(pool).state is JobState.STOPPED
    assert "does not answer as expected" in str(ended(pool).error)
    assert "418" in capfd.readouterr().err


def test_a_stopped_job_ends_within_a_batch_and_goes_on(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]], make_task: MakeTask
) -> None:
    pool, lender = lending()

    def stopped_in_epoch_2(lease: Lease, tasks: tuple[TrainingTask, ...]) -> Told:
        for told in train_in_lease(lease, tasks):
            yield told
            if told.get("new") and told["report"]["epoch"] == 1:
                pool.stop("job")

    pool._borrow = stopped_in_epoch_2
    task = make_task(epochs=4)
    pool.submit("job", (task,))
    assert ended(pool).state is JobState.STOPPED
    assert finished_epochs(task) == 1

    pool._borrow = lender
    pool.submit("job", (task,))
    assert ended(pool).state is JobState.DONE
    assert [figures.epoch for figures in ended(pool).curves] == [1, 2, 3, 4]


def test_an_error_within_a_lease_fails_the_job_with_its_words(
    lending: Callable[..., tuple[ZeroGpuTrainer, Lender]], make_task: MakeTask
) -> None:
    pool, _ = lending()
    task = make_task()
    task.folder.mkdir()
    task.checkpoint.write_bytes(b"half a checkpoint")

    pool.submit("job", (task,))

    assert ended(pool).state is JobState.FAILED
    assert "A checkpoint is damaged" in str(ended(pool).error)


def test_what_is_small_trains_on_the_cpu_and_costs_no_quota(
    tmp_path: Path, worker: WorkerPool, make_task: MakeTask
) -> None:
    lender = Lender()
    pool = ZeroGpuTrainer(tmp_path / "leases", worker, borrow=lender)
    task = make_task()

    assert pool.device_for(Plan(backbone="film_net", device="cuda")) == "cpu"
    assert pool.device_for(Plan(backbone="resnet50", device="cuda")) == "cuda"
    pool.submit("job", (task,))

    assert worker.wait(["job"], timeout=60)
    assert pool.status("job") == worker.status("job")
    assert task.finished
    assert lender.leases == []


def test_nobodys_quota_is_used_before_they_ask(tmp_path: Path, worker: WorkerPool) -> None:
    pool = ZeroGpuTrainer(tmp_path / "leases", worker)

    assert pool.takes_up(Plan(device="cpu"))
    assert not pool.takes_up(Plan(device="cuda"))


# ---- the real package ------------------------------------------------------------------------


class Space:
    """A Space in a process of its own, and what it says."""

    def __init__(
        self, zero: FakeZero, task: TrainingTask, folder: Path, *, deadly: tuple[int, ...]
    ) -> None:
        (folder / "task.json").write_text(json.dumps(task_to_json(task)))
        self.process = subprocess.Popen(
            [
                sys.executable,
                "tests/standins/zero_space.py",
                str(folder / "task.json"),
                *(str(epoch) for epoch in deadly),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "SPACES_ZERO_GPU": "true",
                "SPACES_ZERO_DEVICE_API_URL": zero.endpoint,
                "GRADIO_ANALYTICS_ENABLED": "False",
                "HOME": str(folder),
                "OMP_NUM_THREADS": "1",
            },
        )

    def says(self, last: str) -> list[dict[str, Any]]:
        """Return what it says until it says something of that kind."""
        said: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                said.append(json.loads(line))
                if last in said[-1]:
                    break
        return said

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait(timeout=30)


def visitor() -> str:
    """Return a token as the Hub's proxy makes them."""
    payload = base64.urlsafe_b64encode(b'{"user": "somebody"}').decode().rstrip("=")
    return f"none.{payload}.none"


@pytest.mark.slow
def test_ten_epochs_in_three_leases_two_of_them_killed_are_those_of_one_go(
    make_task: MakeTask, tmp_path: Path
) -> None:
    whole, lent = make_task("whole", epochs=10), make_task("lent", epochs=10)
    for _ in run_task(whole, should_stop=lambda: False):
        pass

    # The third lease is refused: 2 seconds are left of the quota, more in an hour.
    with FakeZero(refused={3: (2, 3600)}) as zero:
        space = Space(zero, lent, tmp_path, deadly=(3, 6))
        try:
            serving = space.says("serving")[-1]["serving"]
            client = Client(serving, headers={"x-ip-token": visitor()}, verbose=False)
            client.predict(api_name="/train")
            before = space.says("ended")
            client.predict(api_name="/train")
            after = space.says("ended")
        finally:
            space.close()

    assert before[-1]["ended"] == "stopped"
    assert "You can continue in 1 h 0 min" in before[-1]["error"]
    assert "6 of 10 epochs are kept" in before[-1]["error"]
    assert after[-1] == {"ended": "done", "error": None, "epochs": 10}
    assert new_epochs(before) == [1, 2, 3, 4, 5, 6]
    assert new_epochs(after) == [7, 8, 9, 10]
    assert [asked.granted for asked in zero.asked] == [True, True, False, True]
    assert {asked.token for asked in zero.asked} == {visitor()}
    assert (zero.reported, zero.released) == (1, 1)
    assert lent.checkpoint.read_bytes() == whole.checkpoint.read_bytes()
    assert lent.logits.read_bytes() == whole.logits.read_bytes()
