from __future__ import annotations

import numpy as np
import pytest

from benchmarks.mask_tools import Made, filled, films, movement, outline_of, overlap, tools_table


def test_a_region_is_its_outline_filled() -> None:
    y, x = np.indices((100, 100)) + 0.5
    disc = (x - 40) ** 2 + (y - 60) ** 2 < 400

    assert overlap(filled(outline_of(disc), disc.shape), disc) > 0.9


def test_a_movement_takes_longer_to_a_smaller_target() -> None:
    assert movement(100, 5) > movement(100, 50) > 0


def test_every_film_that_is_masked_has_a_marker() -> None:
    assert [case.wanted.any() for case in films(5, size=64)] == [True] * 5


@pytest.mark.parametrize(("overlaps", "good"), [([0.8, 0.9], "100%"), ([0.1, 0.9], "50%")])
def test_the_table_tells_how_many_masks_are_good(overlaps: list[float], good: str) -> None:
    table = tools_table({"brush": [Made(1, share) for share in overlaps]})

    assert good in table
