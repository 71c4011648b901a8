from __future__ import annotations

import numpy as np
import pytest
import torch

from imil.core.review.queues import (
    allowed_masks,
    budget,
    find_outliers,
    high_loss,
    label_suspects,
    persistent_outliers,
    random_queue,
    wrong_reason,
)
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


def test_high_loss_offers_right_predictions_too_and_no_more_than_asked_for() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.1], [0.0, 3.0]])

    offered = high_loss(logits, LABELS, IDS, limit=2)

    assert [(o.sample_id, o.predicted == o.label) for o in offered] == [("b", False), ("c", True)]
    assert offered[0].score == offered[0].loss == pytest.approx(np.log(1 + np.e))


def test_high_loss_checks_its_lengths() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        high_loss(torch.zeros(4, 2), LABELS, IDS[:3], limit=1)


RIGHT, WRONG = [3.0, 0.0], [0.0, 2.0]  # scores of an image of class 0


def test_persistent_outliers_are_wrong_often_enough_among_the_last_epochs() -> None:
    epochs = [
        # wrong early only, wrong twice of the last three, always, wrong once of the last three
        [WRONG, RIGHT, WRONG, RIGHT],
        [RIGHT, WRONG, WRONG, RIGHT],
        [RIGHT, WRONG, WRONG, WRONG],
        [RIGHT, RIGHT, WRONG, RIGHT],
    ]

    outliers = persistent_outliers(
        torch.tensor(epochs), np.zeros(4, np.int64), IDS, at_least=2, of_last=3
    )

    assert [o.sample_id for o in outliers] == ["c", "b"]


def test_a_persistent_outlier_tells_what_it_was_last_taken_for() -> None:
    epochs = torch.tensor([[[0.0, 5.0, 0.0]], [[0.0, 0.0, np.log(2)]], [[9.0, 0.0, 0.0]]])

    (outlier,) = persistent_outliers(epochs, np.zeros(1, np.int64), ("a",), at_least=1, of_last=3)

    assert (outlier.label, outlier.predicted) == (0, 2)
    assert outlier.confidence == pytest.approx(0.5)


@pytest.mark.parametrize(("at_least", "of_last"), [(0, 1), (2, 1), (1, 3)])
def test_persistence_over_more_epochs_than_there_are_is_a_callers_bug(
    at_least: int, of_last: int
) -> None:
    with pytest.raises(ValueError, match="more epochs than there are"):
        persistent_outliers(torch.zeros(2, 4, 2), LABELS, IDS, at_least=at_least, of_last=of_last)


def test_a_label_is_suspected_where_another_class_is_as_sure_as_its_own_images_are() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1], np.int64)
    one_epoch = torch.tensor(
        [[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0], [0.0, 4.0], [0.2, 0.0]]
    )

    suspects = label_suspects(torch.stack([one_epoch, one_epoch]), labels, tuple("abcdef"))

    # "f" is mispredicted too, but not as surely as images of class 0 are.
    assert [(o.sample_id, o.label, o.predicted) for o in suspects] == [("c", 0, 1)]
    assert suspects[0].score == pytest.approx(-4)


def test_label_suspects_come_with_the_smallest_area_under_the_margin_first() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1], np.int64)
    early = torch.tensor([[5.0, 0], [5.0, 0], [3.0, 0], [0, 3.0], [0, 3.0], [0, 2.0]])
    late = torch.tensor([[5.0, 0], [5.0, 0], [0, 6.0], [0, 6.0], [0, 4.0], [0, 2.0]])

    suspects = label_suspects(torch.stack([early, late, late]), labels, tuple("abcdef"))

    assert [(o.sample_id, o.score) for o in suspects] == [("d", -5.0)]
    both = label_suspects(late, labels, tuple("abcdef"))
    assert [(o.sample_id, o.score) for o in both] == [("c", -6.0), ("d", -6.0)]


def test_no_label_is_suspected_of_a_class_that_no_image_has() -> None:
    logits = torch.tensor([[9.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0, 9.0, 0.0]])

    assert label_suspects(logits, np.array([0, 0, 1], np.int64), ("a", "b", "c")) == ()


def test_label_suspects_check_their_lengths() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        label_suspects(torch.zeros(2, 3, 2), LABELS, IDS)


def test_wrong_reason_offers_right_predictions_that_the_swap_hurts_most_first() -> None:
    logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    gentle = torch.tensor([[4.0, 0.0], [1.0, 0.0], [0.0, 9.0], [0.0, 3.0]])
    rough = torch.tensor([[5.0, 0.0], [0.0, 1.0], [0.0, 9.0], [3.0, 0.0]])

    offered = wrong_reason(logits, torch.stack([gentle, rough]), LABELS, IDS)

    # "a" is none the worse for it, "c" is mispredicted as it is.
    assert [o.sample_id for o in offered] == ["d", "b"]
    assert all(o.predicted == o.label for o in offered)


def test_wrong_reason_tells_the_mean_rise_of_the_loss() -> None:
    logits = torch.tensor([[0.0, 0.0]])
    swapped = torch.tensor([[[0.0, float(np.log(3))]], [[0.0, 0.0]]])

    (offered,) = wrong_reason(logits, swapped, np.zeros(1, np.int64), ("a",))

    assert offered.score == pytest.approx(np.log(2) / 2)
    assert offered.loss == pytest.approx(np.log(2))


def test_wrong_reason_keeps_the_order_of_the_rows_in_ties() -> None:
    logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0]])

    offered = wrong_reason(logits, torch.zeros(1, 4, 2), LABELS, IDS)

    assert [o.sample_id for o in offered] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("shape", [(0, 4, 2), (4, 2), (1, 3, 2)])
def test_wrong_reason_checks_the_copies(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        wrong_reason(torch.zeros(4, 2), torch.zeros(*shape), LABELS, IDS)


def test_the_random_queue_offers_each_image_once_as_the_seed_says() -> None:
    queue = random_queue(IDS, np.random.default_rng(1))

    assert sorted(queue) == list(IDS)
    assert queue == random_queue(IDS, np.random.default_rng(1))
