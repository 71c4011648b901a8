"""Tables of any name, through the whole of `read_folder`."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imil.core.records import Split
from imil.datasets.choices import Choices, parse_columns
from imil.datasets.folder import read_folder
from imil.datasets.listing import Listing
from imil.errors import DataError

Save = Callable[..., Path]
ROWS = ["Bild,Diagnose,Pat_ID,Site", *(f"{n},{label},p{n},A" for n, label in enumerate("xyxy"))]


def _folder(root: Path, save_image: Save, table: str = "liste.csv", rows: Any = ROWS) -> Path:
    for number in range(4):
        save_image(root / "bilder" / f"{number}.png")
    (root / table).write_text("\n".join(rows))
    return root


def _reasons(listing: Listing) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in listing.report.skipped}


def _workbook(file: Path, rows: list[list[Any]]) -> Path:
    from openpyxl import Workbook  # noqa: PLC0415  # an extra

    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file


def test_a_table_of_any_name_is_read_and_what_was_taken_for_what_is_said(
    tmp_path: Path, save_image: Save
) -> None:
    rows = ["Bild,Label,Pat_ID,Site", *(f"{n},{v},p{n},A" for n, v in enumerate("xyxy"))]

    listing = read_folder(_folder(tmp_path, save_image, rows=rows))

    first = listing.entries[0]
    assert (first.label, first.patient, first.group) == ("x", "p0", "A")
    said = " ".join(listing.report.notes)
    assert "label: column “Label”: 2 different in 4 images." in said
    assert "patients: by column Pat_ID: 4 of 4 images." in said


def test_columns_can_be_corrected(tmp_path: Path, save_image: Save) -> None:
    rows = ["Bild,Label,Befund", *(f"{n},x,{v}" for n, v in enumerate("abab"))]
    choices = Choices(answers=parse_columns("file=bild,label=befund"))

    listing = read_folder(_folder(tmp_path, save_image, rows=rows), choices=choices)

    assert listing.classes == ("a", "b")


def test_a_workbook_is_read_as_it_would_be_typed(tmp_path: Path, save_image: Save) -> None:
    _folder(tmp_path, save_image, "notes.txt", ["hello"])
    rows: list[list[Any]] = [
        ["image", "label", "patient"],
        *([n, "xy"[n % 2], 100.0 + n] for n in range(4)),
    ]
    _workbook(tmp_path / "labels.xlsx", [*rows, [None, None, None], ["gone.png", "x", 7.5]])

    listing = read_folder(tmp_path)

    assert [(e.label, e.patient) for e in listing.entries] == [
        ("x", "100"),
        ("y", "101"),
        ("x", "102"),
        ("y", "103"),
    ]
    assert _reasons(listing)["labels.xlsx, line 7"] == "“gone.png” is not there."


def test_a_broken_workbook_is_told(tmp_path: Path, save_image: Save) -> None:
    _folder(tmp_path, save_image)
    (tmp_path / "labels.xlsx").write_bytes(b"PK\x03\x04 and no more")

    with pytest.raises(DataError, match=r"“labels\.xlsx” can't be read as a table"):
        read_folder(tmp_path, choices=Choices(answers=(("table", "labels.xlsx"),)))


def test_without_openpyxl_the_way_out_is_said(
    tmp_path: Path, save_image: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("openpyxl"):
            raise ImportError(name)
        return real(name, *rest, **more)

    _folder(tmp_path, save_image)
    _workbook(tmp_path / "labels.xlsx", [["image", "label"], [1, "x"]])
    monkeypatch.delitem(sys.modules, "openpyxl", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(
        DataError, match=r"needs openpyxl, which is not installed\. Save it as “CSV"
    ):
        read_folder(tmp_path, choices=Choices(answers=(("table", "labels.xlsx"),)))


def test_a_table_beside_the_data_may_be_given(tmp_path: Path, save_image: Save) -> None:
    _folder(tmp_path / "data", save_image, "notes.txt", ["hello"])
    (tmp_path / "elsewhere.tsv").write_text(
        "\n".join(["file\tclass", *(f"{n}.png\t{v}" for n, v in enumerate("xyxy"))])
    )

    listing = read_folder(tmp_path / "data", choices=Choices(table_file=tmp_path / "elsewhere.tsv"))

    assert listing.classes == ("x", "y")


def test_a_table_that_names_no_image_or_is_not_there_is_refused(
    tmp_path: Path, save_image: Save
) -> None:
    _folder(tmp_path, save_image, rows=["a,b", "1x,2x"])

    with pytest.raises(DataError, match=r"“liste\.csv” names none of the images\. Its columns are"):
        read_folder(tmp_path, choices=Choices(answers=(("table", "liste.csv"),)))
    with pytest.raises(DataError, match=r"There is no table “other\.csv”"):
        read_folder(tmp_path, choices=Choices(answers=(("table", "other.csv"),)))
    with pytest.raises(DataError, match=r"There is no table “gone\.csv”"):
        read_folder(tmp_path, choices=Choices(table_file=tmp_path / "gone.csv"))


def test_several_tables_are_joined(tmp_path: Path, save_image: Save) -> None:
    _folder(tmp_path, save_image, "a.csv", ["image,patient", *(f"{n},p{n // 2}" for n in range(4))])
    (tmp_path / "b.csv").write_text("image,label\n0,x\n1,y\n")
    (tmp_path / "c.csv").write_text("image,label\n2,x\n3,y\n")

    listing = read_folder(tmp_path)

    assert [e.label for e in listing.entries] == list("xyxy")
    assert [e.patient for e in listing.entries] == ["p0", "p0", "p1", "p1"]


def test_splits_are_read_from_a_column(tmp_path: Path, save_image: Save) -> None:
    for number in range(8):
        save_image(tmp_path / f"{number}.png")
    parts = ["train"] * 4 + ["val", "VAL", "test", ""]
    rows = [f"{n}.png,{'xy'[n % 2]},{part}" for n, part in enumerate(parts)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label,split", *rows]))

    listing = read_folder(tmp_path)

    assert [entry.split for entry in listing.entries] == [
        *[Split.TRAIN] * 4,
        *[Split.VALIDATION] * 2,
        Split.TEST,
    ]
    why = "Nothing says whether it is for training or testing."
    assert _reasons(listing) == {"7.png": why}


def test_a_column_of_other_splits_is_not_read_and_cannot_be_picked(
    tmp_path: Path, save_image: Save
) -> None:
    rows = ["image,label,split", *(f"{n},{'xy'[n % 2]},fold {n}" for n in range(4))]
    root = _folder(tmp_path, save_image, rows=rows)

    assert {entry.split for entry in read_folder(root).entries} == {None}
    with pytest.raises(DataError, match=r"“column split” answers no question “split”.*“none”"):
        read_folder(root, choices=Choices(answers=(("split", "column split"),)))


def test_splits_without_train_are_refused(tmp_path: Path, save_image: Save) -> None:
    rows = ["image,label,split", "0,x,test", "1,y,test", "2,x,val", "3,y,val"]

    with pytest.raises(DataError, match="The splits are test, validation, and none of"):
        read_folder(_folder(tmp_path, save_image, rows=rows))


def test_a_patient_in_two_splits_is_refused_by_name(tmp_path: Path, save_image: Save) -> None:
    rows = ["image,label,split,patient", "0,x,train,p1", "1,y,train,p2", "2,x,test,p1", "3,y,test,"]

    with pytest.raises(DataError) as refused:
        read_folder(_folder(tmp_path, save_image, rows=rows))

    assert str(refused.value).startswith(
        "1 patient is in more than one split. These are “p1” (train: bilder/0.png, "
        "test: bilder/2.png)."
    )


def test_file_names_name_patients_where_a_pattern_is_given(
    tmp_path: Path, save_image: Save
) -> None:
    for number in range(8):
        save_image(tmp_path / "xy"[number % 2] / f"p{number // 4}_{number}.png")
    save_image(tmp_path / "x" / "odd.png")

    listing = read_folder(tmp_path, choices=Choices(answers=(("patient", "{patient}_*"),)))

    assert [entry.patient for entry in listing.entries if entry.label == "x"] == [
        None,
        "p0",
        "p0",
        "p1",
        "p1",
    ]
    assert "patients: by {patient}_*: 2 of 8 images." in listing.report.notes


def test_names_that_look_like_patients_are_told_and_not_believed(
    tmp_path: Path, save_image: Save
) -> None:
    for number in range(20):
        save_image(tmp_path / "xy"[number % 2] / f"p{number // 2}_{number}.png")

    listing = read_folder(tmp_path)

    assert {entry.patient for entry in listing.entries} == {None}
    assert (
        "patients: file names look as if they named them: “{patient}_*” sorts the 20 images into "
        "10 groups."
    ) in listing.report.notes
