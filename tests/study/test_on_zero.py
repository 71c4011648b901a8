from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from imil.jobs.base import JobState
from imil.jobs.leases import Lease
from imil.jobs.pool import WorkerPool
from imil.jobs.training.task import TrainingTask
from imil.jobs.zero_gpu import ZeroGpuTrainer
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.visitors import no_weights
from tests.study.conftest import finish

VISITOR: ContextVar[str] = ContextVar("visitor")


class NoQuota:
    """Lends nothing, and notes who asked."""

    def __init__(self) -> None:
        self.asked_by: list[str | None] = []

    def __call__(
        self,
        lease: Lease,  # noqa: ARG002  # what a borrower takes
        tasks: tuple[TrainingTask, ...],  # noqa: ARG002  # the same
    ) -> Iterator[dict[str, Any]]:
        self.asked_by.append(VISITOR.get(None))
        raise gr.Error(
            "You have exceeded your ZeroGPU quota (45s requested vs. 2s left). "
            "Try again in 1:00:00. ",
            title="ZeroGPU quota exceeded",
        )
        yield {}


@pytest.fixture
def lender() -> NoQuota:
    return NoQuota()


@pytest.fixture
def studies(tmp_path: Path, lender: NoQuota) -> Iterator[Studies]:
    """Studies on a Space that has a GPU to lend, but not to this visitor."""
    worker = WorkerPool(tmp_path / "jobs")
    pool = ZeroGpuTrainer(tmp_path / "leases", worker, borrow=lender)
    films = FilmSpec(images=60, size=48, shortcut=0.95)
    tools = Services(MemoryStore(), pool, no_weights)
    yield Studies(tmp_path / "work", tools, device="cuda", demo=films)
    pool.close()


def on_gpu(study: Study) -> Study:
    study.training.set_plan(replace(study.plan, backbone="resnet18", size=32, pretrained=False))
    return study


def test_a_gpu_is_asked_for_on_behalf_of_the_visitor_who_pressed_train(
    studies: Studies, lender: NoQuota
) -> None:
    study = on_gpu(studies.demo())
    VISITOR.set("ip-token")

    study.training.start()

    finish(study.training.status)
    said = study.training.status()
    assert lender.asked_by == ["ip-token"]
    assert said.state is JobState.STOPPED
    assert "You can continue in 1 h 0 min" in str(said.error)


def test_opening_a_study_again_costs_nobody_any_quota(studies: Studies, lender: NoQuota) -> None:
    study = on_gpu(studies.demo())
    study.training.start()
    finish(study.training.status)
    studies._open.clear()

    studies.open(study.study_id)

    assert len(lender.asked_by) == 1


def test_the_network_for_films_trains_on_the_cpu(studies: Studies, lender: NoQuota) -> None:
    study = studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1))

    study.training.start()

    finish(study.training.status)
    assert study.training.status().state is JobState.DONE
    assert study.plan.device == "cpu"
    assert lender.asked_by == []
