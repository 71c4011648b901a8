"""What is deleted of studies that nobody visits, when, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imil.errors import StoreError
from imil.jobs.pool import WorkerPool
from imil.storage.base import Saved
from imil.storage.local import LocalStore
from imil.storage.records.accounts import ListedStudy
from imil.storage.records.acts import PROGRAM, ActKind
from imil.storage.records.tombstones import IDLE, load_tombstone
from imil.study.library.accounts import Account
from imil.study.library.studies import Studies
from imil.study.library.visits import USED
from imil.study.services import Services
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner
from tests.standins.uploads import telling_zip
from tests.standins.visitors import no_weights

DAYS = 90


class Elsewhere(LocalStore):
    """A store whose content also goes to the Hub, which lags behind."""

    waiting = 0

    def saved(self, study_id: str) -> Saved:
        assert study_id
        return Saved(repo="lab/state", waiting=self.waiting)


@dataclass
class Home:
    """An app's home, and a clock that tests set."""

    folder: Path
    store: LocalStore
    days: int = DAYS
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    pool: WorkerPool | None = None

    def start(self) -> Studies:
        """Start the app, as after a restart."""
        self.close()
        self.pool = WorkerPool(self.folder / "jobs")
        tools = Services(self.store, self.pool, no_weights, lambda: self.now, idle_days=self.days)
        return Studies(self.folder / "work", tools)

    def close(self) -> None:
        """End the app."""
        if self.pool is not None:
            self.pool.close()

    def files(self, study: Study) -> list[str]:
        """Return what lies in a study's folder."""
        root = self.folder / "work" / "studies" / study.study_id
        return sorted(path.name for path in root.rglob("*.png"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path, LocalStore(tmp_path / "store"))
    yield made
    made.close()


def begun(home: Home, studies: Studies) -> Study:
    return studies.from_archive(telling_zip(home.folder / "brought.zip", each=12))


def masked(study: Study) -> str:
    as_if_trained(study)
    sample_id = study.queues.offers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id, side=6), reader="dr", seconds=2)
    study.flush()
    return sample_id


def test_a_study_without_any_work_is_deleted_whole_after_the_stated_days(home: Home) -> None:
    studies = home.start()
    study = begun(home, studies)

    home.now += timedelta(days=DAYS, seconds=-1)
    before = studies.sweep_idle()
    home.now += timedelta(seconds=1)
    gone = studies.sweep_idle()

    assert before == ()
    assert gone == (study.study_id,)
    tombstone = load_tombstone(home.store, study.study_id)
    assert tombstone is not None
    assert tombstone.who == IDLE
    assert home.store.names("") == (f"studies/{study.study_id}/tombstone.json",)
    assert not (home.folder / "work" / "studies" / study.study_id).exists()
    with pytest.raises(StoreError, match=r"deleted on 01 April 2026.*Nobody had drawn in it"):
        studies.open(study.study_id)


def test_of_a_study_with_work_the_images_go_and_what_was_drawn_stays(home: Home) -> None:
    studies = home.start()
    study = begun(home, studies)
    sample_id = masked(study)
    drawn = study.review.irrelevant(sample_id)

    home.now += timedelta(days=DAYS)
    gone = studies.sweep_idle()

    assert gone == (study.study_id,)
    assert home.files(study) == []
    again = home.start().open(study.study_id)
    kept = again.review.irrelevant(sample_id)
    assert drawn is not None
    assert kept is not None
    assert kept.tolist() == drawn.tolist()
    assert again.pictures.missing == 24
    log = again.audit.check()
    assert log.broken is None
    assert (log.acts[-1].what, log.acts[-1].who) == (ActKind.IMAGES_REMOVED, PROGRAM)
    again.pictures.restore(home.folder / "brought.zip")
    assert again.pictures.missing == 0


def test_what_is_gone_already_is_not_deleted_again(home: Home) -> None:
    studies = home.start()
    study = begun(home, studies)
    masked(study)
    home.now += timedelta(days=DAYS)
    studies.sweep_idle()

    home.now += timedelta(days=DAYS)

    assert studies.sweep_idle() == ()
    told = [act.what for act in studies.open(study.study_id).audit.check().acts]
    assert told.count(ActKind.IMAGES_REMOVED) == 1


def test_a_visit_begins_the_days_anew_and_outlives_a_restart(home: Home) -> None:
    studies = home.start()
    study = begun(home, studies)
    home.now += timedelta(days=DAYS - 1)

    home.start().open(study.study_id)
    home.now += timedelta(days=DAYS - 1)

    assert home.start().sweep_idle() == ()
    home.now += timedelta(days=1)
    assert home.start().sweep_idle() == (study.study_id,)


def test_a_study_of_an_account_stays_as_it_is(home: Home) -> None:
    studies = home.start()
    study = begun(home, studies)
    listed = ListedStudy(study.study_id, study.name, "2026-01-01")
    studies.accounts.keep(Account("7", "ada"), listed, own=True)
    files = home.files(study)

    home.now += timedelta(days=10 * DAYS)

    assert studies.sweep_idle() == ()
    assert home.files(study) == files


def test_nothing_goes_while_masks_wait_for_the_hub(home: Home) -> None:
    home.store = store = Elsewhere(home.folder / "store")
    studies = home.start()
    study = begun(home, studies)
    masked(study)
    files, store.waiting = home.files(study), 1
    home.now += timedelta(days=DAYS)

    waiting = studies.sweep_idle()
    assert home.files(study) == files
    store.waiting = 0
    then = studies.sweep_idle()

    assert (waiting, then) == ((), (study.study_id,))
    assert home.files(study) == []


def test_where_no_days_are_set_nothing_is_deleted_unasked(home: Home) -> None:
    home.days = 0
    studies = home.start()
    begun(home, studies)

    home.now += timedelta(days=100 * DAYS)

    assert studies.sweep_idle() == ()


def test_a_page_that_asks_every_second_writes_once_an_hour(home: Home) -> None:
    studies = home.start()
    study = begun(home, studies)
    used = home.folder / "work" / "studies" / study.study_id / USED
    first = used.read_text()

    for _ in range(60):
        home.now += timedelta(seconds=59)
        studies.open(study.study_id)
    within = used.read_text()
    home.now += timedelta(minutes=2)
    studies.open(study.study_id)

    assert within == first
    assert datetime.fromisoformat(used.read_text()) == home.now
