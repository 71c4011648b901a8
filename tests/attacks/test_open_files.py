"""Studies hold no file open, however many are looked at."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imil.compute.pool import WorkerPool
from imil.core.records import Queue
from imil.store.local import LocalStore
from imil.ui.markup import ASSETS
from imil.workflow.shipped import read_trained_demo
from imil.workflow.studies import DEMO, Studies
from imil.workflow.tools import Tools
from tests.standins.trained import corner
from tests.standins.visitors import no_weights

# More than may be open at once.
STUDIES = 40
SPARE = 24


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
    tools = Tools(LocalStore(tmp_path / "state"), pool, no_weights)
    trained = read_trained_demo(ASSETS / "demo", DEMO)
    assert trained is not None
    studies = Studies(tmp_path / "work", tools, trained=trained)

    with few_files(SPARE):
        for _ in range(STUDIES):
            study = studies.demo()
            sample_id = study.queue(Queue.LABEL_SUSPECT)[0].sample_id
            study.queue_counts()
            study.answer(sample_id, None)
            study.submit_mask(sample_id, corner(study, sample_id), reader="r", seconds=1)
            study.thumbnail(sample_id)
            study.settle()
        opened = len(os.listdir("/dev/fd"))  # noqa: PTH208 (no paths: numbers)
        study.export(tmp_path / "study.zip")

    pool.close()
    assert opened < STUDIES
