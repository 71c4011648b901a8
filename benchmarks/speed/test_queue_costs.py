from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imil.core.evaluation.probe import SWAPS
from imil.core.images import open_cache
from imil.core.records import Plan, Region, Split
from imil.core.review.queues import find_outliers
from imil.core.training.fit import predict, restore
from imil.jobs.training.task import TrainingTask, run_task
from imil.storage.codec import decode_checkpoint
from imil.study.review.mask_sets import Review
from imil.study.review.predicted_regions import extend
from imil.study.workspace import Workspace
from imil.synthetic.films import FilmSpec, film_set

# Each is timed so often, in turn, so that a busy while of the machine falls on all three.
ROUNDS = 9
IMAGES = 1000


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(folder: Path) -> tuple[Workspace, TrainingTask]:
    films = film_set(FilmSpec(images=IMAGES))
    workspace = Workspace(folder, films, folder)
    plan = Plan(epochs=1, epochs_after=1)
    for _ in workspace.prepare(plan):
        pass
    first = workspace.first_task(plan)
    for _ in run_task(first, should_stop=lambda: False):
        pass
    return workspace, first


def seconds(act: Callable[[], object]) -> float:
    # As `timeit` does: a collection of the whole process falls on whoever happens to be timed.
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        act()
        return time.perf_counter() - began
    finally:
        gc.enable()


@pytest.mark.soak
def test_queues_cost_no_more_than_the_forward_passes_they_need(
    tmp_path: Path, record: Callable[[dict[str, Any]], None]
) -> None:
    workspace, first = trained(tmp_path)
    rows, films = workspace.rows(Split.TRAIN), workspace.images
    labels, ids = films.labels[rows], [films.samples[row].sample_id for row in rows]
    working = open_cache(first.images)[rows]
    _, state, _ = decode_checkpoint(first.checkpoint.read_bytes())
    module = restore(first.plan, state)
    review = Review(workspace, first, (), lambda _: None, 0)
    corner = np.zeros((64, 64), np.bool_)
    corner[:16, 48:] = True
    masks: dict[str, Region] = dict.fromkeys(ids[:20], corner)
    predicted = extend(workspace, first, masks).regions
    acts = {
        "forward": lambda: predict(module, working),
        "mispredicted": lambda: find_outliers(predict(module, working), labels, ids),
        # The scores of the images as they are, then the queue, which scores their copies.
        "wrong_reason": lambda: (predict(module, working), review._wrong_reason(predicted)),
    }

    timed: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(ROUNDS):
        for name, act in acts.items():
            timed[name].append(seconds(act))

    # The least of the rounds: whatever else the machine does can only add to it.
    cost = {name: min(each) for name, each in timed.items()}
    ratios = {name: cost[name] / cost["forward"] for name in ("mispredicted", "wrong_reason")}
    record(
        {
            "images": IMAGES,
            "size": 64,
            "backbone": first.plan.backbone,
            "swaps": SWAPS,
            "rounds": ROUNDS,
            "seconds": {name: round(value, 4) for name, value in cost.items()},
            "forward_passes": {name: round(value, 3) for name, value in ratios.items()},
            "seconds_to_predict_what_is_irrelevant": round(
                seconds(lambda: extend(workspace, first, dict(list(masks.items())[:19])).regions), 3
            ),
            "torch": torch.__version__,
            "threads": 1,
        }
    )
    assert ratios["mispredicted"] <= 1.1
    assert ratios["wrong_reason"] <= 1.1 * (1 + SWAPS)
