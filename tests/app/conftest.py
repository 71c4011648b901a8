"""Rounds and studies made for the screen's tests."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from imil.app.results.results_tab import build_results_tab
from imil.app.review.outliers_tab import build_outliers_tab
from imil.app.screen import Screen
from imil.app.server.updates import html
from imil.app.train.source_picker import build_reading_watch
from imil.app.train.train_tab import build_train_tab
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.visitors import no_weights


@pytest.fixture
def studies(tmp_path: Path) -> Iterator[Studies]:
    pool = WorkerPool(tmp_path / "jobs")
    demo = FilmSpec(images=40, size=64, seed=1)
    yield Studies(tmp_path / "work", Services(MemoryStore(), pool, no_weights), demo=demo)
    pool.close()


@pytest.fixture
def screen(studies: Studies) -> Iterator[Screen]:
    """The three tabs, as callbacks know them."""
    with gr.Blocks():
        header, study_id, reader = html(), gr.BrowserState(""), gr.BrowserState("")
        with gr.Tabs() as tabs, gr.Tab("x") as place:
            train = build_train_tab(build_reading_watch())
            outliers = build_outliers_tab(place)
            results = build_results_tab()
        timer, news = gr.Timer(1, active=False), gr.Timer(1, active=False)
        yield Screen(
            studies, study_id, reader, header, tabs, timer, news, train, outliers, results, html()
        )


@pytest.fixture(scope="module", autouse=True)
def leftovers_of_gradio() -> Iterator[None]:
    """Collect the event loops and sockets that Gradio leaves open, before they trouble others."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
