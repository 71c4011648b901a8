from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imil.jobs.base import JobStatus
from imil.jobs.pool import WorkerPool
from imil.storage.local import LocalStore
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.visitors import no_weights

FILMS = FilmSpec(images=60, size=48, shortcut=0.95)


class Machine:
    """A home folder and the processes that work on it; can be restarted."""

    def __init__(self, home: Path, films: FilmSpec = FILMS) -> None:
        self.home = home
        self.films = films
        self.start()

    def start(self) -> None:
        self.store = self.open_store()
        self.pool = WorkerPool(self.home / "jobs")
        tools = Services(self.store, self.pool, no_weights)
        self.studies = Studies(self.home / "work", tools, demo=self.films)

    def open_store(self) -> LocalStore:
        return LocalStore(self.home / "state")

    def restart(self) -> None:
        self.pool.close()
        self.start()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.pool.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Study]]:
    """A tiny trained study; tests may add to it, but don't rely on it being untouched."""
    machine = Machine(tmp_path_factory.mktemp("home"))
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    study.training.start()
    finish(study.training.status)
    yield machine, study
    machine.pool.close()


def finish(status: Callable[[], JobStatus], *, seconds: float = 90) -> JobStatus:
    """Wait for a training to end and return how it ended."""
    end = time.monotonic() + seconds
    while (found := status()).active:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found
