"""A trained model as ONNX, for programs without torch; checked before it is handed out."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from imil.core.nets.backbones import Classifier
from imil.errors import WeightsError, how_to_install

# Read by every ONNX Runtime since 1.14 (2023). Our choice.
OPSET = 18
# Largest difference of a logit between torch and ONNX Runtime: both add up float32 in orders of
# their own. Our choice.
TOLERANCE = 1e-3
# Images of noise that both answer; also shows that the number of images is free.
TRIED = 3


def installed() -> bool:
    """Return whether models can be written as ONNX here."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def to_onnx(model: Classifier, *, channels: int, size: int, classes: Sequence[str]) -> bytes:
    """Return the model as one ONNX file that answers as it does.

    Its input `images` is (N, channels, size, size) float32 in 0-1, its output `logits` (N,
    classes); it normalises inside. Its metadata holds the names of the classes, a line each.

    Args:
        model: in eval mode, on the CPU.
        channels: 1 or 3.
        size: side of the images, px.
        classes: names, in the order of the logits.

    Raises:
        WeightsError: the extra is not installed, or ONNX Runtime answers otherwise than torch.
    """
    try:
        import onnx  # noqa: PLC0415  # an extra, imported where used
        import onnxruntime  # noqa: PLC0415  # the same
    except ImportError as error:
        raise WeightsError(
            "ONNX is not installed.",
            why="It comes with packages that are not installed here.",
            fix=how_to_install("onnx"),
        ) from error
    noise = torch.rand(TRIED, channels, size, size, generator=torch.Generator().manual_seed(0))
    made = onnx.load_from_string(_exported(model, noise))
    entry = made.metadata_props.add()
    entry.key, entry.value = "classes", "\n".join(classes)
    content: bytes = made.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = model(noise).numpy()
    (found,) = session.run(["logits"], {"images": noise.numpy()})
    apart = float(np.abs(found - expected).max())
    if not apart <= TOLERANCE:
        raise WeightsError(
            "The ONNX file answers otherwise than the model.",
            why=f"A logit differs by {apart:.2g}; {TOLERANCE:.0e} is allowed.",
            fix="Hand over the safetensors file; other versions of torch and onnx may fit.",
        )
    return content


def _exported(model: Classifier, images: torch.Tensor) -> bytes:
    with tempfile.TemporaryDirectory(prefix="imil-onnx-") as folder, warnings.catch_warnings():
        # torch calls this exporter its older one. Its newer one took 15 to 30 s and a further
        # package where this takes one second; what comes out is checked against the model.
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            model,
            (images,),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamic_axes={"images": {0: "images_at_once"}, "logits": {0: "images_at_once"}},
            dynamo=False,
        )
        return path.read_bytes()
