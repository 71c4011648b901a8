"""What all tests share: the long claims' sizes, and where measurements go."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parent / "benchmarks" / "results"


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
