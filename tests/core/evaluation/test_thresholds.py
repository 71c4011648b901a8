from __future__ import annotations

import numpy as np
import pytest

from imil.core.evaluation.thresholds import (
    at_threshold,
    log_odds,
    threshold_for_balance,
    threshold_for_sensitivity,
)
from imil.errors import DataError


def test_log_odds_of_two_classes_are_the_difference_of_their_scores() -> None:
    assert log_odds(np.array([[1.0, 3.0], [400.0, 0.0]])).tolist() == [2.0, -400.0]


def test_log_odds_are_those_of_the_probability() -> None:
    found = log_odds(np.log(np.array([[0.2, 0.3, 0.5]])), label=2)

    assert found == pytest.approx([0.0])


def test_the_threshold_is_the_highest_that_finds_enough() -> None:
    scores = np.arange(20.0)
    positive = scores >= 10

    assert threshold_for_sensitivity(scores, positive) == 11.0
    assert threshold_for_sensitivity(scores, positive, target=1.0) == 10.0
    assert threshold_for_sensitivity(scores, positive, target=0.01) == 19.0


def test_a_threshold_without_positive_images_is_refused() -> None:
    with pytest.raises(DataError, match="threshold for 90% sensitivity") as said:
        threshold_for_sensitivity(np.zeros(3), np.zeros(3, np.bool_))

    assert said.value.why == "The validation split has no positive image."
    assert said.value.fix.startswith("Put positive images into the validation split")


@pytest.mark.parametrize("target", [0.0, 1.1])
def test_a_target_out_of_range_is_a_callers_bug(target: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        threshold_for_sensitivity(np.zeros(3), np.ones(3, np.bool_), target=target)


def test_an_image_at_the_threshold_is_called_positive() -> None:
    positive = np.array([True, True, False, False, False])
    scores = np.array([2.0, 1.0, 2.0, 1.0, 0.0])

    found = at_threshold([scores, scores], positive, [2.0, 1.0], np.arange(5))

    assert found.thresholds == (2.0, 1.0)
    assert found.sensitivity.value == pytest.approx((0.5 + 1) / 2)
    assert found.specificity.value == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found.specificity.low < found.specificity.value < found.specificity.high


def test_sensitivity_of_no_positive_image_has_no_value() -> None:
    found = at_threshold([np.zeros(2)], np.zeros(2, np.bool_), [1.0], np.arange(2))

    assert np.isnan(found.sensitivity.value)
    assert found.specificity.value == 1.0


def test_the_balanced_threshold_lies_between_the_classes() -> None:
    scores = np.array([1.0, 2.0, 3.0, 5.0, 7.0])

    assert threshold_for_balance(scores, scores > 4) == 4.0


def test_the_balanced_threshold_stays_at_arg_max_where_nothing_is_better() -> None:
    scores = np.array([-2.0, -1.0, 1.0, 3.0])

    assert threshold_for_balance(scores, scores > 0) == 0.0
    # An arm that says nothing has none that is better either.
    assert threshold_for_balance(np.zeros(4), scores > 0) == 0.0
