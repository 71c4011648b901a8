"""The classes of a zip as a preview shows them: how many images, in which split, and a few."""

from __future__ import annotations

import base64
import io
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from imil.datasets.files.pixels import FORMATS, MAX_IMAGE_PIXELS
from imil.datasets.layout.reading import ImageFile

# Classes that are shown, images of each, and pixels of a side.
CLASSES_SHOWN, PICTURES, SIDE = 12, 4, 96
# Seconds that making the pictures of all classes may take; those that are made by then are shown.
SECONDS = 0.7
_QUALITY = 80


@dataclass(frozen=True, slots=True)
class ClassPreview:
    """One class.

    Attributes:
        label: its name.
        images: how many would be read.
        splits: how many of them in each split; empty where nothing says.
        pictures: up to `PICTURES` of them, as JPEG in base64.
    """

    label: str
    images: int
    splits: dict[str, int] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()


def preview_classes(
    images: Sequence[ImageFile],
    picture: Callable[[ImageFile], bytes | None],
    *,
    seconds: float = SECONDS,
) -> tuple[ClassPreview, ...]:
    """Return the first `CLASSES_SHOWN` classes, each with images from all over its list.

    Args:
        images: that would be read.
        picture: from an image to a small JPEG of it; None where it can't be shown.
        seconds: after which no more pictures are made; every class gets one before any gets two.
    """
    of_class: dict[str, list[ImageFile]] = defaultdict(list)
    for image in images:
        of_class[image.label].append(image)
    shown = sorted(of_class)[:CLASSES_SHOWN]
    made: dict[str, list[str]] = {label: [] for label in shown}
    end = time.monotonic() + seconds
    for turn in range(PICTURES):
        for label in shown:
            own = of_class[label]
            if turn >= len(own) or time.monotonic() > end:
                continue
            found = picture(own[turn * len(own) // min(PICTURES, len(own))])
            if found is not None:
                made[label].append(base64.b64encode(found).decode())
    return tuple(
        ClassPreview(
            label,
            len(of_class[label]),
            dict(Counter(image.split for image in of_class[label] if image.split)),
            tuple(made[label]),
        )
        for label in shown
    )


def small_picture(file: BinaryIO) -> bytes | None:
    """Return an image as a JPEG of at most `SIDE` pixels a side; None where it can't be read."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                return None
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            upright = ImageOps.exif_transpose(_eight_bits(image))
            upright.thumbnail((SIDE, SIDE))
            made = io.BytesIO()
            upright.convert("RGB").save(made, "JPEG", quality=_QUALITY)
    except Exception:  # noqa: BLE001  # a damaged file makes Pillow raise almost anything
        return None
    return made.getvalue()


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture of 8 bits: deep grey levels from the darkest to the brightest."""
    if not image.mode.startswith(("I", "F")):
        return image
    levels = np.asarray(image, np.float64)
    low, high = float(levels.min()), float(levels.max())
    shares = (levels - low) / max(high - low, 1e-9)
    return Image.fromarray((255 * shares).astype(np.uint8))
