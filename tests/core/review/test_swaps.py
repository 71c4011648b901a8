from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from imil.core.review.swaps import (
    draw_donors,
    draw_fitting_donors,
    soft_edges,
    swap_region,
    usable_background,
    without_relevant,
)

IMAGES = np.full((1, 3, 2, 2), 10, np.uint8)
DONORS = np.full((1, 3, 2, 2), 200, np.uint8)


def test_only_irrelevant_pixels_come_from_the_donor() -> None:
    irrelevant = np.array([[[True, False], [False, False]]])

    swapped = swap_region(IMAGES, irrelevant, DONORS, None)

    assert swapped.dtype == np.uint8
    assert [channel.tolist() for channel in swapped[0]] == [[[200, 10], [10, 10]]] * 3
    assert IMAGES.max() == 10


def test_a_swap_of_other_shapes_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        swap_region(IMAGES, np.ones((1, 3, 2), np.bool_), DONORS, None)
    with pytest.raises(ValueError, match="differ in shape"):
        swap_region(IMAGES, np.ones((1, 2, 2), np.bool_), DONORS[:, :1], None)


def test_a_confidence_is_no_region() -> None:
    with pytest.raises(ValueError, match="boolean"):
        swap_region(IMAGES, np.ones((1, 2, 2), np.float32), DONORS, None)


def test_a_soft_edge_rises_inside_the_region_and_stops_at_it() -> None:
    irrelevant = np.zeros((1, 64, 64), np.bool_)
    irrelevant[:, :, :20] = True

    opacity = soft_edges(irrelevant)[0]

    assert (opacity[:, :17] == 1).all()
    assert [round(float(one), 2) for one in opacity[30, 16:22]] == [1, 0.71, 0.43, 0.14, 0, 0]
    # The border of the image is no edge.
    assert (opacity[[0, 63], :17] == 1).all()


def test_what_is_relevant_is_never_mixed_even_in_a_notch() -> None:
    irrelevant = np.ones((1, 64, 64), np.bool_)
    irrelevant[0, 20:44, 20] = False

    assert (soft_edges(irrelevant)[~irrelevant] == 0).all()


def test_a_small_marker_is_hidden_to_its_last_pixel() -> None:
    irrelevant = np.zeros((2, 64, 64), np.bool_)
    irrelevant[0, 4:10, 4:10] = True
    irrelevant[1, :, :32] = True

    opacity = soft_edges(irrelevant)

    assert np.array_equal(opacity[0], irrelevant[0])
    assert not np.array_equal(opacity[1], irrelevant[1])


def test_a_soft_swap_mixes_by_opacity_and_leaves_the_originals() -> None:
    images, donors = (np.full((1, 1, 64, 64), grey, np.uint8) for grey in (0, 70))
    irrelevant = np.zeros((1, 64, 64), np.bool_)
    irrelevant[:, :, :20] = True

    swapped = swap_region(images, irrelevant, donors, None)

    assert swapped.dtype == np.uint8
    assert swapped[0, 0, 30, 15:22].tolist() == [70, 70, 50, 30, 10, 0, 0]
    assert images.max() == 0


def test_a_region_that_hides_nothing_changes_nothing() -> None:
    images, donors = (np.full((1, 1, 64, 64), grey, np.uint8) for grey in (0, 70))

    assert not swap_region(images, np.zeros((1, 64, 64), np.bool_), donors, None).any()


def test_a_soft_swap_of_other_shapes_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        swap_region(IMAGES, np.ones((1, 3, 2), np.bool_), DONORS, None)


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


def disc(x: int, y: int, radius: int, *, side: int = 64) -> NDArray[np.bool_]:
    """Return (side, side), True inside a disc."""
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    return (across - x) ** 2 + (down - y) ** 2 <= radius**2


def test_a_donors_finding_does_not_arrive_with_its_background() -> None:
    host, donor = disc(20, 20, 8), disc(44, 44, 10)
    images = np.full((1, 3, 64, 64), 90, np.uint8)
    donors = np.where(donor, 200, 60).astype(np.uint8) * np.ones((1, 3, 1, 1), np.uint8)

    dirty = swap_region(images, ~host[None], donors, None)
    clean = swap_region(images, ~host[None], donors, ~donor[None])

    assert (dirty[0, 0][donor] == 200).all()
    assert abs(clean[0, 0][donor].astype(int) - 60).max() <= 1
    assert (clean[0, 0][host] == 90).all()


def test_what_is_irrelevant_in_a_donor_comes_as_it_is() -> None:
    rng = np.random.default_rng(0)
    donors = rng.integers(0, 256, (2, 1, 64, 64), dtype=np.uint8)
    lent = np.stack([~disc(30, 30, 9), ~disc(10, 50, 5)])

    cleaned = without_relevant(donors, lent)

    assert np.array_equal(cleaned[:, 0][lent], donors[:, 0][lent])
    assert not np.array_equal(cleaned, donors)


def test_what_is_painted_over_is_like_its_surroundings() -> None:
    slope = np.broadcast_to(np.linspace(0, 255, 64), (64, 64)).astype(np.uint8)
    lent = ~disc(32, 32, 12)

    cleaned = without_relevant(slope[None, None], lent[None])[0, 0]

    # Dark on the dark side, bright on the bright one, and nothing outside what was there.
    assert cleaned[32, 22] + 20 < cleaned[32, 42]
    assert abs(cleaned[32, 32].astype(int) - slope[32, 32]) < 25


def test_an_image_without_anything_irrelevant_lends_one_grey() -> None:
    donors = np.full((1, 1, 5, 5), 7, np.uint8)

    assert len(np.unique(without_relevant(donors, np.zeros((1, 5, 5), np.bool_)))) == 1


def test_a_donor_with_little_background_is_refused_for_a_better_one() -> None:
    lent = {0: disc(32, 32, 3), 1: ~disc(32, 32, 3)}
    regions = np.ones((50, 64, 64), np.bool_)
    rng = np.random.default_rng(0)

    donors = draw_fitting_donors(
        regions,
        lambda places: rng.integers(0, 2, len(places)),
        lambda drawn: np.stack([lent[int(donor)] for donor in drawn]),
    )

    assert donors.mean() > 0.95


def test_where_every_donor_has_little_the_best_is_taken() -> None:
    lent = {donor: disc(32, 32, 3 + donor) for donor in range(3)}
    order = iter([0, 2, 1, 1, 1, 1, 1, 1])

    donors = draw_fitting_donors(
        np.ones((1, 64, 64), np.bool_),
        lambda _places: np.array([next(order)]),
        lambda drawn: np.stack([lent[int(donor)] for donor in drawn]),
    )

    assert donors.tolist() == [2]


def test_the_background_is_counted_where_it_is_needed() -> None:
    irrelevant = np.zeros((3, 4, 4), np.bool_)
    irrelevant[0, :2], irrelevant[1, :] = True, True
    lent = np.zeros((3, 4, 4), np.bool_)
    lent[:2, :, :2] = True

    assert usable_background(irrelevant, lent).tolist() == [0.5, 0.5, 1]
