from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError
from types import MappingProxyType

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from imil.core.nets.backbones import (
    BACKBONES,
    Classifier,
    _ChannelsLast,
    backbone,
    build,
    load_pretrained,
    load_weights,
    weights_to_bytes,
)
from imil.errors import PlanError, WeightsError


def _images(channels: int = 1, size: int = 32) -> Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def _film_net(seed: int = 0, *, classes: int = 2, channels: int = 1) -> Classifier:
    return build("film_net", classes=classes, channels=channels, size=64, seed=seed).eval()


def _pretrained_file(**changed: Tensor) -> bytes:
    """Return a file as the Hub has it: the body's bare names, a head of 1,000 classes."""
    body = _film_net(9).body.state_dict()
    tensors = {k: v for k, v in body.items() if not k.endswith("num_batches_tracked")}
    head = {"fc.weight": torch.zeros(1000, 96), "fc.bias": torch.zeros(1000)}
    return safetensors.torch.save({**tensors, **head, **changed})


def test_the_same_seed_gives_the_same_weights() -> None:
    assert weights_to_bytes(_film_net(3)) == weights_to_bytes(_film_net(3))


def test_another_seed_gives_other_weights() -> None:
    assert weights_to_bytes(_film_net(3)) != weights_to_bytes(_film_net(4))


def test_building_leaves_the_random_state_of_the_caller_alone() -> None:
    before = torch.get_rng_state()

    _film_net(3)

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["film_net", pytest.param("resnet18", marks=pytest.mark.slow)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_backbone_takes_grey_and_colour(name: str, channels: int) -> None:
    module = build(name, classes=3, channels=channels, size=32, seed=0).eval()

    with torch.inference_mode():
        logits = module(_images(channels))

    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "tf_efficientnet_lite0"])
def test_the_large_backbones_take_grey_and_colour(name: str) -> None:
    if name.startswith("tf_"):
        pytest.importorskip("timm")
    module = build(name, classes=3, channels=1, size=32, seed=0).eval()

    with torch.inference_mode():
        assert module(_images(1)).shape == module(_images(3)).shape == (2, 3)


@pytest.mark.slow
def test_grey_counts_as_colour_of_three_equal_channels() -> None:
    module = build("resnet18", classes=2, channels=1, size=32, seed=0).eval()
    grey = _images(1)

    with torch.inference_mode():
        torch.testing.assert_close(module(grey), module(grey.repeat(1, 3, 1, 1)))


def test_the_head_decides_on_the_mean_of_the_feature_maps() -> None:
    module = _film_net()

    with torch.inference_mode():
        maps, logits = module.feature_maps(_images()), module(_images())
        expected = module.head(maps.mean((2, 3)))

    assert maps.shape == (2, 96, 2, 2)
    torch.testing.assert_close(logits, expected)


def test_mean_and_deviation_are_saved_with_the_weights() -> None:
    saved = safetensors.torch.load(weights_to_bytes(_film_net(channels=3)))

    assert saved["mean"].shape == saved["std"].shape == (1, 3, 1, 1)


def test_the_stem_of_film_net_gets_its_gradient_in_its_own_layout() -> None:
    layouts = []
    module = _film_net()
    after_stem = next(part for part in module.modules() if isinstance(part, _ChannelsLast))

    def watch(_module: nn.Module, inputs: tuple[Tensor], _maps: Tensor) -> None:
        inputs[0].register_hook(lambda gradient: layouts.append(gradient.is_contiguous()))  # type: ignore[no-untyped-call]  # torch leaves it untyped

    after_stem.register_forward_hook(watch)

    module(_images(size=64)).sum().backward()

    assert layouts == [True]


def test_film_net_is_small_and_keeps_its_weights_in_plain_order() -> None:
    module = _film_net()

    assert sum(parameter.numel() for parameter in module.parameters()) < 500_000
    assert all(parameter.is_contiguous() for parameter in module.parameters())


def test_film_net_ends_in_batch_norm_statistics_that_are_saved() -> None:
    names = [name for name, _ in _film_net().named_buffers() if name.endswith("running_mean")]

    assert len(names) == 7


def test_saved_weights_load_into_the_same_predictions() -> None:
    trained, fresh = _film_net(1), _film_net(2)

    load_weights(fresh, weights_to_bytes(trained))

    with torch.inference_mode():
        assert torch.equal(fresh(_images()), trained(_images()))


def test_weights_of_another_number_of_classes_are_refused_and_nothing_changes() -> None:
    module = _film_net()
    before = weights_to_bytes(module)

    with pytest.raises(WeightsError, match=r"2 have another shape, such as “head.bias”.*Pick the"):
        load_weights(module, weights_to_bytes(_film_net(classes=3)))

    assert weights_to_bytes(module) == before


def test_bytes_that_are_no_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"can't be read.*not in the safetensors format.*Fetch"):
        load_weights(_film_net(), b"\x80\x04 a pickle")


def test_pretrained_weights_fill_the_body_and_leave_the_head() -> None:
    module = _film_net(0)
    head = module.head.weight.clone()

    load_pretrained(module, _pretrained_file())

    for ours, theirs in zip(module.body.parameters(), _film_net(9).body.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(module.head.weight, head)


@pytest.mark.slow
def test_torchvisions_own_names_fit() -> None:
    models = pytest.importorskip("torchvision.models")
    theirs = models.resnet18(weights=None).eval()
    module = build("resnet18", classes=2, channels=3, size=32, seed=0).eval()

    load_pretrained(module, safetensors.torch.save(theirs.state_dict()))

    theirs.fc = nn.Identity()
    images = _images(3)
    with torch.inference_mode():
        expected = theirs((images - module.mean) / module.std)
        torch.testing.assert_close(module.feature_maps(images).mean((2, 3)), expected)


def test_pretrained_weights_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"1 are unknown.*“layer9.weight”.*Pick the backbone"):
        load_pretrained(_film_net(), _pretrained_file(**{"layer9.weight": torch.zeros(1)}))


def test_pretrained_weights_with_a_tensor_missing_are_refused() -> None:
    tensors = safetensors.torch.load(_pretrained_file())
    del tensors["0.0.weight"]

    with pytest.raises(WeightsError, match=r"1 tensors are missing.*“0.0.weight”"):
        load_pretrained(_film_net(), safetensors.torch.save(tensors))


def test_an_unknown_backbone_is_refused_with_the_names() -> None:
    with pytest.raises(PlanError, match=r"no backbone “vgg”.*film_net, resnet18.*Name one of them"):
        backbone("vgg")


@pytest.mark.parametrize("size", [31, 97])
def test_sizes_outside_the_range_are_refused(size: int) -> None:
    with pytest.raises(
        PlanError, match=rf"film_net can't take images of {size} px.*32 to 96.*Pick"
    ):
        build("film_net", classes=2, channels=1, size=size, seed=0)


def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)

    with pytest.raises(PlanError, match=r'not installed.*another.*pip install "timm'):
        build("tf_efficientnet_lite0", classes=2, channels=1, size=64, seed=0)


def test_the_registry_can_not_be_changed() -> None:
    assert isinstance(BACKBONES, MappingProxyType)
    with pytest.raises(FrozenInstanceError):
        BACKBONES["film_net"].largest = 512
