"""How long it takes to read a small Hub data set, with torch imported meanwhile and without."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from imil.datasets.hub import process as hub_process
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import read_hub
from tests.datasets.hub_sets import image_folder
from tests.standins.fakehub import FakeHub

# Readings of both kinds in turn, so that what else the machine does falls on both.
ROUNDS = 5


@pytest.mark.soak
def test_a_reading_from_the_hub_is_shorter_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: Callable[[dict[str, Any]], None]
) -> None:
    environment = hub_process._environment

    def importing(home: Path, endpoint: str | None) -> dict[str, str]:
        made = environment(home, endpoint)
        made.pop("USE_TORCH")
        return made

    seconds: dict[str, list[float]] = {"without": [], "with": []}
    with FakeHub() as hub:
        hub.put("lab/films", image_folder(14), kind="datasets")
        for turn in range(ROUNDS + 1):
            for kind, used in (("without", environment), ("with", importing)):
                monkeypatch.setattr(hub_process, "_environment", used)
                began = time.perf_counter()
                read_hub(
                    HubRequest("lab/films"), tmp_path / f"{kind}-{turn}", endpoint=hub.endpoint
                )
                if turn:  # the first finds no file in the machine's cache
                    seconds[kind].append(round(time.perf_counter() - began, 2))

    pairs = zip(seconds["without"], seconds["with"], strict=True)
    ratios = [round(without / importing, 3) for without, importing in pairs]
    record(
        {
            "ratio": median(ratios),
            "ratios": ratios,
            "seconds": seconds,
            "load": round(os.getloadavg()[0], 1),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
        }
    )
    assert median(ratios) < 1
