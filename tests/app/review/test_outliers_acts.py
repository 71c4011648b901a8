from __future__ import annotations

import time
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from imil.app.painter.painter import encode_run_lengths
from imil.app.review.outliers_handlers import OutliersHandlers
from imil.app.review.queue_picker import read_view
from imil.app.screen import Screen
from imil.app.server.updates import unchanged
from imil.core.records import Queue
from imil.errors import PlanError
from imil.study.library.studies import Studies
from imil.study.review.viewing import Cell, Sort, View
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def acts(screen: Screen) -> OutliersHandlers:
    return OutliersHandlers(screen)


@pytest.fixture
def study(studies: Studies) -> Study:
    made = studies.demo()
    made.training.set_plan(replace(made.plan, size=32, budget=0.5))
    return as_if_trained(made)


def chosen(value: dict[str, Any]) -> gr.EventData:
    """Return the event of an order or a part of the queue that was chosen."""
    return gr.EventData(None, {"chosen": value})


def painted(study: Study, sample_id: str) -> dict[str, Any]:
    irrelevant = corner(study, sample_id)
    height, width = irrelevant.shape
    return {
        "study": study.study_id,
        "sample": sample_id,
        "size": [width, height],
        "runs": encode_run_lengths(irrelevant),
        "rev": 1,
        "seconds": 3.0,
    }


def test_black_out_opens_the_next_film_in_the_order_that_is_seen(
    acts: OutliersHandlers, study: Study
) -> None:
    by_name = sorted(offer.sample_id for offer in study.queues.offers(Queue.MISPREDICTED))

    shown = acts.black_out(painted(study, by_name[0]), "mispredicted", {"sort": "name"})

    assert shown[acts.screen.outliers.painter]["sample"] == by_name[1]
    assert shown[acts.screen.outliers.painter]["place"] == f"2 of {len(by_name)}"


def test_the_strip_shows_what_is_blacked_out_at_once_and_when_it_is_opened_again(
    acts: OutliersHandlers, study: Study
) -> None:
    first, *_ = (offer.sample_id for offer in study.queues.offers(Queue.MISPREDICTED))
    strip = acts.screen.outliers.strip

    at_once = acts.black_out(painted(study, first), "mispredicted", None)[strip]["marks"]
    again = acts.open_queue(study.study_id, "mispredicted", None)[strip]["value"]["films"]

    pictures = [at_once["blackouts"][first], again[0]["blackout"]]
    for address in pictures:
        grey = np.asarray(Image.open(BytesIO(b64decode(address.partition(",")[2]))).convert("L"))
        assert grey[:8, :8].max() < 8
        assert grey[20:].max() > 60
    assert not any(film["blackout"] for film in again[1:])


def test_a_mask_painted_in_a_cell_of_right_answers_is_told_as_chosen(
    acts: OutliersHandlers, study: Study
) -> None:
    right = next(offer for offer in study.queues.answers() if offer.label == offer.predicted)
    chosen = {"cell": [right.label, right.predicted]}

    shown = acts.black_out(painted(study, right.sample_id), "random", chosen)

    record = study.context.masks.last(right.sample_id)
    assert record is not None
    assert record.queue is None
    assert acts.screen.outliers.painter in shown


@pytest.mark.parametrize("chosen", [{"cell": [9, 9]}, {"sort": "prettiest"}, {"label": "x"}])
def test_a_mask_is_kept_however_its_page_looks_at_the_queue(
    acts: OutliersHandlers, study: Study, chosen: dict[str, Any]
) -> None:
    sample_id = study.queues.offers()[0].sample_id

    acts.black_out(painted(study, sample_id), "mispredicted", chosen)

    assert study.review.state(sample_id) == "masked"


def test_what_the_browser_looks_at_is_checked(study: Study) -> None:
    chosen = {"sort": "name", "label": None, "cell": [1, 0]}

    assert read_view(study, "high_loss", chosen) == View(
        Queue.HIGH_LOSS, Sort.NAME, cell=Cell(1, 0)
    )
    assert read_view(study, "random", None) == View(Queue.RANDOM)
    assert read_view(study, "random", "nonsense") == View(Queue.RANDOM)
    with pytest.raises(PlanError, match="no class number 2"):
        read_view(study, "random", {"label": 2})


def test_another_queue_is_the_way_out_of_a_cell_and_keeps_the_order(
    acts: OutliersHandlers, study: Study
) -> None:
    picker = acts.screen.outliers.picker
    chosen = {"sort": "name", "cell": [0, 0]}

    shown = acts.open_queue(study.study_id, "high_loss", chosen)

    assert shown[picker.filters]["value"] == {
        "sort": "name",
        "label": None,
        "cell": None,
        "reader": "",
    }
    assert shown[acts.screen.outliers.show_whole]["visible"] is False


def test_the_film_that_is_open_stays_open_where_the_order_changes(
    acts: OutliersHandlers, study: Study
) -> None:
    ids = [offer.sample_id for offer in study.queues.offers()]
    open_now = painted(study, ids[2])

    sorted_anew = acts.look(study.study_id, open_now, "mispredicted", chosen({"sort": "name"}))

    assert sorted_anew[acts.screen.outliers.painter]["sample"] == ids[2]
    place = sorted(ids).index(ids[2]) + 1
    assert sorted_anew[acts.screen.outliers.painter]["place"] == f"{place} of {len(ids)}"


@pytest.mark.parametrize("payload", [None, 3, {}, {"sample": 3}, {"sample": "film", "runs": "x"}])
def test_the_queue_is_seen_in_another_order_while_a_film_still_loads(
    acts: OutliersHandlers, study: Study, payload: Any
) -> None:
    names = sorted(offer.sample_id for offer in study.queues.offers())

    shown = acts.look(study.study_id, payload, "mispredicted", chosen({"sort": "name"}))

    assert shown[acts.screen.outliers.painter]["sample"] == names[0]


def test_a_queue_that_was_being_made_appears_and_leaves_an_open_film_alone(
    acts: OutliersHandlers, study: Study
) -> None:
    tab, wrong = acts.screen.outliers, Queue.WRONG_REASON
    first, second, third = (offer.sample_id for offer in study.queues.offers()[:3])
    for sample_id in (first, second):
        acts.black_out(painted(study, sample_id), "mispredicted", None)
    with study.queues._making_slowly:
        waiting = acts.open_queue(study.study_id, wrong, None)
        assert waiting[tab.again].active is True
        assert acts.look_again(study.study_id, None, wrong, None) == unchanged()
    for _ in range(600):
        if study.queues.begin(wrong):
            break
        time.sleep(0.1)

    beside = acts.look_again(study.study_id, painted(study, third), wrong, None)
    alone = acts.look_again(study.study_id, None, wrong, None)

    ids = [offer.sample_id for offer in study.queues.offers(wrong)]
    assert ids
    assert [film["id"] for film in beside[tab.strip]["value"]["films"]] == ids
    assert tab.painter not in beside
    assert alone[tab.painter]["sample"] == ids[0]
    assert alone[tab.again].active is False


def test_a_class_without_an_image_says_so_and_shows_the_way_back(
    acts: OutliersHandlers, study: Study
) -> None:
    tab = acts.screen.outliers
    label = study.queues.offers()[0].label
    others = [offer.sample_id for offer in study.queues.offers() if offer.label != label]
    for sample_id in others:
        study.labels.exclude(sample_id)

    shown = acts.look(study.study_id, None, "mispredicted", chosen({"label": 1 - label}))

    name = study.images.classes[1 - label]
    assert f"No image of this queue is labelled {name}" in shown[tab.none_here]
    assert shown[tab.show_whole]["visible"] is True
    assert shown[tab.paint_random]["visible"] is False
    assert shown[tab.painter] is None
