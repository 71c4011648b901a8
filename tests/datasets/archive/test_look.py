from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest

from imil.datasets.archive.inspect import ArchiveSummary, inspect_archive
from imil.datasets.choices import Choices
from imil.datasets.listing import Skipped
from imil.errors import DataError


def _zip(file: Path, entries: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as zipped:
        for name, content in entries.items():
            zipped.writestr(name, content)
    return file


IMAGES: dict[str, str | bytes] = {f"all/films/p{n // 2}_{n}.png": b"" for n in range(20)}
ROWS = "\n".join(["Image,Dx,Pat", *(f"p{n // 2}_{n},{'xy'[n % 2]},{n // 2}" for n in range(20))])


def test_classes_evidence_and_questions_are_told(tmp_path: Path) -> None:
    films = {name.replace(".png", ".dcm"): content for name, content in IMAGES.items()}
    archive = _zip(tmp_path / "x.zip", {**films, "all/labels.csv": ROWS, "all/read.txt": "x"})

    look = inspect_archive(archive)

    assert (look.images, look.dicom, look.masks) == (20, 20, 0)
    assert look.classes == {"x": 10, "y": 10}
    assert "label: column “Dx”: 2 different in 20 images." in look.evidence
    chosen = {question.id: question.chosen for question in look.questions}
    assert (chosen["file"], chosen["patient"]) == ("column Image", "column Pat")
    assert look == ArchiveSummary.of(json.loads(json.dumps(asdict(look))))


def test_an_answer_changes_what_is_told(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", {**IMAGES, "all/labels.csv": ROWS})

    look = inspect_archive(archive, Choices(answers=(("table", "none"),)))

    assert look.classes == {}
    assert look.skipped[0].reason == "It lies in no class folder, and no table names it."
    with pytest.raises(DataError, match="answers no question “label”"):
        inspect_archive(archive, Choices(answers=(("label", "column age"),)))


def test_class_folders_below_splits_are_told(tmp_path: Path) -> None:
    parted: dict[str, str | bytes] = {
        f"all/{split}/{label}/{n}.png": ""
        for split in ("train", "test")
        for label in "cab"
        for n in range(2)
    }

    look = inspect_archive(_zip(tmp_path / "x.zip", {**parted, "all/read.txt": "x"}))

    assert look.classes == {"a": 4, "b": 4, "c": 4}
    assert "split: by folders: test 6, train 6." in look.evidence
    assert inspect_archive(_zip(tmp_path / "z.zip", {"a.png": ""})).classes == {}


def test_a_workbook_beside_the_zip_is_looked_into_alone(tmp_path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415  # an extra

    book, file = Workbook(), io.BytesIO()
    for row in (["Datei", "Befund"], *([f"p{n // 2}_{n}", "ab"[n % 2]] for n in range(20))):
        book.active.append(row)
    book.save(file)
    (tmp_path / "t.xlsx").write_bytes(file.getvalue())
    archive = _zip(tmp_path / "x.zip", {**IMAGES, "all/labels.csv": ROWS})

    look = inspect_archive(archive, Choices(table_file=tmp_path / "t.xlsx"))

    assert look.classes == {"a": 10, "b": 10}


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "y.zip").write_bytes(b"no")

    with pytest.raises(DataError, match="not a zip"):
        inspect_archive(tmp_path / "y.zip")


def _damaged(archive: Path, *contents: bytes) -> Path:
    """Change what some files of a zip hold, and leave their checksums as they were."""
    raw = archive.read_bytes()
    for content in contents:
        raw = raw.replace(content, bytes(len(content)))
    archive.write_bytes(raw)
    return archive


def test_what_will_be_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    entries: dict[str, str | bytes] = {
        f"{'xy'[n % 2]}/{n}.png": f"film {n}".encode() for n in range(8)
    }
    archive = _zip(tmp_path / "x.zip", {**entries, "x/more.zip": b"PK"})

    look = inspect_archive(_damaged(archive, b"film 2"))

    assert look.images == 7
    assert look.tried
    assert look.skipped == (
        Skipped("x/more.zip", "An archive inside the zip is not unpacked."),
        Skipped("x/2.png", "It is damaged in the zip."),
    )


def test_of_a_large_zip_it_is_told_that_not_all_was_tried(tmp_path: Path) -> None:
    entries: dict[str, str | bytes] = {
        f"{'xy'[n % 2]}/{n}.png": f"film {n}".encode() for n in range(8)
    }
    archive = _damaged(_zip(tmp_path / "x.zip", entries), b"film 1", b"film 2")

    look = inspect_archive(archive, most_tried=30)

    assert (look.images, look.tried) == (7, False)
    assert look.skipped == (Skipped("y/1.png", "It is damaged in the zip."),)


def test_a_damaged_table_is_told_before_the_images_are_read(tmp_path: Path) -> None:
    archive = _damaged(_zip(tmp_path / "x.zip", {**IMAGES, "all/labels.csv": ROWS}), b"p9_19,y")
    beside = tmp_path / "t.csv"
    beside.write_text(ROWS)

    with pytest.raises(DataError, match=r"The table “all/labels\.csv” in “x\.zip” can't be read"):
        inspect_archive(archive)
    assert inspect_archive(archive, Choices(table_file=beside)).classes == {"x": 10, "y": 10}


def test_a_table_that_was_not_tried_and_is_damaged_is_not_read(tmp_path: Path) -> None:
    archive = _damaged(_zip(tmp_path / "x.zip", {"x/1.png": b"", "x/a.csv": ROWS}), b"p0_0,x")

    look = inspect_archive(archive, most_tried=0)

    assert (look.tried, look.classes) == (False, {})
