"""Kinds of tables: without a header, of two images a row, of marks instead of labels."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import Reading
from imil.datasets.tables.table import Grid, read_grids
from imil.errors import DataError


def _grid(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Grid:
    return Grid(head, tuple(enumerate(rows, start=2)))


def _read(names: list[str], tables: Mapping[str, Grid], **answers: str) -> Reading:
    return read_layout(Listed(tuple(names), tables), answers)


def _labels(found: Reading) -> list[str]:
    assert not found.open
    return [image.label for image in found.images]


def test_a_list_without_a_header_or_suffixes_loses_no_row() -> None:
    names = [f"img_{n:03}.jpg" for n in range(12)]
    rows = [(f"img_{n:03}", ("benign", "malignant")[n % 2]) for n in range(12)]

    found = _read(names, {"truth.csv": _grid(rows[0], rows[1:])})

    assert _labels(found) == ["benign", "malignant"] * 6


def test_each_splits_table_is_for_the_images_of_its_split() -> None:
    names = [
        f"images/{s}/IM_{n}.png" for s in ("a. Training Set", "b. Testing Set") for n in range(6)
    ]
    tables = {
        f"truth/{split} labels.csv": _grid(
            ("image", "grade"), [(f"IM_{n}", str((n + shift) % 2)) for n in range(6)]
        )
        for split, shift in (("Training", 0), ("Testing", 1))
    }

    found = _read(names, tables)

    assert _labels(found) == ["0", "1"] * 3 + ["1", "0"] * 3
    assert {image.split for image in found.images} == {"train", "test"}


def test_a_row_that_names_two_images_is_asked_about() -> None:
    names = [f"{n}_{side}.jpg" for n in range(10) for side in ("left", "right")]
    rows = [(f"{n}_left.jpg", f"{n}_right.jpg", "NDG"[n % 3]) for n in range(10)]
    tables = {"data.csv": _grid(("Left-Fundus", "Right-Fundus", "diagnosis"), rows)}

    asked = _read(names, tables)
    (question,) = asked.open
    both = _read(names, tables, file=question.choices[0])
    left = _read(names, tables, file="column Left-Fundus")

    assert question.id == "file"
    assert _labels(both) == [label for n in range(10) for label in ("NDG"[n % 3],) * 2]
    assert len(_labels(left)) == 10


def test_marked_columns_are_one_label_each() -> None:
    kinds = ("Common Nevus", "Atypical Nevus", "Melanoma")
    names = [f"IMD{n:03}.bmp" for n in range(12)]
    rows = [
        (f"IMD{n:03}", *("X" if k == n % 3 else "" for k in range(3)), str(n % 2))
        for n in range(12)
    ]

    found = _read(names, {"t.csv": _grid(("Name", *kinds, "Asymmetry"), rows)})

    assert _labels(found) == [kinds[n % 3] for n in range(12)]


def test_rows_without_any_finding_can_be_a_class() -> None:
    names = [f"{n:03}.png" for n in range(18)]
    rows = [(f"{n:03}", str(int(n % 3 == 0)), str(int(n % 3 == 1))) for n in range(18)]
    tables = {"t.csv": _grid(("image", "melanoma", "keratosis"), rows)}

    asked = _read(names, tables)
    none = next(c for c in asked.open[0].choices if c.endswith("none of them"))

    assert _read(names, tables, label=none).classes == {
        "melanoma": 6,
        "keratosis": 6,
        "none of these": 6,
    }


def test_sheets_called_as_splits_are_the_splits(tmp_path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415  # an extra

    book = Workbook()
    book.active.title = "Training"
    sheets = {"Training": book.active, "Test": book.create_sheet("Test")}
    for title, sheet in sheets.items():
        sheet.append(["file", "diagnosis"])
        for number in range(6):
            sheet.append([f"{title}{number}.png", ("AD", "CN")[number % 2]])
    book.save(tmp_path / "t.xlsx")
    names = [f"{title}{number}.png" for title in sheets for number in range(6)]

    found = _read(names, read_grids(tmp_path / "t.xlsx", "t.xlsx"))

    assert {image.file[:4]: image.split for image in found.images} == {
        "Trai": "train",
        "Test": "test",
    }


@pytest.mark.parametrize(
    "title", ["PatientenNr", "N° dossier", "Historia clínica", "患者编号", "Codice paziente"]
)
def test_a_column_of_patients_is_known_in_several_languages(title: str) -> None:
    names = [f"{n:02}.png" for n in range(16)]
    rows = [(f"{n:02}.png", ("a", "b")[n // 2 % 2], f"P{n // 2}") for n in range(16)]

    found = _read(names, {"t.csv": _grid(("image", "diagnosis", title), rows)})

    assert {image.patient for image in found.images} == {f"P{n}" for n in range(8)}


@pytest.mark.parametrize("tables", ["{}.txt", "lists.xlsx [{}]"])
def test_a_list_of_each_classs_images_says_their_label(tables: str) -> None:
    names = [f"all/x{n:03}.png" for n in range(24)]
    lists = {
        tables.format(label): _grid((f"x{first:03}.png",), [(f"x{n:03}.png",) for n in rest])
        for label, (first, *rest) in (("benign", range(0, 24, 2)), ("malignant", range(1, 24, 2)))
    }

    assert _labels(_read(names, lists)) == ["benign", "malignant"] * 12


def test_an_address_names_the_file_at_its_end() -> None:
    names = [f"dl/img{n:03}.jpg" for n in range(12)]
    rows = [(f"https://host.org/f/img{n:03}.jpg?dl=1", "ab"[n % 2]) for n in range(12)]

    assert _labels(_read(names, {"t.csv": _grid(("url", "class"), rows)})) == ["a", "b"] * 6


def test_a_mark_or_an_empty_cell_is_yes_or_no() -> None:
    names = [f"{n:03}.png" for n in range(18)]
    rows = [(f"{n:03}", str(n % 2 + 1), "1" if n % 3 else "") for n in range(18)]

    found = _read(names, {"t.csv": _grid(("filestem", "projection", "fracture_visible"), rows)})

    assert found.classes == {"0": 6, "1": 12}


def test_the_group_of_each_participant_may_be_the_label() -> None:
    names = [f"sub-{p:02}/anat/{n}.png" for p in range(1, 13) for n in range(2)]
    rows = [
        (f"sub-{p:02}", str(30 + p), "MF"[p % 2], ("patient", "control")[p // 2 % 2])
        for p in range(1, 13)
    ]
    tables = {"participants.tsv": _grid(("participant_id", "age", "sex", "group"), rows)}

    found = _read(names, tables)

    assert found.classes == {"control": 12, "patient": 12}
    assert len({image.patient for image in found.images}) == 12
    assert {image.group for image in found.images} == {None}


def test_answers_to_any_question_are_no_label_before_others() -> None:
    names = [f"{n:04}.png" for n in range(24)]
    rows = [(f"{n:04}", ("yes", "no")[n % 2], str(n // 2 % 3)) for n in range(24)]

    found = _read(names, {"t.csv": _grid(("image", "diabetes", "icdr"), rows)})

    assert [question.id for question in found.open] == ["label"]


def test_one_id_for_all_is_nobodys() -> None:
    names = [f"{n:04}.png" for n in range(12)]
    rows = [(f"{n:04}", ("benign", "malignant")[n % 2], "deleted") for n in range(12)]

    found = _read(names, {"t.csv": _grid(("image", "label", "Patient ID"), rows)})
    headers = Listed(tuple(names), {"t.csv": _grid(("image", "label"), [r[:2] for r in rows])})
    headers = replace(headers, owners=dict.fromkeys(names, "x"))

    assert {image.patient for image in found.images} == {None}
    assert {image.patient for image in read_layout(headers).images} == {None}


def test_a_shortened_title_is_read_whole() -> None:
    names = [f"{n:04}.png" for n in range(12)]
    rows = [(f"{n:04}", ("benign", "malignant")[n % 2], f"M{n // 2}") for n in range(12)]

    found = _read(names, {"t.csv": _grid(("Bild", "Befund", "Pat.-Nr."), rows)})

    assert len({image.patient for image in found.images}) == 6


def test_folders_that_a_program_named_are_no_classes() -> None:
    names = [f"images/{n // 4:032x}/{n:04}.png" for n in range(48)]
    rows = [(f"{n:04}", f"BI-RADS {n // 2 % 3}", "LR"[n % 2]) for n in range(48)]
    tables = {"t.csv": _grid(("image_id", "breast_birads", "laterality"), rows)}

    found = _read(names, tables)

    assert [question.id for question in found.open] == ["label"]
    assert len(_read(names, tables, label="column breast_birads").classes) == 3


def test_an_assessment_beside_the_classification_is_not_the_label() -> None:
    names = [f"{n:04}.png" for n in range(24)]
    rows = [(f"{n:04}", str(2 + n // 2 % 3), ("benign", "malignant")[n % 2]) for n in range(24)]

    found = _read(names, {"t.csv": _grid(("file", "BIRADS", "Classification"), rows)})

    assert set(_labels(found)) == {"benign", "malignant"}


def test_lists_that_part_the_images_differently_are_asked_about() -> None:
    names = [f"{n:04}.png" for n in range(24)]

    def lists(folder: str, test: range) -> dict[str, Grid]:
        rows = [(f"{n:04}", ("benign", "malignant")[n % 2]) for n in range(24)]
        return {
            f"{folder}/Train.csv": _grid(
                ("image", "label"), [rows[n] for n in set(range(24)) - set(test)]
            ),
            f"{folder}/Test.csv": _grid(("image", "label"), [rows[n] for n in test]),
        }

    tables = lists("fold/A", range(8)) | lists("fold/B", range(8, 16))
    found = _read(names, tables)
    picked = _read(names, tables, split="tables in fold/B")

    assert [question.id for question in found.open] == ["split"]
    assert {i.file for i in picked.images if i.split == "test"} == set(names[8:16])


def test_a_row_for_each_image_and_finding_is_one_of_columns() -> None:
    names = [f"ID_{n:04}.png" for n in range(12)]
    rows = [
        (f"ID_{n:04}_{finding}", str(int(n % 2 == at)))
        for n in range(12)
        for at, finding in enumerate(("edema", "normal"))
    ]

    found = _read(names, {"train.csv": _grid(("ID", "Label"), rows)})

    assert _labels(found) == ["edema", "normal"] * 6


def test_whether_a_region_is_written_can_be_the_label() -> None:
    names = [f"{n:04}.png" for n in range(12)]
    rows = [(f"{n:04}", " -1" if n % 2 else f"{n} 3 {50 + n} 4") for n in range(12)]

    found = _read(names, {"rle.csv": _grid(("ImageId", " EncodedPixels"), rows)})

    assert _labels(found) == ["marked", "not marked"] * 6


def test_sentences_of_reports_are_asked_about() -> None:
    names = [f"film_{n:04}_{n % 2}.png" for n in range(12)]
    told = ("normal", "infiltrate in the left upper lobe", "normal", "nodule in the right lobe")
    rows = [(f"film_{n:04}_{n % 2}", told[n % 4]) for n in range(12)]

    found = _read(names, {"readings/*.txt": _grid(("file", "written label"), rows)})

    assert [question.id for question in found.open] == ["label"]


def test_the_same_files_under_the_same_classes_are_asked_about() -> None:
    names = [
        f"{top}/{label}/{label}-{n * 7919:08X}.png"
        for top in ("set", "set-plain")
        for label in ("ADI", "LYM")
        for n in range(1, 9)
    ]

    found = _read(names, {})

    assert [question.id for question in found.open] == ["variant"]
    assert len(_read(names, {}, variant="set").images) == 16


def test_long_numbers_mean_folders_with_letters_before() -> None:
    names = [f"files/p{10000 + n // 2}/s{500000 + n}/{n}.jpg" for n in range(12)]
    rows = [(str(500000 + n), ("benign", "malignant")[n % 2]) for n in range(12)]

    found = _read(names, {"t.csv": _grid(("study", "label"), rows)})

    assert _labels(found) == ["benign", "malignant"] * 6


def test_a_packed_table_is_read_as_the_table(tmp_path: Path) -> None:
    file = tmp_path / "0"
    file.write_bytes(gzip.compress(b"image,label\na.png,x\n"))

    assert read_grids(file, "t.csv.gz")["t.csv.gz"].names == ("image", "label")


@pytest.mark.parametrize("content", [b"image,label", gzip.compress(b"a,b\n" * 99)[:-9]])
def test_a_damaged_packed_table_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "0"
    file.write_bytes(content)

    with pytest.raises(DataError, match=r"can't be read\. It is damaged, or not packed"):
        read_grids(file, "t.csv.gz")
