from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARK = Path(__file__).parent / "gpu_speed.py"
RESULTS = Path(__file__).parent / "results" / "gpu_speed.json"


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_speed", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_speed"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.soak
def test_training_on_a_gpu_runs_at_nine_tenths_of_the_bare_step_or_is_not_measured() -> None:
    measured = benchmark().measure()

    if not torch.cuda.is_available():
        assert measured["rates"] == measured["gpu"] == "not measured: there is no GPU here"
        return
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    for rate in measured["rates"]:
        assert rate["of_the_bare_step"]["control"] >= 0.9, rate
