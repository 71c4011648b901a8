from __future__ import annotations

import numpy as np
import pytest

from imil.core.evaluation.metrics import (
    Explanation,
    Metric,
    Robustness,
    calibration_error,
    check_classes,
    clustered_mean,
    confusion_matrix,
    figures,
    majority_rate,
    mean_intervals,
    quick_auroc,
    quick_figures,
)
from imil.core.records import Split
from imil.errors import DataError

# Four of class 0 (one wrong), two of class 1 (one wrong).
LABELS = np.array([0, 0, 0, 0, 1, 1], np.int64)
LOGITS = np.array([[2, 0], [2, 0], [1, 0], [0, 1], [0, 3], [1, 0]], np.float64)


def test_accuracy_and_balanced_accuracy_differ_on_unequal_classes() -> None:
    found = figures(LOGITS, LABELS)

    assert found[Metric.ACCURACY] == pytest.approx(4 / 6)
    assert found[Metric.BALANCED_ACCURACY] == pytest.approx((0.75 + 0.5) / 2)


def test_sensitivity_is_of_class_one_and_specificity_of_class_zero() -> None:
    found = figures(LOGITS, LABELS)

    assert (found[Metric.SENSITIVITY], found[Metric.SPECIFICITY]) == (0.5, 0.75)


def test_auroc_counts_the_pairs_in_the_right_order() -> None:
    # Scores of class 1: 3 beats all four; -1 beats the two at -2 and ties with one.
    assert figures(LOGITS, LABELS)[Metric.AUROC] == pytest.approx((4 + 2.5) / 8)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_fast_figures_equal_those_of_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    labels = np.arange(60, dtype=np.int64) % classes
    logits = rng.normal(size=(60, classes)) + np.eye(classes)[labels]

    assert quick_figures(logits, labels) == pytest.approx(figures(logits, labels))


def test_calibration_error_is_the_gap_between_confidence_and_hits() -> None:
    probabilities = np.array([[0.8, 0.2]] * 10)
    labels = np.array([0] * 5 + [1] * 5, np.int64)

    assert calibration_error(probabilities, labels) == pytest.approx(0.3)


def test_majority_rate_is_the_share_of_the_commonest_class() -> None:
    assert majority_rate(LABELS) == pytest.approx(4 / 6)


def test_confusion_has_labels_in_rows() -> None:
    assert confusion_matrix(LOGITS, LABELS).tolist() == [[3, 1], [1, 1]]


def test_intervals_enclose_the_mean_over_seeds() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(80, dtype=np.int64) % 2
    logits = [rng.normal(size=(80, 2)) + 1.5 * np.eye(2)[labels] for _ in range(2)]

    accuracy = mean_intervals(logits, labels, np.arange(80), draws=100)[Metric.ACCURACY]

    right = [(one.argmax(1) == labels).mean() for one in logits]
    assert accuracy.value == pytest.approx(np.mean(right))
    assert accuracy.low < accuracy.value < accuracy.high


def test_images_of_one_patient_widen_the_interval() -> None:
    labels = np.arange(80, dtype=np.int64) % 2
    right = np.repeat(np.random.default_rng(0).random(20) < 0.7, 4)
    logits = np.where(right[:, None], 1.0, -1.0) * (2 * np.eye(2)[labels] - 1)

    alone = mean_intervals([logits], labels, np.arange(80), draws=200)[Metric.ACCURACY]
    grouped = mean_intervals([logits], labels, np.arange(80) // 4, draws=200)[Metric.ACCURACY]

    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)


def test_no_interval_is_given_where_no_draw_has_every_class() -> None:
    labels = np.array([0, 1], np.int64)
    logits = np.array([[1.0, 0.0], [0.0, 1.0]])

    accuracy = mean_intervals([logits], labels, np.array([0, 1]), draws=0)[Metric.ACCURACY]

    assert np.isnan(accuracy.low)


def test_the_names_are_those_of_the_results_file() -> None:
    names = " ".join([*Metric, *Robustness, *Explanation])

    assert names == (
        "accuracy balanced_accuracy auroc f1 ece sensitivity specificity "
        "independent_balanced_accuracy "
        "swapped_accuracy swapped_balanced_accuracy flip_rate wrong_reason_share pointing_game"
    )


def test_a_clustered_mean_is_the_mean_over_images_and_seeds() -> None:
    found = clustered_mean(np.array([[1.0, 0, 1, 1], [0, 0, 1, 0]]), np.arange(4))

    assert found.value == 0.5
    assert found.low < 0.5 < found.high


def test_images_without_a_value_count_for_nothing() -> None:
    found = clustered_mean(np.array([1.0, np.nan, 0, np.nan]), np.arange(4))

    assert found.value == 0.5


def test_a_mean_of_nothing_has_no_value() -> None:
    found = clustered_mean(np.array([np.nan, np.nan]), np.arange(2))

    assert np.isnan([found.value, found.low, found.high]).all()


def test_strata_count_alike_whatever_their_size() -> None:
    found = clustered_mean(np.array([1.0, 1, 1, 0]), np.arange(4), strata=np.array([0, 0, 0, 1]))

    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_a_clustered_mean_agrees_with_the_intervals_of_the_headline_pair() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120, dtype=np.int64) % 3
    logits = [rng.normal(size=(120, 3)) + np.eye(3)[labels] for _ in range(2)]
    clusters = np.arange(120) // 2
    right = np.stack([one.argmax(1) == labels for one in logits]).astype(np.float64)

    known = mean_intervals(logits, labels, clusters)
    balanced = clustered_mean(right, clusters, strata=labels)

    assert balanced.value == pytest.approx(known[Metric.BALANCED_ACCURACY].value)
    assert balanced.low == pytest.approx(known[Metric.BALANCED_ACCURACY].low, abs=0.02)
    assert balanced.high == pytest.approx(known[Metric.BALANCED_ACCURACY].high, abs=0.02)


def test_patients_widen_a_clustered_mean() -> None:
    values = np.repeat(np.random.default_rng(0).random(20) < 0.7, 4).astype(np.float64)

    alone = clustered_mean(values, np.arange(80))
    grouped = clustered_mean(values, np.arange(80) // 4)

    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)


def test_without_draws_there_is_no_interval() -> None:
    assert np.isnan(clustered_mean(np.array([0.0, 1.0]), np.arange(2), draws=0).low)


def test_lengths_that_differ_are_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        clustered_mean(np.zeros(3), np.arange(2))


def test_a_tie_is_half_a_pair_in_the_right_order() -> None:
    assert quick_auroc(np.array([0.0, 1, 1]), np.array([False, False, True])) == 0.75


def test_no_pair_has_no_auroc() -> None:
    assert np.isnan(quick_auroc(np.array([0.0, 1]), np.array([True, True])))


def test_a_split_with_every_class_is_taken() -> None:
    check_classes(np.array([0, 1]), ("no finding", "finding"), Split.TEST)


def test_a_split_without_a_class_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="validation split has no image of class “finding”") as said:
        check_classes(np.array([0, 0]), ("no finding", "finding"), Split.VALIDATION)

    assert said.value.fix.startswith("Add such images to the validation split")
