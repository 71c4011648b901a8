from __future__ import annotations

import pytest
import torch

from imil.core.records import Plan
from imil.jobs.training.out_of_memory import is_out_of_memory, out_of_memory_error


def test_torch_running_out_of_memory_is_told_from_its_other_errors() -> None:
    with pytest.raises(RuntimeError) as too_much:
        torch.empty(1 << 50)
    with pytest.raises(RuntimeError) as other:
        torch.ones(2) @ torch.ones(3)

    assert is_out_of_memory(too_much.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(other.value)


def test_what_does_not_fit_is_told_with_numbers() -> None:
    error = out_of_memory_error("control, seed 0", Plan(batch_size=33, size=224))

    assert "Memory ran out while “control, seed 0” was trained." in error.what
    assert "33 images of 224 px" in error.why
    assert "GB are free" in error.why
    assert "smaller batch" in error.fix
