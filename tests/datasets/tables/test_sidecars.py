"""Label files beside images: each kind read from a folder and from a zip, and the same of both."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.datasets.archive.inspect import read_zip_layout
from imil.datasets.archive.read import read_archive
from imil.datasets.choices import Choices
from imil.datasets.folder import read_folder

KINDS = ("cyst", "stone")
_VOC = (
    "<annotation><filename>{n}.png</filename><size><width>9</width></size>"
    "<object><name>{c}</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"
)
_SHAPES = {
    "version": "5",
    "shapes": [{"label": "{c}", "points": [[1, 1]]}],
    "imageData": "x" * 2000,
}
_TAGS = {"description": "", "tags": [{"name": "{c}", "value": None}], "objects": []}
# Where an image lies, where its label file does, and what stands in it.
LAYOUTS = {
    "one word": ("s/{n}.png", "s/{n}.txt", "{c}\n"),
    "named lines": ("s/{n}.png", "readings/{n}.txt", "Sex: F\nAge: 40\nFinding: {c}\n"),
    "YOLO": ("images/{n}.png", "labels/{n}.txt", "{i} 0.5 0.5 0.2 0.2\n{i} 0.1 0.1 0.1 0.1\n"),
    "VOC": ("JPEGImages/{n}.png", "Annotations/{n}.xml", _VOC),
    "labelme": ("{n}.png", "{n}.json", json.dumps(_SHAPES)),
    "Supervisely": ("ds/img/{n}.png", "ds/ann/{n}.png.json", json.dumps(_TAGS)),
}


def _laid(root: Path, layout: str) -> Path:
    rng = np.random.default_rng(1)
    image, beside, content = LAYOUTS[layout]
    for number in range(12):
        values = {"n": f"scan_{number:02}", "c": KINDS[number % 2], "i": str(number % 2)}
        file, label = (root / _filled(pattern, values) for pattern in (image, beside))
        for each in (file, label):
            each.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (9, 9), np.uint8)).save(file)
        label.write_text(_filled(content, values))
    if layout == "YOLO":
        (root / "data.yaml").write_text("nc: 2\nnames: ['cyst', 'stone']\n")
    (root / "README.txt").write_text("These are scans.\nsize, 9\n")
    return root


def _filled(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_label_file_beside_each_image_says_its_class(tmp_path: Path, layout: str) -> None:
    root = _laid(tmp_path / "set", layout)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as zipped:
        for file in sorted(root.rglob("*.*")):
            zipped.write(file, file.relative_to(root))

    told, _ = read_zip_layout(tmp_path / "set.zip", Choices())
    of_folder = read_folder(root)
    of_zip = read_archive(tmp_path / "set.zip", tmp_path / "study")

    expected = {f"scan_{n:02}": KINDS[n % 2] for n in range(12)}
    assert not told.open
    assert [left.file for left in told.left_out] == ["README.txt"]
    assert {Path(image.file).stem: image.label for image in told.images} == expected
    for listing in (of_folder, of_zip):
        assert {Path(entry.sample_id).stem: entry.label for entry in listing.entries} == expected


def test_a_file_of_another_split_is_not_taken_for_one_of_the_same_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for split, shift in (("train", 0), ("test", 1)):
        for number in range(8):
            file = tmp_path / split / "images" / f"{number}.png"
            label = tmp_path / split / "labels" / f"{number}.txt"
            for each in (file, label):
                each.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (9, 9), np.uint8)).save(file)
            label.write_text(KINDS[(number + shift) % 2])

    listing = read_folder(tmp_path)

    told = {entry.sample_id: entry.label for entry in listing.entries}
    assert (told["train/images/0.png"], told["test/images/0.png"]) == KINDS
    assert len(told) == 16


def test_an_image_without_any_box_is_a_class_of_its_own(tmp_path: Path) -> None:
    root = _laid(tmp_path / "set", "YOLO")
    for number in (0, 1, 2, 3):
        (root / "labels" / f"scan_{number:02}.txt").write_text("")

    assert read_folder(root).classes == ("cyst", "no object", "stone")


def test_a_label_file_that_is_damaged_leaves_its_image_out(tmp_path: Path) -> None:
    root = _laid(tmp_path / "set", "labelme")
    (root / "scan_00.json").write_text('{"shapes": [')
    (root / "scan_01.json").write_bytes(b"\xff\xfe\0\0")

    report = read_folder(root).report

    assert report.taken == 10
    assert {"scan_00.png", "scan_01.png"} <= {skip.name for skip in report.skipped}
