from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from imil.app.app import build_app
from imil.app.header.header import SAVED_HERE, header
from imil.app.results import results_tab
from imil.app.results.results_tab import RESULTS_NEEDS_TRAINING
from imil.app.review import outliers_tab
from imil.app.review.filmstrip import STRIP_PAGE, page_of, page_value
from imil.app.review.queue_view import next_to_review, step_from
from imil.app.server.theme import launch_options
from imil.app.train import train_tab
from imil.app.train.source_picker import build_reading_watch, show_source
from imil.app.train.train_tab import TRAIN_EMPTY
from imil.core.records import Outlier, Queue
from imil.datasets.public_sets import PUBLIC_SETS
from imil.report.parts import text
from imil.report.parts.markup import ASSETS
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
from imil.study.study import Study
from tests.standins.trained import as_if_trained

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def study(studies: Studies) -> Study:
    return studies.demo()


@pytest.fixture
def blocks() -> Iterator[gr.Blocks]:
    with gr.Blocks() as made:
        yield made


def outlier(name: str) -> Outlier:
    return Outlier(name, label=0, predicted=1, confidence=0.9, loss=2.3)


def test_the_header_is_told_the_study_and_where_it_is_saved(study: Study) -> None:
    told = header(study)

    assert told["study"] == study.study_id
    assert told["saved"]["words"] == SAVED_HERE
    assert header(None)["study"] == ""


@pytest.mark.usefixtures("blocks")
def test_before_training_the_tab_offers_to_train(study: Study) -> None:
    tab = train_tab.build_train_tab(build_reading_watch())

    shown = train_tab.show_study(tab, study)

    assert shown[tab.train]["visible"] is True
    assert shown[tab.stop]["visible"] is False
    assert shown[tab.review]["visible"] is False
    assert TRAIN_EMPTY in shown[tab.live]
    assert shown[tab.form.epochs]["interactive"] is True


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("source", "chosen"),
    [
        ({"kind": "archive"}, "zip"),
        ({"kind": "hub", "repo": "somebody/films"}, "hub"),
        ({"kind": "hub", "repo": PUBLIC_SETS[1].repo}, "public"),
    ],
)
def test_a_study_opened_again_shows_where_its_images_come_from(
    source: dict[str, str], chosen: str
) -> None:
    picker = train_tab.build_train_tab(build_reading_watch()).picker

    shown = show_source(picker, source)

    assert shown[picker.source]["value"] == chosen
    assert [name for name, side in picker.sides.items() if shown[side]["visible"]] == [chosen]
    if chosen == "public":
        assert shown[picker.public_set] == PUBLIC_SETS[1].repo
        assert PUBLIC_SETS[1].repo in shown[picker.public_facts]


@pytest.mark.usefixtures("blocks")
def test_the_demo_leaves_the_source_that_somebody_has_chosen_by_then(study: Study) -> None:
    picker = train_tab.build_train_tab(build_reading_watch()).picker

    assert show_source(picker, study.source) == {}


@pytest.mark.usefixtures("blocks")
def test_before_training_there_is_nothing_to_review_or_compare(study: Study) -> None:
    with gr.Tabs(), gr.Tab("x") as place:
        outliers = outliers_tab.build_outliers_tab(place)
        results = results_tab.build_results_tab()

    assert outliers_tab.show_outliers(outliers, study)[outliers.work]["visible"] is False
    assert RESULTS_NEEDS_TRAINING in results_tab.show_results(results, study)[results.none]["value"]


def test_steps_go_round_the_ends_of_the_queue() -> None:
    queue = [outlier("a"), outlier("b"), outlier("c")]

    assert step_from(queue, 2, 1) == "a"
    assert step_from(queue, 0, -1) == "c"
    assert step_from(queue, None, 1) == "a"
    assert step_from([], 0, 1) is None


def test_the_next_film_is_the_next_that_nobody_reviewed(study: Study) -> None:
    view = View(Queue.RANDOM)
    ids = [offer.sample_id for offer in as_if_trained(study).queues.offers(Queue.RANDOM)]
    for sample_id in ids[2:]:
        study.review.skip(sample_id)

    assert next_to_review(study, view, after=ids[1]) == ids[0]
    study.review.skip(ids[0])
    study.review.skip(ids[1])
    assert next_to_review(study, view, after=ids[1]) is None


def test_a_page_of_the_queue_holds_fifty_and_says_which(study: Study) -> None:
    names = [sample.sample_id for sample in study.images.samples][:60]
    queue = [outlier(name) for name in names]

    second = page_value(study, queue, 1)

    assert page_of(STRIP_PAGE) == 1
    assert [film["id"] for film in second["films"]] == names[STRIP_PAGE:]
    assert second["span"] == f"51–{len(names)} of {len(names)}"
    assert second["films"][0]["confidence"] == ".90"
    assert page_value(study, queue, 9)["page"] == 1


@pytest.mark.slow
def test_each_step_is_a_named_endpoint_no_act_of_the_screen_is_and_no_two_parts_share_an_id(
    studies: Studies,
) -> None:
    app = build_app(studies)

    ids = Counter(block.elem_id for block in app.blocks.values() if block.elem_id)
    assert [name for name, times in ids.items() if times > 1] == []

    named: dict[str, Any] = app.get_api_info()["named_endpoints"]

    assert set(named) == {
        "/open_demo",
        "/open_archive",
        "/look_at_archive",
        "/open_study",
        "/set_plan",
        "/train",
        "/training_status",
        "/stop",
        "/queue",
        "/confusion",
        "/select",
        "/out_of_fold_cost",
        "/start_out_of_fold",
        "/relabel",
        "/exclude",
        "/keep_label",
        "/image",
        "/submit_mask",
        "/agreement",
        "/readers",
        "/unblind",
        "/answer",
        "/saliency",
        "/predictions",
        "/predicted_mask",
        "/confirm_predictions",
        "/predicted_masks",
        "/skip",
        "/compare",
        "/results",
        "/final_comparison",
        "/audit",
        "/delete_study",
        "/more_seeds",
        "/rounds",
        "/confusion_matrices",
        "/cell_images",
        "/changed_images",
        "/looks",
        "/external_sets",
        "/add_external_set",
        "/add_external_hub",
        "/remove_external_set",
        "/download",
        "/public_sets",
        "/open_public_set",
        "/look_at_hub",
        "/open_hub",
        "/set_preset",
        "/set_deployment",
        "/set_consent",
        "/fetch_images",
        "/bring_images",
    }


def test_no_sentence_of_the_screen_is_overwritten_by_a_later_one() -> None:
    module = ast.parse(Path(text.__file__).read_text("utf-8"))
    names = Counter(
        target.id
        for line in module.body
        for target in (line.targets if isinstance(line, ast.Assign) else ())
        if isinstance(target, ast.Name)
    )

    assert [name for name, times in names.items() if times > 1] == []


def test_nothing_leaves_the_machine_and_nothing_is_kept_in_browsers() -> None:
    options = launch_options()

    assert options["run_history"] is False
    assert options["ssr_mode"] is False
    assert options["enable_monitoring"] is False


def test_each_public_set_has_a_drawing_of_what_it_shows() -> None:
    style = (ASSETS / "theme.css").read_text("utf-8")

    drawn = re.findall(r"^\.drawn \.wrap label:nth-of-type\((\d)\)::before", style, re.MULTILINE)

    assert drawn == [str(i + 1) for i in range(len(PUBLIC_SETS))]
