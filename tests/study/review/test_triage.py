from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imil.core.arms.registry import parse_arms
from imil.core.arms.variants import CONTROL, IMIL
from imil.core.images import ImageSet
from imil.core.records import LabelDecision, Sample, Split, Triage
from imil.errors import DataError, PlanError
from imil.study.review.triage import (
    apply_decision,
    label_changes,
    read_decisions,
    simulated_triage,
    triage_key,
    triage_notices,
    triage_rows,
    untriaged,
)

IMAGES = ImageSet(
    "Films",
    ("clear", "nodule"),
    [Sample("a", 0, Split.TRAIN), Sample("b", 1, Split.TRAIN), Sample("t", 1, Split.TEST)],
    read=lambda _: np.zeros((2, 2), np.uint8),
)
RELABEL, EXCLUDE, KEEP = LabelDecision.RELABEL, LabelDecision.EXCLUDE, LabelDecision.KEEP


@pytest.mark.parametrize(
    ("new", "text"),
    [
        (Triage("t", EXCLUDE), r"“t” is a test image.*measured on.*gallery of label suspects"),
        (Triage("a", RELABEL, "x"), r"no class “x”.*clear, nodule.*or exclude"),
        (Triage("a", RELABEL, "clear"), r"labelled “clear” already.*Name another class"),
        (Triage("z", KEEP), r"no image “z”"),
    ],
)
def test_a_decision_that_can_not_be_followed_is_refused(new: Triage, text: str) -> None:
    with pytest.raises(DataError, match=text):
        apply_decision(IMAGES, (), new)


def test_a_later_decision_on_an_image_replaces_the_earlier() -> None:
    first = apply_decision(IMAGES, (), Triage("a", RELABEL, "nodule"))

    assert apply_decision(IMAGES, first, Triage("a", EXCLUDE)) == (Triage("a", EXCLUDE),)


def test_a_label_that_is_kept_changes_nothing() -> None:
    triage = (Triage("b", EXCLUDE), Triage("a", KEEP))

    assert label_changes(triage) == (Triage("b", EXCLUDE),)
    assert triage_rows(IMAGES, triage) == {1: None}
    assert triage_key(triage) == triage_key(triage[:1])
    assert triage_key(triage[1:]) is None


def test_relabelled_rows_carry_their_new_class() -> None:
    triage = (Triage("a", RELABEL, "nodule"), Triage("b", EXCLUDE))

    assert triage_rows(IMAGES, triage) == {0: 1, 1: None}


def test_the_order_of_deciding_does_not_change_the_name_and_another_decision_does() -> None:
    triage = (Triage("a", RELABEL, "nodule"), Triage("b", EXCLUDE))

    assert triage_key(triage) == triage_key(triage[::-1])
    assert triage_key(triage) != triage_key((Triage("a", EXCLUDE), Triage("b", EXCLUDE)))


def test_what_is_left_of_each_class_is_counted_in_training_images() -> None:
    assert untriaged(IMAGES, (Triage("b", EXCLUDE), Triage("a", KEEP))) == [1, 0]


def test_a_reader_who_knows_the_truth_corrects_wrong_labels_alone() -> None:
    images = ImageSet(
        "Films",
        IMAGES.classes,
        IMAGES.samples,
        read=IMAGES.original,
        read_reference_label={"a": 1, "b": 1}.get,
    )

    found = simulated_triage(images, ["b", "t", "a"])

    assert found == (Triage("a", RELABEL, "nodule"),)
    assert simulated_triage(IMAGES, ["a"]) == ()


def test_decisions_are_read_from_a_table_by_id_or_file_name(tmp_path: Path) -> None:
    table = tmp_path / "triage.csv"
    table.write_text("file_name,label\na,nodule\nfilms/b.png,\n")

    assert read_decisions(table, IMAGES) == (Triage("a", RELABEL, "nodule"), Triage("b", EXCLUDE))


@pytest.mark.parametrize(
    ("rows", "error", "text"),
    [
        ("", PlanError, r"names no image.*Add a row"),
        ("gone,\n", DataError, r"no image “gone”"),
        ("t,clear\n", DataError, r"“t” is a test image"),
        ("a,cyst\n", DataError, r"no class “cyst”"),
    ],
)
def test_a_table_of_decisions_that_can_not_be_followed_is_refused(
    tmp_path: Path, rows: str, error: type[Exception], text: str
) -> None:
    table = tmp_path / "triage.csv"
    table.write_text("file_name,label\n" + rows)

    with pytest.raises(error, match=text):
        read_decisions(table, IMAGES)


def test_a_missing_table_of_decisions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"no file “t.csv”.*Check the path"):
        read_decisions(tmp_path / "t.csv", IMAGES)


def test_what_only_the_arms_of_triage_learned_is_said() -> None:
    (told,) = triage_notices(parse_arms(("relabel", "drop")), (Triage("b", EXCLUDE),))

    assert "0 relabelled, 1 excluded. Only relabel and drop learned" in told
    assert "without masks" in told
    assert triage_notices((CONTROL, IMIL), (Triage("b", EXCLUDE),)) == ()
    assert "trained as control" in triage_notices(parse_arms(("drop",)), ())[0]
