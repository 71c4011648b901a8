from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from imil.core.records import Region
from imil.core.review.agreement import measure_agreement, overlap


def row(*hidden: int) -> Region:
    return np.array([hidden], np.bool_)


def test_dice_counts_what_both_hide_twice_and_iou_once() -> None:
    found = overlap(row(1, 1, 1, 0, 0), row(0, 1, 1, 1, 1))

    assert found.dice == pytest.approx(4 / 7)
    assert found.iou == pytest.approx(2 / 5)


def test_two_empty_masks_have_nothing_to_agree_on_and_one_agrees_with_none() -> None:
    both, one = overlap(row(0, 0), row(0, 0)), overlap(row(0, 0), row(0, 1))

    assert math.isnan(both.dice)
    assert math.isnan(both.iou)
    assert (one.dice, one.iou) == (0.0, 0.0)


def test_masks_of_several_sizes_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        overlap(row(1), row(1, 0))


masks = arrays(np.bool_, (4, 4))


@settings(max_examples=60, deadline=None)
@given(masks, masks)
def test_both_are_symmetric_and_say_the_same_in_two_scales(one: Region, other: Region) -> None:
    found, again = overlap(one, other), overlap(other, one)

    if one.any() or other.any():
        assert found == again
        assert 0 <= found.iou <= found.dice <= 1
        assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))
        assert (found.dice == 1) == bool((one == other).all())


def test_a_pair_is_judged_on_the_images_that_both_masked() -> None:
    readings = {
        "A": {"x": row(1, 1, 0, 0), "y": row(1, 1, 0, 0), "a": row(1, 0, 0, 0)},
        "B": {"x": row(1, 1, 0, 0), "y": row(0, 1, 1, 0)},
    }

    (pair,) = measure_agreement(readings).pairs

    assert (pair.both, pair.only_first, pair.only_second) == (2, 1, 0)
    assert pair.dice.value == pytest.approx((1 + 0.5) / 2)
    assert pair.iou.value == pytest.approx((1 + 1 / 3) / 2)
    assert pair.dice.low <= pair.dice.value <= pair.dice.high


def test_the_image_that_readers_agree_on_least_comes_first() -> None:
    readings = {
        "A": {"x": row(1, 1, 0), "y": row(1, 1, 0), "z": row(1, 0, 0)},
        "B": {"x": row(1, 1, 0), "y": row(0, 1, 1), "z": row(0, 0, 1)},
    }

    found = measure_agreement(readings)

    assert [(one.sample_id, one.dice) for one in found.images] == [
        ("z", 0.0),
        ("y", 0.5),
        ("x", 1.0),
    ]
    assert found.dice.value == pytest.approx(0.5)


def test_of_three_readers_an_image_counts_the_pairs_that_masked_it() -> None:
    readings = {
        "A": {"x": row(1, 1, 0, 0), "y": row(1, 0, 0, 0)},
        "B": {"x": row(1, 1, 0, 0), "y": row(1, 0, 0, 0)},
        "C": {"x": row(0, 0, 1, 1)},
    }

    found = measure_agreement(readings)

    assert [(pair.first, pair.second, pair.both) for pair in found.pairs] == [
        ("A", "B", 2),
        ("A", "C", 1),
        ("B", "C", 1),
    ]
    assert [one.readers for one in found.images] == [("A", "B", "C"), ("A", "B")]
    assert [one.dice for one in found.images] == pytest.approx([1 / 3, 1])


def test_images_of_one_patient_are_no_independent_evidence() -> None:
    ids = [f"i{n}" for n in range(8)]
    readings = {
        "A": {i: row(1, 1, 0, 0) for i in ids},
        "B": {i: row(1, 1, 0, 0) if n % 2 else row(0, 0, 1, 1) for n, i in enumerate(ids)},
    }

    alone = measure_agreement(readings).dice
    of_two = measure_agreement(readings, {i: f"p{n % 2}" for n, i in enumerate(ids)}).dice

    assert alone.value == of_two.value == 0.5
    assert of_two.high - of_two.low > alone.high - alone.low


def test_of_one_reader_and_of_none_nothing_is_said() -> None:
    for readings in ({}, {"A": {"x": row(1, 0)}}, {"A": {"x": row(1)}, "B": {"y": row(1)}}):
        found = measure_agreement(readings)

        assert found.images == ()
        assert math.isnan(found.dice.value)
    assert found.alone == 2
    assert math.isnan(found.pairs[0].iou.value)


def test_images_of_one_patient_give_a_figure_and_no_interval() -> None:
    readings = {
        "A": {"x": row(1, 1, 0, 0), "y": row(1, 1, 0, 0)},
        "B": {"x": row(1, 1, 0, 0), "y": row(0, 1, 1, 0)},
    }

    one = measure_agreement(readings, {"x": "p", "y": "p"})
    two = measure_agreement(readings)

    assert one.dice.value == two.dice.value == 0.75
    assert math.isnan(one.dice.low)
    assert math.isnan(one.pairs[0].iou.high)
    assert (two.dice.low, two.dice.high) == (0.5, 1.0)
