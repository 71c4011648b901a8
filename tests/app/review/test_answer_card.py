"""Which image and stroke an answer is for; what it looks like is a golden file."""

from __future__ import annotations

import numpy as np

from imil.app.painter.painter import Painted
from imil.app.review.answer_card import answer_values, trouble_value
from imil.datasets.files.pixels import PixelsError
from imil.study.library.studies import Studies
from tests.standins.trained import as_if_trained


def test_an_answer_names_the_film_and_the_stroke_it_answers(studies: Studies) -> None:
    study = as_if_trained(studies.demo())
    sample_id = study.images.samples[0].sample_id
    irrelevant = np.zeros((64, 64), bool)

    (value,) = answer_values(
        study, Painted(study.study_id, sample_id, irrelevant, 1, 2.0, stroke="7")
    )

    assert (value["sample"], value["stroke"]) == (sample_id, "7")
    assert "Nothing is hidden yet" in value["html"]


def test_an_image_that_is_gone_is_said_in_the_place_of_the_answer() -> None:
    gone = PixelsError("a <b>.png", why="The file is not there any more.")
    painted = Painted("study", "a <b>.png", np.ones((4, 4), bool), 1, 2.0, stroke="7")

    value = trouble_value(painted, gone)

    assert (value["sample"], value["stroke"]) == ("a <b>.png", "7")
    assert 'role="alert"' in value["html"]
    assert "The file is not there any more." in value["html"]
    assert "<b>.png" not in value["html"]
