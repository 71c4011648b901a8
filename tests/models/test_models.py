from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from imil.core.nets.backbones import build, weights_to_bytes
from imil.errors import WeightsError
from imil.models.load import load_model
from tests.standins.fakehub import TOKEN, FakeHub

CONFIG: dict[str, Any] = {
    "schema_version": 1,
    "backbone": "film_net",
    "classes": ["finding", "no finding"],
    "channels": 1,
    "size": 32,
}


def handed_over(config: dict[str, Any] = CONFIG) -> dict[str, bytes]:
    model = build("film_net", classes=2, channels=1, size=32, seed=5)
    weights = weights_to_bytes(model)
    return {"config.json": json.dumps(config).encode(), "model.safetensors": weights}


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_the_model_of_a_folder_answers_with_its_own_weights(tmp_path: Path) -> None:
    images = torch.rand(2, 1, 32, 32)
    expected = build("film_net", classes=2, channels=1, size=32, seed=5).eval()

    found = load_model(laid_out(tmp_path / "model", handed_over()))

    assert (found.classes, found.channels, found.size) == (("finding", "no finding"), 1, 32)
    with torch.inference_mode():
        assert torch.equal(found.model(images), expected(images))


def test_a_private_model_of_the_hub_comes_with_a_token_alone() -> None:
    with FakeHub() as hub:
        hub.put("alice/lungs", handed_over(), private=True)

        found = load_model("alice/lungs", endpoint=hub.endpoint, token=TOKEN)

        assert found.config["backbone"] == "film_net"
        with pytest.raises(WeightsError, match=r"There is no model alice/lungs.*answered 401"):
            load_model("alice/lungs", endpoint=hub.endpoint)


def test_what_is_no_model_of_ours_is_refused(tmp_path: Path) -> None:
    newer = laid_out(tmp_path / "newer", handed_over({**CONFIG, "schema_version": 99}))
    other = laid_out(tmp_path / "other", handed_over({"model_type": "vit"}))
    torn = laid_out(tmp_path / "torn", handed_over() | {"model.safetensors": b"half"})

    with pytest.raises(WeightsError, match=r"newer version.*layout is 99.*reads up to 1"):
        load_model(newer)
    with pytest.raises(WeightsError, match=r"holds no model of IMIL's"):
        load_model(other)
    with pytest.raises(WeightsError, match=r"weights can't be read"):
        load_model(torn)
    with pytest.raises(WeightsError, match=r"holds no model of IMIL's"):
        load_model("no such folder")
    with pytest.raises(WeightsError, match=r"could not be reached"):
        load_model("alice/lungs", endpoint="http://127.0.0.1:9")


def test_a_repo_that_lacks_a_file_is_refused() -> None:
    with FakeHub() as hub:
        hub.put("alice/other", {"README.md": b"# another"})

        with pytest.raises(WeightsError, match=r"holds no model of IMIL's"):
            load_model("alice/other", endpoint=hub.endpoint)
