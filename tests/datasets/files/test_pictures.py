"""DICOM files in an image folder, through the whole of `read_folder` and `read_archive`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from imil.core.records import Split
from imil.datasets.archive.inspect import inspect_archive
from imil.datasets.archive.read import read_archive
from imil.datasets.choices import Choices
from imil.datasets.files.pixels import read_pixels
from imil.datasets.folder import read_folder
from imil.datasets.listing import Listing, image_set, listing_to_json
from imil.errors import DataError
from tests.standins.dicoms import write_dicom

pytestmark = pytest.mark.slow


def _films(root: Path, *, patient: str = "Doe-{}", study: str = "1.2.{}") -> Path:
    """Write eight DICOM files of four patients, and a table by UID."""
    rows = ["sop,label"]
    for number in range(8):
        uid = f"1.2.826.0.1.{number}"
        write_dicom(
            root / "DISC" / f"IM{number:04}",
            np.full((4, 6), 1000 * number, np.uint16),
            PatientID=patient.format(number // 2),
            StudyInstanceUID=study.format(number // 2),
            SOPInstanceUID=uid,
        )
        rows.append(f"{uid},{'xy'[number % 2]}")
    (root / "labels.csv").write_text("\n".join(rows))
    return root


def _reasons(listing: Listing) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in listing.report.skipped}


def test_a_disc_with_labels_by_uid_is_read_with_its_patients(tmp_path: Path) -> None:
    listing = read_folder(_films(tmp_path / "data"), made=tmp_path / "made")

    images, _ = image_set(listing)
    assert [entry.label for entry in listing.entries] == list("xyxyxyxy")
    assert images.original("DISC/IM0003").tolist() == [[3000] * 6] * 4
    patients = [entry.patient for entry in listing.entries]
    assert patients[0::2] == patients[1::2]
    assert len(set(patients)) == 4
    splits = {s.sample_id: s.split for s in images.samples}
    assert all(splits[f"DISC/IM{k:04}"] == splits[f"DISC/IM{k + 1:04}"] for k in range(0, 8, 2))
    assert sorted(file.suffix for file in (tmp_path / "made").iterdir()) == [".png"] * 8


def test_nothing_of_a_patient_leaves_the_file(tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "films"), "zip", _films(tmp_path / "data"))

    listing = read_archive(tmp_path / "films.zip", tmp_path / "study")

    assert listing.report.taken == 8
    assert "Doe" not in listing_to_json(listing)
    made = list((tmp_path / "study" / ".made").iterdir())
    assert len(made) == 8
    assert not any(b"Doe" in file.read_bytes() for file in made)


def test_where_all_carry_one_id_studies_stand_for_patients(tmp_path: Path) -> None:
    listing = read_folder(_films(tmp_path / "d", patient="ANON"), made=tmp_path / "made")

    assert len({entry.patient for entry in listing.entries}) == 4
    assert (
        "All DICOM files carry one PatientID or none, so their 4 studies were taken for patients."
        in listing.report.notes
    )


def test_a_table_and_a_tag_that_name_one_patient_mean_one(tmp_path: Path) -> None:
    root = _films(tmp_path / "d")
    rows = [f"{n:04},{'xy'[n % 2]},{'Doe-0' if n == 7 else ''},train" for n in range(6)]
    rows += ["0006,x,,test", "0007,y,Doe-0,test"]
    rows = [f"IM{row}" for row in rows]
    (root / "labels.csv").write_text("\n".join(["image,label,patient,split", *rows]))

    with pytest.raises(DataError, match=r"1 patient is .*train: DISC/IM0000, test: DISC/IM0007"):
        read_folder(root, made=tmp_path / "made")


def test_frames_are_picked_by_row_or_for_all_and_bad_files_are_skipped(tmp_path: Path) -> None:
    root = tmp_path / "d"
    frames = np.stack([np.full((4, 4), value, np.uint8) for value in (10, 20, 30)])
    for number in range(4):
        write_dicom(root / f"{number}.dcm", frames)
    (root / "4.dcm").write_bytes(b"no")
    picked = ["2", "3", "9", "two", ""]
    rows = [f"{n},{'xy'[n % 2]},{frame}" for n, frame in enumerate(picked)]
    (root / "t.csv").write_text("\n".join(["image,label,frame", *rows]))
    write_dicom(root / "5.dcm", frames[0])
    (root / "t.csv").write_text((root / "t.csv").read_text() + "\n5,x,3\n1b,x,\n1c,y,1")
    for name in ("1b", "1c"):
        write_dicom(root / f"{name}.dcm", frames)

    listing = read_folder(root, made=tmp_path / "made")
    third = Choices(answers=(("frame", "3"),))
    all_third = read_folder(root, choices=third, made=tmp_path / "made")

    levels = {each.sample_id: int(read_pixels(each.file)[0, 0]) for each in listing.entries}
    assert levels == {"0.dcm": 20, "1.dcm": 30, "1c.dcm": 10, "5.dcm": 10}
    assert _reasons(listing) == {
        "1b.dcm": "It has 3 frames: pick one, counted from 1, or name it in a column “frame”.",
        "2.dcm": "It has 3 frames, and no frame 9.",
        "3.dcm": "Its row asks for frame “two”, which is none.",
        "4.dcm": "It does not begin as a DICOM file does.",
    }
    assert list(_reasons(all_third)) == ["4.dcm"]


def disc(root: Path) -> Path:
    """Write a disc as scanners do: no suffixes, a directory, and a report among the images."""
    for number in range(8):
        write_dicom(
            root / ["sick", "well"][number % 2] / f"IM{number}",
            np.full((4, 6), 1000 * number, np.uint16),
            PatientID=f"{number // 2}",
        )
    for name in ("DICOMDIR", "sick/DICOMDIR", "sick/SR0"):
        write_dicom(root / name, np.zeros((4, 6), np.uint16), Modality="SR")
    return root


def test_of_a_disc_what_is_no_image_is_left_out_with_its_reason(tmp_path: Path) -> None:
    root = disc(tmp_path / "d")
    shutil.make_archive(str(tmp_path / "disc"), "zip", root)

    look = inspect_archive(tmp_path / "disc.zip")
    listings = (
        read_folder(root, made=tmp_path / "made"),
        read_archive(tmp_path / "disc.zip", tmp_path / "study"),
    )

    assert (look.images, look.dicom, look.classes) == (8, 8, {"sick": 4, "well": 4})
    expected = {
        "DICOMDIR": "It is the directory of a disc, not an image.",
        "sick/DICOMDIR": "It is the directory of a disc, not an image.",
        "sick/SR0": "It is a report, not an image.",
    }
    assert {skip.name: skip.reason for skip in look.skipped} == expected
    for listing in listings:
        assert len(listing.entries) == 8
        assert len({entry.patient for entry in listing.entries}) == 4
        assert _reasons(listing) == expected


def test_a_second_run_decodes_nothing_again(tmp_path: Path) -> None:
    root, made = _films(tmp_path / "d"), tmp_path / "made"
    read_folder(root, made=made)
    before = {file: file.stat().st_mtime_ns for file in made.iterdir()}

    again = read_folder(root, made=made)
    other = read_folder(root, choices=Choices(preset=0), made=made)

    assert {entry.file for entry in again.entries} == set(before)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert not {entry.file for entry in other.entries} & set(before)


def test_dicom_and_png_go_together_in_class_and_split_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in "xy":
            write_dicom(
                tmp_path / "d" / split / label / "a.dcm",
                np.full((4, 4), ord(label) + len(split), np.uint8),
                PatientID=f"{split}{label}",
            )

    listing = read_folder(tmp_path / "d", made=tmp_path / "made")

    assert [(e.split, e.label) for e in listing.entries] == [
        (Split.TEST, "x"),
        (Split.TEST, "y"),
        (Split.TRAIN, "x"),
        (Split.TRAIN, "y"),
    ]
