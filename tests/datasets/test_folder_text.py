"""Text burnt into corners, through the whole of `read_folder`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from imil.datasets.choices import Choices
from imil.datasets.folder import read_folder
from imil.datasets.listing import BurntIn, image_set, listing_from_json, listing_to_json
from tests.standins.dicoms import write_dicom


def _folder(root: Path) -> Path:
    for number in range(8):
        file = root / "xy"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("L", (200, 150), 40 + number)
        if number == 3:
            ImageDraw.Draw(image).text(
                (4, 4), "DOE, JANE", font=ImageFont.load_default(12), fill=255
            )
        image.save(file)
    return root


def test_images_with_text_in_their_corners_are_counted_and_named(tmp_path: Path) -> None:
    listing = read_folder(_folder(tmp_path / "d"))

    assert listing.report.burnt_in == BurntIn(1, named=("y/3.png",))
    again = listing_from_json(listing_to_json(listing), listing.root)
    assert again.report.burnt_in == listing.report.burnt_in


def test_those_corners_are_blacked_out_where_asked_and_the_original_is_left(
    tmp_path: Path,
) -> None:
    root = _folder(tmp_path / "d")

    listing = read_folder(root, choices=Choices(black_corners=True), made=tmp_path / "made")

    images, _ = image_set(listing)
    pixels = images.original("y/3.png")
    assert listing.report.burnt_in == BurntIn(1, blacked_out=True, named=("y/3.png",))
    assert pixels.max() == 43
    assert pixels[:16, :60].max() == 0
    assert np.asarray(Image.open(root / "y" / "3.png")).max() == 255
    assert [file.name for file in (tmp_path / "made").iterdir()] == [listing.entries[5].file.name]


@pytest.mark.slow
def test_a_dicom_file_that_says_it_is_annotated_counts(tmp_path: Path) -> None:
    root = _folder(tmp_path / "d")
    write_dicom(root / "x" / "a.dcm", np.full((9, 9), 7, np.uint8), BurnedInAnnotation="YES")

    found = read_folder(root, made=tmp_path / "made").report.burnt_in

    assert found == BurntIn(2, named=("x/a.dcm", "y/3.png"))
