"""What a click on the Outliers tab costs in a long queue with many masks.

Run as `python -m benchmarks.speed.review_clicks IMAGES…`; it prints a line a size: how many films
the queue holds and how many are masked, and the median time of each act in ms and the size of its
answer in kB.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from imil.app.painter.painter import encode_run_lengths
from imil.app.results.results_tab import build_results_tab
from imil.app.review.outliers_handlers import OutliersHandlers
from imil.app.review.outliers_tab import build_outliers_tab
from imil.app.screen import Screen
from imil.app.server.updates import html
from imil.app.train.source_picker import build_reading_watch
from imil.app.train.train_tab import build_train_tab
from imil.core.records import Queue
from imil.study.library.studies import Studies
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained, corner
from tests.standins.untraining import opened

TURNS = 15


def screen_of(studies: Studies) -> Screen:
    """Return the three tabs, as callbacks know them."""
    with gr.Blocks():
        header, study_id, reader = html(), gr.BrowserState(""), gr.BrowserState("")
        with gr.Tabs() as tabs, gr.Tab("x") as place:
            train = build_train_tab(build_reading_watch())
            outliers = build_outliers_tab(place)
            results = build_results_tab()
        timer, news = gr.Timer(1, active=False), gr.Timer(1, active=False)
    clocks = timer, news
    return Screen(
        studies, study_id, reader, header, tabs, *clocks, train, outliers, results, html()
    )


def painted(study: Study, sample_id: str, turn: int) -> dict[str, Any]:
    """Return what the page sends."""
    irrelevant = corner(study, sample_id, side=10 + turn)
    height, width = irrelevant.shape
    runs = encode_run_lengths(irrelevant)
    about = {"study": study.study_id, "sample": sample_id, "size": [width, height]}
    return {**about, "runs": runs, "rev": turn, "seconds": 3.0 + turn}


def timed(act: Callable[[int], Any]) -> str:
    """Return the median time of an act, and the size of its last answer."""
    took = []
    for turn in range(TURNS):
        began = time.perf_counter()
        shown = act(turn)
        took.append(time.perf_counter() - began)
    size = len(json.dumps(list(shown.values()), default=lambda each: vars(each)["value"]))
    return f"{1000 * statistics.median(took):6.1f} ms {size / 1000:6.0f} kB"


def main(images: int, folder: Path) -> None:
    """Review a third of a random queue, then time what one does next."""
    films = FilmSpec(images=images, size=32, shortcut=0.95)
    studies = opened(folder, MemoryStore(), films)
    study = studies.demo()
    study.training.set_plan(replace(study.plan, size=32, budget=0.9))
    as_if_trained(study)
    queue = [offer.sample_id for offer in study.queues.offers(Queue.RANDOM)]
    for place, sample_id in enumerate(queue[: len(queue) // 3]):
        if place % 2:
            study.review.submit(sample_id, corner(study, sample_id), reader="visitor", seconds=2)
        else:
            study.review.skip(sample_id)
    left, acts, kind = queue[len(queue) // 3 :], OutliersHandlers(screen_of(studies)), "random"
    study.flush()
    black = lambda turn: acts.black_out(painted(study, left[turn], turn), kind, None)  # noqa: E731
    skip = lambda turn: acts.skip(painted(study, left[TURNS + turn], 1), kind, None)  # noqa: E731
    told = {
        "black out": timed(black),
        "skip": timed(skip),
        "next": timed(
            lambda turn: acts.next(study.study_id, {"sample": left[40 + turn]}, kind, None)
        ),
        "select": timed(
            lambda turn: acts.select(
                study.study_id, kind, None, gr.EventData(None, {"sample": left[60 + turn]})
            )
        ),
    }
    masked = study.review.budget().painted
    print(f"{len(queue):6} films, {masked:5} masked:", told)  # noqa: T201  # that is its purpose


if __name__ == "__main__":
    torch.set_num_threads(1)
    for size in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as made:
            main(int(size), Path(made))
