from __future__ import annotations

from pathlib import Path

import pytest

from imil.errors import DataError
from imil.sources.table import Row, read_table


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


def test_a_table_without_file_names_is_refused(tmp_path: Path) -> None:
    file = _table(tmp_path, b"image,label\na.png,sick\n")

    with pytest.raises(
        DataError,
        match=r"“train/metadata\.csv” has no column “file_name”.*Add a first row with file_name",
    ):
        read_table(file, "train/metadata.csv")


@pytest.mark.parametrize(
    "content",
    [
        b"file_name,label\n\x81\x8d.png,sick\n",
        b"\xff\xfef",
        b"file_name,label\n" + b"x" * 200_000,
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"can't be read as a table.*as “CSV UTF-8”"):
        read_table(_table(tmp_path, content), "metadata.csv")
