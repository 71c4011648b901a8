"""The machine that trains: what the bits of a training depend on besides its plan."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

import imil

# What a figure may depend on.
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "pillow")
# Flags of x86 processors; of others nothing was measured.
NATIVE_BF16 = frozenset({"amx_bf16", "avx512_bf16"})
_CPU_INFO = Path("/proc/cpuinfo")


def versions() -> dict[str, str]:
    """Return the versions that a figure may depend on."""
    packages = {name: version(name) for name in PACKAGES}
    return {"imil": imil.__version__, "python": platform.python_version(), **packages}


def this_machine() -> dict[str, str]:
    """Return what the bits of a training depend on besides its plan."""
    return {
        "machine": platform.machine(),
        "vector_unit": torch.backends.cpu.get_cpu_capability(),
        **versions(),
    }


def training_machine(*, device: str, threads: int, processes: int = 1) -> dict[str, str]:
    """Return where a training ran: where all of it is the same, it is made again bit by bit."""
    where = {"cpu": cpu_model(), "device": device, "threads": str(threads)}
    if device == "cuda":
        where["gpu"] = torch.cuda.get_device_name()
    if processes > 1:
        where["processes"] = str(processes)
    return {**where, **this_machine()}


def cpu_model() -> str:
    """Return the processor's name; its kind where the system gives no name."""
    return _cpu_field("model name") or platform.processor() or platform.machine()


def has_native_bf16() -> bool:
    """Return whether the processor multiplies bfloat16 numbers; False where it is not known."""
    # The system's words: `torch.cpu.get_capabilities` came after the oldest torch in use here.
    return not NATIVE_BF16.isdisjoint(_cpu_field("flags").split())


def _cpu_field(wanted: str) -> str:
    """Return what Linux says of the first processor; "" where it says nothing."""
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == wanted:
                return value.strip()
    return ""
