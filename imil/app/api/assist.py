"""Where the model looks in one image, as a named endpoint."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from imil.app.painter.painter import read_mask_png
from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.core.nets.saliency import SaliencyMap
from imil.report.parts import text
from imil.study.library.studies import Studies


def add_saliency(studies: Studies) -> None:
    """Add the endpoint `saliency`; its mask goes through `gr.File`, as those of `api` do."""

    @costs(Cost.ASK)
    def saliency(study: str, sample: str, mask: str | None = None) -> dict[str, Any]:
        """Return where the model looks in an image, as it is or with the mask blacked out.

        `map` is an 8-bit grey PNG data URL of the working size, stretched to its largest value.
        """
        with errors_shown():
            opened = studies.open(study or "")
            irrelevant = read_mask_png(Path(mask)) if mask else None
            looked = opened.saliency(sample or "", irrelevant)
            return saliency_json(looked, opened.images.classes[looked.target])

    asked = gr.File(visible=False)
    words = [gr.Textbox(visible=False) for _ in range(2)]
    gr.Button(visible=False).click(
        saliency, [*words, asked], gr.JSON(visible=False), concurrency_limit=None
    )


def saliency_json(looked: SaliencyMap, target: str) -> dict[str, Any]:
    """Return a map with the class that it explains, and the sentence if it says nothing."""
    file = io.BytesIO()
    Image.fromarray((255 * looked.saliency).round().astype(np.uint8)).save(file, "PNG")
    return {
        "explainers": [explainer.value for explainer in looked.explainers],
        "target": target,
        "zero": looked.zero,
        "words": text.SALIENCY_ZERO if looked.zero else "",
        "map": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
    }
