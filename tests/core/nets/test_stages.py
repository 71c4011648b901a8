from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from imil.core.nets.backbones import (
    Classifier,
    build,
    load_weights,
    pretrained_stages,
    stages_of,
    weights_to_bytes,
)
from imil.core.nets.focus import Focus, FocusSettings, PixelFinder
from imil.core.nets.stages import Stages
from imil.core.review.irrelevance import dice, features_of, learn_irrelevance
from imil.core.review.pixel_model import PixelModel
from imil.errors import WeightsError

SIDE = 32


def net(seed: int = 3, taken: tuple[str, ...] = ("3", "4")) -> Classifier:
    made = build("film_net", classes=2, channels=1, size=SIDE, seed=seed)
    made.stages = taken
    return made.eval()


def seen(module: Classifier) -> Stages:
    found = stages_of(module)
    assert found is not None
    return found


def shown() -> Tensor:
    return torch.rand(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def with_focus(module: Classifier) -> Classifier:
    finder = PixelModel(1, SIDE, seen(module))
    finder.first.copy_(torch.linspace(-0.3, 0.3, len(finder.first)))
    finder.second.copy_(torch.linspace(-0.3, 0.3, len(finder.second)))
    calibrated = PixelFinder(finder, torch.tensor([1.0, 0.0]))
    module.focus = Focus(calibrated, FocusSettings(0.0, 0.5, 0.0, 0.0), torch.tensor([0.5]))
    return module


def test_stages_are_maps_of_the_parts_taken_on_the_grid() -> None:
    assert seen(net())(shown(), 16).shape == (3, 48 + 64, 16, 16)


def test_training_changes_nothing_of_the_stages() -> None:
    module = net()
    stages = seen(module)
    before = stages(shown(), 16)

    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
    stages.train()(shown() + 1, 16)

    assert not list(stages.parameters())
    torch.testing.assert_close(stages(shown(), 16), before)


def test_a_model_that_looks_through_stages_is_saved_and_loaded_with_them() -> None:
    saved, loaded = with_focus(net()), net(seed=9)

    load_weights(loaded, weights_to_bytes(saved))

    with torch.inference_mode():
        assert torch.equal(saved(shown()), loaded.eval()(shown()))


def test_stages_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsError, match="mask predictor that can't be used"):
        load_weights(net(taken=()), weights_to_bytes(with_focus(net())))


def test_a_network_without_pretrained_weights_has_no_stages() -> None:
    assert stages_of(net(taken=())) is None
    assert pretrained_stages("film_net", b"", channels=1, size=SIDE) is None
    assert pretrained_stages("tf_efficientnet_lite0", None, channels=3, size=SIDE) is None


def test_masks_teach_what_the_stages_see() -> None:
    rng = np.random.default_rng(0)
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    middles = rng.integers(8, 24, (16, 2))
    outside = np.hypot(down - middles[:, :1, None], across - middles[:, 1:, None]) > 6
    pixels = rng.normal(np.where(outside, 190, 90), 12).clip(0, 255).astype(np.uint8)[:, None]
    stages = seen(net())

    predictor = learn_irrelevance(pixels, dict(enumerate(outside[:9])), seed=0, stages=stages)

    confidence = predictor.confidence(pixels[9:])
    assert dice(~predictor.irrelevant(confidence), ~outside[9:]).mean() > 0.85
    again = predictor.of_features(features_of(pixels[9:], stages))
    np.testing.assert_allclose(again, confidence, atol=1e-5)
