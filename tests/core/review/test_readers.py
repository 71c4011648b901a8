from __future__ import annotations

import numpy as np
import pytest

from imil.core.records import Region
from imil.core.review.readers import (
    LONGEST_NAME,
    UNNAMED,
    Pooling,
    is_usable,
    pool_masks,
    reader_name,
    usual_pooling,
)


def row(*hidden: int) -> Region:
    return np.array([hidden], np.bool_)


A, B, C = row(1, 1, 1, 0), row(1, 1, 0, 0), row(1, 0, 0, 0)


@pytest.mark.parametrize(
    ("pooling", "masks", "expected"),
    [
        (Pooling.UNION, [A, B, C], row(1, 1, 1, 0)),
        (Pooling.INTERSECTION, [A, B, C], row(1, 0, 0, 0)),
        (Pooling.MAJORITY, [A, B, C], row(1, 1, 0, 0)),
        # Two of four is a tie, and hides nothing.
        (Pooling.MAJORITY, [A, B, C, row(1, 0, 0, 1)], row(1, 0, 0, 0)),
        (Pooling.MAJORITY, [A, C], row(1, 0, 0, 0)),
        (Pooling.INTERSECTION, [B, row(0, 0, 1, 1)], row(0, 0, 0, 0)),
        (Pooling.UNION, [B], B),
        (Pooling.INTERSECTION, [B], B),
        (Pooling.MAJORITY, [B], B),
    ],
)
def test_a_pixel_is_hidden_by_any_by_all_or_by_more_than_half(
    pooling: Pooling, masks: list[Region], expected: Region
) -> None:
    assert pool_masks(masks, pooling).tolist() == expected.tolist()


def test_two_readers_are_joined_and_three_vote_unless_asked_otherwise() -> None:
    chosen = [usual_pooling(readers) for readers in (1, 2, 3, 5)]

    assert chosen == [Pooling.UNION, Pooling.UNION, Pooling.MAJORITY, Pooling.MAJORITY]


def test_nothing_and_masks_of_several_sizes_can_not_be_pooled() -> None:
    with pytest.raises(ValueError, match="nothing to pool"):
        pool_masks([], Pooling.UNION)
    with pytest.raises(ValueError, match="differ in size"):
        pool_masks([A, np.zeros((2, 2), np.bool_)], Pooling.UNION)


def test_a_pooled_mask_that_hides_nothing_or_nearly_everything_is_of_no_use() -> None:
    nearly_all = np.ones((1, 20), np.bool_)
    nearly_all[0, 0] = False

    found = [is_usable(region) for region in (row(0, 0), nearly_all, row(1, 0), A)]

    assert found == [False, False, True, True]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("  Dr  Ada\tLovelace \n", "Dr Ada Lovelace"),
        ("a, b; c: “d”", "a b c d"),
        ("x\u202ey\x00z", "xyz"),
        ("<b>Zoë</b>", "bZoë/b"),
        ("ada@example.org", "ada@example.org"),
        ("", UNNAMED),
        (" , ", UNNAMED),
        (None, UNNAMED),
        (7, UNNAMED),
        ("n" * 99, "n" * LONGEST_NAME),
    ],
)
def test_a_name_is_kept_on_one_line_without_signs_that_lists_use(
    written: object, kept: str
) -> None:
    assert reader_name(written) == kept
