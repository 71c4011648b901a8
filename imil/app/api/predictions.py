"""Predicted masks as named endpoints: what they are, the reader's word on them, all of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.app.server.served_files import handout_folder
from imil.study.library.studies import Studies
from imil.study.review.predictions import EXPORT_FILE
from imil.study.study import Study


def prediction_endpoints(studies: Studies) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints, for `gr.api`."""

    @costs(Cost.ASK)
    def predictions(study: str) -> dict[str, Any]:
        """Return how well what is irrelevant elsewhere can be predicted from the masks."""
        with errors_shown():
            return _about(studies.open(str(study)))

    @costs(Cost.ASK)
    def predicted_mask(study: str, sample: str) -> str:
        """Return the predicted mask of a training image, a PNG data URL, white where it hides."""
        with errors_shown():
            region = studies.open(str(study)).predicted(str(sample))
        file = io.BytesIO()
        Image.fromarray(region).save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

    def confirm_predictions(study: str, key: str, reader: str) -> dict[str, Any]:
        """Keep that a reader found the predicted masks right; `key` is that of /predictions."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.confirm_predictions(str(key), reader=str(reader))
            return _about(opened)

    @costs(Cost.EXPORT)
    def predicted_masks(study: str) -> gr.FileData:
        """Return the predicted masks of all training images as Parquet."""
        with errors_shown():
            return gr.FileData(path=str(export(studies.open(str(study)))))

    return predictions, predicted_mask, confirm_predictions, predicted_masks


def export(study: Study) -> Path:
    """Write the predicted masks where Gradio may serve them from, under a name nobody guesses."""
    path = handout_folder(study.study_id) / EXPORT_FILE
    study.export_predictions(path)
    return path


def _about(study: Study) -> dict[str, Any]:
    learned, given = study.predictions.learn(), study.confirmation
    return {
        "key": learned.key,
        "masks": learned.masks,
        "kind": learned.kind.value,
        "agreement": {kind.value: share for kind, share in learned.predictor.agreement.items()},
        "confidence": learned.confidence,
        "sample": list(learned.sample),
        "confirmed": study.confirmed,
        "confirmation": given and asdict(given),
    }
