"""An image leaves this machine with a tick alone; and what left comes back without being asked."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imil.errors import PlanError, StoreError
from imil.jobs.pool import WorkerPool
from imil.storage.base import Saved
from imil.storage.codec import decode_masks
from imil.storage.local import LocalStore
from imil.storage.records.images import decode_images, encode_images, load_shards
from imil.study.library import keeping
from imil.study.library.studies import Studies
from imil.study.study import Study
from imil.study.tools import Tools
from tests.standins.local_models import LocalModels
from tests.standins.search import found_in
from tests.standins.trained import as_if_trained, corner
from tests.standins.uploads import TELLING, telling_zip
from tests.standins.visitors import no_weights
from tests.study.conftest import Machine

REPO = "hospital/state"


class TellingStore(LocalStore):
    """A store that says that it goes to the Hub."""

    repo = REPO

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.shown: dict[str, bytes] = {}

    def saved(self, study_id: str) -> Saved:  # noqa: ARG002  # the same for every study
        """Return a repo."""
        return Saved(repo=self.repo)

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:
        """Remember what is shown."""
        if shown is not None:
            self.shown[name] = shown
        super().add(name, content)

    def hide(self, study_id: str) -> None:  # noqa: ARG002  # there is one study
        """Forget it."""
        self.shown.clear()


class Linked(Machine):
    """A machine whose store and models are elsewhere, and outlive it."""

    store: TellingStore

    def start(self) -> None:
        self.store = TellingStore(self.home / "state")
        self.pool = WorkerPool(self.home / "jobs")
        self.models = LocalModels(self.home / "models")
        tools = Tools(self.store, self.pool, no_weights, checkpoints=self.models)
        self.studies = Studies(self.home / "work", tools, demo=self.films)


@pytest.fixture
def linked(tmp_path: Path) -> Linked:
    return Linked(tmp_path)


@pytest.fixture
def study(linked: Linked, tmp_path: Path) -> Study:
    archive = telling_zip(tmp_path / "brought" / "films.zip", each=12)
    study = as_if_trained(linked.studies.from_archive(archive, name="films"))
    shutil.rmtree(tmp_path / "brought")
    return study


def kept(study: Study) -> Study:
    """Wait until everything is sent that was agreed to."""
    assert study._keeping is not None
    study._keeping.keep_now(study._first)
    return study


def images_in(folder: Path, study: Study) -> list[str]:
    """Return which images' pixels, as PNG, are in a file below a folder."""
    assert study._stock is not None
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [
        sample.sample_id
        for sample in study.images.samples
        if any(study._stock.content(sample.sample_id) in content for content in files.values())
    ]


def test_without_a_tick_no_image_and_no_checkpoint_is_given_to_the_store(
    linked: Linked, study: Study
) -> None:
    sample_id = study.queue()[0].sample_id
    study.submit_mask(sample_id, corner(study, sample_id, side=6), reader="r", seconds=1)
    study.training_status()

    kept(study)

    assert study.consent is None
    assert images_in(linked.home / "state", study) == []
    assert linked.models.names(f"{study.study_id}/") == ()


def test_with_it_images_go_once_and_the_checkpoint_with_them(linked: Linked, study: Study) -> None:
    study.give_consent("a reader")
    kept(kept(study))

    shards = load_shards(linked.store, study.study_id)
    records = [r for s in shards for r in decode_images(linked.store.read(s.name) or b"")]
    assert [r.sample_id for r in records] == [s.sample_id for s in study.images.samples]
    assert {r.label for r in records} == {"a", "b"}
    assert f"{study.study_id}/first-0/checkpoint.safetensors" in linked.models.names(
        f"{study.study_id}/"
    )
    assert found_in(linked.home / "state", TELLING) == []
    assert study.consent is not None
    assert (study.consent.repo, study.consent.who) == (REPO, "a reader")


def test_what_was_sent_in_part_is_gone_on_with(
    linked: Linked, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SHARD_BYTES", 1)  # an image a record

    study.give_consent("r")
    kept(study)

    shards = load_shards(linked.store, study.study_id)
    assert [shard.images for shard in shards] == [1] * 24
    assert len({shard.name for shard in shards}) == 24


def test_a_tick_taken_away_stops_it_and_is_kept(linked: Linked, study: Study) -> None:
    with study._keeping._busy if study._keeping else contextlib.nullcontext():
        # Taken away before the first image has left.
        study.give_consent("r")
        study.withdraw_consent()
    kept(study)
    linked.restart()

    again = linked.studies.open(study.study_id)

    assert again.consent is None
    assert load_shards(linked.store, study.study_id) == ()


def test_images_and_checkpoint_come_back_without_being_asked_for(
    linked: Linked, study: Study
) -> None:
    study.give_consent("r")
    kept(study)
    queue, picture = study.queue(), study.picture(study.images.samples[0].sample_id)
    linked.pool.close()
    shutil.rmtree(linked.home / "work")
    linked.start()

    again = linked.studies.open(study.study_id)
    assert again._keeping is not None
    again._keeping.bring_back_now(again._first)

    assert again.missing_images == 0
    assert (again.picture(again.images.samples[0].sample_id) == picture).all()
    assert again.queue() == queue
    linked.pool.close()


def test_where_nothing_leaves_there_is_nothing_to_agree_to(
    machine: Machine, tmp_path: Path
) -> None:
    study = machine.studies.from_archive(telling_zip(tmp_path / "films.zip"), name="films")
    demo = machine.studies.demo()

    with pytest.raises(PlanError, match=r"No Hub repo is set.*nothing leaves this machine"):
        study.give_consent("r")
    with pytest.raises(PlanError, match="can't be kept anywhere else"):
        demo.give_consent("r")
    assert not demo.brings_images
    assert study.goes_to is None


def test_a_mask_is_shown_with_its_pictures_where_it_was_agreed_to_and_nowhere_else(
    linked: Linked, study: Study
) -> None:
    film = study.answers()[0].sample_id
    study.submit_mask(film, corner(study, film, side=5), reader="r", seconds=1)
    assert linked.store.shown == {}
    study.give_consent("r")

    study.submit_mask(film, corner(study, film, side=6), reader="r", seconds=1)

    ((name, content),) = linked.store.shown.items()
    (shown,) = decode_masks(content)
    (kept,) = decode_masks(linked.store.read(name) or b"")
    assert (shown.sample_id, kept.sample_id) == (film, film)
    assert (kept.image, kept.edited_image) == (None, None)
    original, hidden = study.images.original(film), corner(study, film, side=6)
    assert np.array_equal(pixels(shown.image), original)
    assert np.array_equal(pixels(shown.edited_image), np.where(hidden, 0, original))
    study.withdraw_consent()
    study.submit_mask(film, corner(study, film, side=7), reader="r", seconds=1)
    assert linked.store.shown == {}


def test_what_was_agreed_to_for_one_repo_is_not_for_another(linked: Linked, study: Study) -> None:
    study.give_consent("r")
    kept(study)
    linked.store.repo = "elsewhere/state"

    assert study.consent is None
    study.give_consent("another reader")
    assert study.consent is not None
    assert study.consent.repo == "elsewhere/state"


def test_a_study_that_is_handed_over_without_images_holds_none(
    linked: Linked, study: Study, tmp_path: Path
) -> None:
    study.give_consent("r")
    kept(study)
    assert images_in(linked.home / "state", study)

    (tmp_path / "out").mkdir()
    study.export(tmp_path / "out" / "study.zip", whole=False)

    assert images_in(tmp_path / "out", study) == []


def pixels(picture: bytes | None) -> Any:
    with Image.open(io.BytesIO(picture or b"")) as found:
        return np.asarray(found)


def test_a_damaged_copy_is_said_to_be() -> None:
    with pytest.raises(StoreError, match="A file of images"):
        decode_images(b"no parquet")
    assert decode_images(encode_images([])) == ()
