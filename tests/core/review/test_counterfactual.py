from __future__ import annotations

import numpy as np
import pytest

from imil.core.review.counterfactual import Answer, answer_of


def answer(before: float, after: float, *, label: int = 1, coverage: float = 0.1) -> Answer:
    return Answer(label, (1 - before, before), (1 - after, after), coverage)


def test_an_answer_turns_scores_into_shares() -> None:
    found = answer_of(np.zeros(2), np.array([0.0, np.log(3.0)]), label=0, coverage=0.25)

    assert found.before == (0.5, 0.5)
    assert found.after == pytest.approx((0.25, 0.75))
    assert found.coverage == 0.25


def test_where_nothing_is_hidden_the_answer_stays() -> None:
    found = answer_of(np.array([1.0, 2.0, 0.0]), None, label=0, coverage=0.0)

    assert found.before == found.after
    assert not found.flips


def test_an_answer_says_whether_the_prediction_flips() -> None:
    assert answer(0.31, 0.78).flips
    assert (answer(0.31, 0.78).predicted_before, answer(0.31, 0.78).predicted_after) == (0, 1)
    assert not answer(0.31, 0.49).flips
