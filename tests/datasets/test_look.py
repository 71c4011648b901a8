from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from imil.datasets.tables.patients import Guess

from imil.datasets.archive.look import Look, look_into
from imil.datasets.listing import Skipped
from imil.datasets.tables.table import Columns
from imil.errors import DataError


def _zip(file: Path, entries: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as zipped:
        for name, content in entries.items():
            zipped.writestr(name, content)
    return file


IMAGES: dict[str, str | bytes] = {f"all/films/p{n // 2}_{n}.dcm": b"" for n in range(20)}
ROWS = "\n".join(["Image,Dx,Pat", *(f"p{n // 2}_{n},{'xy'[n % 2]},{n // 2}" for n in range(20))])


def test_tables_columns_and_names_of_patients_are_told(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", {**IMAGES, "all/labels.csv": ROWS, "all/read.txt": "x"})

    assert look_into(archive) == Look(
        images=20,
        dicom=20,
        tables=("labels.csv",),
        table="labels.csv",
        names=("image", "dx", "pat"),
        columns=Columns("image", "dx", "pat"),
        pattern=Guess("{patient}_*", 10, "films/p0_0.dcm", "p0"),
        classes=("x", "y"),
    )


def test_labels_are_told_of_class_folders_and_none_where_there_are_none(tmp_path: Path) -> None:
    parted: dict[str, str | bytes] = {
        f"all/{split}/{label}/1.png": "" for split in ("train", "test") for label in "cab"
    }
    many: dict[str, str | bytes] = {f"{n:03d}/1.png": "" for n in range(200)}

    found = look_into(_zip(tmp_path / "x.zip", {**parted, "all/read.txt": "x"}))

    assert found.classes == ("a", "b", "c")
    assert look_into(_zip(tmp_path / "y.zip", many)).classes == ()
    assert look_into(_zip(tmp_path / "z.zip", {"a.png": ""})).classes == ()


def test_a_table_of_the_convention_comes_first(tmp_path: Path) -> None:
    own = "file_name,label\nfilms/p0_0.dcm,x\n"
    archive = _zip(
        tmp_path / "x.zip", {**IMAGES, "all/a.csv": ROWS, "all/metadata.csv": own, "all/b.csv": "b"}
    )

    look = look_into(archive)

    assert look.tables == ("metadata.csv", "a.csv", "b.csv")
    assert (look.table, look.columns) == ("metadata.csv", Columns("file_name", "label"))


def test_a_workbook_beside_the_zip_is_looked_into(tmp_path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415  # an extra

    book, file = Workbook(), io.BytesIO()
    for row in (["Datei", "Befund"], ["p0_0", "x"], ["p0_1", "y"]):
        book.active.append(row)
    book.save(file)
    (tmp_path / "t.xlsx").write_bytes(file.getvalue())
    archive = _zip(tmp_path / "x.zip", IMAGES)

    look = look_into(archive, table=tmp_path / "t.xlsx")

    assert (look.table, look.columns) == ("t.xlsx", Columns("datei", "befund"))


def test_a_zip_without_tables_has_none_and_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", {f"x/{n}.png": b"" for n in range(4)})
    (tmp_path / "y.zip").write_bytes(b"no")

    assert look_into(archive) == Look(images=4, dicom=0, tables=())
    with pytest.raises(DataError, match="is no zip"):
        look_into(tmp_path / "y.zip")


def _damaged(archive: Path, *contents: bytes) -> Path:
    """Change what some files of a zip hold, and leave their checksums as they were."""
    raw = archive.read_bytes()
    for content in contents:
        raw = raw.replace(content, bytes(len(content)))
    archive.write_bytes(raw)
    return archive


def test_what_will_be_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    entries: dict[str, str | bytes] = {f"x/{n}.png": f"film {n}".encode() for n in range(4)}
    archive = _zip(tmp_path / "x.zip", {**entries, "x/more.zip": b"PK"})

    look = look_into(_damaged(archive, b"film 2"))

    assert look.images == 3
    assert look.tried
    assert look.skipped == (
        Skipped("x/more.zip", "An archive inside the zip is not unpacked."),
        Skipped("x/2.png", "It is damaged in the zip."),
    )


def test_of_a_large_zip_it_is_told_that_not_all_was_tried(tmp_path: Path) -> None:
    entries: dict[str, str | bytes] = {f"x/{n}.png": f"film {n}".encode() for n in range(4)}
    archive = _damaged(_zip(tmp_path / "x.zip", entries), b"film 1", b"film 2")

    look = look_into(archive, most_tried=30)

    assert (look.images, look.tried) == (3, False)
    assert look.skipped == (Skipped("x/1.png", "It is damaged in the zip."),)


def test_a_damaged_table_is_told_before_the_images_are_read(tmp_path: Path) -> None:
    archive = _damaged(_zip(tmp_path / "x.zip", {**IMAGES, "all/labels.csv": ROWS}), b"p0_0")
    beside = tmp_path / "t.csv"
    beside.write_text(ROWS)

    with pytest.raises(DataError, match=r"The table “all/labels\.csv” in “x\.zip” can't be read"):
        look_into(archive)
    assert look_into(archive, table=beside).table == "t.csv"


def test_a_table_that_was_not_tried_and_is_damaged_is_no_candidate(tmp_path: Path) -> None:
    archive = _damaged(_zip(tmp_path / "x.zip", {"x/1.png": b"", "x/a.csv": ROWS}), b"p0_0,x")

    assert look_into(archive, most_tried=0) == Look(1, 0, ("a.csv",), tried=False)
