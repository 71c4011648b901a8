"""A disk that is full: every act says so in words, nothing is lost, and with room all goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from imil.app.server.errors import errors_shown
from imil.core.disk import new_array
from imil.jobs.pool import WorkerPool
from imil.storage.local import LocalStore
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.small_disk import SmallDisk, small_disk
from tests.standins.trained import as_if_trained, corner
from tests.standins.uploads import telling_zip
from tests.standins.visitors import no_weights

FILMS = FilmSpec(images=60, size=48, shortcut=0.95)
MAPPED = """
import sys
from pathlib import Path
import numpy as np
from imil.core.disk import new_array
from imil.errors import ComputeError

path = Path(sys.argv[1]) / "new.npy"
try:
    with new_array(path, np.uint8, (8 << 20,), what="The array") as array:
        array[:] = 1
except ComputeError as error:
    print(error)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def studies(disk: SmallDisk) -> Iterator[Studies]:
    # Nothing is trained here, so no process is started.
    pool = WorkerPool(disk.folder / "jobs", workers=0)
    tools = Services(LocalStore(disk.folder / "state"), pool, no_weights)
    yield Studies(disk.folder / "work", tools, demo=FILMS)
    pool.close()


def small(study: Study) -> Study:
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    return study


def reviewed(studies: Studies) -> tuple[Study, str]:
    """Return a study that is trained, and its first outlier, which is masked."""
    study = as_if_trained(small(studies.demo()))
    sample_id = study.queues.answers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id), reader="r", seconds=1)
    study.flush()
    return study, sample_id


def test_a_study_can_be_deleted_on_a_full_disk_so_that_there_is_room_again(
    disk: SmallDisk, studies: Studies
) -> None:
    study, _ = reviewed(studies)
    disk.fill()

    studies.delete(study.study_id)

    assert not studies.knows(study.study_id)
    with (disk.folder / "room").open("wb") as file:
        file.write(bytes(100_000))


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.suffix in {".part", ".unfinished"}]


def test_a_mapped_array_without_room_is_refused_in_words_and_ends_no_process(
    disk: SmallDisk,
) -> None:
    disk.fill(leave=1 << 16)

    done = subprocess.run(
        [sys.executable, "-c", MAPPED, str(disk.folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "The array could not be saved. The disk is full." in done.stdout
    assert leftovers(disk.folder) == []


def test_an_array_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    with suppress(KeyError), new_array(tmp_path / "a.npy", np.bool_, (3,), what="It") as array:
        array[0] = True
        raise KeyError

    assert list(tmp_path.iterdir()) == []


def trained(study: Study) -> None:
    """Begin to train; raise what it fails with before it has its place in the queue."""
    study.training.start()
    while study.training.status().step.startswith("Preparing"):
        time.sleep(0.01)
    if (error := study.training.status().error) is not None:
        raise error


def shown(act: Callable[[], object]) -> str:
    """Return the sentence that an act is refused with; "" where it is done."""
    try:
        with errors_shown():
            act()
    except gr.Error as error:
        return f"{error.title} {error.message}"
    return ""


# Bytes that are left: none; so few that small files fit and arrays don't; and in between.
@pytest.mark.parametrize("left", [0, 10_000, 50_000, 150_000])
def test_every_act_on_a_full_disk_is_a_sentence_and_goes_on_once_there_is_room(
    left: int,
    disk: SmallDisk,
    studies: Studies,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],  # so that what is printed needs no disk
) -> None:
    study, masked = reviewed(studies)
    untrained = small(studies.demo())
    other = next(o.sample_id for o in study.queues.answers() if o.sample_id != masked)
    archive = telling_zip(tmp_path / "films.zip")
    acts: dict[str, Callable[[], object]] = {
        "begin the demo": studies.demo,
        "upload": lambda: studies.from_archive(archive),
        "train": lambda: trained(untrained),
        "mask": lambda: study.review.submit(other, corner(study, other), reader="r", seconds=1),
        "skip": lambda: study.review.skip(masked, reader="r"),
        "see a picture": lambda: study.pictures.thumbnail(other),
        "compare": lambda: study.comparison.start(arms=("control", "imil")),
        "export": lambda: study.export(disk.folder / "study.zip"),
    }
    disk.fill(leave=left)

    told = {name: shown(act) for name, act in acts.items()}
    there = set(disk.folder.rglob("*.npy"))

    # With no room at all nothing is done; with a little some of it may be.
    assert left or [name for name, words in told.items() if not words] == []
    assert leftovers(disk.folder) == []
    assert study.review.budget().painted == (2 if not told["mask"] else 1)
    disk.free()
    again = {name: shown(act) for name, act in acts.items()}
    study.flush()
    assert {name: words for name, words in again.items() if words} == {}
    assert set(disk.folder.rglob("*.npy")) >= there
    assert studies.open(study.study_id).review.budget().painted == 2
    assert study.audit.check().broken is None
    assert "Traceback" not in capsys.readouterr().err
