from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imil.errors import DataError
from imil.study.library.imports import DOUBLE_CLICK, Imports, ImportStatus
from imil.study.study import Study
from imil.synthetic.films import FilmSpec, write_films
from tests.study.conftest import Machine


def ended(imports: Imports, import_id: str) -> ImportStatus:
    for _ in range(600):
        status = imports.status(import_id)
        assert status is not None
        if not status.active:
            return status
        time.sleep(0.05)
    raise AssertionError("it takes too long")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for _ in write_films(FilmSpec(images=40, size=32, seed=2), folder):
        pass
    return folder


def refuse(_tell: Callable[[int, int], None]) -> Study:
    raise DataError("No.", why="Because.", fix="Go on.")


def test_a_reading_tells_how_far_it_is_and_ends_in_a_study(machine: Machine) -> None:
    imports, seen = Imports(), threading.Event()

    def make(tell: Callable[[int, int], None]) -> Study:
        tell(3, 10)
        assert seen.wait(20)
        return machine.studies.demo()

    import_id = imports.begin("key", make)
    while (status := imports.status(import_id)) is None or status.total == 0:
        time.sleep(0.02)
    seen.set()

    assert (status.done, status.total, status.active) == (3, 10, True)
    made = ended(imports, import_id).study_id
    assert made is not None
    assert machine.studies.open(made).name.startswith("Demo")


def test_the_same_press_again_makes_nothing_twice_and_a_later_one_does(machine: Machine) -> None:
    now = [100.0]
    imports = Imports(clock=lambda: now[0])

    first = imports.begin("key", lambda _tell: machine.studies.demo())
    ended(imports, first)
    second = imports.begin("key", lambda _tell: machine.studies.demo())
    other = imports.begin("another visitor", lambda _tell: machine.studies.demo())
    now[0] += DOUBLE_CLICK + 1
    later = imports.begin("key", lambda _tell: machine.studies.demo())

    assert first == second
    assert len({first, other, later}) == 3
    assert ended(imports, other).study_id != ended(imports, first).study_id


def test_what_was_refused_is_told_and_can_be_tried_again_at_once() -> None:
    imports = Imports()

    first = imports.begin("key", refuse)
    told = ended(imports, first).error
    second = imports.begin("key", refuse)

    assert told is not None
    assert told.what == "No."
    assert first != second


def test_a_stopped_reading_leaves_nothing_behind(machine: Machine, films: Path) -> None:
    archive = Path(shutil.make_archive(str(films), "zip", films))
    imports, reached = Imports(), threading.Event()

    def make(tell: Callable[[int, int], None]) -> Study:
        def slowly(done: int, total: int) -> None:
            reached.set()
            assert stopped.wait(20)
            tell(done, total)

        return machine.studies.from_archive(archive, name="films", on_progress=slowly)

    stopped = threading.Event()
    import_id = imports.begin("key", make)
    assert reached.wait(30)
    imports.stop(import_id)
    stopped.set()

    error = ended(imports, import_id).error
    assert error is not None
    assert error.what == "Reading was stopped."
    assert not list((machine.home / "work" / "studies").glob("*"))


def test_an_unknown_reading_is_none() -> None:
    assert Imports().status("0" * 16) is None
