"""What all tests share: the long claims' sizes, and where measurements go."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before the Hub's client is imported, here and in every process that tests start: the stand-in
# takes large files as Git LFS does, and what tests write is no progress to watch.
os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

RESULTS = Path(__file__).parent / "benchmarks" / "results"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that writes the golden reports anew."""
    parser.addoption("--bless", action="store_true", help="write tests/report/golden anew")


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Return whether golden reports are to be written, not compared."""
    return bool(request.config.getoption("--bless"))


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[dict[str, Any]], None]:
    """Return a writer of measurements: a JSON file a long claim, written by `make soak` alone."""

    def write(measured: dict[str, Any]) -> None:
        if request.node.get_closest_marker("soak") is not None:
            name = request.node.originalname.removeprefix("test_")
            about = {"claim": name.replace("_", " "), "python": platform.python_version()}
            content = json.dumps(about | measured, indent=1)
            (RESULTS / f"{name}.json").write_text(content + "\n", encoding="utf-8")

    return write
