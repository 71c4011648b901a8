"""Five hundred damaged files, other ones each time, through every source."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.standins.fakehub import FakeHub
from tests.standins.fuzzed import SOURCES, check, hub_source
from tests.standins.fuzzing import HANG, Door

FILES = {
    "pictures": 120,
    "DICOM": 100,
    "rows of tables": 60,
    "tables": 80,
    "zips": 30,
    "entries of zips": 20,
    "names in zips": 40,
    "the Hub": 50,
}


@pytest.mark.soak
def test_damaged_files_neither_crash_nor_hang_nor_cost_a_good_one(
    tmp_path: Path, record: Callable[[dict[str, Any]], None]
) -> None:
    start = int(time.time())
    told: dict[str, Any] = {}
    with FakeHub() as hub:
        for source, files in FILES.items():
            home = tmp_path / source / "home"
            home.mkdir(parents=True)
            door = Door(home, hub.endpoint)

            check({**SOURCES, "the Hub": hub_source(hub)}[source], door, files, start=start)

            door.close()
            each = files / (door.taken + door.refused)
            told[source] = {
                "files": files,
                "studies_begun": door.taken,
                "refused_whole": door.refused,
                "kinds_of_reasons": len(door.reasons),
                "slowest_seconds_a_file": round(door.slowest / each, 2),
            }
    record({"seed": start, "files": sum(FILES.values()), "sources": told})
    assert max(each["slowest_seconds_a_file"] for each in told.values()) < HANG
