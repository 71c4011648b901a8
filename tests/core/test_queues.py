from __future__ import annotations

import numpy as np
import pytest
import torch

from imil.core.queues import allowed_masks, budget, find_outliers
from imil.errors import PlanError

LABELS = np.array([0, 0, 1, 1], np.int64)
IDS = ("a", "b", "c", "d")


def test_offers_only_mispredicted_images_worst_first() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 2.0]])

    outliers = find_outliers(logits, LABELS, IDS)

    assert [(o.sample_id, o.label, o.predicted) for o in outliers] == [("c", 1, 0), ("b", 0, 1)]


def test_says_how_sure_the_model_was_and_how_wrong() -> None:
    logits = torch.tensor([[0.0, float(np.log(3))], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    (outlier,) = find_outliers(logits, LABELS, IDS)

    assert outlier.confidence == pytest.approx(0.75)
    assert outlier.loss == pytest.approx(np.log(4))


def test_is_empty_when_every_prediction_is_right() -> None:
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    assert find_outliers(logits, LABELS, IDS) == ()


def test_ties_keep_the_order_of_the_rows() -> None:
    logits = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])

    assert [o.sample_id for o in find_outliers(logits, LABELS, IDS)] == ["a", "b", "c", "d"]


def test_inputs_of_different_length_are_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        find_outliers(torch.zeros(3, 2), LABELS, IDS)


def test_four_percent_of_a_thousand_is_forty() -> None:
    assert allowed_masks(0.04, 1000) == 40


def test_a_share_is_rounded_up_but_not_by_binary_dust() -> None:
    assert (allowed_masks(0.04, 801), allowed_masks(0.07, 100)) == (33, 7)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_budget_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(PlanError, match=r"budget of .* can't be used.*above 0 and at most 1"):
        budget(share, 100, 0)
