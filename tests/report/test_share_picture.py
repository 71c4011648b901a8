from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from imil.errors import PlanError
from imil.report.share_picture import share_picture
from tests.report.fabricated import probed


def test_a_result_is_one_picture_of_the_size_of_a_links_preview() -> None:
    picture = Image.open(io.BytesIO(share_picture(probed())))

    assert picture.size == (1200, 630)
    # Nothing is cut off: the margin is white on all sides.
    grey = picture.convert("L")
    edges = [(0, 0, 1200, 24), (0, 606, 1200, 630), (0, 0, 40, 630), (1160, 0, 1200, 630)]
    assert all(grey.crop(edge).getextrema() == (255, 255) for edge in edges)


def test_without_a_comparison_there_is_no_picture() -> None:
    with pytest.raises(PlanError, match="no result to make a picture of"):
        share_picture(replace(probed(), paired=()))
