from __future__ import annotations

import numpy as np
import pytest

from imil.core.counterfactual import draw_donors, flip_rate, swap_region

IMAGES = np.full((1, 3, 2, 2), 10, np.uint8)
DONORS = np.full((1, 3, 2, 2), 200, np.uint8)


def test_only_irrelevant_pixels_come_from_the_donor() -> None:
    irrelevant = np.array([[[True, False], [False, False]]])

    swapped = swap_region(IMAGES, irrelevant, DONORS)

    assert swapped.dtype == np.uint8
    assert [channel.tolist() for channel in swapped[0]] == [[[200, 10], [10, 10]]] * 3
    assert IMAGES.max() == 10


def test_a_swap_of_other_shapes_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        swap_region(IMAGES, np.ones((1, 3, 2), np.bool_), DONORS)
    with pytest.raises(ValueError, match="differ in shape"):
        swap_region(IMAGES, np.ones((1, 2, 2), np.bool_), DONORS[:, :1])


def test_a_confidence_is_no_region() -> None:
    with pytest.raises(ValueError, match="boolean"):
        swap_region(IMAGES, np.ones((1, 2, 2), np.float32), DONORS)


def test_an_image_never_lends_pixels_to_itself() -> None:
    rows = np.repeat(np.array([2, 5, 9]), 200)

    donors = draw_donors(rows, np.array([9, 2, 5]), np.random.default_rng(0))

    assert not (donors == rows).any()
    for row, others in ((2, {5, 9}), (5, {2, 9}), (9, {2, 5})):
        counts = [int((donors[rows == row] == other).sum()) for other in others]
        assert sum(counts) == 200
        assert min(counts) > 70


def test_an_image_outside_the_candidates_may_get_any_of_them() -> None:
    donors = draw_donors(np.full(300, 4), np.array([2, 5, 9]), np.random.default_rng(0))

    assert sorted(set(donors.tolist())) == [2, 5, 9]


@pytest.mark.parametrize("candidates", [[], [3]])
def test_an_image_without_another_is_a_callers_bug(candidates: list[int]) -> None:
    with pytest.raises(ValueError, match="no other to take pixels from"):
        draw_donors(np.array([3]), np.array(candidates, np.int64), np.random.default_rng(0))


def test_doubled_candidates_are_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="not distinct"):
        draw_donors(np.array([3]), np.array([4, 4]), np.random.default_rng(0))


def test_a_flip_counts_whether_it_mends_or_breaks() -> None:
    before = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    after = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 9.0]])

    assert flip_rate(before, after) == 0.5


def test_the_flip_rate_is_a_mean_over_several_copies() -> None:
    before = np.array([[1.0, 0.0]])
    after = np.array([[[1.0, 0.0]], [[2.0, 0.0]], [[3.0, 0.0]], [[0.0, 1.0]]])

    assert flip_rate(before, after) == 0.25


@pytest.mark.parametrize("shape", [(3, 2), (0, 4, 2), (2,)])
def test_a_flip_rate_of_other_shapes_is_a_callers_bug(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        flip_rate(np.zeros((4, 2)), np.zeros(shape))
