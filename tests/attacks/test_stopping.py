"""Stop stops whatever a study does, the trial of arithmetic before its training too."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imil.compute.jobs import JobState
from imil.compute.pool import WorkerPool
from imil.core.films import FilmSpec
from imil.core.records import Precision
from imil.store.memory import MemoryStore
from imil.workflow.studies import Studies
from imil.workflow.study import Study
from imil.workflow.tools import Tools
from tests.standins.visitors import no_weights

FILMS = FilmSpec(images=60, size=48, shortcut=0.95)
# Longer than a visitor waits for a button, and shorter than any trial.
AT_MOST = 5.0


@pytest.fixture
def studies(tmp_path: Path) -> Iterator[Studies]:
    pool = WorkerPool(tmp_path / "jobs", workers=0)
    yield Studies(tmp_path / "work", Tools(MemoryStore(), pool, no_weights), demo=FILMS)
    pool.close()


@pytest.fixture
def trying(
    studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Study, Callable[[], bool]]:
    """A study whose trial of arithmetic runs for a minute, and whether it still does."""
    told, trial = tmp_path / "told", tmp_path / "python"
    trial.write_text(f"#!/bin/sh\necho $$ > {told}.part\nmv {told}.part {told}\nexec sleep 60\n")
    trial.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(trial))
    study = studies.demo()
    study.set_plan(replace(study.plan, backbone="resnet18", size=32, precision=Precision.AUTO))
    study.start_training()
    until(told.exists)
    process = int(told.read_text())
    return study, lambda: running(process)


def running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + AT_MOST
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_stop_ends_the_trial_of_arithmetic(trying: tuple[Study, Callable[[], bool]]) -> None:
    study, runs = trying

    study.stop()

    until(lambda: not runs())
    until(lambda: not study.training_status().active)
    assert study.training_status().state is JobState.STOPPED
    assert study.plan.precision is Precision.AUTO


def test_deletion_ends_the_trial_of_arithmetic(
    studies: Studies, trying: tuple[Study, Callable[[], bool]]
) -> None:
    study, runs = trying

    studies.delete(study.study_id)

    until(lambda: not runs())
    assert not studies.knows(study.study_id)
