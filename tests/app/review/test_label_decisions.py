from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imil.app.review.label_handlers import LabelHandlers
from imil.app.review.read_column import show_read_column
from imil.app.screen import Screen
from imil.core.records import LabelDecision, Queue
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
def acts(screen: Screen) -> LabelHandlers:
    return LabelHandlers(screen)


@pytest.fixture
def study(studies: Studies) -> Study:
    made = studies.demo()
    made.training.set_plan(replace(made.plan, size=32, budget=0.5))
    return as_if_trained(made)


def painter_says(study: Study, sample_id: str) -> dict[str, Any]:
    height, width = study.pictures.original(sample_id).shape[:2]
    return {
        "study": study.study_id,
        "sample": sample_id,
        "size": [width, height],
        "runs": [width * height],
        "rev": 1,
        "seconds": 3.0,
    }


def test_on_any_queue_label_is_wrong_opens_the_choices_and_closes_them_again(
    acts: LabelHandlers, study: Study
) -> None:
    read = acts.screen.outliers.read
    sample_id = study.queues.offers()[0].sample_id
    payload = painter_says(study, sample_id)

    opened = acts.toggle(payload, Queue.MISPREDICTED, None, opened=False)
    closed = acts.toggle(payload, Queue.MISPREDICTED, None, opened=True)

    assert opened[read.labels.row]["visible"] is True
    assert opened[read.acts]["visible"] is False
    assert opened[read.labels.relabel]["value"].startswith("Relabel to ")
    assert closed[read.labels.row]["visible"] is False
    assert closed[read.acts]["visible"] is True


def test_a_film_said_to_be_wrong_leaves_the_queue_and_the_next_one_opens(
    acts: LabelHandlers, study: Study
) -> None:
    first, second = (offer.sample_id for offer in study.queues.offers()[:2])
    label = study.images.classes[study.images.sample(first).label]
    other = next(name for name in study.images.classes if name != label)

    shown = acts.relabel(painter_says(study, first), Queue.MISPREDICTED, None, other)

    decided = study.labels.decision(first)
    assert decided is not None
    assert (decided.decision, decided.label) == (LabelDecision.RELABEL, other)
    assert first not in [offer.sample_id for offer in study.queues.offers()]
    assert shown[acts.screen.outliers.painter]["sample"] == second


def test_a_label_that_is_right_leaves_the_film_and_its_painting_alone(
    acts: LabelHandlers, study: Study
) -> None:
    sample_id = study.queues.offers()[0].sample_id

    shown = acts.keep(painter_says(study, sample_id), Queue.MISPREDICTED, None)

    tab = acts.screen.outliers
    decided = study.labels.decision(sample_id)
    assert decided is not None
    assert decided.decision is LabelDecision.KEEP
    assert tab.painter not in shown
    assert shown[tab.read.acts]["visible"] is True


def test_when_every_film_of_a_queue_is_excluded_the_queue_says_that_it_is_empty(
    acts: LabelHandlers, study: Study
) -> None:
    ids = [offer.sample_id for offer in study.queues.offers()]

    shown: dict[Any, Any] = {}
    for sample_id in ids:
        shown = acts.exclude(painter_says(study, sample_id), Queue.MISPREDICTED, None)

    tab = acts.screen.outliers
    assert study.queues.offers() == ()
    assert "Nothing left to mask here" in shown[tab.none_here]
    assert shown[tab.read.acts]["visible"] is False


def test_of_many_classes_all_but_its_own_can_be_chosen_and_the_likeliest_is(
    acts: LabelHandlers, studies: Studies, tmp_path: Path
) -> None:
    study = as_if_trained(studies.from_archive(three_classes(tmp_path), name="three"))
    read = acts.screen.outliers.read
    offer = study.queues.offers(Queue.RANDOM)[0]
    classes = study.images.classes

    shown = acts.toggle(painter_says(study, offer.sample_id), Queue.RANDOM, None, opened=False)

    choice = shown[read.labels.choice]
    assert choice["visible"] is True
    assert choice["choices"] == [c for k, c in enumerate(classes) if k != offer.label]
    shares = study.model.answer(offer.sample_id, None).before
    assert shares[classes.index(choice["value"])] == max(
        share for k, share in enumerate(shares) if k != offer.label
    )
    assert shown[read.labels.relabel]["value"] == f"Relabel to {choice['value']}"


def test_a_film_opens_with_the_choices_closed(acts: LabelHandlers, study: Study) -> None:
    read = acts.screen.outliers.read
    offer = study.queues.offers()[0]

    shown = show_read_column(read, study, offer.sample_id, View(), offer)

    assert shown[read.labels.opened] is False
    assert shown[read.labels.row]["visible"] is False
    assert shown[read.assists]["visible"] is True


def three_classes(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    path = folder / "three.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("amber", "blue", "coral"):
            for number in range(12):
                pixels = rng.integers(0, 256, (40, 40), np.uint8)
                picture = folder / f"{name}-{number}.png"
                Image.fromarray(pixels).save(picture)
                archive.write(picture, f"{name}/{picture.name}")
    return path
