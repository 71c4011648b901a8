"""Many studies: none holds a file open, and few are kept in memory."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imil.core.records import Queue
from imil.errors import PlanError
from imil.jobs.pool import WorkerPool
from imil.report.parts.markup import ASSETS
from imil.storage.local import LocalStore
from imil.study.library.demo_training import read_trained_demo
from imil.study.library.open_studies import Handles
from imil.study.library.studies import DEMO, Studies
from imil.study.services import Services
from imil.synthetic.films import FilmSpec
from tests.standins.trained import corner
from tests.standins.visitors import no_weights

# More than may be open at once.
STUDIES = 40
SPARE = 24
# Kept open though nobody holds them.
FEW = 4


def open_files() -> int:
    """Count what this process holds open, whoever opened it."""
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 (no paths: numbers)


@contextmanager
def few_files(spare: int) -> Iterator[None]:
    """Let the process open only so many files more than it has."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))  # noqa: PTH208 (no paths: numbers)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_studies_are_looked_at_than_files_may_be_open(tmp_path: Path) -> None:
    pool = WorkerPool(tmp_path / "jobs", workers=0)
    tools = Services(LocalStore(tmp_path / "state"), pool, no_weights)
    trained = read_trained_demo(ASSETS / "demo", DEMO)
    assert trained is not None
    studies = Studies(tmp_path / "work", tools, trained=trained)
    before = open_files()

    with few_files(SPARE):
        for _ in range(STUDIES):
            study = studies.demo()
            sample_id = study.queues.offers(Queue.LABEL_SUSPECT)[0].sample_id
            study.queues.counts()
            study.model.answer(sample_id, None)
            study.review.submit(sample_id, corner(study, sample_id), reader="r", seconds=1)
            study.pictures.thumbnail(sample_id)
            study.flush()
        opened = open_files() - before
        study.export(tmp_path / "study.zip")

    pool.close()
    assert opened < STUDIES


def test_studies_that_nobody_holds_are_let_go_and_none_is_open_twice(tmp_path: Path) -> None:
    pool = WorkerPool(tmp_path / "jobs", workers=0)
    tools = Services(LocalStore(tmp_path / "state"), pool, no_weights)
    studies = Studies(tmp_path / "work", tools, demo=FilmSpec(images=40, size=48))
    studies._open._handles = Handles(FEW)

    held = studies.demo()
    held.review.skip(held.images.samples[0].sample_id, reader="r")
    refused = studies.demo()
    refused.training.failure = PlanError("It failed.", why="No room.", fix="Make some.")
    for _ in range(3 * FEW):
        studies.demo()
    gc.collect()
    refused_id = refused.study_id
    del refused
    gc.collect()

    # Those used last, the one that is held here, and the one that failed: its page must say so.
    assert len(studies._open.values()) <= FEW + 2
    assert studies.open(held.study_id) is held
    assert studies.open(refused_id).training.status().error is not None
    study_id, skipped = held.study_id, held.images.samples[0].sample_id
    del held
    for _ in range(FEW):
        studies.demo()
    gc.collect()
    assert study_id not in [study.study_id for study in studies._open.values()]
    assert studies.open(study_id).review.state(skipped) == "skipped"
    pool.close()
