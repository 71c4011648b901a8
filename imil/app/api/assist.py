"""What helps a reader on one image, as named endpoints: where the model looks, similar images."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from imil.app.api.given import READER, choice, whole
from imil.app.painter.painter import read_mask_png
from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.core.nets.saliency import SaliencyMap
from imil.core.records import Queue
from imil.core.review.readers import reader_name
from imil.report.parts import text
from imil.study.library.studies import Studies
from imil.study.review.similar import SIMILAR, no_mask


def assist_endpoints(studies: Studies) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints that take no file, for `gr.api`."""

    @costs(Cost.ASK)
    def similar(
        study: str,
        sample: str,
        k: int = SIMILAR,
        queue: str = Queue.MISPREDICTED.value,
        reader: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return the images of a queue that look most like an image, nearest first.

        Only those that the reader has not masked; without one, that nobody has.
        """
        with errors_shown():
            opened = studies.open(str(study))
            wanted = whole("k", k, fix="Send 5.")
            who = reader and reader_name(reader)
            found = opened.similar(str(sample), wanted, queue=choice(Queue, queue), reader=who)
            return [asdict(offer) for offer in found]

    def copy_mask(
        study: str,
        sample: str,
        targets: list[str],
        reader: str = READER,
        seconds: float = 0.0,
        queue: str = Queue.MISPREDICTED.value,
    ) -> dict[str, Any]:
        """Copy the accepted mask of an image to others, none of them masked; return the budget."""
        with errors_shown():
            opened, source = studies.open(str(study)), str(sample)
            opened.images.position(source)
            irrelevant = opened.irrelevant(source, reader_name(reader or READER))
            if irrelevant is None:
                raise no_mask(opened.images.title(source))
            names = [targets] if isinstance(targets, str) else [str(name) for name in targets]
            budget = opened.copy_mask(
                source,
                irrelevant,
                names,
                reader=str(reader) or READER,
                seconds=max(0.0, float(seconds)),
                queue=choice(Queue, queue),
            )
            return asdict(budget)

    return similar, copy_mask


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
