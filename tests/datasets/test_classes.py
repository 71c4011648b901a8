"""What the classes are: empty and unsure labels, numbers, and splits that call them otherwise."""

from __future__ import annotations

import pytest

from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import Reading
from imil.datasets.tables.table import Grid


def _reading(cells: list[str], title: str = "diagnosis", **answers: str) -> Reading:
    names = tuple(f"{n:03}.png" for n in range(len(cells)))
    rows = tuple((n + 2, (name, cells[n])) for n, name in enumerate(names))
    return read_layout(Listed(names, {"t.csv": Grid(("image", title), rows)}), answers)


def _chosen(found: Reading, key: str) -> str | None:
    return next(question.chosen for question in found.questions if question.id == key)


@pytest.mark.parametrize("word", ["unknown", "Indeterminate", "not sure"])
def test_a_label_that_says_nothing_is_sure_is_asked_about(word: str) -> None:
    cells = ["benign", "malignant", word] * 8

    assert [question.id for question in _reading(cells).open] == ["unsure"]
    assert _reading(cells, unsure="left out").classes == {"benign": 8, "malignant": 8}
    assert _reading(cells, unsure="benign").classes == {"benign": 16, "malignant": 8}
    assert _reading(cells, unsure="a class of its own").classes[word] == 8


def test_minus_one_beside_yes_and_no_is_left_out_until_told_otherwise() -> None:
    cells = ["1", "0", "-1", "0"] * 6

    found = _reading(cells)

    assert found.classes == {"0": 12, "1": 6}
    assert len(found.left_out) == 6
    assert _reading(cells, unsure="1").classes == {"0": 12, "1": 12}


def test_empty_cells_are_left_out_until_told_otherwise() -> None:
    cells = ["sick", "", "well", "sick"] * 5

    assert _reading(cells).classes == {"sick": 10, "well": 5}
    assert _reading(cells, empty="well").classes == {"sick": 10, "well": 10}


def test_a_column_of_many_numbers_is_asked_for_and_cut_at_its_median() -> None:
    cells = [str(n + 0.5) for n in range(40)]

    asked = _reading(cells, "ejection fraction")
    cut = _reading(cells, "ejection fraction", label="column ejection fraction")
    ruled = _reading(
        cells,
        "ejection fraction",
        label="column ejection fraction",
        values=">= 10 = normal; < 10 = reduced",
    )

    assert [question.id for question in asked.open] == ["label"]
    assert list(cut.classes.values()) == [20, 20]
    assert _chosen(cut, "cut") == "at the median, 20"
    assert ruled.classes == {"normal": 30, "reduced": 10}


def test_the_sign_between_several_labels_can_be_picked() -> None:
    cells = ["nodule/effusion", "nodule", "effusion", "none"] * 4

    found = _reading(cells, separator="/", several="nodule")

    assert found.classes == {"nodule": 8, "not nodule": 8}


def test_classes_that_no_training_image_has_are_asked_about() -> None:
    names = [
        f"{split}/{label}/{n}.png"
        for split, labels in (("train", ("adeno_T2_left", "normal")), ("test", ("adeno", "normal")))
        for label in labels
        for n in range(6)
    ]

    asked = read_layout(Listed(tuple(names)))
    (question,) = asked.open
    merged = read_layout(Listed(tuple(names)), {"values": question.choices[0]})

    assert question.id == "values"
    assert merged.classes == {"adeno": 12, "normal": 12}
    assert not read_layout(Listed(tuple(names)), {"values": "as they are"}).open
