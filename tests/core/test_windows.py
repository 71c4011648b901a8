from __future__ import annotations

import numpy as np
import pytest

from imil.core.images import to_uint8
from imil.core.windows import Window, full_bounds, window_presets


def test_eight_bits_are_full_from_black_to_white_whatever_they_use() -> None:
    assert full_bounds(np.array([[7, 90]], np.uint8)) == (0, 255)


def test_sixteen_bits_are_full_over_the_values_that_are_there() -> None:
    assert full_bounds(np.array([[300, 4095], [512, 900]], np.uint16)) == (300, 4095)


def test_an_image_of_one_grey_still_has_a_window() -> None:
    presets = window_presets(np.full((4, 4), 500, np.uint16))

    assert set(presets.values()) == {(500, 501)}


def test_auto_leaves_out_one_bright_marker() -> None:
    pixels = np.tile(np.arange(1000, dtype=np.uint16), (10, 1))
    pixels[0, 0] = 60_000

    presets = window_presets(pixels)

    assert presets[Window.FULL] == (0, 60_000)
    assert presets[Window.AUTO] == (5, 995)


def test_lung_is_the_darker_part_of_auto_and_bone_the_brighter() -> None:
    presets = window_presets(np.tile(np.arange(1001, dtype=np.uint16), (50, 1)))

    assert presets[Window.AUTO] == (5, 995)
    assert presets[Window.LUNG] == (5, 648)
    assert presets[Window.BONE] == (401, 995)


def test_colour_has_no_presets() -> None:
    assert window_presets(np.zeros((2, 2, 3), np.uint8)) == {Window.FULL: (0, 255)}


@pytest.mark.parametrize("seed", range(3))
def test_auto_shows_what_the_classifier_sees(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 4096, (40, 50)).astype(np.uint16)
    low, high = window_presets(pixels)[Window.AUTO]

    shown = np.clip(np.round((pixels.astype(float) - low) / (high - low) * 255), 0, 255)

    # The bounds are whole stored values here: a step of grey at most.
    assert np.abs(shown - to_uint8(pixels)).max() <= 1
