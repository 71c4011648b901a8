from __future__ import annotations

import pytest

from imil.datasets.layout.decisions.relabel import apply_rules, parse_rules
from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.tables.table import Grid
from imil.errors import DataError

LABELS = {"1.png": "nevus", "2.png": "Nevus", "3.png": "melanoma", "4.png": "?"}


def test_labels_are_renamed_merged_and_left_out_by_rules() -> None:
    kept, out = apply_rules(LABELS, parse_rules("nevus = benign; melanoma = malignant; ? ="))

    assert kept == {"1.png": "benign", "2.png": "benign", "3.png": "malignant"}
    assert out == {"4.png": "?"}


def test_what_no_rule_is_about_stays() -> None:
    kept, out = apply_rules(LABELS, parse_rules("?=unsure"))

    assert kept == {**LABELS, "4.png": "unsure"}
    assert not out


@pytest.mark.parametrize("written", [">= 2 = severe; < 2 = mild", ">1=severe\n<=1=mild"])
def test_numbers_become_classes_at_a_threshold(written: str) -> None:
    labels = {"a.png": "0", "b.png": "1", "c.png": "2", "d.png": "3,5", "e.png": "nan"}

    kept, _ = apply_rules(labels, parse_rules(written))

    assert kept == {
        "a.png": "mild",
        "b.png": "mild",
        "c.png": "severe",
        "d.png": "severe",
        "e.png": "nan",
    }


@pytest.mark.parametrize("written", ["nevus", "= benign", ">= high = severe", ">= 1.2.3 = x"])
def test_what_is_no_rule_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_rules(written)

    assert "old = new" in caught.value.fix


def test_a_rule_about_no_label_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DataError, match="melanoma"):
        apply_rules(LABELS, parse_rules("naevus = benign"))


def test_a_reading_takes_the_rules_and_tells_of_them() -> None:
    names = [f"img_{i}.png" for i in range(12)]
    rows = tuple((i + 2, (name, ("0", "1", "2", "9")[i % 4])) for i, name in enumerate(names))
    listed = Listed(tuple(names), {"grades.csv": Grid(("image", "grade"), rows)})

    found = read_layout(listed, {"label": "column grade", "values": "9 = ; >= 1 = ill; 0 = well"})

    assert found.classes == {"ill": 6, "well": 3}
    assert sorted(left.file for left in found.left_out) == ["img_11.png", "img_3.png", "img_7.png"]
    asked = next(question for question in found.questions if question.id == "values")
    assert asked.chosen == "9 = ; >= 1 = ill; 0 = well"
