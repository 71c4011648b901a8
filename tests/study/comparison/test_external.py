from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil.core.records import Arm, Split
from imil.errors import DataError, ImilError, PlanError, StoreError
from imil.storage.records.acts import ActKind
from imil.study.library.zips.study_zip import MANIFEST_FILE
from imil.study.study import Study
from tests.datasets.hub_sets import image_folder
from tests.standins.sound_zip import zipped
from tests.study.conftest import Machine, finish

pytestmark = pytest.mark.slow

RULES = "normal = no finding; lump = finding"


def graz(folder: Path, *, classes: tuple[str, ...] = ("normal", "lump")) -> Path:
    files = image_folder(5, splits=("test",), classes=classes)
    return zipped(folder / "graz.zip", files)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Study]]:
    """A tiny study with a comparison; tests add sets of other names."""
    machine = Machine(tmp_path_factory.mktemp("home"))
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    study.training.start()
    finish(study.training.status)
    for offer in study.queues.offers()[:2]:
        size = study.images.original(offer.sample_id).shape
        region = np.zeros(size[:2], np.bool_)
        region[:8, :8] = True
        study.review.submit(offer.sample_id, region, reader="dr", seconds=3)
    study.comparison.start(arms=(Arm.CONTROL, Arm.IMIL))
    finish(study.comparison.status)
    yield machine, study
    machine.pool.close()


def kept(study: Study) -> list[str]:
    """Return what the study has of external sets, on disk and in its store."""
    folder, store = study.context.workspace.folder, study.context.store
    files = [path for path in folder.glob("external*/**/*") if path.is_file()]
    return [str(path) for path in files] + list(
        store.names(f"studies/{study.context.log_id}/external/")
    )


def test_a_set_is_looked_at_and_kept_without_names(
    compared: tuple[Machine, Study], tmp_path: Path
) -> None:
    _, study = compared

    found = study.external.add_archive(graz(tmp_path), name="Graz", rules=RULES, who="dr")

    assert (found.images, found.check.external.shares) == (10, (0.5, 0.5))
    assert found.check.near_duplicates == 0
    assert not [name for name in kept(study) if "doe" in name or "jane" in name]
    added = study.audit.check().acts[-1]
    assert (added.what, added.who) == (ActKind.EXTERNAL_ADDED, "dr")
    assert study.audit.check().broken is None
    study.external.remove("Graz")


@pytest.mark.parametrize(
    ("name", "rules", "kind", "text"),
    [
        ("", RULES, PlanError, "short name"),
        ("Linz", "", DataError, "a label “lump”"),
        ("Linz", "normal = no finding; lump = no finding", DataError, "single class"),
        ("Linz", "nevus = finding", DataError, "“nevus”"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused_and_leaves_nothing(
    compared: tuple[Machine, Study],
    tmp_path: Path,
    name: str,
    rules: str,
    kind: type[ImilError],
    text: str,
) -> None:
    _, study = compared
    before = kept(study)

    with pytest.raises(kind, match=text):
        study.external.add_archive(graz(tmp_path), name=name, rules=rules)

    assert kept(study) == before
    assert study.external.sets == ()


def test_a_zip_of_no_images_is_refused_and_leaves_nothing(
    compared: tuple[Machine, Study], tmp_path: Path
) -> None:
    _, study = compared

    with pytest.raises(DataError):
        study.external.add_archive(zipped(tmp_path / "a.zip", {"a.txt": b"a"}), name="Wels")

    assert study.external.sets == ()


def test_a_name_is_taken_once(compared: tuple[Machine, Study], tmp_path: Path) -> None:
    _, study = compared
    study.external.add_archive(graz(tmp_path), name="Wien", rules=RULES)

    with pytest.raises(PlanError, match="“Wien” already"):
        study.external.add_archive(graz(tmp_path), name=" Wien ", rules=RULES)

    study.external.remove("Wien")
    with pytest.raises(PlanError, match="no external set “Wien”"):
        study.external.remove("Wien")


def test_a_set_is_opened_with_the_test_set_and_never_before(
    compared: tuple[Machine, Study], tmp_path: Path
) -> None:
    machine, study = compared
    study.external.add_archive(graz(tmp_path), name="Graz", rules=RULES)
    study.comparison.ask_external()
    study.flush()
    before = study.results.json()

    found = study.comparison.open_test_set(who="dr")

    assert before is not None
    assert json.loads(before)["external"] == {}
    assert found.split is Split.TEST
    assert [each.name for each in found.external] == ["Graz"]
    told = json.loads(study.results.json() or b"{}")["external"]["Graz"]
    assert (told["images"], set(told["arms"])) == (10, {"control", "imil"})
    study.flush()
    machine.studies._open.close(study.study_id)
    again = machine.studies.open(study.study_id)
    final = again.results.final()
    assert final is not None
    assert [each.name for each in final.external] == ["Graz"]
    assert again.external.sets == study.external.sets
    # What was found stays, even without the set.
    again.external.remove("Graz")
    assert again.results.final() == final
    assert again.audit.check().broken is None


def test_a_test_set_stays_closed_while_an_external_set_is_lost(
    compared: tuple[Machine, Study], tmp_path: Path
) -> None:
    machine, study = compared
    study = machine.studies.open(study.study_id)
    found = study.external.add_archive(graz(tmp_path), name="Lost", rules=RULES)
    openings = study.context.record.test_openings
    images = study.external._images(found.key)
    images.rename(images.with_name("elsewhere"))

    with pytest.raises(DataError, match="“Lost” are not on this machine"):
        study.comparison.open_test_set()

    assert study.context.record.test_openings == openings
    study.external.remove("Lost")


def test_sets_travel_in_a_study_zip_and_go_with_the_study(
    compared: tuple[Machine, Study], tmp_path: Path
) -> None:
    machine, study = compared
    study = machine.studies.open(study.study_id)
    found = study.external.add_archive(graz(tmp_path), name="Graz", rules=RULES)
    packed = tmp_path / "study.zip"
    study.export(packed)

    other = Machine(tmp_path / "other")
    try:
        again = other.studies.import_zip(packed)
        assert again.external.sets == (found,)
        assert again.external.is_here(found)
        images = again.external.images(found).images
        assert len(images) == 10
        assert images.original(images.samples[0].sample_id).shape == (48, 48)
        folder = again.context.workspace.folder
        other.studies.delete(again.study_id)
        assert not folder.exists()
        assert not [n for n in other.store.names(f"studies/{again.study_id}/") if "external" in n]
    finally:
        other.pool.close()
        study.external.remove("Graz")


@pytest.mark.parametrize("part", ["state/", "work/"])
def test_a_study_zip_with_a_changed_external_set_is_refused(
    compared: tuple[Machine, Study], tmp_path: Path, part: str
) -> None:
    """As somebody would who also mends the list of files."""
    machine, study = compared
    study = machine.studies.open(study.study_id)
    found = study.external.add_archive(graz(tmp_path), name="Graz", rules=RULES)
    packed, changed = tmp_path / "study.zip", tmp_path / "changed.zip"
    study.export(packed)
    study.external.remove("Graz")
    with zipfile.ZipFile(packed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = next(n for n in files if n.startswith(part) and f"external/{found.key}" in n)
    other = next(n for n in files if n.startswith(part) and n != name and n[-4:] == name[-4:])
    files[name] = files[other]
    about = json.loads(files[MANIFEST_FILE])
    about["files"][name] = about["files"][other]
    files[MANIFEST_FILE] = json.dumps(about).encode()

    with pytest.raises(StoreError):
        machine.studies.import_zip(zipped(changed, files))
