"""Memory that runs out while a segment is trained: how it is known, and what is said."""

from __future__ import annotations

import os

import torch

from imil.core.records import Plan
from imil.errors import ComputeError

# How torch's allocator for the processor says it; it has no class of its own for that.
_SAID = ("can't allocate memory", "not enough memory", "bad_alloc")
_GIB = 1 << 30


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch's or Python's says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAID)


def out_of_memory_error(name: str, plan: Plan) -> ComputeError:
    """Return the error of a segment that does not fit.

    Args:
        name: of the segment.
        plan: how it was to be trained.
    """
    free, total = _memory(plan.device)
    return ComputeError(
        f"Memory ran out while “{name}” was trained.",
        why=f"A batch of {plan.batch_size} images of {plan.size} px does not fit: "
        f"{free / _GIB:.1f} of {total / _GIB:.1f} GB are free.",
        fix="Close what else uses memory and train on, or leave out an arm that needs more than "
        "others. Or begin a study with smaller images, a smaller batch or another model. Finished "
        "epochs are kept.",
    )


def _memory(device: str) -> tuple[int, int]:
    """Return the bytes that are free, and that there are."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return free, total
    page = os.sysconf("SC_PAGE_SIZE")
    return page * os.sysconf("SC_AVPHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES")
