from __future__ import annotations

import numpy as np

from imil.core.training.dynamics import fill_gaps

GAP = [np.nan, np.nan]


def test_a_gap_is_filled_from_the_nearest_epoch_and_of_two_from_the_earlier() -> None:
    epochs = np.array(
        [[[1, 0], GAP], [GAP, [2, 0]], [[3, 0], GAP], [GAP, GAP], [GAP, [5, 0]]], np.float32
    )

    filled = fill_gaps(epochs, np.zeros((2, 2), np.float32))

    assert filled[:, 0, 0].tolist() == [1, 1, 3, 3, 3]
    assert filled[:, 1, 0].tolist() == [2, 2, 2, 5, 5]


def test_an_image_that_no_epoch_has_shown_takes_the_other_scores() -> None:
    epochs = np.array([[GAP, [1, 0]], [GAP, [2, 0]]], np.float32)

    filled = fill_gaps(epochs, np.array([[7, 8], [9, 9]], np.float32))

    assert filled[:, 0].tolist() == [[7, 8], [7, 8]]
    assert filled[:, 1].tolist() == [[1, 0], [2, 0]]


def test_what_was_shown_stays_as_it_was() -> None:
    epochs = np.arange(12, dtype=np.float32).reshape(2, 3, 2)

    assert np.array_equal(fill_gaps(epochs, np.zeros((3, 2), np.float32)), epochs)
