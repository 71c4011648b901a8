"""A comparison finishes by itself: nobody looks, and its figures are saved and in the log."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imil.errors import StoreError
from imil.jobs.base import JobState
from imil.jobs.pool import WorkerPool
from imil.jobs.training.task import run_task
from imil.storage.local import LocalStore
from imil.storage.records.acts import ActKind, acts_folder, read_act
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights

FILMS = FilmSpec(images=60, size=48, shortcut=0.95)
ARMS = ("control", "imil")
PATIENCE = 60.0


class Home:
    """The app's parts on one disk; training is done by `train`, so no process is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = LocalStore(folder / "state")
        self.start()

    def start(self) -> None:
        self.pool = WorkerPool(self.folder / "jobs", workers=0)
        tools = Services(self.store, self.pool, no_weights)
        self.studies = Studies(self.folder / "work", tools, demo=FILMS)

    def rounds(self, study: Study) -> list[str]:
        names = self.store.names(f"studies/{study.study_id}/rounds/")
        return [name for name in names if name.endswith(".json")]

    def acts(self, study: Study) -> list[ActKind]:
        """Return what is in the log on disk; the study itself is asked nothing."""
        files = self.store.names(acts_folder(study.study_id))
        acts = [read_act(self.store.read(name) or b"") for name in files]
        return [act.what for act in acts if act is not None]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.pool.close()


def compared(home: Home) -> Study:
    """Return a study of which a comparison waits to be trained."""
    study = home.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    as_if_trained(study)
    for offer in study.queues.answers()[:2]:
        study.review.submit(offer.sample_id, corner(study, offer.sample_id), reader="r", seconds=1)
    study.comparison.start(arms=ARMS)
    return study


def train(study: Study) -> None:
    """Leave on disk what training the comparison leaves there."""
    for task in study.comparison.tasks():
        for _ in run_task(task, should_stop=lambda: False):
            pass


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_comparison_that_nobody_looks_at_is_computed_saved_and_logged(home: Home) -> None:
    study = compared(home)
    train(study)

    home.pool.stop(study.comparison.job)  # how it ends makes no difference to what is trained

    until(lambda: ActKind.COMPARISON_FINISHED in home.acts(study))
    (name,) = home.rounds(study)
    before = home.store.read(name)
    found = study.results.current()
    assert found is not None
    assert [arm.arm for arm in found.arms] == list(ARMS)
    # Whoever looks is shown what was saved: nothing is computed or written again.
    assert home.store.read(name) == before
    assert home.acts(study).count(ActKind.COMPARISON_FINISHED) == 1
    assert study.audit.check().broken is None


def test_a_comparison_that_ended_while_the_app_was_down_is_finished_when_the_study_is_opened(
    home: Home,
) -> None:
    study = compared(home)
    study.flush()
    home.pool.close()
    train(study)
    shutil.rmtree(home.folder / "jobs")
    home.start()
    assert home.rounds(study) == []

    home.studies.open(study.study_id)

    until(lambda: ActKind.COMPARISON_FINISHED in home.acts(study))
    assert len(home.rounds(study)) == 1


def test_a_deleted_study_leaves_no_figures_behind(home: Home) -> None:
    study = compared(home)
    train(study)

    home.studies.delete(study.study_id)

    time.sleep(0.2)
    assert home.rounds(study) == []
    assert home.acts(study) == []


def test_figures_that_fail_say_so_on_the_page_and_are_made_when_it_is_asked_for_again(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    study = compared(home)
    train(study)
    rounds = home.folder / "state" / "studies" / study.study_id / "rounds"
    rounds.write_text("in the way, as a disk that refuses")

    home.pool.stop(study.comparison.job)

    assert home.pool.followed([study.comparison.job], timeout=PATIENCE)
    assert "StoreError" in capfd.readouterr().err
    failed = study.comparison.status()
    assert failed.state is JobState.FAILED
    assert isinstance(failed.error, StoreError)
    assert study.results.current() is None

    rounds.unlink()
    study.comparison.start(arms=ARMS)  # nothing is left to train
    study.flush()

    assert study.results.current() is not None
    assert study.comparison.status().state is JobState.DONE
    assert ActKind.COMPARISON_FINISHED in home.acts(study)
