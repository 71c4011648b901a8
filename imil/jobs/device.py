"""Which device a study trains on."""

from __future__ import annotations

import torch

from imil.errors import ComputeError, PlanError

CHOICES = ("auto", "cpu", "cuda")


def pick_device(wanted: str) -> str:
    """Return "cpu" or "cuda" for what was asked for; "auto" takes a GPU where there is one.

    Raises:
        ComputeError: a GPU was asked for and there is none.
        PlanError: the word means nothing.
    """
    if wanted not in CHOICES:
        raise PlanError(
            f"There is no device “{wanted}”.",
            why="Training runs on the processor or on a CUDA GPU.",
            fix=f"Use one of {', '.join(CHOICES)}.",
        )
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ComputeError(
            "There is no GPU here.",
            why="torch finds no CUDA device on this machine.",
            fix="Use --device cpu, or auto; or check the driver and torch's CUDA build.",
        )
    return "cuda" if there and wanted != "cpu" else "cpu"
