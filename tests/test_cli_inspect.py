"""`imil inspect`: how a data set would be read, on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]


def inspected(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "imil", "inspect", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def told(*arguments: str | Path) -> dict[str, Any]:
    """Return what it prints as JSON."""
    done = inspected(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images whose label is a digit of their name, and a mask of each."""
    root = tmp_path / "films"
    draw = np.random.default_rng(0)
    for n in range(12):
        for name, pixels in (
            (f"f{n:04}_{n % 2}.png", draw.integers(0, 255, (9, 9), np.uint8)),
            (f"f{n:04}_{n % 2}_mask.png", np.eye(9, dtype=np.uint8) * 255),
        ):
            (root / "images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / "images" / name)
    return root


@pytest.fixture
def archive(folder: Path) -> Path:
    with zipfile.ZipFile(folder.parent / "films.zip", "w") as zipped:
        for file in sorted(folder.rglob("*.png"), reverse=True):
            zipped.write(file, file.relative_to(folder).as_posix())
    return folder.parent / "films.zip"


def test_a_folder_and_its_zip_are_understood_alike_and_asked_about(
    folder: Path, archive: Path
) -> None:
    found = told(folder)

    assert found == told(archive)
    assert list(found) == [
        "images", "masks", "left_out", "classes", "evidence", "questions",
    ]  # fmt: skip
    assert found["masks"][0] == {"file": "images/f0000_0_mask.png", "of": "images/f0000_0.png"}
    (label,) = (q for q in found["questions"] if q["chosen"] is None)
    assert label["id"] == "label"


def test_an_answer_settles_it(archive: Path) -> None:
    found = told(archive, "--answer", "label=file name part 1 from its end")

    assert found["classes"] == {"0": 6, "1": 6}
    assert found["images"][1] == {
        "file": "images/f0001_1.png", "label": "1", "split": None, "patient": None,
    }  # fmt: skip
    assert all(question["chosen"] for question in found["questions"])


def test_for_people_it_prints_classes_evidence_and_how_to_answer(archive: Path) -> None:
    said = inspected(archive).stdout

    assert "12 images, 12 masks of them." in said
    assert "masks: 12 images by name with “mask”, of two values alone" in said
    assert "--answer “label=file name part 1 from its end”" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["gone.zip"], "There is no folder or zip “gone.zip”."),
        (["README.md"], "not a zip"),
        (["docs", "--answer", "label"], "is no answer"),
        (["docs", "--answer", "colour=red"], "There is no question “colour”"),
    ],
)
def test_what_can_not_be_is_refused_with_the_fix(arguments: list[str], why: str) -> None:
    done = inspected(*arguments)

    assert done.returncode == 2
    assert why in done.stderr
    assert "Fix: " in done.stderr


def test_it_needs_no_torch() -> None:
    code = "import sys, imil.__main__, imil.cli.inspect; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"
