from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from imil.app.painter.painter import Painted, encode_runs
from imil.app.predicted.copy_acts import CopyActs
from imil.app.predicted.copy_card import show_copy, similar_value
from imil.app.screen import Screen
from imil.core.records import Origin, Queue
from imil.report.parts import text
from imil.study.library.studies import Studies
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def acts(screen: Screen) -> CopyActs:
    return CopyActs(screen)


@pytest.fixture
def study(studies: Studies) -> Study:
    made = studies.demo()
    made.set_plan(replace(made.plan, size=32, budget=0.2))
    return as_if_trained(made)


def film(study: Study) -> str:
    return study.queue(Queue.RANDOM)[0].sample_id


def painted(study: Study, *, side: int = 10) -> Painted:
    sample_id = film(study)
    mask = corner(study, sample_id, side=side)
    return Painted(study.study_id, sample_id, mask, 1, 4.0, stroke="7")


def payload(study: Study) -> dict[str, Any]:
    given = painted(study)
    height, width = given.irrelevant.shape
    return {
        "study": given.study_id,
        "sample": given.sample_id,
        "size": [width, height],
        "runs": encode_runs(given.irrelevant),
        "rev": 1,
        "seconds": 4.0,
        "stroke": given.stroke,
    }


def confirmed(study: Study, *targets: str, stroke: str = "7") -> Any:
    sent = {"targets": list(targets), "sample": film(study), "stroke": stroke, "seconds": 6.0}
    return gr.EventData(None, sent)


def test_five_similar_images_are_shown_with_the_mask_and_all_are_ticked(study: Study) -> None:
    value = similar_value(study, painted(study), Queue.RANDOM)

    found = [offer.sample_id for offer in study.similar(film(study), queue=Queue.RANDOM)]
    assert len(found) == 5
    assert value["html"].count('type="checkbox" checked') == 5
    assert all(f'data-sample="{name}"' in value["html"] for name in found)
    assert "0 of 8 masked, room for 7 more. A place is kept for this image." in value["html"]
    assert (value["sample"], value["stroke"]) == (film(study), "7")


def test_without_a_mask_the_reader_is_told_to_paint_first(study: Study) -> None:
    value = similar_value(study, painted(study, side=0), Queue.RANDOM)

    assert text.COPY_EMPTY in value["html"]
    assert "checkbox" not in value["html"]


def test_what_is_ticked_is_masked_and_the_open_film_is_left_alone(
    acts: CopyActs, study: Study
) -> None:
    first, second, *rest = (o.sample_id for o in study.similar(film(study), queue=Queue.RANDOM))

    shown = acts.confirm(payload(study), Queue.RANDOM, None, confirmed(study, first, second))

    tab = acts.screen.outliers
    assert [study.origin(name) for name in (first, second)] == [Origin.COPIED, Origin.COPIED]
    assert all(study.irrelevant(name) is None for name in (film(study), *rest))
    assert shown[tab.read.copies]["said"].startswith("Copied to 2 images.")
    assert "2 of 8</b> masked" in shown[tab.read.budget]
    assert "3 s an image, 6 s in all" in shown[tab.read.budget]
    assert tab.painter not in shown


def test_a_mask_that_changed_since_is_not_copied_and_that_is_said_in_place(
    acts: CopyActs, study: Study
) -> None:
    first = study.similar(film(study), queue=Queue.RANDOM)[0].sample_id

    shown = acts.confirm(payload(study), Queue.RANDOM, None, confirmed(study, first, stroke="6"))

    said = shown[acts.screen.outliers.read.copies]["trouble"]
    assert "The mask has changed since these images were shown." in said
    assert study.budget().painted == 0


def test_an_image_masked_meanwhile_is_said_in_place_and_nothing_is_copied(
    acts: CopyActs, study: Study
) -> None:
    first, second, *_ = (o.sample_id for o in study.similar(film(study), queue=Queue.RANDOM))
    study.submit_mask(first, corner(study, first), reader="visitor", seconds=1, queue=Queue.RANDOM)

    shown = acts.confirm(payload(study), Queue.RANDOM, None, confirmed(study, first, second))

    assert "is masked already" in shown[acts.screen.outliers.read.copies]["trouble"]
    assert study.budget().painted == 1


def test_the_button_says_to_how_many_and_why_to_none(study: Study) -> None:
    with gr.Blocks():
        button = gr.Button()
    source, *others = (offer.sample_id for offer in study.queue(Queue.RANDOM))

    before = show_copy(button, study, source, Queue.RANDOM)[button]
    study.copy_mask(source, corner(study, source), others[:6], reader="visitor", seconds=1)
    one = show_copy(button, study, source, Queue.RANDOM)[button]
    study.copy_mask(source, corner(study, source), others[6:7], reader="visitor", seconds=1)
    full = show_copy(button, study, source, Queue.RANDOM)[button]

    assert before["value"] == "Copy this mask to similar images · 5"
    assert one["value"].endswith("· 1")
    assert full["value"].endswith("· budget used up")
    assert (before["interactive"], full["interactive"]) == (True, False)
