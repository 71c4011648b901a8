from __future__ import annotations

import gc
import io
import zipfile
from pathlib import Path

import pytest

from imil.datasets.tables.table import Row, read_grid, read_table
from imil.errors import DataError
from tests.standins.fuzzing import sheet


def _table(folder: Path, content: bytes) -> Path:
    file = folder / "metadata.csv"
    file.write_bytes(content)
    return file


def test_known_columns_are_read_and_others_ignored(tmp_path: Path) -> None:
    file = _table(
        tmp_path,
        b"age,file_name,label,patient_id,group,relevant_file_name\n"
        b"40, a.png ,sick,p1,site A,m/a.png\n",
    )

    table = read_table(file, "metadata.csv")

    assert table.has_label
    assert table.rows == (Row(2, "a.png", "sick", "p1", "site A", "m/a.png"),)


def test_empty_cells_and_short_rows_are_none_and_empty_rows_are_left_out(tmp_path: Path) -> None:
    file = _table(tmp_path, b"file_name,label,patient_id\na.png,,\n,,\nb.png\n")

    rows = read_table(file, "metadata.csv").rows

    assert [(row.line, row.file_name, row.label, row.patient) for row in rows] == [
        (2, "a.png", None, None),
        (4, "b.png", None, None),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "file_name,label\nbö.png,krank\n".encode(),
        "file_name,label\r\nbö.png,krank\r\n".encode("utf-8-sig"),
        "file_name;label\nbö.png;krank\n".encode("cp1252"),
        "file_name\tlabel\nbö.png\tkrank\n".encode("utf-16"),
        '"File_Name","Label"\n"bo\u0308.png","krank"\n'.encode(),
    ],
)
def test_whatever_program_wrote_it_is_understood(tmp_path: Path, content: bytes) -> None:
    (row,) = read_table(_table(tmp_path, content), "metadata.csv").rows

    assert (row.file_name, row.label) == ("bö.png", "krank")


@pytest.mark.parametrize(
    "content",
    [
        b"file_name,label\n\x81\x8d.png,sick\n",
        b"\xff\xfef",
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"can't be read as a table.*as “CSV UTF-8”"):
        read_table(_table(tmp_path, content), "metadata.csv")


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
