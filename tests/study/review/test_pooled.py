from __future__ import annotations

from dataclasses import replace

import numpy as np

from imil.core.records import Queue, Region
from imil.study.review.mask_book import mask_key
from imil.study.review.pooling import pool_records, pooled_notices
from tests.study.review.test_maskbook import mask


def row(*hidden: int) -> Region:
    return np.array([hidden], np.bool_)


A = replace(mask("Ada", "x", minute=5, seconds=10), irrelevant=row(1, 1, 0, 0), queue=None)
B = replace(mask("Bo", "x", minute=2, seconds=4), irrelevant=row(0, 1, 1, 0))
ALONE = replace(
    mask("Ada", "y", minute=1, seconds=1), irrelevant=row(1, 0, 0, 0), queue=Queue.RANDOM
)
APART = (
    replace(mask("Ada", "z", minute=6), irrelevant=row(1, 0, 0, 0)),
    replace(mask("Bo", "z", minute=7), irrelevant=row(0, 0, 0, 1)),
)


def test_one_mask_an_image_is_made_of_several_readers_masks() -> None:
    found = pool_records((A, B, ALONE), "union")

    assert {i: r.tolist() for i, r in found.regions.items()} == {
        "y": [[True, False, False, False]],
        "x": [[True, True, True, False]],
    }
    assert list(found.regions) == ["y", "x"]  # as they were first painted
    assert found.seconds == {"y": 1, "x": 14}
    assert found.opened == {"y": Queue.RANDOM, "x": Queue.MISPREDICTED}
    assert (found.readers, found.alone, found.left_out) == (("Ada", "Bo"), 1, 0)


def test_an_image_of_which_nothing_is_hidden_by_all_counts_as_not_masked() -> None:
    found = pool_records((A, B, *APART), "intersection")

    assert {i: r.tolist() for i, r in found.regions.items()} == {"x": [[False, True, False, False]]}
    assert found.left_out == 1


def test_the_same_masks_pooled_in_another_way_have_another_key() -> None:
    names = ("a", "b")

    assert len({mask_key(names, pooling) for pooling in ("", "union", "majority")}) == 3
    assert mask_key((), "union") is None


def test_who_painted_and_how_it_was_pooled_stands_beside_the_figures() -> None:
    assert pooled_notices(pool_records((A,), ""), "") == ()

    told = pooled_notices(pool_records((A, B, ALONE, *APART), "intersection"), "intersection")

    how = "a pixel is hidden where all who masked its image hide it."
    assert told == (
        f"Masks of 2 readers (Ada, Bo), pooled by intersection: {how}",
        "1 image was masked by one reader alone, whose mask is used as it is.",
        "1 image counts as not masked: the pooled mask hides nothing, or nearly everything.",
    )
