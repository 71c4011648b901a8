from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from imil.app.review.queue_view import ReviewList, next_after, queue_of, review_list, state_of
from imil.core.records import Queue
from imil.study.review.viewing import Cell, Sort, View, next_ids, view_offers
from imil.study.study import Study
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained, corner
from tests.standins.untraining import opened

READERS = ("Ada", "Bo")
VIEWS = [
    View(queue, sort, reader=reader)
    for queue in (Queue.MISPREDICTED, Queue.RANDOM, Queue.HIGH_LOSS)
    for sort in (Sort.WORST, Sort.NAME, Sort.NOT_REVIEWED)
    for reader in READERS
] + [
    View(Queue.RANDOM, label=1, reader="Ada"),
    View(cell=Cell(0, 1), reader="Bo"),
    View(cell=Cell(1, 1), sort=Sort.NOT_REVIEWED, reader="Ada"),
]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = opened(tmp_path, MemoryStore()).demo()
    made.training.set_plan(replace(made.plan, size=32, budget=0.6))
    return as_if_trained(made)


def decide(study: Study, chance: random.Random) -> str:
    """Do one thing that a reader can do, to any image."""
    images = [offer.sample_id for offer in study.queues.answers()]
    sample_id, reader = chance.choice(images), chance.choice(READERS)
    act = chance.randrange(5)
    if act < 2:
        side = chance.randrange(5, 20)
        study.review.submit(
            sample_id, corner(study, sample_id, side=side), reader=reader, seconds=1
        )
    elif act == 2:
        study.review.skip(sample_id, reader=reader)
    elif act == 3:
        study.labels.exclude(sample_id, reader=reader)
    else:
        study.labels.keep(sample_id, reader=reader)
    return sample_id


def test_what_is_kept_of_a_list_is_what_walking_it_would_find(study: Study) -> None:
    chance = random.Random(0)
    for _ in range(40):
        before = {view: queue_of(study, view) for view in VIEWS}
        sample_id = decide(study, chance)

        for view in VIEWS:
            found, films = review_list(study, view), view_offers(study, view)
            ids = [offer.sample_id for offer in films]
            states = {name: state_of(study, view, name) or "" for name in ids}
            order = next_ids([o.sample_id for o in before[view]], ids, sample_id)
            left = next((name for name in order if not states[name]), None)
            stays = sample_id if sample_id in ids else next(iter(order), None)
            assert found is not None
            assert found.offers == films
            assert found.states(ids) == states
            assert found.done == sum(map(bool, states.values()))
            assert [found.place(name) for name in ids] == list(range(len(ids)))
            assert next_after(study, before[view], view, sample_id) == (left or stays)


def test_a_list_is_made_once_and_not_at_each_decision(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[View] = []
    first = ReviewList.__init__

    def counted(self: ReviewList, study: Study, view: View, source: object) -> None:
        made.append(view)
        first(self, study, view, source)  # type: ignore[arg-type]  # as it is called

    monkeypatch.setattr(ReviewList, "__init__", counted)
    view = View(Queue.RANDOM, reader="Ada")
    for offer in queue_of(study, view)[:10]:
        study.review.skip(offer.sample_id, reader="Ada")
        assert queue_of(study, view)

    assert made == [view]
