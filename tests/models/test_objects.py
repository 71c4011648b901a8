from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from imil.errors import WeightsError
from imil.models import objects
from imil.models.objects import ObjectModel, prepared
from tests.standins.fakehub import FakeHub

pytestmark = pytest.mark.slow

REPO = "someone/tiny-sam"
CLICK, BOX = (30.0, 20.0), (10.0, 5.0, 90.0, 45.0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a SAM that knows nothing, of 24,000 random weights."""
    # Imported here: it takes seconds.
    from transformers import (  # noqa: PLC0415
        SamConfig,
        SamMaskDecoderConfig,
        SamModel,
        SamPromptEncoderConfig,
        SamVisionConfig,
    )

    vision = SamVisionConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=64,
        output_channels=16,
        mlp_dim=16,
        global_attn_indexes=[0],
        window_size=2,
        num_pos_feats=8,
    )
    prompts = SamPromptEncoderConfig(hidden_size=16, image_size=64, mask_input_channels=4)
    decoder = SamMaskDecoderConfig(
        hidden_size=16,
        mlp_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        iou_head_hidden_dim=16,
        iou_head_depth=2,
    )
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("sam")
    config = SamConfig(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )
    SamModel(config).save_pretrained(folder)
    return {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}


@pytest.fixture
def hub(tiny: dict[str, bytes]) -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.put(REPO, tiny)
        yield running


@pytest.fixture
def model(hub: FakeHub, tmp_path: Path) -> ObjectModel:
    return ObjectModel(REPO, tmp_path, endpoint=hub.endpoint)


def image(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (50, 100), np.uint8)


def loaded(model: ObjectModel) -> ObjectModel:
    with pytest.raises(WeightsError, match=r"being loaded.*Until then Select goes by brightness"):
        model.find(image(), CLICK)
    model.wait()
    return model


def test_it_is_loaded_behind_the_first_click_and_answers_the_next(
    model: ObjectModel, hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(model)
    for spot in (CLICK, BOX):
        found = model.find(image(), spot)

        assert found is None or (found.shape == (50, 100) and found.dtype == np.bool_)
    assert f"Select asks {REPO}, commit " in capsys.readouterr().err
    hub.log.clear()
    again = loaded(ObjectModel(REPO, model.cache, endpoint=hub.endpoint))

    np.testing.assert_array_equal(again.find(image(), BOX), model.find(image(), BOX))
    assert hub.log == []  # what was fetched is used with no network


def test_an_image_is_prepared_as_the_family_does() -> None:
    from transformers import SamImageProcessor  # noqa: PLC0415  # takes seconds

    colour = np.repeat(image()[..., None], 3, axis=2)
    padding = {"height": 64, "width": 64}
    theirs = SamImageProcessor(size={"longest_edge": 64}, pad_size=padding)(
        colour, return_tensors="pt"
    )

    ours, height, width = prepared(image(), side=64)

    torch.testing.assert_close(ours, theirs["pixel_values"], atol=0.03, rtol=0)
    assert [height, width] == theirs["reshaped_input_sizes"][0].tolist()


def test_an_image_is_taken_in_once_and_few_are_kept(
    model: ObjectModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(model)
    taken: list[int] = []
    embed = model._model.get_image_embeddings

    def noted(pixels: torch.Tensor) -> torch.Tensor:
        taken.append(1)
        embedded: torch.Tensor = embed(pixels)
        return embedded

    monkeypatch.setattr(model._model, "get_image_embeddings", noted)
    for spot in (CLICK, BOX, CLICK):
        model.find(image(), spot)
    assert len(taken) == 1

    monkeypatch.setattr(objects, "_KEPT", 2)
    for seed in range(1, 4):
        model.find(image(seed), CLICK)
    assert len(model._kept) == 2
    model.find(image(), CLICK)
    assert len(taken) == 5


def test_what_is_no_number_is_no_object(model: ObjectModel) -> None:
    loaded(model)
    with torch.no_grad():
        for weight in model._model.mask_decoder.parameters():
            weight.fill_(float("nan"))

    assert model.find(image(), CLICK) is None
    assert model.find(image(), BOX) is None


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"model.safetensors": b""}, "answered 404"),
        ({"config.json": b"{}"}, "holds no SAM"),
        ({"config.json": b"no json"}, "can't be read"),
        ({"model.safetensors": b"no weights"}, "can't be read"),
    ],
)
def test_a_repo_that_holds_none_is_told_and_tried_again(
    hub: FakeHub, tiny: dict[str, bytes], tmp_path: Path, files: dict[str, bytes], why: str
) -> None:
    hub.put(REPO, files if "404" in why else {**tiny, **files})
    model = loaded(ObjectModel(REPO, tmp_path, endpoint=hub.endpoint))

    with pytest.raises(WeightsError, match=f"no model for Select.*{why}.*by brightness and colour"):
        model.find(image(), CLICK)
    model.wait()


def test_without_the_network_or_the_packages_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(ObjectModel(REPO, tmp_path, endpoint="http://127.0.0.1:9"))
    with pytest.raises(WeightsError, match="The Hub could not be reached"):
        model.find(image(), CLICK)
    model.wait()

    monkeypatch.setitem(sys.modules, "transformers", None)
    model = loaded(ObjectModel(REPO, tmp_path))
    with pytest.raises(WeightsError, match=r"not installed here.*pip install .transformers>=5"):
        model.find(image(), CLICK)
    model.wait()


def test_a_model_that_is_too_large_is_not_built(
    hub: FakeHub, tiny: dict[str, bytes], tmp_path: Path
) -> None:
    config = json.loads(tiny["config.json"])
    config["vision_config"]["image_size"] = 10**6
    hub.put(REPO, {**tiny, "config.json": json.dumps(config).encode()})
    model = loaded(ObjectModel(REPO, tmp_path, endpoint=hub.endpoint))

    with pytest.raises(WeightsError, match="holds no SAM"):
        model.find(image(), CLICK)
    model.wait()
