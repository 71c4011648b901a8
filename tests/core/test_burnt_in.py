from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from imil.core.burnt_in import Box, blacked_out, corner_text
from imil.core.records import Pixels
from imil.synthetic.films import FilmSpec, film_set


@pytest.fixture(scope="module")
def films() -> list[Pixels]:
    drawn = film_set(FilmSpec(images=20, size=192, shortcut=0.95))
    return [drawn.original(sample.sample_id) for sample in drawn.samples[:12]]


def _written(pixels: Pixels, at: tuple[int, int], words: str = "DOE, JANE 1958") -> Pixels:
    image = Image.fromarray(pixels)
    level = 65_535 if pixels.dtype == np.uint16 else 255
    fill = (level,) * 3 if image.mode == "RGB" else level
    if pixels.dtype == np.uint16:
        made = pixels.copy()
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).text(at, words, font=ImageFont.load_default(12), fill=255)
        made[np.asarray(mask) > 127] = level
        return made
    ImageDraw.Draw(image).text(at, words, font=ImageFont.load_default(12), fill=fill)
    return np.asarray(image)


def test_films_without_text_have_none(films: list[Pixels]) -> None:
    assert [corner_text(film) for film in films] == [()] * len(films)


@pytest.mark.parametrize(
    ("at", "corner"),
    [
        ((4, 4), (True, True)),
        ((90, 4), (True, False)),
        ((4, 174), (False, True)),
        ((90, 174), (False, False)),
    ],
)
def test_text_is_found_in_its_corner_and_the_box_reaches_the_border(
    at: tuple[int, int], corner: tuple[bool, bool], films: list[Pixels]
) -> None:
    for film in films:
        (box,) = corner_text(_written(film, at))
        assert (box.top == 0, box.left == 0) == corner
        assert (box.bottom == 192, box.right == 192) == (not corner[0], not corner[1])
        assert box.bottom - box.top < 48


def test_colour_and_sixteen_bits_are_looked_at_too(films: list[Pixels]) -> None:
    colour = np.stack([films[0].astype(np.uint8)] * 3, axis=2)
    deep = films[0].astype(np.uint16) * 200

    assert len(corner_text(_written(colour, (4, 4)))) == 1
    assert len(corner_text(_written(deep, (4, 4)))) == 1


def test_text_of_a_large_image_is_found_at_its_own_size(films: list[Pixels]) -> None:
    large = np.asarray(Image.fromarray(films[0]).resize((3000, 2000)))
    image = Image.fromarray(large)
    font = ImageFont.load_default(40)
    ImageDraw.Draw(image).text((30, 1930), "DOE, JANE 1958", font=font, fill=255)

    (box,) = corner_text(np.asarray(image))

    assert (box.left, box.bottom) == (0, 2000)
    assert box.top <= 1930
    assert box.right >= 320


def test_a_side_mark_and_the_ticks_of_a_ruler_are_no_text() -> None:
    dark = np.full((200, 300), 20, np.uint8)
    ruler = dark.copy()
    ruler[5:15, 10:290:8] = 255

    assert corner_text(_written(dark, (4, 4), "L")) == ()
    assert corner_text(ruler) == ()


def test_tiny_images_are_not_looked_at() -> None:
    assert corner_text(np.zeros((8, 8), np.uint8)) == ()


def test_boxes_are_blacked_out_in_a_copy() -> None:
    pixels = np.full((4, 4), 9, np.uint8)

    made = blacked_out(pixels, (Box(0, 0, 2, 3),))

    assert made.tolist() == [[0, 0, 0, 9], [0, 0, 0, 9], [9, 9, 9, 9], [9, 9, 9, 9]]
    assert pixels.min() == 9
