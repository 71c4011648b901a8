from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imil.datasets.archive.entries import RATIO_FROM_BYTES
from imil.errors import DataError, ImilError, StoreError
from imil.storage.records.acts import ActKind, ChainFlaw, act_file
from imil.study.audit.replay import replay
from imil.study.library.zips.study_zip import MANIFEST_FILE, is_study_zip
from imil.study.study import Study
from imil.synthetic.films import FilmSpec, write_films
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights
from tests.study.conftest import Machine

Files = dict[str, bytes]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Machine]:
    """Another home."""
    made = Machine(tmp_path / "other")
    yield made
    made.pool.close()


@pytest.fixture
def study(machine: Machine) -> Study:
    study = as_if_trained(machine.studies.demo())
    study.training.set_plan(study.plan)
    for offer in study.queues.offers()[:2]:
        irrelevant = corner(study, offer.sample_id)
        study.review.submit(offer.sample_id, irrelevant, reader="dr", seconds=3)
    study.review.skip(study.queues.offers()[2].sample_id)
    return study


@pytest.fixture
def packed(study: Study, tmp_path: Path) -> Path:
    path = tmp_path / "study.zip"
    study.export(path)
    return path


def rezipped(path: Path, change: Callable[[Files], None]) -> Path:
    """Return another zip with other files."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    changed = path.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return changed


def test_a_study_opens_in_another_home_as_it_was(
    study: Study, packed: Path, other: Machine
) -> None:
    again = other.studies.import_zip(packed)

    assert again.study_id != study.study_id
    assert (again.name, again.plan) == (study.name, study.plan)
    for offer in study.queues.offers()[:2]:
        assert again.review.state(offer.sample_id) == "masked"
        kept, brought = (
            study.review.irrelevant(offer.sample_id),
            again.review.irrelevant(offer.sample_id),
        )
        assert kept is not None
        assert brought is not None
        assert brought.tolist() == kept.tolist()
    assert again.queues.offers() == study.queues.offers()
    assert again.review.state(study.queues.offers()[2].sample_id) == "skipped"
    found = again.audit.check()
    assert found.broken is None
    assert found.acts[:-1] == study.audit.check().acts[:-1]
    assert found.acts[-1].what is ActKind.IMPORTED


def test_the_same_study_gives_the_same_bytes_and_its_log_says_that_it_was_exported(
    machine: Machine, study: Study, packed: Path, tmp_path: Path
) -> None:
    log = study.context.services.store.names(f"studies/{study.study_id}/acts/")
    exported = study.audit.check().acts[-1]
    (machine.home / "state" / log[-1]).unlink()
    again = tmp_path / "again.zip"

    study.export(again)

    assert exported.what is ActKind.EXPORTED
    assert again.read_bytes() == packed.read_bytes()


def test_without_images_and_models_it_holds_what_the_store_has(
    study: Study, tmp_path: Path, other: Machine
) -> None:
    path = tmp_path / "light.zip"
    study.export(path, whole=False)

    again = other.studies.import_zip(path)

    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.startswith("work/")]
    assert again.review.budget().painted == 2
    assert not again.training.task.finished


def test_each_import_is_a_study_of_its_own_and_touches_no_other(
    machine: Machine, study: Study, packed: Path
) -> None:
    study.flush()
    before = {name: machine.store.read(name) for name in machine.store.names("")}
    sample_id = study.queues.offers()[3].sample_id

    once, twice = machine.studies.import_zip(packed), machine.studies.import_zip(packed)
    once.review.submit(sample_id, corner(once, sample_id), reader="dr", seconds=3)

    assert len({study.study_id, once.study_id, twice.study_id}) == 3
    assert once.name == twice.name == f"{study.name} · copy"
    assert once.review.state(sample_id) == "masked"
    assert study.review.state(sample_id) == twice.review.state(sample_id) is None
    assert {name: machine.store.read(name) for name in before} == before
    machine.studies.delete(once.study_id)
    assert {name: machine.store.read(name) for name in before} == before
    assert twice.audit.check().broken is None


def test_an_imported_study_goes_on_and_is_exported_again_as_any_other(
    study: Study, packed: Path, other: Machine, tmp_path: Path
) -> None:
    first = other.studies.import_zip(packed)
    sample_id = study.queues.offers()[3].sample_id
    first.review.submit(sample_id, corner(first, sample_id), reader="dr", seconds=3)
    first.review.skip(study.queues.offers()[4].sample_id)
    first.flush()
    other.restart()

    first = other.studies.open(first.study_id)
    first.export(tmp_path / "again.zip")
    again = other.studies.import_zip(tmp_path / "again.zip")

    assert first.audit.check().broken is again.audit.check().broken is None
    assert again.review.budget().painted == 3
    assert again.review.state(study.queues.offers()[4].sample_id) == "skipped"
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        inside = b"".join(archive.read(name) for name in archive.namelist())
        assert first.study_id not in "".join(archive.namelist())
    assert first.study_id.encode() not in inside


def test_a_zip_of_a_study_is_opened_wherever_a_zip_of_images_is_taken(
    study: Study, packed: Path, other: Machine
) -> None:
    assert is_study_zip(packed)
    assert not is_study_zip(packed.with_name("nothing.zip"))

    assert other.studies.from_archive(packed, name="x").queues.offers() == study.queues.offers()


def redigested(files: Files) -> None:
    """Let the zip say of itself that its files are as they were exported."""
    about = json.loads(files[MANIFEST_FILE])
    about["files"] = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != MANIFEST_FILE
    }
    files[MANIFEST_FILE] = json.dumps(about).encode()


def test_an_act_that_was_edited_or_removed_in_the_zip_is_named_and_the_zip_refused(
    study: Study, packed: Path, other: Machine
) -> None:
    name = "state/" + act_file(study.study_id, 1)

    def edit(files: Files) -> None:
        files[name] = files[name].replace(b'"who":"dr"', b'"who":"me"')
        redigested(files)

    def remove(files: Files) -> None:
        del files[name]
        redigested(files)

    for change, told in ((edit, "Act 1 was changed"), (remove, "Act 1 is missing")):
        with pytest.raises(StoreError, match=rf"was changed: {told}.*untouched copy"):
            other.studies.import_zip(rezipped(packed, change))

    assert other.store.names("") == ()


def test_a_log_that_was_broken_before_the_export_is_brought_along_as_broken(
    machine: Machine, study: Study, other: Machine, tmp_path: Path
) -> None:
    study.flush()
    (machine.home / "state" / act_file(study.study_id, 1)).unlink()
    path = tmp_path / "broken.zip"
    study.export(path)

    again = other.studies.import_zip(path)

    found = again.audit.check().broken
    assert found is not None
    assert (found.seq, found.flaw) == (1, ChainFlaw.MISSING)
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read(MANIFEST_FILE))["broken"] == found.told


def change_mask(files: Files) -> None:
    name = next(name for name in files if name.startswith("state/data/masks/"))
    files[name] += b" "


def add_file(files: Files) -> None:
    files["state/data/masks/202611/x-other.parquet"] = b""


def lose_file(files: Files) -> None:
    del files[next(name for name in files if name.startswith("work/segments/"))]


@pytest.mark.parametrize("change", [change_mask, add_file, lose_file])
def test_any_other_file_must_be_the_one_that_was_exported(
    packed: Path, other: Machine, change: Callable[[Files], None]
) -> None:
    with pytest.raises(StoreError, match=r"was changed: “.*is not as it was exported.*untouched"):
        other.studies.import_zip(rezipped(packed, change))

    assert other.store.names("") == ()
    assert not list((other.home / "work").rglob("*.parquet"))


def damage(files: Files) -> None:
    files[MANIFEST_FILE] = b"{}"


def newer(files: Files) -> None:
    files[MANIFEST_FILE] = json.dumps(
        json.loads(files[MANIFEST_FILE]) | {"schema_version": 99}
    ).encode()


def nothing(files: Files) -> None:
    del files[MANIFEST_FILE]


def climb(files: Files) -> None:
    files["../outside"] = b""


@pytest.mark.parametrize(
    ("change", "told", "kind"),
    [
        (damage, r"study\.zip is damaged", StoreError),
        (newer, r"newer version of IMIL.*format 99", StoreError),
        (nothing, r"holds no study.*imil-study\.json", StoreError),
        (climb, r"was refused.*outside of the study's folder", DataError),
    ],
)
def test_what_is_no_study_is_refused_and_nothing_is_left(
    packed: Path,
    other: Machine,
    change: Callable[[Files], None],
    told: str,
    kind: type[ImilError],
) -> None:
    with pytest.raises(kind, match=told):
        other.studies.import_zip(rezipped(packed, change))

    assert other.store.names("") == ()


@pytest.mark.parametrize(
    "which", ["state/data/masks/", "state/studies/", "/acts/", "work/segments/", MANIFEST_FILE]
)
def test_a_study_of_which_one_file_cannot_be_read_is_refused_whole(
    packed: Path, other: Machine, which: str
) -> None:
    with zipfile.ZipFile(packed) as archive:
        entry = next(entry for entry in archive.infolist() if which in entry.filename)
    raw = bytearray(packed.read_bytes())
    raw[entry.header_offset + 30 + len(entry.filename)] ^= 1
    packed.write_bytes(raw)

    with pytest.raises(DataError, match=r"can't be unpacked.*can't be read: It is damaged in the"):
        other.studies.import_zip(packed)

    assert other.store.names("") == ()
    assert [path for path in (other.home / "work").rglob("*") if path.is_file()] == []


def test_a_zip_that_inflates_too_much_is_refused(packed: Path, other: Machine) -> None:
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("work/blank", bytes(RATIO_FROM_BYTES + 1))

    with pytest.raises(DataError, match="inflates more than"):
        other.studies.import_zip(packed)


# ---- images that a visitor brought --------------------------------------------------------------


@pytest.fixture
def uploaded(machine: Machine, tmp_path: Path) -> Study:
    for _ in write_films(FilmSpec(images=40, size=32, seed=2), tmp_path / "films"):
        pass
    archive = shutil.make_archive(str(tmp_path / "films"), "zip", tmp_path / "films")
    study = as_if_trained(machine.studies.from_archive(Path(archive), name="films"))
    sample_id = study.queues.offers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id), reader="dr", seconds=3)
    return study


def test_brought_images_travel_with_their_study(
    uploaded: Study, tmp_path: Path, other: Machine
) -> None:
    uploaded.export(tmp_path / "study.zip")

    again = other.studies.import_zip(tmp_path / "study.zip")

    sample_id = uploaded.queues.offers()[0].sample_id
    assert again.pictures.missing == 0
    assert (
        again.pictures.original(sample_id).tolist()
        == uploaded.pictures.original(sample_id).tolist()
    )
    assert again.review.state(sample_id) == "masked"
    assert again.audit.check().broken is None


def test_without_its_images_a_brought_study_opens_and_asks_for_them(
    uploaded: Study, tmp_path: Path, other: Machine
) -> None:
    uploaded.export(tmp_path / "light.zip", whole=False)

    again = other.studies.import_zip(tmp_path / "light.zip")

    assert again.pictures.missing == len(uploaded.images)
    assert again.review.budget().painted == 1
    with pytest.raises(StoreError, match=r"exported without images.*Export it with them"):
        replay(
            tmp_path / "light.zip",
            tmp_path / "work",
            fetch_weights=no_weights,
            on_progress=lambda *_: None,
        )


# ---- deletion -----------------------------------------------------------------------------------


def test_a_deleted_study_leaves_how_its_log_ended_and_nothing_else(
    machine: Machine, study: Study
) -> None:
    last = study.audit.check().acts[-1]
    folder = study.context.workspace.folder

    tombstone = machine.studies.delete(study.study_id, who="dr")

    assert (tombstone.acts, tombstone.head, tombstone.who) == (last.seq + 1, last.head, "dr")
    assert machine.store.names("") == (f"studies/{study.study_id}/tombstone.json",)
    assert not folder.exists()
    with pytest.raises(StoreError, match=r"This study was deleted on \d+ \w+ \d{4}\..*are gone"):
        machine.studies.open(study.study_id)
    assert not machine.studies.knows(study.study_id)


def test_a_deleted_study_stays_deleted_after_a_restart_and_does_not_come_back_as_a_zip(
    machine: Machine, study: Study, packed: Path
) -> None:
    machine.studies.delete(study.study_id)
    machine.restart()

    with pytest.raises(StoreError, match="was deleted on"):
        machine.studies.import_zip(packed)
    again = machine.studies.delete(study.study_id)

    assert again.study == study.study_id


def test_only_a_study_that_is_there_can_be_deleted(machine: Machine) -> None:
    with pytest.raises(StoreError, match="There is no study"):
        machine.studies.delete("unknown")
