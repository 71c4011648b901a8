from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

from imil.app.review import outliers_tab
from imil.app.review.label_buttons import label_state
from imil.app.review.outliers_tab import OutliersTab
from imil.app.review.queue_picker import FOLDS_START, ORDER, show_folds
from imil.app.review.queue_view import LOOKING, QUEUE_ALL_TRIAGED
from imil.app.server.updates import Updates
from imil.core.records import Queue, Selection
from imil.core.review.readers import UNNAMED
from imil.jobs.base import JobState
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.review.viewing import Sort, View
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.visitors import no_weights

pytestmark = [
    pytest.mark.slow,
    # Gradio leaves an event loop open for each Blocks.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    home = tmp_path_factory.mktemp("home")
    pool = WorkerPool(home / "jobs")
    demo = FilmSpec(images=60, size=48, label_noise=0.1)
    trained = Studies(home / "work", Services(MemoryStore(), pool, no_weights), demo=demo).demo()
    trained.training.set_plan(replace(trained.plan, size=32, epochs=2, batch_size=8, budget=0.1))
    trained.training.start()
    wait(trained)
    yield trained
    pool.close()


def wait(study: Study) -> None:
    for _ in range(600):
        if study.training.status().state is JobState.DONE:
            return
        time.sleep(0.1)
    raise AssertionError("it takes too long")


@pytest.fixture
def tab() -> OutliersTab:
    with gr.Blocks(), gr.Tabs(), gr.Tab("x") as place:
        return outliers_tab.build_outliers_tab(place)


def test_each_queue_says_how_its_images_were_found_and_how_many_there_are(
    study: Study, tab: OutliersTab
) -> None:
    shown = outliers_tab.show_outliers(tab, study)

    counts = study.queues.counts()
    choices = shown[tab.picker.kind]["choices"]
    assert [value for _, value in choices] == [kind.value for kind in ORDER]
    names = dict((value, name) for name, value in choices)  # noqa: C402  # turned round
    assert names["mispredicted"] == f"Mispredicted {counts[Queue.MISPREDICTED]}"
    assert names["random"] == "Random"
    assert names["wrong_reason"] == "Wrong reason"
    assert "The trained model gets these images wrong." in shown[tab.picker.words]
    high = outliers_tab.show_outliers(tab, study, View(Queue.HIGH_LOSS))
    assert "The 6 training images of highest loss" in high[tab.picker.words]


def test_a_suspect_says_what_it_looks_like_with_acts_on_its_label_in_place_of_black_out(
    study: Study, tab: OutliersTab
) -> None:
    first = study.queues.offers(Queue.LABEL_SUSPECT)[0]
    looks_like = study.images.classes[first.predicted]

    shown = outliers_tab.show_outliers(tab, study, View(Queue.LABEL_SUSPECT))

    assert shown[tab.read.labels.row]["visible"] is True
    assert shown[tab.read.acts]["visible"] is False
    assert shown[tab.read.labels.relabel]["value"] == f"Relabel to {looks_like}"
    assert f'<dt>Looks like</dt><dd title="{looks_like} .' in shown[tab.read.readout]
    assert "the arms Relabel and Drop alone" in shown[tab.read.labels.words]
    study.labels.exclude(first.sample_id)
    assert label_state(study, first.sample_id, "visitor") == "excluded"
    again = outliers_tab.show_image(tab, study, View(Queue.LABEL_SUSPECT), first.sample_id)
    assert "<b>Excluded.</b>" in again[tab.read.labels.words]
    assert "1 image relabelled or excluded." in again[tab.read.labels.words]
    ticks = again[tab.strip]["marks"]["reviewed"]
    assert {each: tick for each, tick in ticks.items() if tick} == {first.sample_id: "excluded"}
    study.labels.keep(first.sample_id)
    other = outliers_tab.show_outliers(tab, study)
    assert other[tab.read.labels.row]["visible"] is False
    assert other[tab.read.acts]["visible"] is True


def test_an_empty_queue_says_so_and_offers_masks_on_random_images(
    study: Study, tab: OutliersTab
) -> None:
    wrong = [offer.sample_id for offer in study.queues.offers()]
    for sample_id in wrong:
        study.labels.exclude(sample_id)

    shown = outliers_tab.show_outliers(tab, study)

    assert QUEUE_ALL_TRIAGED[0] in shown[tab.none_here]
    assert shown[tab.paint_random]["visible"] is True
    assert shown[tab.painter] is None
    assert shown[tab.work]["visible"] is True
    random = outliers_tab.show_outliers(tab, study, View(Queue.RANDOM))
    assert random[tab.paint_random]["visible"] is False
    assert random[tab.painter]["sample"] not in wrong
    kept = View(sort=Sort.NAME, label=0)
    assert QUEUE_ALL_TRIAGED[0] in outliers_tab.show_outliers(tab, study, kept)[tab.none_here]
    for sample_id in wrong:
        study.labels.keep(sample_id)


def shown_once_made(tab: OutliersTab, study: Study) -> Updates:
    """Look until the queue is there, as the screen does; the film stays shut meanwhile."""
    for _ in range(600):
        shown = outliers_tab.show_outliers(tab, study, View(Queue.WRONG_REASON))
        if not shown[tab.again].active:
            return shown
        assert LOOKING in shown[tab.none_here]
        assert shown[tab.paint_random]["visible"] is False
        assert shown[tab.painter] is None
        time.sleep(0.1)
    raise AssertionError("it takes too long")


def test_wrong_reasons_say_what_they_need_before_two_images_are_masked(
    study: Study, tab: OutliersTab
) -> None:
    shown = outliers_tab.show_outliers(tab, study, View(Queue.WRONG_REASON))

    assert "0 of 2 masks" in shown[tab.none_here]
    assert "Mask two images of another queue first" in shown[tab.none_here]
    irrelevant = np.zeros((48, 48), np.bool_)
    irrelevant[:10, 36:] = True
    for offer in study.queues.offers(Queue.RANDOM)[:2]:
        study.review.submit(
            offer.sample_id, irrelevant, reader=UNNAMED, seconds=1, queue=Queue.RANDOM
        )
    after = shown_once_made(tab, study)
    assert after[tab.none_here] == ""
    choices = dict((v, n) for n, v in after[tab.picker.kind]["choices"])  # noqa: C402  # turned round
    assert choices["wrong_reason"] == f"Wrong reason {len(study.queues.offers(Queue.WRONG_REASON))}"


def test_out_of_fold_shows_its_cost_before_it_is_trained(study: Study, tab: OutliersTab) -> None:
    nothing = show_folds(tab.picker, study, Selection.IN_SAMPLE)
    asked = show_folds(tab.picker, study, Selection.OUT_OF_FOLD)

    assert nothing[tab.picker.folds] == ""
    assert nothing[tab.picker.use_folds]["visible"] is False
    assert "3 more trainings, as much work as 4 epochs" in asked[tab.picker.folds]
    assert "on this machine" in asked[tab.picker.folds]
    assert asked[tab.picker.use_folds]["value"] == FOLDS_START
    assert study.queues.selection is Selection.IN_SAMPLE
