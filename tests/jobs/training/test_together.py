from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from imil.core.arms.variants import CONTROL, parse_variant
from imil.core.nets import backbones
from imil.core.records import Plan
from imil.core.training.data_parallel import rank, world_size
from imil.errors import ComputeError, PlanError
from imil.jobs.training.distributed import DistributedTrainer, join_process_group
from imil.jobs.training.task import TrainingTask
from imil.synthetic.films import FilmSpec, write_films
from tests.standins.documents import ROOT
from tests.standins.team_member import became, with_plain

MEMBER = ROOT / "tests" / "standins" / "team_member.py"
# The processes find this checkout, and each trains with one thread.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

PATIENCE = 300.0  # s; a busy machine takes its time


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2"}
    members = [
        subprocess.Popen(
            [sys.executable, MEMBER, tmp_path], env=ENVIRONMENT | place | {"RANK": rank}
        )
        for rank in ("0", "1")
    ]
    monkeypatch.setattr(backbones, "BACKBONES", with_plain())

    alone = became()

    assert [member.wait(timeout=PATIENCE) for member in members] == [0, 0]
    first, second = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in (0, 1))
    assert alone.keys() == first.keys() == second.keys()
    for name, value in alone.items():
        _alike(value, first[name], name)
        _alike(first[name], second[name], name)


def _alike(one: Any, other: Any, name: str) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            _alike(one[key], other[key], f"{name}.{key}")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(other, one, atol=2e-5, rtol=1e-3, equal_nan=True, msg=name)
    else:
        assert one == pytest.approx(other, abs=1e-5), name


@pytest.mark.slow
def test_a_launched_study_is_written_once_and_finished_by_its_leader(tmp_path: Path) -> None:
    for _ in write_films(FilmSpec(images=40, size=32), tmp_path / "films"):
        pass
    out = tmp_path / "out"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += [
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
    ]
    launch += ["--main_process_port", free_port()]
    study = ["-m", "imil", "run", "--data", str(tmp_path / "films"), "--out", str(out)]
    study += ["--size", "32", "--epochs", "1", "--epochs-after", "1", "--device", "cpu"]

    done = subprocess.run(
        [*launch, *study, "--masks", "reference"],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert done.returncode == 0, done.stderr
    assert (out / "results.json").exists()
    # A second writer would have said the same again.
    assert done.stdout.count("not for diagnosis") == 1
    for machines in (out / "work" / "segments").rglob("machines.json"):
        assert '"processes": "2"' in machines.read_text()


def test_a_process_started_alone_is_alone() -> None:
    join_process_group({}, "cpu")
    join_process_group({"WORLD_SIZE": "1"}, "cuda")

    assert (rank(), world_size()) == (0, 1)


def test_more_processes_than_gpus_are_refused() -> None:
    with pytest.raises(ComputeError, match=r"has \d+ GPUs.*as many processes as there are GPUs"):
        join_process_group({"WORLD_SIZE": "99", "LOCAL_RANK": "98"}, "cuda")


def test_a_penalty_is_not_trained_by_several_gpus(tmp_path: Path) -> None:
    plan = Plan(device="cuda")
    task = TrainingTask(
        "a", tmp_path, tmp_path, tmp_path, plan, parse_variant("right_reason+10"), 2, False
    )

    with pytest.raises(PlanError, match=r"can't be trained by several GPUs.*Leave it out"):
        DistributedTrainer().submit("job", (task,))


def test_batches_with_fewer_images_than_processes_are_refused(tmp_path: Path) -> None:
    task = TrainingTask("a", tmp_path, tmp_path, tmp_path, Plan(batch_size=0), CONTROL, 2, False)

    with pytest.raises(PlanError, match=r"1 processes can't share batches of 0.*larger batch"):
        DistributedTrainer().submit("job", (task,))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
