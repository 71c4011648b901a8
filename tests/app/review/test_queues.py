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
from imil.app.review.queue_picker import COUNTED, ORDER, show_folds
from imil.app.review.queue_view import part_is_empty
from imil.app.server.updates import Updates
from imil.core.records import Queue, Selection
from imil.core.review.readers import UNNAMED
from imil.jobs.base import JobState
from imil.jobs.pool import WorkerPool
from imil.report.parts import numbers
from imil.study.library.studies import Studies
from imil.study.review.viewing import Sort, View
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.page_text import numbers_of, words_of
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


def test_the_queues_that_say_something_of_the_model_tell_how_many_images_they_hold(
    study: Study, tab: OutliersTab
) -> None:
    shown = outliers_tab.show_outliers(tab, study)

    counts = study.queues.counts()
    choices = shown[tab.picker.kind]["choices"]
    assert [value for _, value in choices] == [kind.value for kind in ORDER]
    told = {value: numbers_of(name) for name, value in choices}
    # How many rest on a wrong reason is not known before two images are masked.
    assert Queue.WRONG_REASON not in counts
    assert told == {
        kind.value: [str(counts[kind])] if kind in COUNTED & counts.keys() else [] for kind in ORDER
    }
    high = outliers_tab.show_outliers(tab, study, View(Queue.HIGH_LOSS))
    assert numbers_of(high[tab.picker.words]) == [str(study.review.budget().allowed)]


def test_a_suspect_shows_what_it_looks_like_with_acts_on_its_label_in_place_of_black_out(
    study: Study, tab: OutliersTab
) -> None:
    first = study.queues.offers(Queue.LABEL_SUSPECT)[0]
    looks_like = study.images.classes[first.predicted]

    shown = outliers_tab.show_outliers(tab, study, View(Queue.LABEL_SUSPECT))

    assert shown[tab.read.labels.row]["visible"] is True
    assert shown[tab.read.acts]["visible"] is False
    assert shown[tab.read.labels.relabel]["value"].endswith(looks_like)
    assert f"{looks_like} {numbers.share(first.confidence)}" in words_of(shown[tab.read.readout])
    assert numbers_of(shown[tab.read.labels.words]) == ["0"]
    study.labels.exclude(first.sample_id)
    assert label_state(study, first.sample_id, "visitor") == "excluded"
    again = outliers_tab.show_image(tab, study, View(Queue.LABEL_SUSPECT), first.sample_id)
    assert 'class="decided"' in again[tab.read.labels.words]
    assert numbers_of(again[tab.read.labels.words]) == ["1"]
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

    assert shown[tab.none_here]
    assert shown[tab.paint_random]["visible"] is True
    assert shown[tab.painter] is None
    assert shown[tab.work]["visible"] is True
    random = outliers_tab.show_outliers(tab, study, View(Queue.RANDOM))
    assert random[tab.paint_random]["visible"] is False
    assert random[tab.painter]["sample"] not in wrong
    kept = View(sort=Sort.NAME, label=0)
    assert not part_is_empty(study, kept)
    assert outliers_tab.show_outliers(tab, study, kept)[tab.none_here] == shown[tab.none_here]
    for sample_id in wrong:
        study.labels.keep(sample_id)


def shown_once_made(tab: OutliersTab, study: Study) -> Updates:
    """Look until the queue is there, as the screen does; the film stays shut meanwhile."""
    for _ in range(600):
        shown = outliers_tab.show_outliers(tab, study, View(Queue.WRONG_REASON))
        if not shown[tab.again].active:
            return shown
        assert shown[tab.none_here]
        assert shown[tab.paint_random]["visible"] is False
        assert shown[tab.painter] is None
        time.sleep(0.1)
    raise AssertionError("it takes too long")


def test_wrong_reasons_tell_how_many_masks_they_lack_before_two_images_are_masked(
    study: Study, tab: OutliersTab
) -> None:
    shown = outliers_tab.show_outliers(tab, study, View(Queue.WRONG_REASON))

    assert numbers_of(shown[tab.none_here]) == ["0", "2"]
    irrelevant = np.zeros((48, 48), np.bool_)
    irrelevant[:10, 36:] = True
    for offer in study.queues.offers(Queue.RANDOM)[:2]:
        study.review.submit(
            offer.sample_id, irrelevant, reader=UNNAMED, seconds=1, queue=Queue.RANDOM
        )
    after = shown_once_made(tab, study)
    assert after[tab.none_here] == ""
    told = {value: numbers_of(name) for name, value in after[tab.picker.kind]["choices"]}
    assert told["wrong_reason"] == [str(len(study.queues.offers(Queue.WRONG_REASON)))]


def test_out_of_fold_shows_its_cost_before_it_is_trained(study: Study, tab: OutliersTab) -> None:
    nothing = show_folds(tab.picker, study, Selection.IN_SAMPLE)
    asked = show_folds(tab.picker, study, Selection.OUT_OF_FOLD)

    assert nothing[tab.picker.folds] == ""
    assert nothing[tab.picker.use_folds]["visible"] is False
    assert numbers_of(asked[tab.picker.folds])[:2] == ["3", "4"]
    seconds = study.training.out_of_fold_cost().seconds
    assert seconds is not None
    assert numbers.duration(seconds) in words_of(asked[tab.picker.folds])
    assert asked[tab.picker.use_folds]["visible"] is True
    assert study.queues.selection is Selection.IN_SAMPLE
