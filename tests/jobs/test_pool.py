from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from imil.errors import ComputeError
from imil.jobs.base import JobState, JobStatus
from imil.jobs.pool import WorkerPool
from imil.jobs.training.task import TrainingTask, run_task

MakeTask = Callable[..., TrainingTask]

# A worker imports torch first: seconds.
pytestmark = pytest.mark.slow


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[WorkerPool]:
    opened = WorkerPool(tmp_path / "jobs")
    yield opened
    opened.close()


def status(pool: WorkerPool, job: str) -> JobStatus:
    found = pool.status(job)
    assert found is not None
    return found


def until(condition: Callable[[], bool], *, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_jobs_run_in_order_and_say_their_place(pool: WorkerPool, make_task: MakeTask) -> None:
    pool.submit("a", (make_task("a1", epochs=20), make_task("a2")))
    pool.submit("b", (make_task("b"),))
    pool.submit("c", (make_task("c"),))

    until(lambda: status(pool, "a").state is JobState.RUNNING)
    assert [status(pool, job).position for job in "bc"] == [1, 2]
    assert pool.wait(["a", "b", "c"], timeout=180)

    assert [status(pool, job).state for job in "abc"] == [JobState.DONE] * 3
    assert make_task("a2").finished
    assert status(pool, "a").share == 1.0


def test_who_waits_is_told_about_when_it_begins(pool: WorkerPool, make_task: MakeTask) -> None:
    seeds = tuple(make_task(f"seed {seed}", epochs=20, seed=seed) for seed in range(3))
    pool.submit("long", seeds)
    pool.submit("next", (make_task("next", epochs=20),))
    pool.submit("last", (make_task("last", epochs=20),))
    until(lambda: (status(pool, "long").seconds_left or 0) > 0)

    whole, first, second = (status(pool, job) for job in ("long", "next", "last"))

    # After one seed of the three it gives way, and each training is taken to last as long.
    assert whole.seconds_left is not None
    assert first.starts_in is not None
    assert second.starts_in is not None
    assert 0 < first.starts_in < second.starts_in <= whole.seconds_left + 1
    assert whole.starts_in is None
    assert pool.wait(["long", "next", "last"], timeout=180)


def test_between_seeds_others_have_their_turn(pool: WorkerPool, make_task: MakeTask) -> None:
    seeds = tuple(make_task(f"seed {seed}", epochs=20, seed=seed) for seed in range(3))
    pool.submit("long", seeds)
    until(lambda: status(pool, "long").state is JobState.RUNNING)
    pool.submit("short", (make_task("short", epochs=20),))

    until(lambda: status(pool, "short").state is JobState.RUNNING)

    assert [task.finished for task in seeds] == [True, False, False]
    assert status(pool, "long").state is JobState.QUEUED
    assert pool.wait(["long", "short"], timeout=180)
    assert status(pool, "long").state is JobState.DONE
    assert status(pool, "long").share == 1.0


@pytest.fixture
def two_cores(tmp_path: Path) -> Iterator[WorkerPool]:
    opened = WorkerPool(tmp_path / "jobs", workers=2, cores=2)
    yield opened
    opened.close()


def test_segments_of_a_job_train_side_by_side_as_they_would_alone(
    two_cores: WorkerPool, make_task: MakeTask
) -> None:
    pair = make_task("one", epochs=80), make_task("other", epochs=80)
    alone = make_task("alone", epochs=80)
    two_cores.submit("job", pair)
    two_cores.submit("next", (make_task("next"),))

    until(lambda: len(two_cores._jobs["job"].at_work) == 2)
    assert status(two_cores, "next").position == 1
    assert status(two_cores, "job").step == pair[0].name
    until(lambda: status(two_cores, "job").share > 0)
    assert two_cores.wait(["job", "next"], timeout=180)
    for _ in run_task(alone, should_stop=lambda: False):
        pass

    for task in pair:
        assert np.array_equal(np.load(task.logits), np.load(alone.logits))


def test_no_more_segments_train_side_by_side_than_their_threads_have_cores(
    tmp_path: Path, make_task: MakeTask
) -> None:
    pair = make_task("one", epochs=5), make_task("other", epochs=5)
    pool = WorkerPool(tmp_path / "jobs", workers=2, cores=1)
    pool.submit("job", pair)
    job, at_work = pool._jobs["job"], [0]

    until(lambda: at_work.append(len(job.at_work)) or not job.status.active)  # type: ignore[func-returns-value]  # noted

    assert status(pool, "job").state is JobState.DONE
    assert max(at_work) == 1
    pool.close()


def test_stop_ends_all_segments_that_train_side_by_side(
    two_cores: WorkerPool, make_task: MakeTask
) -> None:
    tasks = tuple(make_task(name, epochs=300) for name in ("one", "other", "third"))
    two_cores.submit("job", tasks)
    until(lambda: all(task.checkpoint.exists() for task in tasks[:2]))

    two_cores.stop("job")
    until(lambda: status(two_cores, "job").state is JobState.STOPPED, seconds=5)

    assert not any(task.finished for task in tasks)
    assert not tasks[2].checkpoint.exists()


def test_a_segment_that_fails_ends_the_one_beside_it_and_says_why(
    two_cores: WorkerPool, make_task: MakeTask
) -> None:
    broken, other = make_task("broken"), make_task("other", epochs=300)
    broken.folder.write_bytes(b"in the way of its folder")
    two_cores.submit("job", (broken, other))

    assert two_cores.wait(["job"], timeout=180)

    assert status(two_cores, "job").state is JobState.FAILED
    assert "could not be saved" in str(status(two_cores, "job").error)
    assert not other.finished


def test_a_process_starts_with_its_first_task_or_at_once_where_a_pool_is_warm(
    pool: WorkerPool, make_task: MakeTask, tmp_path: Path
) -> None:
    warm = WorkerPool(tmp_path / "warm", workers=2, warm=True)

    until(lambda: len(warm._children) == 2)
    assert len(pool._children) == 0
    pool.submit("job", (make_task(),))
    assert pool.wait(["job"], timeout=180)
    assert len(pool._children) == 1
    warm.close()


def test_a_process_that_ended_while_idle_is_no_failed_attempt(
    tmp_path: Path, make_task: MakeTask
) -> None:
    pool = WorkerPool(tmp_path / "jobs", workers=2, cores=2, warm=True)
    until(lambda: len(pool._children) == 2)
    for child in list(pool._children):
        os.kill(child.pid, signal.SIGKILL)
        child.wait()

    pool.submit("job", (make_task("one"), make_task("other")))

    assert pool.wait(["job"], timeout=180)
    assert status(pool, "job").state is JobState.DONE
    assert not pool._jobs["job"].alone
    pool.close()


def test_after_a_kill_segments_go_on_one_at_a_time(
    two_cores: WorkerPool, make_task: MakeTask
) -> None:
    # As where memory does not hold two of them.
    pair = make_task("one", epochs=60), make_task("other", epochs=60)
    two_cores.submit("job", pair)
    until(lambda: all(task.checkpoint.exists() for task in pair))

    job = two_cores._jobs["job"]
    for child in list(two_cores._children):
        os.kill(child.pid, signal.SIGKILL)
    until(lambda: job.alone)
    at_work = [len(job.at_work)]
    until(lambda: at_work.append(len(job.at_work)) or not job.status.active)  # type: ignore[func-returns-value]  # noted

    assert max(at_work) == 1
    assert status(two_cores, "job").state is JobState.DONE


def test_a_worker_killed_in_the_middle_goes_on_bit_identical(
    pool: WorkerPool, make_task: MakeTask
) -> None:
    task, whole = make_task("killed", epochs=30), make_task("whole", epochs=30)
    pool.submit("job", (task,))
    until(lambda: len(status(pool, "job").curves) >= 2)

    for child in list(pool._children):
        os.kill(child.pid, signal.SIGKILL)
    assert pool.wait(["job"], timeout=180)
    for _ in run_task(whole, should_stop=lambda: False):
        pass

    assert status(pool, "job").state is JobState.DONE
    assert np.array_equal(np.load(task.logits), np.load(whole.logits))


def test_stop_acts_and_the_job_goes_on_where_it_was(pool: WorkerPool, make_task: MakeTask) -> None:
    task = make_task(epochs=300)
    pool.submit("job", (task,))
    until(lambda: len(status(pool, "job").curves) >= 2)

    pool.stop("job")
    until(lambda: status(pool, "job").state is JobState.STOPPED, seconds=5)
    kept = len(status(pool, "job").curves)
    pool.submit("job", (task,))

    until(lambda: len(status(pool, "job").curves) > kept)
    assert [f.epoch for f in status(pool, "job").curves][: kept + 1] == list(range(1, kept + 2))
    pool.stop("job")


def test_a_waiting_job_can_leave_the_queue(pool: WorkerPool, make_task: MakeTask) -> None:
    pool.submit("a", (make_task("a", epochs=300),))
    pool.submit("b", (make_task("b"),))

    pool.stop("b")
    pool.stop("a")

    assert status(pool, "b").state is JobState.STOPPED


def test_unfinished_jobs_go_on_when_the_app_comes_back(tmp_path: Path, make_task: MakeTask) -> None:
    task = make_task(epochs=40)
    first = WorkerPool(tmp_path / "jobs")
    first.submit("job", (task,))
    until(lambda: len(status(first, "job").curves) >= 2)
    first.close()

    second = WorkerPool(tmp_path / "jobs")
    assert second.wait(["job"], timeout=180)
    second.close()

    assert task.finished


def test_a_process_that_dies_every_time_ends_with_a_message(
    tmp_path: Path, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A memory bound that no training fits in: the process dies like one the kernel kills.
    dying = tmp_path / "sitecustomize.py"
    dying.write_text(
        "import os, sys, threading\n"
        "if 'imil.jobs.training.worker' in ' '.join(sys.orig_argv):\n"
        "    threading.Timer(0.3, os._exit, (9,)).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = WorkerPool(tmp_path / "jobs")
    pool.submit("job", (make_task(),))

    assert pool.wait(["job"], timeout=180)

    found = status(pool, "job")
    pool.close()
    assert found.state is JobState.FAILED
    assert "ended 3 times without finishing an epoch" in str(found.error)
    assert "smaller image size or batch" in str(found.error)


@pytest.fixture
def idle_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that start and then never do anything, as in an epoch of hours."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'imil.jobs.training.worker' in ' '.join(sys.orig_argv):\n"
        "    time.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def killed(pool: WorkerPool, folder: Path, name: str) -> Path:
    """End the pool; return its folder as the app would have left it by a kill at this moment."""
    left = folder.with_name(name)
    shutil.copytree(folder, left)
    pool.close()
    return left


@pytest.mark.usefixtures("idle_workers")
def test_after_a_kill_of_the_app_the_queue_has_the_same_order(
    tmp_path: Path, make_task: MakeTask
) -> None:
    first = WorkerPool(tmp_path / "jobs")
    for job in "bca":
        first.submit(job, (make_task(job),))
    until(lambda: status(first, "b").state is JobState.RUNNING)

    second = WorkerPool(killed(first, tmp_path / "jobs", "left"))
    until(lambda: status(second, "b").state is JobState.RUNNING)

    assert [status(second, job).position for job in "bca"] == [0, 1, 2]
    second.close()


@pytest.mark.usefixtures("idle_workers")
def test_a_training_that_takes_the_app_down_each_time_is_not_begun_a_fourth_time(
    tmp_path: Path, make_task: MakeTask
) -> None:
    pool = WorkerPool(tmp_path / "jobs")
    pool.submit("deadly", (make_task("deadly"),))
    pool.submit("next", (make_task("next"),))
    for kill in range(3):
        until(lambda: status(pool, "deadly").state is JobState.RUNNING)  # noqa: B023  # at once
        before = pool._folder
        pool = WorkerPool(killed(pool, before, f"left-{kill}"))

    until(lambda: status(pool, "next").state is JobState.RUNNING)

    ended = status(pool, "deadly")
    pool.close()
    assert ended.state is JobState.FAILED
    assert "ended 3 times without finishing an epoch" in str(ended.error)


@pytest.mark.usefixtures("idle_workers")
def test_an_app_that_is_ended_properly_is_no_failed_attempt(
    tmp_path: Path, make_task: MakeTask
) -> None:
    pool = WorkerPool(tmp_path / "jobs")
    pool.submit("job", (make_task(),))
    for _ in range(4):
        until(lambda: status(pool, "job").state is JobState.RUNNING)  # noqa: B023  # at once
        pool.close()
        pool = WorkerPool(tmp_path / "jobs")

    assert status(pool, "job").active
    pool.close()


@pytest.mark.usefixtures("idle_workers")
def test_a_stop_holds_though_the_app_is_killed_before_it_acts(
    tmp_path: Path, make_task: MakeTask
) -> None:
    first = WorkerPool(tmp_path / "jobs")
    first.submit("job", (make_task(),))
    until(lambda: status(first, "job").state is JobState.RUNNING)

    first.stop("job")
    second = WorkerPool(killed(first, tmp_path / "jobs", "left"))

    assert status(second, "job").state is JobState.STOPPED
    second.close()


def test_a_stop_between_two_segments_is_not_lost(pool: WorkerPool, make_task: MakeTask) -> None:
    tasks = tuple(make_task(f"t{n}", epochs=1) for n in range(400))
    pool.submit("job", tasks)
    for _ in range(4):
        until(lambda: status(pool, "job").step != "")
        step = status(pool, "job").step
        until(lambda step=step: status(pool, "job").step != step)  # type: ignore[misc]  # now

        pool.stop("job")
        until(lambda: status(pool, "job").state is JobState.STOPPED, seconds=20)

        pool.submit("job", tasks)


def test_what_made_a_training_fail_is_still_said_after_a_restart(
    pool: WorkerPool, tmp_path: Path, make_task: MakeTask
) -> None:
    broken = make_task("broken")
    broken.folder.write_bytes(b"in the way of its folder")
    pool.submit("job", (broken,))
    assert pool.wait(["job"], timeout=180)
    said = status(pool, "job").error

    again = WorkerPool(killed(pool, tmp_path / "jobs", "left"))

    found = status(again, "job")
    again.close()
    assert found.state is JobState.FAILED
    assert str(found.error) == str(said)


def test_a_list_that_cannot_be_saved_refuses_the_job_and_goes_on_with_the_others(
    pool: WorkerPool, tmp_path: Path, make_task: MakeTask, capfd: pytest.CaptureFixture[str]
) -> None:
    pool.submit("kept", (make_task("kept"),))
    (tmp_path / "jobs").rename(tmp_path / "elsewhere")

    with pytest.raises(ComputeError, match=r"could not be put on the list.*Free some space"):
        pool.submit("refused", (make_task("refused"),))

    assert pool.wait(["kept"], timeout=180)
    assert pool.status("refused") is None
    assert status(pool, "kept").state is JobState.DONE
    assert "could not be saved" in capfd.readouterr().err


def test_a_failed_training_says_why_and_the_next_job_runs(
    pool: WorkerPool, make_task: MakeTask
) -> None:
    broken = make_task("broken")
    broken.folder.write_bytes(b"in the way of its folder")
    pool.submit("a", (broken,))
    pool.submit("b", (make_task("b"),))

    assert pool.wait(["a", "b"], timeout=180)

    assert "could not be saved" in str(status(pool, "a").error)
    assert status(pool, "b").state is JobState.DONE


def test_a_fault_of_the_program_is_told_without_its_details(
    pool: WorkerPool, make_task: MakeTask, capfd: pytest.CaptureFixture[str]
) -> None:
    task = make_task()
    task.samples.unlink()
    pool.submit("job", (task,))

    assert pool.wait(["job"], timeout=180)

    assert "fault of the program (FileNotFoundError)" in str(status(pool, "job").error)
    assert "samples.npy" in capfd.readouterr().err


def test_a_second_process_on_the_same_folder_is_refused(pool: WorkerPool, tmp_path: Path) -> None:
    assert pool.status("nothing") is None
    with pytest.raises(ComputeError, match=r"Another IMIL process.*IMIL_HOME"):
        WorkerPool(tmp_path / "jobs")


def test_workers_end_with_the_app(tmp_path: Path, make_task: MakeTask) -> None:
    pool = WorkerPool(tmp_path / "jobs")
    pool.submit("job", (make_task(epochs=300),))
    until(lambda: len(status(pool, "job").curves) >= 1)
    (child,) = pool._children

    pool.close()

    assert child.poll() is not None
