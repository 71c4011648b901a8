from __future__ import annotations

import re
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
from imil.core.records import Split
from imil.report.parts import numbers
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
from imil.study.study import Study
from tests.standins.page_text import numbers_of, words_of
from tests.standins.trained import as_if_trained, corner

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# What is read aloud when it comes up.
STATUS = 'role="status">'


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


def test_label_answer_and_patient_of_a_film_are_shown(read: ReadColumn, study: Study) -> None:
    offer = study.queues.offers()[0]
    label, said = (study.images.classes[k] for k in (offer.label, offer.predicted))

    shown = show_read_column(read, study, offer.sample_id, View(), offer)

    patient = study.images.patient_title(offer.sample_id)
    values = re.findall("<dd [^>]*>([^<]*)</dd>", shown[read.readout])
    assert values == [label, f"{said} {numbers.share(offer.confidence)}"]
    assert patient is not None
    assert patient in words_of(shown[read.readout])


def test_the_time_is_told_by_image_and_in_all(read: ReadColumn, study: Study) -> None:
    before = budget(read, study)[read.budget]
    first, second = (offer.sample_id for offer in study.queues.offers()[:2])
    study.review.submit(first, corner(study, first), reader="visitor", seconds=10)
    study.review.submit(second, corner(study, second), reader="visitor", seconds=60)

    after = budget(read, study)[read.budget]

    assert numbers_of(before)[:2] == ["0", "2"]
    assert numbers_of(after)[:2] == ["2", "2"]
    assert re.findall(r"(?:\d+ min )?\d+ s", words_of(before)) == []
    assert re.findall(r"(?:\d+ min )?\d+ s", words_of(after)) == ["35 s", "1 min 10 s"]


def test_a_full_budget_is_said_and_makes_comparing_the_next_step(
    read: ReadColumn, study: Study
) -> None:
    assert STATUS not in budget(read, study)[read.budget]
    for offer in study.queues.offers()[:2]:
        mask = corner(study, offer.sample_id)
        study.review.submit(offer.sample_id, mask, reader="visitor", seconds=1)

    shown = budget(read, study)

    assert STATUS in shown[read.budget]
    assert shown[read.compare]["variant"] == "primary"
    assert shown[read.black_out]["variant"] == "secondary"


def test_a_queue_reviewed_to_its_end_is_said_with_what_was_done(
    read: ReadColumn, study: Study
) -> None:
    for offer in study.queues.offers():
        study.review.skip(offer.sample_id)

    shown = budget(read, study)

    n = str(len(study.queues.offers()))
    assert numbers_of(shown[read.budget].partition(STATUS)[2]) == [n, "0", n]


def test_a_budget_rounded_up_to_a_whole_image_says_so_in_place_of_a_share_over_its_limit(
    read: ReadColumn, studies: Studies
) -> None:
    made = studies.demo()
    made.training.set_plan(replace(made.plan, size=32, budget=0.04))
    study = as_if_trained(made)
    budgeted = study.review.budget()
    images = len(study.images.rows(Split.TRAIN))
    assert budgeted.allowed / images > budgeted.share
    for offer in study.queues.offers()[: budgeted.allowed]:
        mask = corner(study, offer.sample_id)
        study.review.submit(offer.sample_id, mask, reader="visitor", seconds=1)

    told = words_of(budget(read, study)[read.budget])

    shares = [float(found) for found in re.findall(r"([\d.]+) %", told)]
    assert shares == [4]
