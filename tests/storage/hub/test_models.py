"""Where checkpoints are kept: every adapter passes the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imil.errors import StoreError
from imil.storage.hub.files import HubModels
from imil.storage.models import Models
from tests.standins.fakehub import TOKEN, FakeHub
from tests.standins.local_models import LocalModels

pytestmark = pytest.mark.slow

STRANGER = "hf_nobody"


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as server:
        yield server


@pytest.fixture(params=["local", "hub"])
def models(request: pytest.FixtureRequest, tmp_path: Path, hub: FakeHub) -> Models:
    hub.repos.clear()
    if request.param == "local":
        return LocalModels(tmp_path / "models")
    return HubModels("alice/state", token=TOKEN, endpoint=hub.endpoint)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {}
    for name in ("checkpoint.safetensors", "logits.npy"):
        path = tmp_path / name
        path.write_bytes(name.encode() * 100)
        made[f"study1/first-0/{name}"] = path
    return made


def test_what_is_kept_comes_back_as_it_was(
    models: Models, files: dict[str, Path], tmp_path: Path
) -> None:
    models.put(files)

    assert models.names("study1/first-0/") == tuple(sorted(files))
    for number, (name, path) in enumerate(files.items()):
        assert models.get(name, tmp_path / f"{number}" / "back")
        assert (tmp_path / f"{number}" / "back").read_bytes() == path.read_bytes()


def test_nothing_is_there_before_anything_is_kept(models: Models) -> None:
    assert models.names("study1/") == ()


def test_a_file_that_is_not_there_is_told_from_one_that_is(
    models: Models, files: dict[str, Path], tmp_path: Path
) -> None:
    models.put(files)

    assert not models.get("study1/first-0/other.npy", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_one_study_is_forgotten_and_others_stay(
    models: Models, files: dict[str, Path], tmp_path: Path
) -> None:
    models.put(files)
    models.put({"study2/first-0/logits.npy": tmp_path / "logits.npy"})

    models.forget("study1/")

    assert models.names("study1/") == ()
    assert models.names("study2/") == ("study2/first-0/logits.npy",)


def test_the_repo_is_private_and_beside_the_state(hub: FakeHub, files: dict[str, Path]) -> None:
    hub.repos.clear()

    HubModels("alice/state", token=TOKEN, endpoint=hub.endpoint).put(files)

    assert hub.repos["models/alice/state-models"].private


def test_an_unknown_token_is_said_to_be(hub: FakeHub, files: dict[str, Path]) -> None:
    stranger = HubModels("alice/state", token=STRANGER, endpoint=hub.endpoint)

    with pytest.raises(StoreError, match="does not know this token"):
        stranger.put(files)
