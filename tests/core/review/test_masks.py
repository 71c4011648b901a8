from __future__ import annotations

import numpy as np
import pytest

from imil.core.images import to_uint8
from imil.core.review.masks import (
    apply_blackout,
    check_mask,
    coverage,
    fitted_region,
    working_region,
)
from imil.errors import MaskError


def test_hides_exactly_the_painted_pixels() -> None:
    image = np.full((2, 2), 200, np.uint8)
    irrelevant = np.array([[True, False], [False, False]])

    edited = apply_blackout(image, irrelevant)

    assert edited.tolist() == [[0, 200], [200, 200]]


def test_the_original_stays_as_it_was() -> None:
    image = np.full((2, 2, 3), 7, np.uint8)

    apply_blackout(image, np.ones((2, 2), np.bool_))

    assert image.min() == 7


def test_black_is_black_on_screen_whatever_the_stored_levels_are() -> None:
    image = np.linspace(20_000, 40_000, 64).astype(np.uint16).reshape(8, 8)

    edited = apply_blackout(image, np.arange(64).reshape(8, 8) < 8)

    assert edited[0].tolist() == [0] * 8
    assert edited[1:].tolist() == to_uint8(image)[1:].tolist()


def test_refuses_to_edit_with_a_mask_of_another_size() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        apply_blackout(np.zeros((2, 2), np.uint8), np.zeros((3, 2), np.bool_))


def test_coverage_is_the_share_hidden() -> None:
    assert coverage(np.array([[True, False, False, False]])) == 0.25


def test_an_empty_mask_is_refused_with_a_way_out() -> None:
    with pytest.raises(MaskError, match=r"Nothing is painted.*or skip this image"):
        check_mask(np.zeros((4, 4), np.bool_), (4, 4))


def test_a_mask_over_the_whole_image_is_refused() -> None:
    with pytest.raises(MaskError, match=r"100% of the image.*Erase part of the mask"):
        check_mask(np.ones((4, 4), np.bool_), (4, 4))


def test_a_mask_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(MaskError, match=r"3 x 2 px, the image 5 x 4 px.*image's own size"):
        check_mask(np.ones((2, 3), np.bool_), (4, 5))


def test_a_mask_that_is_not_boolean_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="boolean"):
        check_mask(np.ones((2, 2), np.uint8), (2, 2))


def test_a_mask_over_most_of_the_image_is_taken() -> None:
    irrelevant = np.ones((10, 10), np.bool_)
    irrelevant[0] = False

    assert check_mask(irrelevant, (10, 10)).sum() == 90


def test_a_working_pixel_is_hidden_if_half_of_it_was() -> None:
    irrelevant = np.zeros((4, 4), np.bool_)
    irrelevant[:2, :1] = True
    irrelevant[2, 2] = True

    assert working_region(irrelevant, size=2).tolist() == [[True, False], [False, False]]


def test_a_region_is_fitted_to_another_size_by_the_nearest_pixel() -> None:
    irrelevant = np.array([[True, False], [False, True]])

    larger = fitted_region(irrelevant, (4, 6))

    assert larger.astype(int).tolist() == [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 1, 1, 1],
    ]
    assert fitted_region(larger, (2, 2)).tolist() == irrelevant.tolist()


def test_a_region_that_fits_already_is_left_as_it_is() -> None:
    irrelevant = np.array([[True, False]])

    assert fitted_region(irrelevant, (1, 2)) is irrelevant
