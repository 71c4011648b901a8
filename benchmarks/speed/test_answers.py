"""How long an answer takes, beside one forward pass of the same model in the same run."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch

from imil.core.images import open_cache
from imil.core.training.fit import predict
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import DEMO, Studies
from imil.study.study import Study
from imil.study.tools import Tools
from imil.synthetic.films import FilmSpec
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights

RESULTS = Path(__file__).parents[1] / "results" / "answer_time.json"
# Backbone, working size, passes measured.
MEASURED = (("film_net", 64, 300), ("resnet18", 128, 60), ("resnet50", 224, 20))
WARM_UP = 3
# An answer is one pass and the edit: blackout at the image's own size, and the working size of it.
# Of a net that takes a millisecond the edit is a part to be seen, of the others it is none.
MOST = {"film_net": 1.6, "resnet18": 1.1, "resnet50": 1.1}


@pytest.fixture
def studies(tmp_path: Path) -> Iterator[Studies]:
    threads = torch.get_num_threads()
    pool = WorkerPool(tmp_path / "jobs")
    # As large as the demo's, and few: what an answer costs doesn't depend on how many there are.
    demo = FilmSpec(images=40, size=DEMO.size, shortcut=DEMO.shortcut, seed=1)
    yield Studies(tmp_path / "work", Tools(MemoryStore(), pool, no_weights), demo=demo)
    pool.close()
    torch.set_num_threads(threads)


@dataclass
class Times:
    """Seconds of each run: by the wall clock, and of the processor alone."""

    wall: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def add(self, act: Callable[[], object], *, keep: bool) -> None:
        wall, own = time.perf_counter(), time.thread_time()
        act()
        if keep:
            self.wall.append(time.perf_counter() - wall)
            self.own.append(time.thread_time() - own)


def measure(study: Study, times: int) -> tuple[Times, Times]:
    """Return the times of answers and of bare passes of the very same module, in turn."""
    sample_id = study.images.samples[0].sample_id
    irrelevant = corner(study, sample_id, side=40)
    with study._tools.models.passing(study._first) as module:
        pass
    image = np.array(open_cache(study._first.images)[:1])
    torch.set_num_threads(study.plan.threads)
    answers, passes = Times(), Times()
    for turn in range(times + WARM_UP):
        keep = turn >= WARM_UP
        # Another region each time: an answer that was given is kept.
        irrelevant.flat[-1 - turn] = True
        answers.add(partial(study.answer, sample_id, irrelevant.copy()), keep=keep)
        passes.add(lambda: predict(module, image), keep=keep)
    return answers, passes


@pytest.mark.soak
def test_an_answer_takes_one_forward_pass_of_a_warm_model(studies: Studies) -> None:
    told = {}
    for backbone, size, times in MEASURED:
        study = studies.demo()
        study.set_plan(replace(study.plan, backbone=backbone, size=size, pretrained=False))
        answers, passes = measure(as_if_trained(study), times)
        told[backbone] = {
            "size": size,
            "answer_ms": round(1000 * median(answers.wall), 2),
            "pass_ms": round(1000 * median(passes.wall), 2),
            "answer_cpu_ms": round(1000 * median(answers.own), 2),
            "pass_cpu_ms": round(1000 * median(passes.own), 2),
            "ratio": round(median(answers.own) / median(passes.own), 3),
            "n": times,
        }

    content = {
        "claim": f"median processor time of an answer over that of one forward pass of the same "
        f"model, in turn, one thread, films of {DEMO.size} px; other programs may stretch the rest",
        "backbones": told,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    assert {name: t["ratio"] for name, t in told.items() if t["ratio"] > MOST[name]} == {}
