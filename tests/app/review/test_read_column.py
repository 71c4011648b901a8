from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from imil.app.review.queue_view import review_list
from imil.app.review.read_column import (
    ReadColumn,
    ReviewCounts,
    build_read_column,
    show_budget,
    show_read_column,
)
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
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
    made.training.set_plan(replace(made.plan, size=32, budget=0.05))
    return as_if_trained(made)


@pytest.fixture
def read() -> Iterator[ReadColumn]:
    with gr.Blocks():
        yield build_read_column()


def budget(read: ReadColumn, study: Study) -> dict[Any, Any]:
    return show_budget(read, study, View(), ReviewCounts.of(review_list(study, View())))


def test_label_and_answer_stand_side_by_side(read: ReadColumn, study: Study) -> None:
    offer = study.queues.offers()[0]
    label, said = (study.images.classes[k] for k in (offer.label, offer.predicted))

    shown = show_read_column(read, study, offer.sample_id, View(), offer)

    assert f'<dt>Label</dt><dd title="{label}">{label}</dd>' in shown[read.readout]
    assert f'<dt>Model says</dt><dd title="{said} .' in shown[read.readout]
    assert "training image · patient_" in shown[read.readout]


def test_the_time_is_told_by_image_and_in_all(read: ReadColumn, study: Study) -> None:
    before = budget(read, study)[read.budget]
    first, second = (offer.sample_id for offer in study.queues.offers()[:2])
    study.review.submit(first, corner(study, first), reader="visitor", seconds=10)
    study.review.submit(second, corner(study, second), reader="visitor", seconds=60)

    after = budget(read, study)[read.budget]

    assert "0 of 2</b> masked" in before
    assert "recorded with each mask" in before
    assert "2 of 2</b> masked" in after
    assert "35 s an image, 1 min 10 s in all" in after


def test_a_full_budget_is_said_and_makes_comparing_the_next_step(
    read: ReadColumn, study: Study
) -> None:
    for offer in study.queues.offers()[:2]:
        mask = corner(study, offer.sample_id)
        study.review.submit(offer.sample_id, mask, reader="visitor", seconds=1)

    shown = budget(read, study)

    assert "The budget is used up. Masked images can still be changed." in shown[read.budget]
    assert shown[read.compare]["variant"] == "primary"
    assert shown[read.black_out]["variant"] == "secondary"


def test_a_queue_reviewed_to_its_end_is_said_with_what_was_done(
    read: ReadColumn, study: Study
) -> None:
    for offer in study.queues.offers():
        study.review.skip(offer.sample_id)

    shown = budget(read, study)

    n = len(study.queues.offers())
    assert f"All {n} reviewed: 0 masked, {n} skipped." in shown[read.budget]
