"""A hundred thousand images brought, hashed and thumbnailed in little memory, and never twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# A busy machine may be given fewer; the measurement says how many there were.
IMAGES = int(os.environ.get("IMIL_SOAK_IMAGES", "100000"))
FEWER = IMAGES // 10
# Of the list, ids and hashes of one image, bytes; a picture of 64 px alone has four times as many.
A_PIECE = 12_000


@pytest.mark.soak
def test_many_images_are_read_in_little_memory_and_never_twice(
    tmp_path: Path, record: Callable[[dict[str, Any]], None]
) -> None:
    told = [measured(count, tmp_path / str(count)) for count in (FEWER, IMAGES)]

    peaks = [each["peak_mb"] + each["reading_peak_mb"] for each in told]
    grown = (peaks[1] - peaks[0]) * 2**20 / (IMAGES - FEWER)
    record({"bytes_of_memory_an_image": round(grown), "fewer": told[0], "all": told[1]})
    for each in told:
        assert each["thumbnails"] == each["images"]
        assert each["progress_grows"]
        assert each["images_opened_at_second_visit"] == 0
    assert grown < A_PIECE


def measured(count: int, home: Path) -> dict[str, Any]:
    """Return what so many images took in a process of their own."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.standins.second_visit", str(count), str(home)],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(made.stdout)
    return found
