from __future__ import annotations

import pytest
from imil.datasets.tables.names import FileNames, checked_columns, guess_columns, parse_columns

from imil.datasets.tables.table import Columns, Grid
from imil.errors import DataError

FILES = FileNames.of(
    [f"films/{name}.png" for name in "abcd"] + ["films/deep/a.png", "T.PNG"], {"1.2.3": "T.PNG"}
)


def _grid(names: str, *rows: str) -> Grid:
    cells = (tuple(row.split(",")) for row in rows)
    return Grid(tuple(names.split(",")), tuple(enumerate(cells, start=2)))


@pytest.mark.parametrize(
    ("written", "strict", "lenient"),
    [
        ("films/a.png", "films/a.png", "films/a.png"),
        ("films\\b.png", "films/b.png", "films/b.png"),
        ("./films/../films/b.png", "films/b.png", "films/b.png"),
        ("1.2.3", "T.PNG", "T.PNG"),
        ("B.PNG", None, "films/b.png"),
        ("b", None, "films/b.png"),
        ("C:\\export\\c.png", None, "films/c.png"),
        ("a.png", None, None),
        ("../../etc/passwd", None, None),
        (None, None, None),
    ],
)
def test_a_cell_names_a_file(written: str | None, strict: str | None, lenient: str | None) -> None:
    assert FILES.find("labels.csv", written) == strict
    assert FILES.find("labels.csv", written, lenient=True) == lenient


def test_columns_are_guessed_from_names_and_cells() -> None:
    grid = _grid(
        "nr,image,diagnose,pat_id,hospital,split",
        "1,a,sick,p1,A,train",
        "2,b,well,p2,A,Test",
        "3,c,sick,p3,B,val",
    )

    assert guess_columns(grid, "labels.csv", FILES) == Columns(
        "image", "diagnose", "pat_id", "hospital", "split"
    )


def test_columns_that_hold_something_else_are_not_taken() -> None:
    grid = _grid("image,split,label", "b,1,x0", "c,2,x1", *(f"q{k},3,x{k}" for k in range(2, 8)))
    free_text = _grid("image,diagnosis", *(f"b,text {k}" for k in range(101)))

    assert guess_columns(grid, "labels.csv", FILES) == Columns("image", "label")
    assert guess_columns(free_text, "labels.csv", FILES) == Columns("image")
    assert guess_columns(_grid("x,y", "1,2"), "labels.csv", FILES) is None
    assert guess_columns(_grid("", ""), "labels.csv", FILES) is None


def test_of_two_columns_of_uids_the_images_own_is_taken() -> None:
    grid = _grid(
        "study_uid,sop_uid,label", "1.2.9.1,1.2.9.7,x", "1.2.9.1,1.2.9.8,x", "1.2.9.1,1.2.9.9,y"
    )

    assert guess_columns(grid, "labels.csv", FILES) == Columns("sop_uid", "label")


def test_columns_that_a_person_names_must_be_there() -> None:
    grid = _grid("image,dx", "a,x")

    assert checked_columns(grid, "t.csv", Columns(" Image ", "DX", "")) == Columns("image", "dx")
    with pytest.raises(DataError, match=r"“t\.csv” has no column “age”\. Its columns are image, d"):
        checked_columns(grid, "t.csv", Columns("image", "age"))


def test_what_columns_mean_can_be_written() -> None:
    assert parse_columns("file=image, label = dx") == Columns("image", "dx")
    for written in ("image", "label=dx", "file=", "file=a,age=b"):
        with pytest.raises(
            DataError, match=r"does not say what the columns mean\. Columns can mea"
        ):
            parse_columns(written)
