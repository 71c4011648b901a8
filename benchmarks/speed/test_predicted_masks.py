"""How well a few masks tell what is irrelevant in the other films, and how long that takes."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from imil.core.review.irrelevance import (
    dice,
    learn_irrelevance,
    mean_confidence,
    mean_dice,
    predict_in_batches,
)
from imil.synthetic.films import FILMS_VERSION, FilmSpec, film

RESULTS = Path(__file__).parents[1] / "results" / "predicted_masks.json"
FILMS = FilmSpec(images=1000, seed=100)
MASKS = (20, 40)


def measure(images: NDArray[np.uint8], irrelevant: NDArray[np.bool_], masks: int) -> dict[str, Any]:
    """Return figures of the films beyond the first `masks`, which are painted by reference."""
    others = np.arange(masks, len(images))
    began = time.perf_counter()
    predictor = learn_irrelevance(images, {i: irrelevant[i] for i in range(masks)}, seed=0)
    learned = time.perf_counter()
    parts = [part for _, part in predict_in_batches(predictor, images, others)]
    predicted_in = time.perf_counter() - learned
    confidence = np.concatenate(parts)
    predicted = predictor.irrelevant(confidence)
    return {
        "masks": masks,
        "films": len(others),
        "kind": predictor.kind.value,
        "agreement": {kind.value: round(a, 3) for kind, a in predictor.agreement.items()},
        "dice_irrelevant": round(float(dice(predicted, irrelevant[others]).mean()), 3),
        "dice_relevant": round(float(dice(~predicted, ~irrelevant[others]).mean()), 3),
        "mean_dice": round(float(mean_dice(predicted, irrelevant[others]).mean()), 3),
        "confidence": round(float(mean_confidence(predictor, confidence).mean()), 3),
        "seconds_to_learn": round(learned - began, 2),
        "seconds_to_predict": round(predicted_in, 2),
    }


@pytest.mark.soak
def test_twenty_masks_tell_what_is_irrelevant_in_the_other_films() -> None:
    films = [film(FILMS, index) for index in range(FILMS.images)]
    images = np.stack([one.pixels[None] for one in films])
    irrelevant = np.stack([~one.relevant for one in films])

    found = [measure(images, irrelevant, masks) for masks in MASKS]

    content = {
        "claim": f"reference masks of {FILMS.images} films of {FILMS.size} px, seed {FILMS.seed}, "
        "against those predicted from the first ones",
        "measured": found,
        "versions": {
            "films": FILMS_VERSION,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    assert min(one["mean_dice"] for one in found) >= 0.9
