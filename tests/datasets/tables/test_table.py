from __future__ import annotations

import gc
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imil.datasets.tables.table import read_grid, read_grids
from imil.errors import DataError
from tests.standins.fuzzing import sheet


def _table(folder: Path, content: bytes) -> Path:
    file = folder / "metadata.csv"
    file.write_bytes(content)
    return file


def test_columns_are_picked_in_any_case_and_the_first_must_be_there(tmp_path: Path) -> None:
    file = _table(tmp_path, b"age,File_Name,label\n40, a.png ,sick\n,,\n41,b.png\n")

    grid = read_grid(file, "metadata.csv")

    assert list(grid.picked("t.csv", "file_name", "label", "none")) == [
        ("a.png", "sick", ""),
        ("b.png", "", ""),
    ]
    assert [line for line, _ in grid.rows] == [2, 4]
    with pytest.raises(DataError, match=r"“t\.csv” has no column “image”"):
        list(grid.picked("t.csv", "image"))


@pytest.mark.parametrize(
    "content",
    [
        "file_name,label\nbö.png,krank\n".encode(),
        "file_name,label\r\nbö.png,krank\r\n".encode("utf-8-sig"),
        "file_name;label\nbö.png;krank\n".encode("cp1252"),
        "file_name\tlabel\nbö.png\tkrank\n".encode("utf-16"),
        '"file_name","label"\n"bo\u0308.png","krank"\n'.encode(),
        "sep=;\nfile_name;label\nbö.png;krank\n".encode("cp1252"),
        "file_name|label\nbö.png|krank\n".encode(),
        "Export of ward 3,\n\nfile_name,label\nbö.png,krank\n".encode(),
    ],
)
def test_whatever_program_wrote_it_is_understood(tmp_path: Path, content: bytes) -> None:
    grid = read_grid(_table(tmp_path, content), "metadata.csv")

    assert grid.names == ("file_name", "label")
    assert [cells for _, cells in grid.rows] == [("bö.png", "krank")]


@pytest.mark.parametrize(
    ("page", "names", "cells"),
    [
        ("cp932", ("名前", "診断"), ("症例_1.png", "良性")),
        ("cp932", ("ファイル", "ラベル"), ("a.png", "がん")),
        ("gb18030", ("文件名", "诊断"), ("病例_1.png", "良性")),
        ("gb18030", ("file", "label"), ("a.png", "恶性肿瘤")),
        ("big5", ("檔案名稱", "診斷"), ("病例_1.png", "惡性腫瘤")),
        ("cp1252", ("name", "größe"), ("Müller_1.png", "groß")),
        ("cp1252", ("nom", "catégorie"), ("créée.png", "bénigne")),
    ],
)
def test_chinese_and_japanese_are_told_from_western_code_pages(
    tmp_path: Path, page: str, names: tuple[str, str], cells: tuple[str, str]
) -> None:
    written = "".join(f"{','.join(line)}\n" for line in (names, cells)).encode(page)

    grid = read_grid(_table(tmp_path, written), "t.csv")

    assert grid.names == names
    assert grid.rows[0][1] == cells


def test_a_list_parted_by_blanks_is_a_table_and_prose_names_stay_whole(tmp_path: Path) -> None:
    listed = read_grid(_table(tmp_path, b"0 a.png sick\n1 b.png well\n"), "train.txt")

    assert (listed.names, [c for _, c in listed.rows]) == (
        ("0", "a.png", "sick"),
        [("1", "b.png", "well")],
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", '{"file": "a.png", "label": "x"}\n{"file": "b.png", "label": "y"}\n'),
        ("t.json", '[{"file": "a.png", "label": "x"}, {"file": "b.png", "label": ["y"]}]'),
        (
            "t.json",
            '{"samples": [{"file": "a.png", "label": "x"}, {"file": "b.png", "label": "y"}]}',
        ),
        ("t.xml", '<a><i file="a.png" label="x"/><i file="b.png" label="y"/></a>'),
    ],
)
def test_records_are_rows(tmp_path: Path, name: str, content: str) -> None:
    grid = read_grid(_table(tmp_path, content.encode()), name)

    assert grid.names == ("file", "label")
    assert [cells for _, cells in grid.rows] == [("a.png", "x"), ("b.png", "y")]


def test_annotations_are_joined_with_their_images_and_categories(tmp_path: Path) -> None:
    told = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [
            {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"id": 8, "image_id": 2, "category_id": 4},
        ],
        "categories": [{"id": 3, "name": "cyst"}, {"id": 4, "name": "mass"}],
    }

    grid = read_grid(_table(tmp_path, json.dumps(told).encode()), "t.json")

    picked = grid.picked("t.json", "file_name", "annotations.category.name")
    assert list(picked) == [("a.png", "cyst"), ("b.png", "mass")]


def test_parquet_is_a_table_without_its_pictures(tmp_path: Path) -> None:
    rows = {"file": ["a.png", "b.png"], "label": [0, 1], "image": [b"x", b"y"]}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")

    grid = read_grid(tmp_path / "t.parquet", "t.parquet")

    assert grid.names == ("file", "label")
    assert [cells for _, cells in grid.rows] == [("a.png", "0"), ("b.png", "1")]


@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.xml", "t.parquet"])
def test_damaged_records_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"can't be read as a table"):
        read_grid(_table(tmp_path, b'{"a": [1, <'), name)


@pytest.mark.parametrize(
    "content",
    [
        b"file_name,label\n\x81\x8d.png,sick\n",
        b"\xff\xfef",
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"can't be read as a table.*as “CSV UTF-8”"):
        read_grid(_table(tmp_path, content), "metadata.csv")


ROWS = [["image", "dx"], ["1.png", "a"], ["2.png", "b"]]


def _book(folder: Path, old: bytes, new: bytes) -> Path:
    """Write a workbook of `ROWS`, some bytes of its sheet exchanged."""
    file = folder / "t.xlsx"
    with zipfile.ZipFile(io.BytesIO(sheet(ROWS))) as book, zipfile.ZipFile(file, "w") as changed:
        for name in book.namelist():
            content = book.read(name)
            changed.writestr(name, content.replace(old, new) if "sheet1" in name else content)
    return file


def test_a_sheet_that_says_it_is_smaller_than_it_is_loses_no_row(tmp_path: Path) -> None:
    grid = read_grid(_book(tmp_path, b"A1:B3", b"A1:A1"), "t.xlsx")

    assert grid.names == ("image", "dx")
    assert grid.rows == ((2, ("1.png", "a")), (3, ("2.png", "b")))


def test_no_damaged_number_of_a_row_is_counted_to(tmp_path: Path) -> None:
    file = _book(tmp_path, b'<row r="3"', b'<row r="99999999999"')

    assert read_grid(file, "t.xlsx").rows == ((2, ("1.png", "a")),)


def test_a_workbook_whose_zip_is_damaged_is_refused_and_closed(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    raw = bytearray(sheet(ROWS))
    # In the deflated text of its first file, which zlib then can't inflate.
    raw[242] = 0
    file.write_bytes(raw)

    with pytest.raises(DataError, match=r"can't be read as a table"):
        read_grid(file, "t.xlsx")
    gc.collect()


def test_each_sheet_of_a_workbook_is_a_table(tmp_path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415  # an extra

    book = Workbook()
    book.active.append(["Notes of the ward"])
    for row in ROWS:
        book.create_sheet("Labels").append(row) if "Labels" not in book.sheetnames else book[
            "Labels"
        ].append(row)
    book.save(tmp_path / "t.xlsx")

    grids = read_grids(tmp_path / "t.xlsx", "t.xlsx")

    assert list(grids) == ["t.xlsx [Labels]"]
    assert grids["t.xlsx [Labels]"].names == ("image", "dx")
