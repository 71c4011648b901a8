"""Where the models look before and after: pictures beside figures that never decide."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imil.app.server.errors import error_in_place
from imil.core.arms.variants import CONTROL, parse_variant
from imil.errors import ImilError
from imil.report.parts import numbers, text
from imil.report.parts.markup import card, closed_card, jpeg_url, remark, render
from imil.study.comparison.saliency_comparison import BEFORE_MASKS, LEVELS, SaliencyComparison
from imil.study.study import Study

LOOKS_TITLE = "Where the models look"
LOOKS_WORDS = (
    "Each model explained for what it says, by integrated gradients; brighter counts more. First "
    "seed, on images that {arm} fixed or broke."
)

# Side of a picture, px: three beside each other in a third of a wide page, sharp on a phone.
_SIDE = 224
# Pixels speak one by one; people see places. A blur of this share of the side joins them.
BLUR = 1 / 24
# From no saliency to the most: nothing, then the colour of saliency, then nearly white.
SCALE = np.array([[90, 20, 60], [255, 120, 20], [255, 176, 32], [255, 236, 170]], np.float32)
STRONGEST = 0.85
# Below this share of the greatest nothing is drawn: a haze over the image would say nothing.
FLOOR = 0.3


def saliency_card(study: Study) -> Markup:
    """Return the card; a sentence while the maps are being made, and nothing where none are."""
    try:
        looks = study.looks.read()
    except ImilError as error:
        return card(LOOKS_TITLE, error_in_place(error), aside=text.EXPLANATIONS_SECONDARY)
    if looks is None:
        waiting = remark("The maps are being computed; they appear here by themselves.")
        return closed_card(LOOKS_TITLE, waiting, aside=text.EXPLANATIONS_SECONDARY)
    if not looks:
        return Markup()
    words = LOOKS_WORDS.format(arm=text.arm_name(study.results.main_arm() or CONTROL))
    body = render("looks.html", looks=[_look(study, look) for look in looks], words=words)
    return closed_card(LOOKS_TITLE, body, aside=text.EXPLANATIONS_SECONDARY)


def overlay(pixels: NDArray[np.uint8], saliency: NDArray[np.uint8]) -> bytes:
    """Return the image with its map over it, a JPEG of `_SIDE` px.

    Args:
        pixels: (H, W) or (H, W, 3).
        saliency: (S, S) of the image resized to a square, `LEVELS` where it is greatest.
    """
    size = (_SIDE, _SIDE)
    image = Image.fromarray(pixels).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    heat = Image.fromarray(saliency).resize(size, Image.Resampling.BILINEAR)
    smooth = np.asarray(heat.filter(ImageFilter.GaussianBlur(_SIDE * BLUR)), np.float32) / LEVELS
    share = np.clip((smooth / max(float(smooth.max()), 1e-6) - FLOOR) / (1 - FLOOR), 0, 1)
    place = share * (len(SCALE) - 1)
    below = np.minimum(place.astype(int), len(SCALE) - 2)
    part = (place - below)[..., None]
    colour = SCALE[below] * (1 - part) + SCALE[below + 1] * part
    weight = (STRONGEST * share)[..., None]
    mixed = np.asarray(image, np.float32) * (1 - weight) + colour * weight
    file = io.BytesIO()
    Image.fromarray(mixed.round().astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


def model_name(name: str) -> str:
    """Return what a model of a round is called on screen."""
    return "Round 0" if name == BEFORE_MASKS else text.arm_name(parse_variant(name))


def _look(study: Study, look: SaliencyComparison) -> dict[str, Any]:
    pixels, classes = study.pictures.original(look.sample_id), study.images.classes
    tone, word = ("good", text.LOOK_FIXED) if look.fixed else ("bad", text.LOOK_BROKEN)
    return {
        "pictures": [_picture(pixels, look, name, classes) for name in look.maps],
        "tone": tone,
        "word": word,
        "label": text.CASE_LABEL.format(label=classes[look.label]),
    }


def _picture(
    pixels: NDArray[np.uint8], look: SaliencyComparison, name: str, classes: Sequence[str]
) -> dict[str, str]:
    return {
        "model": model_name(name),
        "said": classes[look.predicted[name]],
        "confidence": numbers.share(look.confidence[name]),
        "right": "right" if look.predicted[name] == look.label else "wrong",
        "address": jpeg_url(overlay(pixels, look.maps[name])),
    }
