from __future__ import annotations

import numpy as np
import pytest

from imil.app.painter.painter import Painted
from imil.app.review.answer_card import answer_html, answer_value, trouble_value
from imil.core.review.counterfactual import Answer
from imil.datasets.files.pixels import PixelsError
from imil.report.parts import text
from imil.study.library.studies import Studies
from tests.standins.trained import as_if_trained

TWO = ("no finding", "finding")


def answer(before: float, after: float, *, coverage: float = 0.1) -> Answer:
    return Answer(1, (1 - before, before), (1 - after, after), coverage)


def test_a_flip_towards_the_label_is_said_with_both_figures() -> None:
    html = answer_html(answer(0.31, 0.78), TWO)

    assert text.IF_HIDDEN in html
    assert "p(finding)" in html
    assert ".31</span>" in html
    assert "<b>.78</b>" in html
    assert text.FLIPS_TO_LABEL in html
    assert text.EVIDENCE_STAYS in html


def test_where_the_evidence_falls_the_reader_is_warned() -> None:
    html = answer_html(answer(0.91, 0.22), TWO)

    assert text.FLIPS_FROM_LABEL in html
    assert text.MAY_HIDE in html
    assert "p(finding) falls when this is hidden. Erase there, or go on if you are sure." in html


def test_a_mask_over_most_of_the_image_warns_by_its_share() -> None:
    html = answer_html(answer(0.31, 0.78, coverage=0.72), TWO)

    assert "It covers 72 % of the image. Erase there, or go on if you are sure." in html


@pytest.mark.parametrize(("after", "words"), [(0.88, "No change"), (0.95, "Same prediction")])
def test_a_prediction_that_stays_is_said_to_stay(after: float, words: str) -> None:
    assert words in answer_html(answer(0.88, after), TWO)


def test_with_nothing_hidden_the_slot_says_what_to_paint() -> None:
    html = answer_html(answer(0.31, 0.31, coverage=0.0), TWO)

    assert text.MODEL_SAYS_NOW in html
    assert text.HOW in html
    assert "→" not in html


def test_of_many_classes_the_labels_probability_is_shown_and_a_third_class_named() -> None:
    html = answer_html(Answer(0, (0.2, 0.7, 0.1), (0.3, 0.1, 0.6), 0.1), ("a", "b", "c & d"))

    assert "p(a)" in html
    assert "<b>.30</b>" in html
    assert "Prediction flips to c &amp; d, which is not the label" in html


def test_a_class_named_like_code_is_escaped() -> None:
    assert "<script>" not in answer_html(answer(0.9, 0.1), ("x", "<script>"))


def test_an_answer_names_the_film_and_the_stroke_it_answers(studies: Studies) -> None:
    study = as_if_trained(studies.demo())
    sample_id = study.images.samples[0].sample_id
    irrelevant = np.zeros((64, 64), bool)

    value = answer_value(study, Painted(study.study_id, sample_id, irrelevant, 1, 2.0, stroke="7"))

    assert (value["sample"], value["stroke"]) == (sample_id, "7")
    assert text.NOTHING_HIDDEN in value["html"]


def test_an_image_that_is_gone_is_said_in_the_place_of_the_answer() -> None:
    gone = PixelsError("a <b>.png", why="The file is not there any more.")
    painted = Painted("study", "a <b>.png", np.ones((4, 4), bool), 1, 2.0, stroke="7")

    value = trouble_value(painted, gone)

    assert (value["sample"], value["stroke"]) == ("a <b>.png", "7")
    assert 'role="alert"' in value["html"]
    assert "The file is not there any more." in value["html"]
    assert "<b>.png" not in value["html"]
