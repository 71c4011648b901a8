from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from imil.core.records import Plan, Queue, Region
from imil.errors import PlanError
from imil.storage.codec import MaskRecord
from imil.study.review.viewing import Cell, Sort, View, next_ids, parse_view, reviewed, view_offers
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.study.conftest import Machine, finish

pytestmark = pytest.mark.slow

NOISY = FilmSpec(images=60, size=48, shortcut=0.95, label_noise=0.1)
PLAN = Plan(size=32, epochs=2, epochs_after=1, batch_size=8, budget=0.1)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(tmp_path_factory.mktemp("home"), NOISY)
    yield made
    made.pool.close()


def begin(machine: Machine) -> Study:
    study = machine.studies.demo()
    study.training.set_plan(PLAN)
    study.training.start()
    finish(study.training.status)
    return study


@pytest.fixture(scope="module")
def untouched(machine: Machine) -> Study:
    """Nothing is decided or masked in this one."""
    return begin(machine)


@pytest.fixture
def study(machine: Machine) -> Study:
    return begin(machine)


def corner(study: Study, sample_id: str) -> Region:
    irrelevant = np.zeros(study.pictures.original(sample_id).shape[:2], np.bool_)
    irrelevant[:12, 36:] = True
    return irrelevant


def paint(study: Study, sample_id: str, queue: Queue, *, seconds: float = 1) -> MaskRecord:
    region = corner(study, sample_id)
    study.review.submit(sample_id, region, reader="r", seconds=seconds, queue=queue)
    record = study.context.masks.last(sample_id)
    assert record is not None
    return record


def names(study: Study, view: View) -> list[str]:
    return [offer.sample_id for offer in view_offers(study, view)]


def test_an_order_shows_the_same_images_in_another_order(untouched: Study) -> None:
    whole = view_offers(untouched, View())

    least_sure = view_offers(untouched, View(sort=Sort.LEAST_SURE))
    by_name = names(untouched, View(sort=Sort.NAME))

    assert whole == untouched.queues.offers()
    assert [o.confidence for o in least_sure] == sorted(o.confidence for o in whole)
    assert by_name == sorted(o.sample_id for o in whole)


def test_a_class_shows_only_the_images_that_carry_it(untouched: Study) -> None:
    whole = untouched.queues.offers(Queue.RANDOM)

    parts = [view_offers(untouched, View(Queue.RANDOM, label=label)) for label in (0, 1)]

    assert parts[1] == tuple(offer for offer in whole if offer.label == 1)
    assert len(parts[0]) + len(parts[1]) == 60


def test_cells_hold_every_training_image_once_and_the_wrong_ones_are_the_mispredicted(
    untouched: Study,
) -> None:
    counts = untouched.queues.confusion()
    cells = {
        (label, said): names(untouched, View(cell=Cell(label, said)))
        for label in (0, 1)
        for said in (0, 1)
    }

    assert {key: len(held) for key, held in cells.items()} == {
        (label, said): counts[label][said] for label in (0, 1) for said in (0, 1)
    }
    assert sum(map(sum, counts)) == 60
    wrong = {*cells[0, 1], *cells[1, 0]}
    assert wrong == {offer.sample_id for offer in untouched.queues.offers()}
    assert len(wrong) == counts[0][1] + counts[1][0]


def test_what_is_not_reviewed_comes_first_and_what_is_comes_last(study: Study) -> None:
    first, second = names(study, View())[:2]
    study.review.skip(first)
    view = View(sort=Sort.NOT_REVIEWED)

    order = names(study, view)

    assert (order[0], order[-1]) == (second, first)
    assert reviewed(study, view, first)
    # A suspected label asks for a decision, which a mask is not.
    suspects = View(Queue.LABEL_SUSPECT)
    paint(study, second, Queue.MISPREDICTED)
    assert not reviewed(study, suspects, second)
    study.labels.keep(second)
    assert reviewed(study, suspects, second)


def test_an_image_that_was_left_out_counts_as_reviewed_in_its_cell(study: Study) -> None:
    offer = study.queues.offers()[0]
    cell = View(cell=Cell(offer.label, offer.predicted))

    study.labels.exclude(offer.sample_id)

    assert offer.sample_id in names(study, cell)
    assert reviewed(study, cell, offer.sample_id)
    assert offer.sample_id not in names(study, View())


def test_a_mask_is_told_from_where_its_image_was_really_opened(study: Study) -> None:
    wrong = study.queues.offers()[0]
    right = next(o for o in study.queues.answers() if o.label == o.predicted)

    of_wrong_cell = View(cell=Cell(wrong.label, wrong.predicted))
    of_right_cell = View(cell=Cell(right.label, right.predicted), queue=Queue.RANDOM)
    first = paint(study, wrong.sample_id, of_wrong_cell.opened_from)
    second = paint(study, right.sample_id, of_right_cell.opened_from)

    assert first.queue is Queue.MISPREDICTED
    assert second.queue is None
    classes = study.images.classes
    assert (second.prediction, second.confidence) == (classes[right.predicted], right.confidence)
    assert [o.sample_id for o in study.queues.opened_as_mispredicted((first, second))] == [
        wrong.sample_id
    ]


def test_a_random_queue_keeps_its_draw_whatever_order_is_asked_for() -> None:
    assert parse_view("random", sort="name", classes=2) == View(Queue.RANDOM)
    assert parse_view("random", sort="not_reviewed", classes=2).sort is Sort.NOT_REVIEWED
    assert parse_view("random", sort="name", cell=[0, 0], classes=2).sort is Sort.NAME


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"queue": "best"}, r"no queue “best”.*Send one"),
        ({"queue": ["random"]}, r"no queue"),
        ({"sort": 3}, r"no order “3”.*worst, least_sure"),
        ({"label": 2}, r"no class number 2.*from 0 to 1"),
        ({"label": True}, r"no class number True"),
        ({"label": -1}, r"no class number -1"),
        ({"cell": [0]}, r"no cell \[0\].*a label and a prediction"),
        ({"cell": [0, "1"]}, r"no class number '1'"),
        ({"cell": "01"}, r"no cell '01'"),
        ({"cell": [0, 1], "label": 1}, r"can't be looked at together"),
    ],
)
def test_a_view_that_there_is_not_is_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        parse_view(**asked, classes=2)


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        ("abcd", "abcd", "cda"),
        ("abcd", "acd", "cda"),  # it left the queue: what stood behind it comes next
        ("abcd", "acdb", "cda"),  # reviewed ones go to the end: it is not met again at once
        ("abcd", "dx", "dx"),
        ("abcd", "b", ""),
        ("acd", "acd", "acd"),  # opened from elsewhere: from the top
    ],
)
def test_what_comes_after_an_image_is_found_in_the_order_it_was_seen_in(
    before: str, now: str, after: str
) -> None:
    assert "".join(next_ids(before, now, "b")) == after


def test_wrong_reasons_are_cut_to_the_budget_and_say_how_many_were_found(study: Study) -> None:
    for sample_id in names(study, View())[:2]:
        paint(study, sample_id, Queue.MISPREDICTED)

    offered = study.queues.offers(Queue.WRONG_REASON)

    assert len(offered) == study.review.budget().allowed == 6
    assert study.queues.found(Queue.WRONG_REASON) > 6
    assert study.queues.counts()[Queue.WRONG_REASON] == 6
    beyond = study.queues.whole(Queue.WRONG_REASON)[6]
    assert paint(study, beyond.sample_id, Queue.WRONG_REASON).queue is Queue.WRONG_REASON


def test_wrong_reasons_are_made_beside_the_other_queues(study: Study) -> None:
    assert study.queues.begin(Queue.WRONG_REASON)  # of no mask: its sentence is there at once
    for sample_id in names(study, View())[:2]:
        paint(study, sample_id, Queue.MISPREDICTED)
    with study.queues._making_slowly:  # however long it takes
        assert not study.queues.begin(Queue.WRONG_REASON)
        assert not study.queues.begin(Queue.WRONG_REASON)

        assert study.queues.begin(Queue.MISPREDICTED)
        assert study.queues.offers(Queue.HIGH_LOSS)
        assert Queue.WRONG_REASON not in study.queues.counts()

    end = time.monotonic() + 60
    while not study.queues.begin(Queue.WRONG_REASON):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    assert study.queues.counts()[Queue.WRONG_REASON] == len(study.queues.offers(Queue.WRONG_REASON))


def test_what_fails_while_a_queue_is_made_is_said_where_it_is_asked_for(study: Study) -> None:
    for sample_id in names(study, View())[:2]:
        paint(study, sample_id, Queue.MISPREDICTED)
    checkpoint = study.training.task.checkpoint
    checkpoint.rename(checkpoint.with_suffix(".gone"))
    end = time.monotonic() + 60
    while not study.queues.begin(Queue.WRONG_REASON):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)

    with pytest.raises(FileNotFoundError):
        study.queues.offers(Queue.WRONG_REASON)

    checkpoint.with_suffix(".gone").rename(checkpoint)
    assert study.queues.offers(Queue.WRONG_REASON)  # asked again, it is made again


def test_a_mask_is_kept_though_its_queue_can_no_longer_be_read(study: Study) -> None:
    first, second = names(study, View())[:2]
    for sample_id in (first, second):
        paint(study, sample_id, Queue.MISPREDICTED)
    study.queues.offers(Queue.WRONG_REASON)

    # Painted anew on the queue that it helped to make: only one other mask is left.
    paint(study, first, Queue.WRONG_REASON, seconds=2)
    record = paint(study, second, Queue.WRONG_REASON, seconds=2)

    assert record.queue is Queue.WRONG_REASON
