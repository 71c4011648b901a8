"""Fifty damaged files, always the same, through every source; `make soak` brings 500 others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.fakehub import FakeHub
from tests.standins.fuzzed import SOURCES, check, hub_source
from tests.standins.fuzzing import Door

FILES = {
    "pictures": 12,
    "DICOM": 10,
    "rows of tables": 6,
    "tables": 6,
    "zips": 6,
    "entries of zips": 6,
    "names in zips": 6,
}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    (tmp_path / "home").mkdir()
    opened = Door(tmp_path / "home")
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("source", FILES)
def test_a_damaged_file_is_refused_by_name_and_nothing_else_is_lost(
    door: Door, source: str
) -> None:
    check(SOURCES[source], door, FILES[source])

    assert door.taken + door.refused >= 1


@pytest.mark.slow
def test_a_damaged_row_of_a_hub_set_is_told_and_the_others_are_read(door: Door) -> None:
    with FakeHub() as hub:
        door.endpoint = hub.endpoint

        check(hub_source(hub), door, 10)

    assert door.taken + door.refused == 1
