"""What each tab says of a study whose images are not on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from imil.app.results import results_tab
from imil.app.review import outliers_tab
from imil.app.train import train_tab
from imil.app.train.source_picker import build_reading_watch
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained, corner
from tests.standins.uploads import telling_zip
from tests.standins.visitors import no_weights

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[Study]:
    """A trained study with one mask, opened again on an empty disk."""
    archive, store = telling_zip(tmp_path / "brought.zip"), MemoryStore()
    pool = WorkerPool(tmp_path / "jobs")
    before = Studies(tmp_path / "work", Services(store, pool, no_weights))
    study = before.from_archive(archive, name="Chest films")
    study.context.state.update(started=True)
    as_if_trained(study)
    sample_id = study.queues.offers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id, side=6), reader="Ada", seconds=2)
    study.flush()
    yield Studies(tmp_path / "empty", Services(store, pool, no_weights)).open(study.study_id)
    pool.close()


def test_train_asks_for_the_file_and_offers_no_training_that_could_not_go_on(lost: Study) -> None:
    with gr.Blocks():
        tab = train_tab.build_train_tab(build_reading_watch())

    shown = train_tab.show_study(tab, lost)

    assert "48 of 48 images are not on this machine." in shown[tab.bring.words]
    assert "Classes, splits, labels, 1 mask and results are kept." in shown[tab.bring.words]
    assert shown[tab.bring.file]["visible"] is True
    assert shown[tab.train]["visible"] is False
    assert "Waiting for the images" in shown[tab.live]


def test_the_other_tabs_say_what_is_missing_and_that_masks_are_kept(lost: Study) -> None:
    with gr.Blocks(), gr.Tabs(), gr.Tab("x") as place:
        outliers = outliers_tab.build_outliers_tab(place)
        results = results_tab.build_results_tab()

    review = outliers_tab.show_outliers(outliers, lost)[outliers.none_words]
    compare = results_tab.show_results(results, lost)[results.none]["value"]

    assert "The images are not on this machine" in review
    assert "What you painted is kept: 1 mask." in review
    assert "what you painted is kept (1 mask)" in compare
    assert "Bring the images again on the Train tab." in compare
