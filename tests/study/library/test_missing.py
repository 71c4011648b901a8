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
from imil.storage.records.studies import listing_file
from imil.study.library.stock import Brought
from imil.study.status import TrainingStatus
from imil.study.study import MADE_AGAIN, Study
from tests.standins.trained import as_if_trained, corner
from tests.standins.uploads import telling_zip
from tests.study.conftest import Machine, finish


def lose_disk(machine: Machine) -> None:
    """Restart with the store alone."""
    machine.pool.close()
    shutil.rmtree(machine.home / "work", ignore_errors=True)
    machine.start()


def masked(study: Study) -> str:
    sample_id = study.queue()[0].sample_id
    study.submit_mask(sample_id, corner(study, sample_id, side=6), reader="r", seconds=2)
    return sample_id


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return telling_zip(tmp_path / "brought by hand.zip")


def test_without_its_images_a_study_opens_with_all_else(machine: Machine, archive: Path) -> None:
    study = as_if_trained(machine.studies.from_archive(archive, name="films"))
    sample_id, proof = masked(study), study.proof
    lose_disk(machine)

    again = machine.studies.open(study.study_id)

    assert again.missing_images == 48
    assert (again.name, again.images.classes) == ("films", ("a", "b"))
    assert again.images.samples == study.images.samples
    assert again.proof == proof
    assert again.irrelevant(sample_id) is not None
    assert again.thumbnail(sample_id).exists()
    assert again.training_status().active is False


def test_what_needs_the_images_says_so_and_changes_nothing(machine: Machine, archive: Path) -> None:
    study = as_if_trained(machine.studies.from_archive(archive, name="films"))
    sample_id = masked(study)
    lose_disk(machine)
    again = machine.studies.open(study.study_id)

    with pytest.raises(DataError, match=r"48 of 48 images.*Bring the file"):
        again.start_training()
    with pytest.raises(PlanError, match="nothing to review yet"):
        again.queue()
    with pytest.raises(DataError, match="not there any more"):
        again.picture(sample_id)
    assert again.started is study.started


def test_the_same_file_brings_them_back_whatever_it_is_called(
    machine: Machine, archive: Path, tmp_path: Path
) -> None:
    study = as_if_trained(machine.studies.from_archive(archive, name="films"))
    sample_id = masked(study)
    before = study.picture(sample_id)
    lose_disk(machine)
    again = machine.studies.open(study.study_id)

    brought = again.bring_images(renamed(archive, tmp_path))

    assert brought == Brought(found=48, missing=0, others=1)
    assert again.missing_images == 0
    assert np.array_equal(again.picture(sample_id), before)
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

    assert again.bring_images(part) == Brought(found=10, missing=38, others=0)
    with pytest.raises(DataError, match=r"No image of this study.*49 images.*38 that are missing"):
        again.bring_images(other)
    assert again.bring_images(archive) == Brought(found=38, missing=0, others=11)


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

    assert again.bring_images(archive) == Brought(found=47, missing=1, others=1, unreadable=1)
    archive.write_bytes(sound)
    assert again.bring_images(archive) == Brought(found=1, missing=0, others=48)


def test_films_that_the_app_draws_need_no_file(machine: Machine, archive: Path) -> None:
    study = machine.studies.demo()
    lose_disk(machine)

    again = machine.studies.open(study.study_id)

    assert again.missing_images == 0
    assert again.picture(again.images.samples[0].sample_id).shape == (48, 48)
    with pytest.raises(DataError, match="needs no images from you"):
        again.bring_images(archive)


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
    assert again.picture("first.png").shape == (24, 24)


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


def done(status: TrainingStatus) -> str:
    return str(status.state)


@pytest.mark.slow
def test_figures_stay_and_the_checkpoint_is_made_again_from_the_plan(
    machine: Machine, archive: Path
) -> None:
    study = machine.studies.from_archive(archive, name="films")
    study.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.2))
    study.start_training()
    assert done(finish(study.training_status)) == "done"
    training = [s.sample_id for s in study.images.samples if s.split is Split.TRAIN]
    study.submit_mask(training[0], corner(study, training[0], side=6), reader="r", seconds=2)
    study.start_comparison()
    assert done(finish(study.comparison_status)) == "done"
    before, checkpoint = study.shown_results(), study._first.checkpoint.read_bytes()
    cases = study.cases()
    lose_disk(machine)

    again = machine.studies.open(study.study_id)

    assert before is not None
    assert cases is not None
    assert again.shown_results() == before
    assert again.rounds() == (before,)
    shown = again.cases()
    assert shown is not None
    assert shown.sample_ids == cases.sample_ids
    assert again.results_json() is not None
    assert again.curves() == {}
    assert again.looks() == ()
    with pytest.raises(PlanError, match="models of this comparison are not on this machine"):
        again.model("imil")
    with pytest.raises(PlanError, match="models of this comparison are not on this machine"):
        again.final_comparison()
    with pytest.raises(PlanError, match="nothing to review yet"):
        again.more_seeds()

    again.bring_images(archive)

    assert done(finish(again.training_status)) == "done"
    assert again._first.checkpoint.read_bytes() == checkpoint
    assert again.notices == (MADE_AGAIN,)
    # The figures are there: nothing is trained for them again.
    assert again.comparison_status().state is None
    assert again.shown_results() == before
    assert again.budget().painted == 1
