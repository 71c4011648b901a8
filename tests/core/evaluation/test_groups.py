from __future__ import annotations

import numpy as np
import pytest

from imil.core.evaluation.groups import by_class, by_group, check_groups, worst_group
from imil.errors import DataError

# Site A: both right. Site B: one of three right, both classes. Site C: class 0 alone, right.
LABELS = np.array([0, 1, 0, 1, 1, 0], np.int64)
ANSWERS = np.array([0, 1, 1, 1, 0, 0], np.int64)
LOGITS = np.eye(2)[ANSWERS]
SITES = ("A", "A", "B", "B", "B", "C")


def test_each_group_has_figures_of_its_own_images() -> None:
    found = by_group([LOGITS], LABELS, SITES, np.arange(6))

    assert list(found) == ["A", "B", "C"]
    assert found["A"].accuracy.value == 1.0
    assert found["B"].images == 3
    assert found["B"].accuracy.value == pytest.approx(1 / 3)
    assert found["B"].balanced_accuracy is not None
    assert found["B"].balanced_accuracy.value == pytest.approx((0 + 1 / 2) / 2)


def test_a_group_of_one_class_has_no_balanced_accuracy() -> None:
    found = by_group([LOGITS], LABELS, SITES, np.arange(6))

    assert found["C"].balanced_accuracy is None


def test_images_without_groups_have_no_figures_a_group() -> None:
    assert by_group([LOGITS], LABELS, [None] * 6, np.arange(6)) == {}


def test_a_group_column_with_gaps_is_refused() -> None:
    with pytest.raises(DataError, match="2 of 6 images have no group") as said:
        by_group([LOGITS], LABELS, ["A", "A", None, "B", "", "B"], np.arange(6))

    assert said.value.fix == "Fill in the column “group” for every image, or remove it."


def test_groups_are_named_in_order() -> None:
    assert check_groups(["site 2", "site 1", "site 2"]) == ("site 1", "site 2")
    assert check_groups([]) == ()


def test_the_worst_group_is_the_one_of_lowest_accuracy() -> None:
    found = by_group([LOGITS], LABELS, SITES, np.arange(6))

    assert worst_group(found, fewest=1) == "B"
    assert worst_group(found, fewest=4) is None
    assert worst_group({}) is None


def test_a_group_of_a_few_images_is_not_called_the_worst() -> None:
    labels = np.zeros(13, np.int64)
    logits = np.eye(2)[[0] * 9 + [1] + [1] * 3]

    found = by_group([logits], labels, ["large"] * 10 + ["tiny"] * 3, np.arange(13))

    assert found["tiny"].accuracy.value == 0.0
    assert worst_group(found) == "large"


def test_each_class_is_held_against_all_others() -> None:
    none, finding = by_class([LOGITS, LOGITS], LABELS, np.arange(6))

    assert (none.images, finding.images) == (3, 3)
    assert none.sensitivity.value == pytest.approx(2 / 3)
    assert none.specificity.value == pytest.approx(2 / 3)
    assert finding.auroc == pytest.approx((4 + 2 * 0.5 + 2 * 0.5) / 9)


def test_an_absent_class_has_figures_without_a_value() -> None:
    logits = np.eye(3)[ANSWERS]

    absent = by_class([logits], LABELS, np.arange(6))[2]

    assert absent.images == 0
    assert np.isnan([absent.sensitivity.value, absent.auroc]).all()
    assert absent.specificity.value == 1.0
