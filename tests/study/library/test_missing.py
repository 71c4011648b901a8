"""A study whose images are gone: it opens, says which file it needs, and goes on with it."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil.core.records import Split
from imil.errors import DataError, PlanError, StoreError
from imil.jobs.base import JobStatus
from imil.storage.records.studies import listing_file
from imil.study.image_files import RestoreReport
from imil.study.study import Study
from imil.study.training import MADE_AGAIN
from tests.standins.trained import as_if_trained, corner
from tests.standins.uploads import telling_zip
from tests.study.conftest import Machine, finish


def lose_disk(machine: Machine) -> None:
    """Restart with the store alone."""
    machine.pool.close()
    shutil.rmtree(machine.home / "work", ignore_errors=True)
    machine.start()


def masked(study: Study) -> str:
    sample_id = study.queues.offers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id, side=6), reader="r", seconds=2)
    return sample_id


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return telling_zip(tmp_path / "brought by hand.zip")


def test_without_its_images_a_study_opens_with_all_else(machine: Machine, archive: Path) -> None:
    study = as_if_trained(machine.studies.from_archive(archive, name="films"))
    sample_id, proof = masked(study), study.proof
    lose_disk(machine)

    again = machine.studies.open(study.study_id)

    assert again.pictures.missing == 48
    assert (again.name, again.images.classes) == ("films", ("a", "b"))
    assert again.images.samples == study.images.samples
    assert again.proof == proof
    assert again.review.irrelevant(sample_id) is not None
    assert again.pictures.thumbnail(sample_id).exists()
    assert again.training.status().active is False


def test_what_needs_the_images_says_so_and_changes_nothing(machine: Machine, archive: Path) -> None:
    study = as_if_trained(machine.studies.from_archive(archive, name="films"))
    sample_id = masked(study)
    lose_disk(machine)
    again = machine.studies.open(study.study_id)

    with pytest.raises(DataError, match=r"48 of 48 images.*Bring the file"):
        again.training.start()
    with pytest.raises(PlanError, match="nothing to review yet"):
        again.queues.offers()
    with pytest.raises(DataError, match="not there any more"):
        again.pictures.original(sample_id)
    assert again.training.started is study.training.started


def test_the_same_file_brings_them_back_whatever_it_is_called(
    machine: Machine, archive: Path, tmp_path: Path
) -> None:
    study = as_if_trained(machine.studies.from_archive(archive, name="films"))
    sample_id = masked(study)
    before = study.pictures.original(sample_id)
    lose_disk(machine)
    again = machine.studies.open(study.study_id)

    brought = again.pictures.restore(renamed(archive, tmp_path))

    assert brought == RestoreReport(found=48, missing=0, others=1)
    assert again.pictures.missing == 0
    assert np.array_equal(again.pictures.original(sample_id), before)
    assert not list((machine.home / "work").rglob("*Doe*"))


def renamed(archive: Path, folder: Path) -> Path:
    """Return a zip of the same images under other names, in another order."""
    other = folder / "renamed.zip"
    with zipfile.ZipFile(archive) as given, zipfile.ZipFile(other, "w") as taken:
        names = [name for name in given.namelist() if not name.endswith(".csv")]
        for number, name in enumerate(reversed(names)):
            taken.writestr(f"{number}{Path(name).suffix}", given.read(name))
    return other


def test_parts_can_be_brought_one_by_one_and_others_are_counted(
    machine: Machine, archive: Path, tmp_path: Path
) -> None:
    study = machine.studies.from_archive(archive, name="films")
    lose_disk(machine)
    again = machine.studies.open(study.study_id)
    part, other = tmp_path / "part.zip", telling_zip(tmp_path / "other.zip", seed=1)
    with zipfile.ZipFile(archive) as given, zipfile.ZipFile(part, "w") as taken:
        for name in given.namelist()[:10]:
            taken.writestr(name, given.read(name))

    assert again.pictures.restore(part) == RestoreReport(found=10, missing=38, others=0)
    with pytest.raises(DataError, match=r"No image of this study.*49 images.*38 that are missing"):
        again.pictures.restore(other)
    assert again.pictures.restore(archive) == RestoreReport(found=38, missing=0, others=11)


def test_a_file_of_the_zip_that_is_damaged_costs_its_image_and_is_counted(
    machine: Machine, archive: Path
) -> None:
    study = machine.studies.from_archive(archive, name="films")
    lose_disk(machine)
    again = machine.studies.open(study.study_id)
    with zipfile.ZipFile(archive) as given:
        entry = next(entry for entry in given.infolist() if entry.filename.endswith(".tif"))
    sound = archive.read_bytes()
    at = entry.header_offset + 30 + len(entry.filename.encode())
    archive.write_bytes(sound[:at] + b"????" + sound[at + 4 :])

    assert again.pictures.restore(archive) == RestoreReport(
        found=47, missing=1, others=1, unreadable=1
    )
    archive.write_bytes(sound)
    assert again.pictures.restore(archive) == RestoreReport(found=1, missing=0, others=48)


def test_films_that_the_app_draws_need_no_file(machine: Machine, archive: Path) -> None:
    study = machine.studies.demo()
    lose_disk(machine)

    again = machine.studies.open(study.study_id)

    assert again.pictures.missing == 0
    assert again.pictures.original(again.images.samples[0].sample_id).shape == (48, 48)
    with pytest.raises(DataError, match="needs no images from you"):
        again.pictures.restore(archive)


def test_a_study_whose_list_is_lost_says_so(machine: Machine, archive: Path) -> None:
    study = machine.studies.from_archive(archive, name="films")
    lose_disk(machine)
    (machine.home / "state" / listing_file(study.study_id)).unlink()

    with pytest.raises(StoreError, match=r"list of images of “films” is gone.*masks are kept"):
        machine.studies.open(study.study_id)


def test_images_told_by_name_by_an_older_version_are_still_opened(
    machine: Machine, archive: Path
) -> None:
    study = machine.studies.from_archive(archive, name="films")
    older(machine, study)

    again = machine.studies.open(study.study_id)

    assert again.images.samples[0].sample_id == "first.png"
    assert again.images.title("first.png") == "first.png"
    assert again.pictures.original("first.png").shape == (24, 24)


def older(machine: Machine, study: Study) -> None:
    """Leave a study as an older version did: a list beside the images, known by name."""
    first = study.images.samples[0].sample_id
    folder = machine.home / "work" / "studies" / study.study_id
    listing = machine.home / "state" / listing_file(study.study_id)
    content = listing.read_text().replace(f'"{first}"', '"first.png"')
    content = content.replace(f"{first}.png", "first.png").replace('"named": false, ', "")
    (folder / "listing.json").write_text(content)
    (folder / "images" / f"{first}.png").rename(folder / "images" / "first.png")
    listing.unlink()
    record = machine.home / "state" / "studies" / study.study_id / "study.json"
    said = record.read_text().replace('"kind": "archive"', '"root": "images", "kind": "archive"')
    record.write_text(said)
    machine.restart()


def done(status: JobStatus) -> str:
    return str(status.state)


@pytest.mark.slow
def test_figures_stay_and_the_checkpoint_is_made_again_from_the_plan(
    machine: Machine, archive: Path
) -> None:
    study = machine.studies.from_archive(archive, name="films")
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.2))
    study.training.start()
    assert done(finish(study.training.status)) == "done"
    training = [s.sample_id for s in study.images.samples if s.split is Split.TRAIN]
    study.review.submit(training[0], corner(study, training[0], side=6), reader="r", seconds=2)
    study.comparison.start()
    assert done(finish(study.comparison.status)) == "done"
    before, checkpoint = study.results.shown(), study.training.task.checkpoint.read_bytes()
    cases = study.results.cases()
    lose_disk(machine)

    again = machine.studies.open(study.study_id)

    assert before is not None
    assert cases is not None
    assert again.results.shown() == before
    assert again.results.rounds() == (before,)
    shown = again.results.cases()
    assert shown is not None
    assert shown.sample_ids == cases.sample_ids
    assert again.results.json() is not None
    assert again.results.curves() == {}
    assert again.looks.read() == ()
    with pytest.raises(PlanError, match="models of this comparison are not on this machine"):
        again.results.weights("imil")
    with pytest.raises(PlanError, match="models of this comparison are not on this machine"):
        again.comparison.open_test_set()
    with pytest.raises(PlanError, match="nothing to review yet"):
        again.comparison.more_seeds()

    again.pictures.restore(archive)

    assert done(finish(again.training.status)) == "done"
    assert again.training.task.checkpoint.read_bytes() == checkpoint
    assert again.notices == (MADE_AGAIN,)
    # The figures are there: nothing is trained for them again.
    assert again.comparison.status().state is None
    assert again.results.shown() == before
    assert again.review.budget().painted == 1
