from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from imil.datasets.archive.preview import (
    CLASSES_SHOWN,
    PICTURES,
    SIDE,
    preview_classes,
    small_picture,
)
from imil.datasets.layout.reading import ImageFile


def encoded(pixels: np.ndarray, kind: str = "PNG") -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return io.BytesIO(file.getvalue())


def _named(image: ImageFile) -> bytes:
    return image.file.encode()


def test_each_class_shows_images_from_all_over_its_list() -> None:
    images = [ImageFile(f"{k}/{i:02}.png", k, "train") for k in "ab" for i in range(20)]
    images.append(ImageFile("b/20.png", "b", "test"))

    first, second = preview_classes(images, _named)

    shown = [base64.b64decode(each).decode() for each in first.pictures]
    assert shown == ["a/00.png", "a/05.png", "a/10.png", "a/15.png"]
    assert (first.images, first.splits) == (20, {"train": 20})
    assert (second.images, second.splits) == (21, {"train": 20, "test": 1})


def test_a_small_class_shows_each_image_once() -> None:
    (only,) = preview_classes([ImageFile(f"{i}.png", "a") for i in range(3)], _named)

    assert len(set(only.pictures)) == 3


def test_a_slow_zip_shows_no_more_pictures_than_there_is_time_for() -> None:
    images = [ImageFile(f"{k}/{i}.png", k) for k in "ab" for i in range(9)]

    found = preview_classes(images, _named, seconds=-1)

    assert [(each.images, each.pictures) for each in found] == [(9, ()), (9, ())]


def test_the_first_classes_of_many_are_shown() -> None:
    images = [ImageFile(f"{k}.png", f"{k:03}") for k in range(40)]

    assert len(preview_classes(images, _named)) == CLASSES_SHOWN


def test_an_image_that_cannot_be_shown_leaves_its_class_with_the_others() -> None:
    images = [ImageFile(f"{i}.png", "a") for i in range(PICTURES)]

    (only,) = preview_classes(images, lambda image: None if image.file == "1.png" else b"x")

    assert len(only.pictures) == PICTURES - 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_picture_is_small_whatever_the_image_is(kind: str) -> None:
    found = small_picture(encoded(np.zeros((300, 600, 3), np.uint8), kind))

    assert found is not None
    assert Image.open(io.BytesIO(found)).size == (SIDE, SIDE // 2)


def test_deep_grey_levels_are_seen() -> None:
    levels = np.linspace(1000, 1400, 64 * 64).reshape(64, 64).astype(np.uint16)

    found = small_picture(encoded(levels))

    assert found is not None
    assert np.ptp(np.asarray(Image.open(io.BytesIO(found)).convert("L"))) > 200


def test_what_is_no_image_has_no_picture() -> None:
    assert small_picture(io.BytesIO(b"<html>")) is None
