"""What is no image of its own: blank, made of another, unlabelled, or not wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.datasets.choices import Choices
from imil.datasets.files.pixels import read_region
from imil.datasets.folder import read_folder
from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import Reading
from imil.datasets.layout.samples import ONE_LEVEL
from imil.errors import DataError

CLASSES = [f"{label}/{n}.png" for label in ("lesion", "normal") for n in range(8)]


def _reading(names: list[str], **answers: str) -> Reading:
    return read_layout(Listed(tuple(names)), answers)


def _films(root: Path) -> Path:
    rng = np.random.default_rng(5)
    for name in CLASSES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (9, 9), np.uint8)).save(root / name)
    return root


@pytest.mark.parametrize(
    "blank",
    [
        Image.new("L", (9, 9), 0),
        Image.new("RGB", (9, 9), (200, 10, 10)),
        Image.merge("RGBA", [Image.linear_gradient("L")] * 3 + [Image.new("L", (256, 256), 0)]),
    ],
    ids=["black", "one colour", "transparent"],
)
def test_images_that_show_nothing_are_left_out_with_the_reason(
    tmp_path: Path, blank: Image.Image
) -> None:
    _films(tmp_path)
    blank.save(tmp_path / "lesion" / "x.png")

    report = read_folder(tmp_path).report

    assert report.taken == len(CLASSES)
    assert [skip.name for skip in report.skipped] == ["lesion/x.png"]


def test_blank_images_of_any_size_and_number_are_left_out_and_told(tmp_path: Path) -> None:
    _films(tmp_path)
    rows = np.arange(20, dtype=np.uint8)
    Image.fromarray(np.tile(rows, (20, 1))).save(tmp_path / "lesion" / "striped.png")
    large = Image.new("RGB", (2100, 2000), (40, 40, 40))
    large.save(tmp_path / "normal" / "grey.bmp")

    report = read_folder(tmp_path).report

    assert report.taken == len(CLASSES) + 1
    assert [(s.name, s.reason) for s in report.skipped] == [("normal/grey.bmp", ONE_LEVEL)]
    assert "blank: once read, 1 image more left out: nothing is on it." in report.notes


def test_as_many_blank_images_as_there_are_are_found_before_reading() -> None:
    names = [f"{label}/{n:04}.png" for n in range(1100) for label in "ab"]
    blank = dict.fromkeys(names[:900], ONE_LEVEL)
    sizes = {name: 1 if name in blank else 2 for name in names}

    found = read_layout(Listed(tuple(names), sizes=sizes, blank=lambda n: blank.get(n, "")))
    most = read_layout(Listed(tuple(names), blank=lambda _: ONE_LEVEL))

    assert {left.file for left in found.left_out} == set(names[:900])
    assert len(most.images) == len(names)
    assert "blank: 2200 images, most of all, show nothing." in most.evidence


@pytest.mark.parametrize("made", ["0_rot90", "0-flipped", "augmented_0", "0 (cropped)", "0_aug3"])
def test_images_made_of_one_beside_them_are_asked_about(made: str) -> None:
    names = [*CLASSES, f"lesion/{made}.png"]

    asked = _reading(names)
    without = _reading(names, made="left out")

    assert [question.id for question in asked.open] == ["made"]
    assert [image.file for image in without.images] == CLASSES
    assert len(_reading(names, made="images").images) == len(names)


def test_names_that_only_begin_alike_are_no_copies() -> None:
    names = [*CLASSES, "lesion/10.png", "lesion/0_2.png", "normal/rotterdam_3.png"]

    assert len(_reading(names).images) == len(names)


@pytest.mark.parametrize("folder", ["pred", "test", "Unlabelled", "validation"])
def test_a_folder_beside_the_classes_that_is_none_is_left_out(folder: str) -> None:
    found = _reading([*CLASSES, *(f"{folder}/{n}.png" for n in range(4))])

    assert not found.open
    assert set(found.classes) == {"lesion", "normal"}
    assert len(found.left_out) == 4


@pytest.mark.parametrize("pattern", ["0.png", "normal/0*; lesion/0.*", "0"])
def test_patterns_leave_images_out(pattern: str) -> None:
    names = [*CLASSES, "normal/10.png", "lesion/11.png"]

    found = _reading(names, leave=pattern)

    assert not any(image.file.endswith("/0.png") for image in found.images)
    assert {left.file for left in found.left_out} >= {"lesion/0.png", "normal/0.png"}


def test_a_folder_can_be_left_out_by_its_name() -> None:
    names = [*CLASSES, *(f"old scans/{n}.png" for n in range(8))]

    assert set(_reading(names, leave="old scans").classes) == {"lesion", "normal"}


def test_a_pattern_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No image is called “x\\*”") as refused:
        read_folder(_films(tmp_path), choices=Choices(answers=(("leave", "x*"),)))

    assert refused.value.question == "leave"


def test_several_masks_of_an_image_are_one_region(tmp_path: Path) -> None:
    _films(tmp_path)
    for number, side in enumerate(("", "_1")):
        region = np.zeros((9, 9), np.uint8)
        region[2:7, 5 * number : 5 * number + 3] = 255
        Image.fromarray(region).save(tmp_path / "lesion" / f"0_mask{side}.png")

    listing = read_folder(tmp_path)

    (masked,) = (entry for entry in listing.entries if entry.relevant_file is not None)
    assert masked.relevant_file is not None
    assert masked.sample_id == "lesion/0.png"
    assert int(read_region(masked.relevant_file).sum()) == 30
    assert listing.report.taken == len(CLASSES)


def test_the_copy_of_a_folder_is_what_is_left_out() -> None:
    names = [f"{top}/{name}" for top in ("data", "data - Copy") for name in CLASSES]
    digest = {name: name.partition("/")[2] for name in names}

    found = read_layout(Listed(tuple(names), digest=digest.__getitem__))

    assert [image.file for image in found.images] == [f"data/{name}" for name in CLASSES]


def test_maps_of_numbered_regions_are_masks(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    regions = np.zeros((24, 24), np.uint8)
    regions[2:8, 2:9], regions[10:20, 4:20] = 1, 2
    for label in ("lesion", "normal"):
        for number in range(6):
            pixels = {"images": rng.integers(0, 255, (24, 24), np.uint8), "labels": regions}
            for folder, levels in pixels.items():
                file = tmp_path / label / folder / f"{label}_{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(levels).save(file)

    listing = read_folder(tmp_path)

    assert listing.report.taken == 12
    assert all(entry.relevant_file is not None for entry in listing.entries)


@pytest.mark.parametrize("people", ["P{:02}", "sub-{:02}"])
def test_classes_of_people_are_not_the_people(people: str) -> None:
    names = [
        f"{kind}/{people.format(person + 20 * (kind == 'Controls'))}/{n}.png"
        for kind in ("Patients", "Controls")
        for person in range(6)
        for n in range(3)
    ]

    found = _reading(names)

    assert found.classes == {"Controls": 18, "Patients": 18}
    assert len({image.patient for image in found.images}) == 12


def test_hospitals_above_the_same_classes_are_no_label() -> None:
    names = [f"{place}/{name}" for place in ("Brain", "Lung") for name in CLASSES]

    assert set(_reading(names).classes) == {"lesion", "normal"}
