from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from imil.app.predicted.predicted_sheet import (
    PredictedSheet,
    build_sheet,
    build_start,
    show_sheet,
    show_start,
    why_painted_alone,
)
from imil.core.arms.variants import CONTROL
from imil.core.records import Origin, Split
from imil.core.review.readers import UNNAMED
from imil.errors import MaskError
from imil.report.parts import numbers
from imil.study.library.studies import Studies
from imil.study.study import Study
from tests.standins.page_text import words_of
from tests.standins.trained import as_if_trained, corner

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# The note of a confirmation that stands, and of one that doesn't, or can't be given.
CONFIRMED, WITHDRAWN = 'class="note good"', 'class="note warn"'


@pytest.fixture
def study(studies: Studies) -> Study:
    made = studies.demo()
    made.training.set_plan(replace(made.plan, size=32, budget=0.5))
    return as_if_trained(made)


@pytest.fixture
def sheet() -> Iterator[PredictedSheet]:
    with gr.Blocks():
        yield build_sheet()


def training(study: Study) -> list[str]:
    return [s.sample_id for s in study.images.samples if s.split is Split.TRAIN]


def paint(study: Study, number: int, *, side: int = 20) -> None:
    for sample_id in training(study)[:number]:
        study.review.submit(
            sample_id, corner(study, sample_id, side=side), reader=UNNAMED, seconds=1
        )


def shown_as(shown: dict[Any, Any], component: Any) -> bool:
    visible: bool = shown[component]["visible"]
    return visible


def shown(sheet: PredictedSheet, study: Study, *, page: int = 0) -> dict[Any, Any]:
    return show_sheet(sheet, study, (CONTROL,), page=page)


@pytest.mark.parametrize("painted", [0, 1])
def test_of_too_few_masks_nothing_is_asked_and_this_is_said(study: Study, painted: int) -> None:
    paint(study, painted)

    assert why_painted_alone(study, UNNAMED) is not None
    paint(study, 2)
    assert why_painted_alone(study, UNNAMED) is None


def test_contradicting_masks_are_said_and_only_the_painted_ones_can_be_tested(
    sheet: PredictedSheet, study: Study
) -> None:
    left = np.zeros((64, 64), bool)
    left[:, :32] = True
    for place, sample_id in enumerate(training(study)[:6]):
        study.review.submit(sample_id, left if place % 2 else ~left, reader=UNNAMED, seconds=1)
    with pytest.raises(MaskError):
        study.predictions.of().learn()

    said, asked = why_painted_alone(study, UNNAMED), shown(sheet, study)

    assert said is not None
    assert WITHDRAWN in asked[sheet.body]
    assert "data-sample=" not in asked[sheet.body]
    assert asked[sheet.seen] == ""
    assert [shown_as(asked, each) for each in (sheet.use, sheet.painted)] == [False, True]


def test_a_reader_who_must_not_see_others_masks_is_asked_nothing_of_them(study: Study) -> None:
    paint(study, 2)
    study.review.submit(
        training(study)[3], corner(study, training(study)[3]), reader="Bo", seconds=1
    )

    assert why_painted_alone(study, UNNAMED) is not None
    study.readers.unblind()
    assert why_painted_alone(study, UNNAMED) is None


def test_what_is_being_predicted_appears_by_itself(sheet: PredictedSheet, study: Study) -> None:
    paint(study, 3)

    before = shown(sheet, study)
    study.predictions.of().learn()
    after = shown(sheet, study)

    assert before[sheet.again].active
    assert not shown_as(before, sheet.use)
    assert not after[sheet.again].active
    assert shown_as(after, sheet.use)


def test_eight_predicted_masks_are_shown_with_their_agreement_and_what_comes_next(
    sheet: PredictedSheet, study: Study
) -> None:
    paint(study, 3)
    learned = study.predictions.of().learn()

    asked = shown(sheet, study)

    assert asked[sheet.body].count("data-sample=") == 8
    assert f"<b>{numbers.share(learned.agreement)}</b>" in asked[sheet.body]
    assert ".50" in words_of(asked[sheet.body])
    assert "Control" in words_of(asked[sheet.body])
    assert asked[sheet.seen] == learned.key


def test_further_pages_show_other_images_and_the_first_comes_after_the_last(
    sheet: PredictedSheet, study: Study
) -> None:
    paint(study, 3)
    pages = study.predictions.of().learn().pages

    bodies = [shown(sheet, study, page=page)[sheet.body] for page in range(len(pages) + 1)]

    assert len(set(bodies)) == len(pages) > 1
    assert bodies[0] == bodies[-1]


def test_a_confirmation_is_told_with_its_reader_and_withdrawn_by_a_mask_more(
    sheet: PredictedSheet, study: Study
) -> None:
    paint(study, 3)
    study.predictions.confirm(study.predictions.of().learn().key, reader="Dr <b> & Co")

    confirmed = shown(sheet, study)
    paint(study, 4)
    withdrawn = shown(sheet, study)

    assert "Dr b & Co" in words_of(confirmed[sheet.body])
    assert CONFIRMED in confirmed[sheet.body]
    assert CONFIRMED not in withdrawn[sheet.body]
    assert WITHDRAWN in withdrawn[sheet.body]


def test_a_mask_can_be_begun_from_two_on_and_how_sure_is_said_once_known(study: Study) -> None:
    with gr.Blocks():
        button = build_start()
    other = training(study)[9]

    before = show_start(button, study, other)[button]
    paint(study, 2)
    ready = show_start(button, study, other)[button]
    study.predictions.of().learn()
    known = show_start(button, study, other)[button]

    assert before["interactive"] is False
    assert ready["interactive"] is True
    assert "." not in ready["value"]
    predictions = study.predictions.of()
    sure = predictions.confidence(predictions.learn(), other)
    assert known["value"].endswith(numbers.share(sure))


def test_accepting_a_prediction_as_it_is_keeps_what_was_confirmed(
    sheet: PredictedSheet, study: Study
) -> None:
    paint(study, 3)
    study.predictions.confirm(study.predictions.of().learn().key, reader="visitor")
    other = training(study)[9]

    study.review.submit(
        other, study.predictions.region(other), reader=UNNAMED, seconds=1, origin=Origin.PREDICTED
    )

    assert CONFIRMED in shown(sheet, study)[sheet.body]
