from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.speed.gpu_speed import measure

RESULTS = Path(__file__).parents[1] / "results" / "gpu_speed.json"


@pytest.mark.soak
def test_training_on_a_gpu_runs_at_nine_tenths_of_the_bare_step_or_is_not_measured() -> None:
    measured = measure()

    if not torch.cuda.is_available():
        assert measured["rates"] == measured["gpu"] == "not measured: there is no GPU here"
        return
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    for rate in measured["rates"]:
        assert rate["of_the_bare_step"]["control"] >= 0.9, rate
