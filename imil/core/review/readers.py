"""Several readers of one study: their names, and one mask of several."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import Field

from imil.core.bounds import one_line
from imil.core.records import Region
from imil.core.review.masks import MAX_COVERAGE, coverage

# Names the reader of masks whose reader has no name.
UNNAMED = "visitor"
# In place of a reader: the mask made of all readers' masks.
POOLED = ""
# Longer names are cut: enough for a person with a title, and short in a table. Our choice.
LONGEST_NAME = 40
# Signs that would break a list of arms, or a sentence that quotes one.
NOT_IN_NAMES = frozenset(',;:“”"<>')
# From so many readers on a majority can outvote somebody.
ENOUGH_TO_OUTVOTE = 3


class Pooling(StrEnum):
    """Which pixels several readers' masks of one image hide together."""

    UNION = "union"  # those that any of them hides
    INTERSECTION = "intersection"  # those that all of them hide
    MAJORITY = "majority"  # those that more than half of them hide; a tie hides nothing


# A `Pooling`, or "" for one reader's masks, or as is usual.
PoolingName: TypeAlias = Annotated[str, Field(pattern=f"^({'|'.join(Pooling)})?$")]


def reader_name(written: object) -> str:
    """Return a reader's name as it is kept: one line, no signs that lists use, `UNNAMED` for none.

    Args:
        written: what a person or program gave; anything but text counts as no name.
    """
    if not isinstance(written, str):
        return UNNAMED
    # Cut first: what is sent may be of any length, and a few blanks more or less don't matter.
    kept = "".join(s for s in written[: 10 * LONGEST_NAME] if s not in NOT_IN_NAMES)
    return one_line(kept)[:LONGEST_NAME].strip() or UNNAMED


def usual_pooling(readers: int) -> Pooling:
    """Return how masks are pooled unless something else is asked for.

    A majority from three readers on; the union of two, because two can't outvote each other: their
    majority would be the intersection, which drops what one of them alone has seen. Our choice.
    """
    return Pooling.MAJORITY if readers >= ENOUGH_TO_OUTVOTE else Pooling.UNION


def pool_masks(regions: Sequence[Region], pooling: Pooling) -> Region:
    """Return the one mask of several readers' masks of an image, True = hide.

    Args:
        regions: (H, W) each, of those who masked the image: a reader who passed over it has no
            vote, because passing over does not say that everything matters.
        pooling: which pixels are hidden.

    Returns:
        (H, W), possibly empty. One mask alone is itself, whatever the pooling.

    Raises:
        ValueError: no mask, or masks of several sizes.
    """
    if not regions:
        raise ValueError("nothing to pool")
    if len({region.shape for region in regions}) > 1:
        raise ValueError("masks of one image differ in size")
    votes = np.stack(regions).sum(0)
    needed = {
        Pooling.UNION: 1,
        Pooling.INTERSECTION: len(regions),
        Pooling.MAJORITY: len(regions) // 2 + 1,
    }
    pooled: Region = np.greater_equal(votes, needed[pooling])
    return pooled


def is_usable(pooled: Region) -> bool:
    """Return whether a pooled mask can be used: it hides something, and leaves enough."""
    return 0 < coverage(pooled) <= MAX_COVERAGE
