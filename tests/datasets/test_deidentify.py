"""An upload loses its names at the door: files, patients, and all that is not pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.core.duplicates import NearDuplicates
from imil.core.records import Pixels, Split
from imil.datasets.deidentify import deidentify, patient_id, pixel_id, write_pixels
from imil.datasets.files.pixels import read_pixels
from imil.datasets.folder import read_folder
from imil.datasets.listing import (
    Listing,
    Skipped,
    image_set,
    listing_from_json,
    listing_to_json,
    with_splits,
)

SALT = "5a17" * 8
EACH = 12


def picture(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (8, 6), dtype=np.uint8))


@pytest.fixture
def named(tmp_path: Path) -> Listing:
    """Two classes whose files and patients have names, and whose first two images are equal."""
    folder = tmp_path / "named"
    rows = ["file_name,label,patient_id,relevant_file_name"]
    for number in range(2 * EACH):
        label = "ab"[number % 2]
        name = f"Doe_Jane_{number:02d}.png"
        folder.mkdir(exist_ok=True)
        picture(2 if number == 0 else number).save(folder / name)
        rows.append(f"{name},{label},Jane Doe {number},")
    (folder / "metadata.csv").write_text("\n".join(rows))
    (folder / "Doe_notes.txt").write_text("nothing")
    return with_splits(read_folder(folder, name="films"))


@pytest.fixture
def bare(named: Listing, tmp_path: Path) -> Listing:
    images, _ = image_set(named)
    return deidentify(named, images, tmp_path / "images", salt=SALT)


def test_an_id_is_32_hex_digits_of_pixels_and_salt_alone() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)

    own = pixel_id(pixels, SALT)

    assert len(own) == 32
    assert set(own) <= set("0123456789abcdef")
    assert pixel_id(pixels.copy(), SALT) == own
    assert pixel_id(pixels, "other") != own
    assert pixel_id(pixels.reshape(4, 3), SALT) != own
    assert pixel_id(pixels.astype(np.uint16), SALT) != own


def test_patients_are_hashed_so_that_equal_ones_stay_equal() -> None:
    assert patient_id("Jane Doe", SALT) == patient_id("Jane Doe", SALT)
    assert patient_id("Jane Doe", SALT) != patient_id("Jane Doe", "other")
    assert len(patient_id("Jane Doe", SALT)) == 12


def test_order_labels_and_splits_stay_and_no_name_does(named: Listing, bare: Listing) -> None:
    said = listing_to_json(bare)

    assert [entry.label for entry in bare.entries] == [entry.label for entry in named.entries]
    assert [entry.split for entry in bare.entries] == [entry.split for entry in named.entries]
    assert len({entry.patient for entry in bare.entries}) == 2 * EACH
    assert [word for word in ("Doe", "Jane", "metadata.csv", ".png,") if word in said] == []
    assert bare.report.skipped[0].name == ""
    assert bare.report.taken == 2 * EACH


def test_equal_images_are_told_apart_by_their_order(bare: Listing) -> None:
    first, third = bare.entries[0].sample_id, bare.entries[2].sample_id

    assert third == f"{first}-2"
    assert {entry.file.name for entry in bare.entries} == {
        path.name for path in bare.root.iterdir()
    }


def test_a_list_without_names_is_read_back_as_it_was(bare: Listing) -> None:
    again = listing_from_json(listing_to_json(bare), bare.root)

    assert again == bare
    assert not again.named


def test_pixels_are_the_same_and_nothing_else_is_in_the_file(tmp_path: Path) -> None:
    deep = np.arange(40, dtype=np.uint16).reshape(5, 8) * 1500
    colour = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)

    written: tuple[Pixels, ...] = (deep, colour, colour[..., 0])
    for number, pixels in enumerate(written):
        write_pixels(tmp_path / f"{number}.png", pixels)

        back: Pixels = read_pixels(tmp_path / f"{number}.png")
        assert back.dtype == pixels.dtype
        assert np.array_equal(back, pixels)
        with Image.open(tmp_path / f"{number}.png") as image:
            assert image.info == {}


def test_exif_and_text_are_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe, born 1950"  # the image's description
    for number in range(2 * EACH):
        place = folder / "ab"[number % 2] / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(place, exif=exif, comment=b"Jane Doe")
    listing = with_splits(read_folder(folder))
    images, _ = image_set(listing)

    bare = deidentify(listing, images, tmp_path / "images", salt=SALT)

    assert b"Jane" in (folder / "a" / "0.jpg").read_bytes()
    assert not any(b"Jane" in entry.file.read_bytes() for entry in bare.entries)


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("“Doe_Jane_01.png” was named before.", "“…” was named before."),
        ("“Doe” and “Jane\n.png” was named before.", "“…” was named before."),
        ("The table “Doe_Jane.csv” above", "The table “…” above"),
        (Skipped("", f"“{'Doe_Jane ' * 90}.png” is not there.").short().reason, "“…”"),
    ],
    ids=["plain", "with marks in it", "table", "cut"],
)
def test_what_was_skipped_keeps_its_reason_without_the_name_in_it(
    named: Listing, tmp_path: Path, reason: str, kept: str
) -> None:
    told = Skipped("metadata.csv, line 3", reason)
    named = replace(named, report=replace(named.report, skipped=(told,)))
    images, _ = image_set(named)

    bare = deidentify(named, images, tmp_path / "images", salt=SALT)

    assert bare.report.skipped == (Skipped("", kept),)


def test_near_duplicates_are_named_by_the_new_ids(named: Listing, tmp_path: Path) -> None:
    pair = (named.entries[0].sample_id, named.entries[2].sample_id)
    named = replace(
        named, report=replace(named.report, twins=NearDuplicates(24, inside=1, named=(pair,)))
    )
    images, _ = image_set(named)

    bare = deidentify(named, images, tmp_path / "images", salt=SALT)

    assert bare.report.twins is not None
    assert bare.report.twins.named == ((bare.entries[0].sample_id, bare.entries[2].sample_id),)


def test_people_see_numbers_not_hashes(bare: Listing) -> None:
    images, _ = image_set(bare)

    assert images.title(bare.entries[11].sample_id) == "Image 12"
    assert images.patient_title(bare.entries[11].sample_id) == "12"


def test_progress_is_told_image_by_image(named: Listing, tmp_path: Path) -> None:
    images, _ = image_set(named)
    told: list[tuple[int, int]] = []
    tell: Callable[[int, int], None] = lambda done, total: told.append((done, total))  # noqa: E731

    deidentify(named, images, tmp_path / "images", salt=SALT, on_progress=tell)

    assert told == [(n, 2 * EACH) for n in range(1, 2 * EACH + 1)]


def test_every_split_is_still_there(bare: Listing) -> None:
    assert {entry.split for entry in bare.entries} == set(Split)
