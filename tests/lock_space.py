"""Make the lock of a Space anew: `make lock`. Asks a package index, and nothing else here does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements-space.txt"
# What each package of the lock says of itself, so that a test can follow it without a network.
RECORD = Path(__file__).with_name("space_packages.json")
PYTHON = "3.12.12"
# Of the releases that ZeroGPU lends its cards to, the newest whose wheel brings CUDA 12.8: its
# cards need no less, and the drivers of rented GPUs may be too old for CUDA 13.
TORCH = "torch==2.10.0"
# The oldest C library that is counted on, and the tags that pip calls it by.
PLATFORM = "x86_64-manylinux_2_28"
TAGS = [
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)),
    *(f"manylinux{older}_x86_64" for older in ("2014", "2010", "1")),
]

HEAD = """\
# What a Space installs in place of requirements.txt: one release of each, Python 3.12, Linux.
# Written by `make lock`; edit requirements.txt and run it again. Without hashes: a Space adds
# what it brings along to this list, and pip would then ask for a hash of that too.
"""


def brought_along() -> list[str]:
    """Return what a Space with the Gradio SDK installs in the same breath, beside our list."""
    front = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    return [
        f"gradio[oauth,mcp]=={front['sdk_version']}",
        "uvicorn>=0.14.0",
        "websockets>=10.4",
        "spaces",
    ]


def main() -> None:
    """Write the lock and the record."""
    with tempfile.TemporaryDirectory(prefix="imil-lock-") as folder:
        wanted, lock, report = (Path(folder) / name for name in ("wanted", "lock", "report"))
        wanted.write_text("\n".join([TORCH, *brought_along()]) + "\n", encoding="utf-8")
        _run(
            "uv",
            "pip",
            "compile",
            "requirements.txt",
            str(wanted),
            "--output-file",
            str(lock),
            "--no-header",
            "--no-annotate",
            "--quiet",
            "--python-version",
            PYTHON,
            "--python-platform",
            PLATFORM,
            "--only-binary",
            ":all:",
        )
        pins = lock.read_text(encoding="utf-8")
        platforms = [word for tag in TAGS for word in ("--platform", tag)]
        _run(
            "pip",
            "install",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--quiet",
            "--only-binary",
            ":all:",
            "--python-version",
            PYTHON,
            *platforms,
            "--target",
            folder,
            "--report",
            str(report),
            "--requirement",
            str(lock),
        )
        record = dict(sorted(_packages(json.loads(report.read_text(encoding="utf-8")))))
    LOCK.write_text(HEAD + pins, encoding="utf-8")
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(record)} packages in {LOCK.name}\n")


def _packages(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield of each package what decides whether it can be installed beside the others."""
    for each in report["install"]:
        about = each["metadata"]
        found = {
            "version": about["version"],
            "wheel": unquote(each["download_info"]["url"].rpartition("/")[2]),
            "python": about.get("requires_python", ""),
            "requires": about.get("requires_dist", []),
        }
        yield re.sub(r"[-_.]+", "-", about["name"]).lower(), found


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
