from __future__ import annotations

import sys

import pytest
import torch

from imil.jobs.training.machine import NATIVE_BF16, has_native_bf16


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is known of the processor")
def test_native_bfloat16_is_known_as_torch_knows_it() -> None:
    told = torch.cpu.get_capabilities()

    assert has_native_bf16() == any(told.get(flag, False) for flag in NATIVE_BF16)
