"""A study that is deleted stays deleted, whatever else is being done to it, and whatever breaks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imil.errors import ImilError, StoreError
from imil.jobs.base import JobStatus
from imil.storage.base import tombstone_file
from imil.storage.local import LocalStore
from imil.storage.study_store import StudyStore
from imil.study.batch.progress import IdleTrainer
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights

FILMS = FilmSpec(images=40, size=32, shortcut=0.95)
# The longest that one of these tests may wait for a thread, s.
PATIENCE = 30


class Counting(IdleTrainer):
    """Trains nothing, and counts what it is asked to train."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def submit(self, job_id: str, tasks: Any) -> None:
        del tasks
        self.asked.append(job_id)

    def status(self, job_id: str) -> JobStatus | None:
        del job_id
        return None


class Home:
    """A home folder whose process can be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self, *, idle_days: int = 0) -> None:
        self.store = LocalStore(self.folder / "state")
        self.trainer = Counting()
        tools = Services(self.store, self.trainer, no_weights, idle_days=idle_days)
        self.studies = Studies(self.folder / "work", tools, demo=FILMS)

    def left_of(self, study_id: str) -> list[str]:
        """Return every file that names a study, or lies in a folder of that name."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        names = (path.relative_to(self.folder).as_posix() for path in paths)
        return sorted(name for name in names if study_id in name)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def study(home: Home) -> Study:
    return home.studies.demo()


def only_tombstone(study_id: str) -> list[str]:
    return [f"state/{tombstone_file(study_id)}"]


class Gate:
    """Holds a thread up at one place until it is let on."""

    def __init__(self) -> None:
        self.reached, self.let_on = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.let_on.wait(PATIENCE)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.let_on.set()


def test_a_study_that_prepares_when_it_is_deleted_does_not_come_back(
    home: Home, study: Study, gate: Gate
) -> None:
    """The thread that prepares is held up after its last image, before it saves."""
    made = study.context.workspace.keep_pretrained

    def held(*args: Any) -> str | None:
        gate.wait()
        return made(*args)

    object.__setattr__(study.context, "workspace", _Held(study.context.workspace, held))
    study.training.start()
    assert gate.reached.wait(PATIENCE)
    deleting = threading.Thread(target=home.studies.delete, args=(study.study_id,))
    deleting.start()
    deleting.join(0.2)
    gate.let_on.set()
    deleting.join(PATIENCE)

    preparer = study.training._preparer
    assert preparer is not None
    assert not deleting.is_alive()
    assert not preparer.is_alive()
    assert home.left_of(study.study_id) == only_tombstone(study.study_id)
    assert home.trainer.asked == []


def test_after_a_deletion_no_thread_that_holds_the_study_writes_it_again(
    home: Home, study: Study
) -> None:
    """Eight visitors go on painting, skipping, asking and exporting while a ninth deletes."""
    as_if_trained(study)
    offers = study.queues.offers()
    begun, refused = threading.Barrier(9), []

    def go_on(act: Callable[[int], object]) -> None:
        begun.wait(PATIENCE)
        for turn in range(10_000):
            try:
                act(turn)
            except ImilError:  # its state is gone, or what it trained is
                refused.append(1)
                return

    def paint(turn: int) -> None:
        sample_id = offers[0].sample_id
        side = 5 + turn % 9
        study.review.submit(
            sample_id, corner(study, sample_id, side=side), reader="dr", seconds=turn
        )

    acts: tuple[Callable[[int], object], ...] = (
        paint,
        lambda turn: study.review.skip(offers[turn % len(offers)].sample_id),
        lambda _: study.labels.exclude(offers[1].sample_id),
        lambda turn: study.readers.set_pooling(("union", "majority")[turn % 2]),
    )
    threads = [threading.Thread(target=go_on, args=(act,)) for act in acts * 2]
    for thread in threads:
        thread.start()
    begun.wait(PATIENCE)
    home.studies.delete(study.study_id)
    for thread in threads:
        thread.join(PATIENCE)
    study.flush()

    assert len(refused) == 8
    assert home.left_of(study.study_id) == only_tombstone(study.study_id)
    with pytest.raises(StoreError, match="was deleted"):
        study.training.start()
    with pytest.raises(StoreError, match="was deleted on"):
        home.studies.open(study.study_id)
    assert home.trainer.asked == []


def test_what_another_process_deleted_is_not_written_here(home: Home, study: Study) -> None:
    other = Home(home.folder)
    other.studies.delete(study.study_id)

    with pytest.raises(StoreError, match="was deleted while this was being done"):
        study.readers.set_pooling("union")

    assert home.left_of(study.study_id) == only_tombstone(study.study_id)


class Killed(BaseException):
    """A kill of the process, as far as a test can have one."""


def kill_at(store: LocalStore, step: int) -> Callable[[], int]:
    """Kill the process at one of a store's changes, counted from 0; return what counts them."""
    count = 0

    def counted(do: Callable[..., None]) -> Callable[..., None]:
        def done(*args: Any, **more: Any) -> None:
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            do(*args, **more)

        return done

    store.remove = counted(store.remove)  # type: ignore[method-assign]
    store._put = counted(store._put)  # type: ignore[method-assign]
    return lambda: count


def test_a_deletion_that_is_killed_at_any_step_leaves_the_study_or_a_deleted_one_and_goes_on(
    tmp_path: Path,
) -> None:
    step, deleted = 0, 0
    while True:
        home = Home(tmp_path / str(step))
        study = as_if_trained(home.studies.demo())
        sample_id = study.queues.offers()[0].sample_id
        study.review.submit(sample_id, corner(study, sample_id), reader="dr", seconds=3)
        study.flush()
        changes = kill_at(home.store, step)
        try:
            home.studies.delete(study.study_id)
        except Killed:
            home.start()
        else:
            assert changes() <= step
            break
        if home.store.read(tombstone_file(study.study_id)) is None:
            assert home.studies.open(study.study_id).review.budget().painted == 1
            assert home.studies.open(study.study_id).audit.check().broken is None
        else:
            deleted += 1
            assert not home.studies.knows(study.study_id)
            with pytest.raises(StoreError, match="was deleted on"):
                home.studies.open(study.study_id)
            home.studies.sweep_idle()
            assert home.left_of(study.study_id) == only_tombstone(study.study_id)
        step += 1

    assert deleted >= 4


def test_a_study_that_can_not_be_opened_any_more_can_be_deleted(home: Home, study: Study) -> None:
    home.store.write(f"studies/{study.study_id}/study.json", b"[" * 100_000)
    home.start()

    tombstone = home.studies.delete(study.study_id)

    assert (tombstone.acts, tombstone.head) == (0, None)
    assert home.left_of(study.study_id) == only_tombstone(study.study_id)
    with pytest.raises(StoreError, match="There is no study"):
        home.studies.delete("0" * 32)


def test_a_deletion_that_could_not_be_noted_leaves_a_study_that_can_be_worked_on(
    home: Home, study: Study
) -> None:
    def refused(name: str, content: bytes) -> None:
        del content
        raise StoreError(f"“{name}” could not be saved.", why="The disk is full.", fix="Free some.")

    written = home.store.write
    home.store.write = refused  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="disk is full"):
        home.studies.delete(study.study_id)
    home.store.write = written  # type: ignore[method-assign]

    again = home.studies.open(study.study_id)
    again.readers.set_pooling("union")

    assert again.readers.pooling == ""


def test_an_import_that_is_killed_leaves_nothing_after_the_next_start_or_a_whole_study(
    home: Home, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if_trained(study)
    for offer in study.queues.offers()[:2]:
        irrelevant = corner(study, offer.sample_id)
        study.review.submit(offer.sample_id, irrelevant, reader="dr", seconds=3)
    study.export(tmp_path / "study.zip")
    study.flush()
    before, step, opened = set(home.left_of("")), 0, 0
    while True:
        changes = kill_at(home.store, step)
        with monkeypatch.context() as killed:
            remove = partial(_remove_unless_killed, shutil.rmtree, changes, step)
            killed.setattr(shutil, "rmtree", remove)
            try:
                home.studies.import_zip(tmp_path / "study.zip")
            except Killed:
                pass
            else:
                assert changes() <= step
                break
        home.start()
        home.studies.sweep()
        left = {name for name in home.left_of("") if name not in before}
        found = [name.split("/")[2] for name in left if name.endswith("/study.json")]
        for study_id in found:
            opened += 1
            again = home.studies.open(study_id)
            assert again.queues.offers() == study.queues.offers()
            assert again.audit.check().broken is None
            home.studies.delete(study_id)
        assert found or not left
        before = set(home.left_of(""))
        step += 1

    assert step - opened >= 3


def _remove_unless_killed(
    remove: Callable[..., None], changes: Callable[[], int], step: int, *args: Any, **more: Any
) -> None:
    """A process that was killed cleans up nothing."""
    if changes() <= step:
        remove(*args, **more)


# ---- loops in the background --------------------------------------------------------------------


def test_a_study_that_does_not_open_does_not_keep_the_others_from_being_looked_at(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = sorted(home.studies.demo().study_id for _ in range(3))
    for bad, content in ((ids[0], b"[" * 100_000), (ids[1], b'{"schema_version": "2"}')):
        home.store.write(f"studies/{bad}/study.json", content)
    home.start(idle_days=1)
    home.studies._visits.last = _long_ago  # type: ignore[method-assign]

    gone = home.studies.sweep_idle()

    assert gone == (ids[2],)
    told = capsys.readouterr().err
    assert ids[0] in told
    assert ids[1] in told
    assert ids[2] not in told


def test_whatever_fails_in_one_study_is_said_by_its_id_and_without_content(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = sorted(home.studies.demo().study_id for _ in range(3))
    home.start(idle_days=1)
    home.studies._visits.last = _long_ago  # type: ignore[method-assign]
    opened = home.studies._open.open

    def fails(study_id: str) -> Study:
        if study_id == ids[1]:
            raise ZeroDivisionError("a patient's name")
        return opened(study_id)

    home.studies._open.open = fails  # type: ignore[method-assign]

    gone = home.studies.sweep_idle()

    assert gone == (ids[0], ids[2])
    told = capsys.readouterr().err
    assert f"{ids[1]} could not be read: ZeroDivisionError" in told
    assert "patient" not in told


def _long_ago(study_id: str, created: str) -> Any:
    del study_id, created
    return datetime(2000, 1, 1, tzinfo=UTC)


class _Held:
    """A workspace one of whose steps is held up."""

    def __init__(self, workspace: Any, keep_pretrained: Callable[..., str | None]) -> None:
        self._workspace = workspace
        self.keep_pretrained = keep_pretrained

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workspace, name)


def test_a_store_of_one_study_waits_for_a_write_that_has_begun(gate: Gate, tmp_path: Path) -> None:
    class Slow(LocalStore):
        def write(self, name: str, content: bytes) -> None:
            gate.wait()
            super().write(name, content)

    inner = Slow(tmp_path)
    store = StudyStore(inner, "a", "a")
    writing = threading.Thread(target=store.write, args=("studies/a/study.json", b"{}"))
    writing.start()
    assert gate.reached.wait(PATIENCE)
    ending = threading.Thread(target=store.end)
    ending.start()
    ending.join(0.1)
    waits = ending.is_alive()
    gate.let_on.set()
    ending.join(PATIENCE)
    writing.join(PATIENCE)

    assert waits
    assert inner.read("studies/a/study.json") == b"{}"
    with pytest.raises(StoreError, match="was deleted"):
        store.add("studies/a/acts/00000000.json", b"{}")
