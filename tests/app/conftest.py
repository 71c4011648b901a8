"""Rounds and studies made for the screen's tests."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from imil.app.results.results_tab import build_results_tab
from imil.app.review.outliers_tab import build_outliers_tab
from imil.app.screen import Screen
from imil.app.server.shown import html
from imil.app.train.train_tab import build_train_tab
from imil.core.arms.variants import CONTROL, IMIL
from imil.core.evaluation.rounds import Round, Setting, Trained, Validation, clusters_of, compare
from imil.core.records import EpochFigures, Sample, Split
from imil.jobs.pool import WorkerPool
from imil.storage.memory import MemoryStore
from imil.study.library.studies import Studies
from imil.study.tools import Tools
from imil.synthetic.films import FilmSpec
from tests.standins.visitors import no_weights

CURVE = (EpochFigures(1, 0.7, 0.5, 0.6, 0.6), EpochFigures(2, 0.4, 0.8, 0.5, 0.75))


@cache
def make_round(
    gained: int, *, seeds: int = 5, split: Split = Split.VALIDATION, patients: bool = True
) -> Round:
    """Return a round of 200 images on which `imil` is right on `gained` more than control's 150."""
    labels = np.arange(200) % 2
    samples = tuple(
        Sample(f"i{n}", int(labels[n]), split, patient=f"p{n // 2}" if patients else None)
        for n in range(200)
    )

    def right_on(number: int) -> Trained:
        said = np.where(np.arange(200) < number, labels, 1 - labels)
        return Trained((np.eye(2, dtype=np.float32)[said],) * seeds, (CURVE,) * seeds)

    setting = Setting(
        number=1,
        split=split,
        seeds=tuple(range(seeds)),
        seed_scope="train_on",
        masked=(40,) * seeds,
        allowed=40,
        training_images=1000,
        test_openings=int(split is Split.TEST),
    )
    trained = {CONTROL: right_on(150), IMIL: right_on(150 + gained)}
    return compare(trained, samples, setting, Validation(trained, labels, clusters_of(samples)))


@pytest.fixture(scope="session")
def round_of() -> Callable[..., Round]:
    return make_round


@pytest.fixture
def studies(tmp_path: Path) -> Iterator[Studies]:
    pool = WorkerPool(tmp_path / "jobs")
    demo = FilmSpec(images=40, size=64, seed=1)
    yield Studies(tmp_path / "work", Tools(MemoryStore(), pool, no_weights), demo=demo)
    pool.close()


@pytest.fixture
def screen(studies: Studies) -> Iterator[Screen]:
    """The three tabs, as callbacks know them."""
    with gr.Blocks():
        header, study_id, reader = html(), gr.BrowserState(""), gr.BrowserState("")
        with gr.Tabs() as tabs, gr.Tab("x") as place:
            train = build_train_tab()
            outliers = build_outliers_tab(place)
            results = build_results_tab()
        timer = gr.Timer(1, active=False)
        yield Screen(studies, study_id, reader, header, tabs, timer, train, outliers, results)


@pytest.fixture(scope="module", autouse=True)
def leftovers_of_gradio() -> Iterator[None]:
    """Collect the event loops and sockets that Gradio leaves open, before they trouble others."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
