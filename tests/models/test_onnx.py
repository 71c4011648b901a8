from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from imil.core.nets.backbones import Classifier, build
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


def test_a_model_that_onnx_gets_wrong_is_not_handed_out() -> None:
    pytest.importorskip("onnxruntime")
    model = film_net().train()  # batch statistics, which ONNX freezes

    with pytest.raises(WeightsError, match=r"answers otherwise.*A logit differs by"):
        to_onnx(model, channels=1, size=32, classes=("a", "b"))


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(WeightsError, match=r'not installed.*pip install "onnx>.*"onnxruntime'):
        to_onnx(film_net(), channels=1, size=32, classes=("a", "b"))
