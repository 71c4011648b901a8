from __future__ import annotations

import numpy as np
import pytest

from imil.core.review.counterfactual import (
    Answer,
    answer_of,
    draw_donors,
    soft_edges,
    swap_region,
)

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

    swapped = swap_region(images, irrelevant, donors)

    assert swapped.dtype == np.uint8
    assert swapped[0, 0, 30, 15:22].tolist() == [70, 70, 50, 30, 10, 0, 0]
    assert images.max() == 0


def test_a_region_that_hides_nothing_changes_nothing() -> None:
    images, donors = (np.full((1, 1, 64, 64), grey, np.uint8) for grey in (0, 70))

    assert not swap_region(images, np.zeros((1, 64, 64), np.bool_), donors).any()


def test_a_soft_swap_of_other_shapes_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        swap_region(IMAGES, np.ones((1, 3, 2), np.bool_), DONORS)


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


def answer(before: float, after: float, *, label: int = 1, coverage: float = 0.1) -> Answer:
    return Answer(label, (1 - before, before), (1 - after, after), coverage)


def test_an_answer_turns_scores_into_shares() -> None:
    found = answer_of(np.zeros(2), np.array([0.0, np.log(3.0)]), label=0, coverage=0.25)

    assert found.before == (0.5, 0.5)
    assert found.after == pytest.approx((0.25, 0.75))
    assert found.coverage == 0.25


def test_where_nothing_is_hidden_the_answer_stays() -> None:
    found = answer_of(np.array([1.0, 2.0, 0.0]), None, label=0, coverage=0.0)

    assert found.before == found.after
    assert not found.flips
    assert not found.may_hide_finding


def test_an_answer_says_whether_the_prediction_flips() -> None:
    assert answer(0.31, 0.78).flips
    assert (answer(0.31, 0.78).predicted_before, answer(0.31, 0.78).predicted_after) == (0, 1)
    assert not answer(0.31, 0.49).flips


@pytest.mark.parametrize(
    ("before", "after", "label", "falls"),
    [
        (0.91, 0.22, 1, True),
        (0.91, 0.22, 0, False),
        (0.50, 0.49, 1, True),
        (0.500, 0.495, 1, False),
        (0.2, 0.9, 1, False),
    ],
)
def test_the_evidence_is_that_for_the_label(
    before: float, after: float, label: int, falls: bool
) -> None:
    assert answer(before, after, label=label).evidence_falls is falls
    assert answer(before, after, label=label).may_hide_finding is falls


def test_a_mask_over_most_of_the_image_is_suspect_whatever_the_model_says() -> None:
    assert not answer(0.2, 0.9, coverage=0.6).may_hide_finding
    assert answer(0.2, 0.9, coverage=0.61).may_hide_finding
