from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from imil.app.predicted.predicted_panel import (
    PredictedPanel,
    build_predicted_panel,
    build_start,
    look_at_predicted,
    show_predicted,
    show_start,
)
from imil.core.records import Origin, Split
from imil.core.review.readers import UNNAMED
from imil.study.library.studies import Studies
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def study(studies: Studies) -> Study:
    made = studies.demo()
    made.set_plan(replace(made.plan, size=32, budget=0.5))
    return as_if_trained(made)


@pytest.fixture
def panel() -> Iterator[PredictedPanel]:
    with gr.Blocks():
        yield build_predicted_panel()


def training(study: Study) -> list[str]:
    return [s.sample_id for s in study.images.samples if s.split is Split.TRAIN]


def paint(study: Study, number: int, *, side: int = 20) -> None:
    for sample_id in training(study)[:number]:
        study.submit_mask(sample_id, corner(study, sample_id, side=side), reader=UNNAMED, seconds=1)


def shown_as(shown: dict[Any, Any], component: Any) -> bool:
    visible: bool = shown[component]["visible"]
    return visible


@pytest.mark.parametrize(
    ("painted", "sentence"), [(0, "No image is painted."), (1, "Only one image is painted.")]
)
def test_too_few_masks_are_said_and_nothing_is_offered(
    panel: PredictedPanel, study: Study, painted: int, sentence: str
) -> None:
    paint(study, painted)

    shown = show_predicted(panel, study)

    assert sentence in shown[panel.body]
    assert "Paint another image, better a dozen." in shown[panel.body]
    assert not shown_as(shown, panel.look)
    assert not shown_as(shown, panel.confirm)


def test_nothing_is_computed_until_somebody_looks(panel: PredictedPanel, study: Study) -> None:
    paint(study, 3)

    shown = show_predicted(panel, study)

    assert study.predictions.known() is None
    assert "From your 3 masks" in shown[panel.body]
    assert shown_as(shown, panel.look)
    assert not shown_as(shown, panel.confirm)


def test_a_look_shows_agreement_confidence_and_a_sample_of_eight(
    panel: PredictedPanel, study: Study
) -> None:
    paint(study, 3)

    shown = look_at_predicted(panel, study)

    body = shown[panel.body]
    assert body.count("data-sample=") == 8
    assert "Agreement with painted masks that were left out" in body
    assert "a guess reaches .50" in body
    assert "Mean confidence" in body
    assert shown[panel.seen] == study.predictions.key
    assert shown_as(shown, panel.confirm)
    assert not shown_as(shown, panel.look)


def test_contradicting_masks_are_said_in_place(panel: PredictedPanel, study: Study) -> None:
    left = np.zeros((64, 64), bool)
    left[:, :32] = True
    for place, sample_id in enumerate(training(study)[:6]):
        study.submit_mask(sample_id, left if place % 2 else ~left, reader=UNNAMED, seconds=1)

    shown = look_at_predicted(panel, study)

    assert 'role="alert"' in shown[panel.body]
    assert "the masks contradict each other" in shown[panel.body]
    assert "drawn the other way round" in shown[panel.body]
    assert shown[panel.seen] == ""
    assert not shown_as(shown, panel.confirm)


def test_a_confirmation_is_told_with_its_reader_and_withdrawn_by_a_mask_more(
    panel: PredictedPanel, study: Study
) -> None:
    paint(study, 3)
    study.confirm_predictions(study.predictions.learn().key, reader="Dr <b> & Co")

    confirmed = look_at_predicted(panel, study)
    paint(study, 4)
    withdrawn = show_predicted(panel, study)

    assert "By Dr b &amp; Co," in confirmed[panel.body]
    assert not shown_as(confirmed, panel.confirm)
    assert "the masks have changed since" in withdrawn[panel.body]
    assert shown_as(withdrawn, panel.look)


def test_a_mask_can_be_begun_from_two_on_and_how_sure_is_said_once_known(study: Study) -> None:
    with gr.Blocks():
        button = build_start()
    other = training(study)[9]

    before = show_start(button, study, other)[button]
    paint(study, 2)
    ready = show_start(button, study, other)[button]
    study.predictions.learn()
    known = show_start(button, study, other)[button]

    assert before["interactive"] is False
    assert (ready["interactive"], ready["value"]) == (True, "Start from the predicted mask")
    assert known["value"].startswith("Start from the predicted mask · sure ")


def test_accepting_a_prediction_as_it_is_keeps_the_panel(
    panel: PredictedPanel, study: Study
) -> None:
    paint(study, 3)
    study.confirm_predictions(study.predictions.learn().key, reader="visitor")
    other = training(study)[9]

    study.submit_mask(
        other, study.predicted(other), reader=UNNAMED, seconds=1, origin=Origin.PREDICTED
    )

    assert "Confirmed." in show_predicted(panel, study)[panel.body]


def test_without_a_review_there_is_no_panel(panel: PredictedPanel) -> None:
    assert not shown_as(show_predicted(panel, None), panel.frame)
