from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from imil.core.arms.registry import ArmInputs, control
from imil.core.records import Plan, Split
from imil.core.training.fit import EpochReport, fit, initial_state, predict, restore
from imil.synthetic.films import FILMS_VERSION, FilmSpec, film_set

RESULTS = Path(__file__).parents[1] / "results" / "film_net.json"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _test_accuracy(seed: int, *, images: int, epochs: int) -> tuple[float, float]:
    """Return accuracy on test films after training on shortcut-free ones, and images a second."""
    films = film_set(FilmSpec(images=images, shortcut=0.5, seed=seed))
    pixels = np.stack(
        [films.original(sample.sample_id)[None].astype(np.uint8) for sample in films.samples]
    )
    plan = Plan(epochs=epochs, seed=seed)
    inputs = ArmInputs(
        plan=plan,
        images=pixels,
        labels=films.labels,
        classes=2,
        train=films.rows(Split.TRAIN),
        validation=films.rows(Split.VALIDATION),
        mirrored=films.mirrored,
    )
    state = initial_state(plan, classes=2, channels=1)
    started = time.perf_counter()
    for report in fit(plan, state, control(inputs), should_stop=lambda: False):
        if isinstance(report, EpochReport):
            state = report.state
    seconds = time.perf_counter() - started
    rows = films.rows(Split.TEST)
    predicted = predict(restore(plan, state), pixels[rows]).argmax(1).numpy()
    return float((predicted == films.labels[rows]).mean()), epochs * images / seconds


@pytest.mark.slow
def test_film_net_learns_from_a_few_films_without_a_shortcut() -> None:
    accuracy, _ = _test_accuracy(0, images=600, epochs=10)

    # The claim below at small size: half the steps, so far above chance and not yet at the top.
    assert accuracy >= 0.75


@pytest.mark.soak
def test_film_net_reaches_95_percent_on_shortcut_free_films_in_each_of_ten_seeds() -> None:
    results = [_test_accuracy(seed, images=1000, epochs=12) for seed in range(10)]

    accuracies = [round(accuracy, 4) for accuracy, _ in results]
    told = {
        "claim": "accuracy on 400 shortcut-free test films, 12 epochs of 1,000 films, 10 seeds",
        "accuracy": accuracies,
        "images_per_second": [round(speed) for _, speed in results],
        "versions": {
            "films": FILMS_VERSION,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    assert min(accuracies) >= 0.95
