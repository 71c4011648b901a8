from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from imil.core.arms.focusing import finder_of
from imil.core.nets.backbones import Classifier, build, stages_of
from imil.core.nets.focus import Focus, FocusSettings
from imil.core.review.irrelevance import learn_irrelevance
from imil.errors import WeightsError
from imil.models.onnx import to_onnx

pytestmark = pytest.mark.slow


def film_net() -> Classifier:
    return build("film_net", classes=2, channels=1, size=32, seed=3).eval()


def test_onnx_answers_as_torch_does_for_any_number_of_images() -> None:
    runtime = pytest.importorskip("onnxruntime")
    model, images = film_net(), torch.rand(5, 1, 32, 32)

    content = to_onnx(model, channels=1, size=32, classes=("no finding", "finding"))

    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"images": images.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(found, model(images).numpy(), atol=1e-4)
    told = session.get_modelmeta().custom_metadata_map
    assert told["classes"] == "no finding\nfinding"


@pytest.mark.parametrize(("raw", "taken"), [(0.0, ()), (0.5, ()), (0.0, ("3", "4"))])
def test_onnx_of_a_model_that_hides_regions_takes_the_raw_image(
    raw: float, taken: tuple[str, ...]
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    down, across = np.mgrid[0:32, 0:32]
    middles = rng.integers(8, 24, (12, 2))
    outside = np.hypot(down - middles[:, :1, None], across - middles[:, 1:, None]) > 6
    pixels = rng.normal(np.where(outside, 190, 90), 12).clip(0, 255).astype(np.uint8)[:, None]
    model = film_net()
    model.stages = taken
    masks = dict(enumerate(outside[:9]))
    finder = finder_of(learn_irrelevance(pixels, masks, seed=0, stages=stages_of(model)))
    model.focus = Focus(finder, FocusSettings(raw, 0.5, 0.04, 0.5), torch.tensor([0.5])).eval()

    content = to_onnx(model, channels=1, size=32, classes=("a", "b"))

    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    images = torch.from_numpy(pixels).float() / 255
    with torch.inference_mode():
        expected = model(images).numpy()
    assert model.focus.hidden(images).mean() > 0.3
    for count in (1, 12):
        (found,) = session.run(["logits"], {"images": images[:count].numpy()})
        np.testing.assert_allclose(found, expected[:count], atol=1e-3)


def test_a_model_that_onnx_gets_wrong_is_not_handed_out() -> None:
    pytest.importorskip("onnxruntime")
    model = film_net().train()  # batch statistics, which ONNX freezes

    with pytest.raises(WeightsError, match=r"answers otherwise.*A logit differs by"):
        to_onnx(model, channels=1, size=32, classes=("a", "b"))


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(WeightsError, match=r'not installed.*pip install "onnx>.*"onnxruntime'):
        to_onnx(film_net(), channels=1, size=32, classes=("a", "b"))
