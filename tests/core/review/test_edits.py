from __future__ import annotations

import numpy as np
import pytest

from imil.core.review.edits import Fill, fill_region, filled_from_around

IMAGE = np.arange(2 * 16 * 16).reshape(2, 16, 16).astype(np.uint8)
IRRELEVANT = np.zeros((16, 16), np.bool_)
IRRELEVANT[:8] = True


@pytest.mark.parametrize("fill", [fill for fill in Fill if fill is not Fill.SWAP])
def test_every_fill_leaves_the_relevant_part_and_the_original_alone(fill: Fill) -> None:
    before = IMAGE.copy()

    edited = fill_region(IMAGE, IRRELEVANT, fill, rng=np.random.default_rng(0))

    assert np.array_equal(edited[:, 8:], IMAGE[:, 8:])
    assert not np.array_equal(edited[:, :8], IMAGE[:, :8])
    assert np.array_equal(IMAGE, before)


def test_black_is_zero() -> None:
    rng = np.random.default_rng(0)

    assert fill_region(IMAGE, IRRELEVANT, Fill.BLACK, rng=rng)[:, :8].max() == 0


def test_mean_is_the_images_own_a_channel() -> None:
    image = np.stack([np.full((4, 4), 10), np.full((4, 4), 200)]).astype(np.uint8)

    edited = fill_region(image, np.eye(4, dtype=np.bool_), Fill.MEAN, rng=np.random.default_rng(0))

    assert np.array_equal(edited, image)


def test_noise_is_drawn_from_the_generator() -> None:
    first, again, other = (
        fill_region(IMAGE, IRRELEVANT, Fill.NOISE, rng=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_swap_without_donor_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="needs a donor"):
        fill_region(IMAGE, IRRELEVANT, Fill.SWAP, rng=np.random.default_rng(0))


def test_a_mask_of_another_size_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        fill_region(IMAGE, IRRELEVANT[:4], Fill.BLACK, rng=np.random.default_rng(0))


def test_a_region_filled_from_around_it_is_gone_without_an_edge() -> None:
    ramp = np.broadcast_to(np.linspace(40, 200, 32), (1, 32, 32)).round().astype(np.uint8)
    marked = ramp.copy()
    marked[0, 12:18, 12:18] = 255
    hidden = np.zeros((2, 32, 32))
    hidden[0, 10:20, 10:20] = 1

    filled, left = filled_from_around(marked, hidden)

    assert np.abs(filled.astype(int) - ramp).max() <= 25
    assert np.array_equal(filled[0][hidden[0] == 0], marked[0][hidden[0] == 0])
    assert np.array_equal(left, marked)


def test_a_region_that_is_all_of_the_image_is_filled_with_something() -> None:
    filled = filled_from_around(np.full((3, 9, 9), 80, np.uint8), np.ones((1, 9, 9)))

    assert filled.shape == (1, 3, 9, 9)
