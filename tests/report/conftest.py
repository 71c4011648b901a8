"""A study that cards are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.readers import study_to_read
from tests.standins.visitors import no_weights


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    pool = WorkerPool(tmp_path / "jobs")
    demo = FilmSpec(images=40, size=64, seed=1)
    studies = Studies(tmp_path / "work", Services(MemoryStore(), pool, no_weights), demo=demo)
    yield study_to_read(studies)
    pool.close()
