from __future__ import annotations

import numpy as np
import pytest

from imil.core.metrics import (
    Metric,
    calibration_error,
    confusion,
    figures,
    majority_rate,
    mean_intervals,
    quick_figures,
)

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
    assert confusion(LOGITS, LABELS).tolist() == [[3, 1], [1, 1]]


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
