from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil.core.images import ImageSet
from imil.core.records import Outlier, Plan, Queue, Region, Selection, Split
from imil.core.review.queues import OfferedImage
from imil.core.splits import prove_disjoint
from imil.datasets.listing import ImportReport
from imil.errors import PlanError, StoreError
from imil.jobs.base import JobState
from imil.jobs.pool import WorkerPool
from imil.storage.local import LocalStore
from imil.storage.records.acts import ActKind
from imil.storage.records.studies import StudyRecord, study_file
from imil.study.library.studies import DEMO_NAME
from imil.study.services import Services
from imil.study.study import Study
from imil.study.workspace import Workspace
from imil.synthetic.films import FilmSpec, film_set
from tests.standins.memory_store import MemoryStore
from tests.standins.visitors import no_weights
from tests.study.conftest import Machine, finish

pytestmark = pytest.mark.slow

NOISY = FilmSpec(images=60, size=48, shortcut=0.95, label_noise=0.1)
PLAN = Plan(size=32, epochs=3, epochs_after=1, batch_size=8, budget=0.1)
Reviewed = tuple[Machine, Study]


def train(study: Study, *, epochs: int = 3) -> None:
    study.training.set_plan(replace(PLAN, epochs=epochs))
    study.training.start()
    assert finish(study.training.status).state is JobState.DONE


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    machine = Machine(tmp_path_factory.mktemp("home"), NOISY)
    study = machine.studies.demo()
    train(study)
    yield machine, study
    machine.pool.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Reviewed]:
    machine = Machine(tmp_path, NOISY)
    study = machine.studies.demo()
    train(study, epochs=1)
    yield machine, study
    machine.pool.close()


def corner(study: Study, sample_id: str) -> Region:
    irrelevant = np.zeros(study.pictures.original(sample_id).shape[:2], np.bool_)
    irrelevant[:12, 36:] = True
    return irrelevant


def paint(study: Study, sample_ids: list[str], queue: Queue) -> None:
    for sample_id in sample_ids:
        mask = corner(study, sample_id)
        study.review.submit(sample_id, mask, reader="r", seconds=1, queue=queue)


def ids(study: Study, kind: Queue = Queue.MISPREDICTED) -> list[str]:
    return [offer.sample_id for offer in study.queues.offers(kind)]


def test_queues_offer_training_images_alone_each_for_its_own_reason(reviewed: Reviewed) -> None:
    _, study = reviewed
    high, suspects, random = (
        study.queues.offers(kind) for kind in (Queue.HIGH_LOSS, Queue.LABEL_SUSPECT, Queue.RANDOM)
    )

    train_ids = {s.sample_id for s in study.images.samples if s.split is Split.TRAIN}
    assert all({o.sample_id for o in queue} <= train_ids for queue in (high, suspects, random))
    losses = [offer.loss for offer in high]
    assert losses == sorted(losses, reverse=True)
    assert len(high) == study.review.budget().allowed == 6
    assert all(offer.predicted != offer.label for offer in suspects)
    assert {offer.sample_id for offer in random} == train_ids
    assert ids(study, Queue.RANDOM) == ids(study, Queue.RANDOM) != sorted(train_ids)


def test_persistence_asks_for_two_of_the_last_three_epochs(reviewed: Reviewed) -> None:
    _, study = reviewed

    study.queues.select(Selection.PERSISTENT)

    persistent = study.queues.offers()
    assert persistent
    assert all(isinstance(o, Outlier) and o.predicted != o.label for o in persistent)
    study.queues.select(Selection.IN_SAMPLE)
    assert study.queues.offers() != persistent


def test_out_of_fold_says_its_cost_runs_as_a_job_and_then_gives_a_queue(fresh: Reviewed) -> None:
    machine, study = fresh
    cost = study.training.out_of_fold_cost()
    assert (cost.trainings, cost.epochs) == (3, 2)
    assert cost.seconds is not None
    assert cost.seconds > 0
    assert study.training.out_of_fold_status().state is None
    with pytest.raises(PlanError, match=r"no out-of-fold answers yet.*3 more.*Train the folds"):
        study.queues.select(Selection.OUT_OF_FOLD)
    assert study.queues.selection is Selection.IN_SAMPLE

    study.training.start_out_of_fold()
    study.training.start_out_of_fold()
    assert finish(study.training.out_of_fold_status).state is JobState.DONE
    study.queues.select(Selection.OUT_OF_FOLD)

    found = study.queues.offers()
    assert found
    machine.restart()
    again = machine.studies.open(study.study_id)
    assert again.queues.selection is Selection.OUT_OF_FOLD
    assert again.queues.offers() == found
    assert again.training.out_of_fold_status().state is JobState.DONE


def test_a_queue_that_starves_is_filled_by_itself_and_in_sample_images_stay_first(
    machine: Machine,
) -> None:
    study = machine.studies.demo()
    plan = replace(study.plan, size=32, epochs=12, epochs_after=1, batch_size=8, budget=0.8)
    study.training.set_plan(plan)
    study.training.start()
    assert finish(study.training.status).state is JobState.DONE
    study.flush()

    assert study.queues.selection is Selection.FILLED
    assert study.queues.in_sample < study.review.budget().allowed
    first = study.training.task
    before = [outlier.sample_id for outlier in study.context.workspace.outliers(first)]
    assert finish(study.training.out_of_fold_status).state is JobState.DONE

    found = ids(study)
    assert len(before) == study.queues.in_sample < len(found)
    assert found[: len(before)] == before
    assert len(set(found)) == len(found)
    paint(study, [found[-1]], Queue.MISPREDICTED)
    record = study.review.records()[0]
    assert record.selection is Selection.FILLED
    assert [o.sample_id for o in study.queues.opened_as_mispredicted((record,))] == [found[-1]]
    told = [act for act in study.audit.check().acts if act.what is ActKind.SELECTION_SET]
    assert [act.who for act in told] == ["imil"]


def test_folds_go_on_after_the_app_was_killed(machine: Machine) -> None:
    study = machine.studies.demo()
    train(study, epochs=20)
    study.training.start_out_of_fold()
    while not study.training.out_of_fold_status().curves:
        assert study.training.out_of_fold_status().active

    machine.restart()
    again = machine.studies.open(study.study_id)

    assert finish(again.training.out_of_fold_status).state is JobState.DONE
    again.queues.select(Selection.OUT_OF_FOLD)


def test_wrong_reasons_need_two_masks_and_stay_while_they_are_masked(fresh: Reviewed) -> None:
    _, study = fresh
    assert Queue.WRONG_REASON not in study.queues.counts()
    with pytest.raises(PlanError, match=r"0 of 2 masks.*Mask two images"):
        study.queues.offers(Queue.WRONG_REASON)
    paint(study, ids(study)[:2], Queue.MISPREDICTED)
    assert Queue.WRONG_REASON not in study.queues.counts()

    found = study.queues.offers(Queue.WRONG_REASON)

    assert found
    assert all(
        isinstance(o, OfferedImage) and o.predicted == o.label and o.score > 0 for o in found
    )
    assert study.queues.counts()[Queue.WRONG_REASON] == len(found)
    paint(study, [found[0].sample_id], Queue.WRONG_REASON)
    assert study.queues.offers(Queue.WRONG_REASON) == found
    paint(study, [ids(study, Queue.RANDOM)[0]], Queue.RANDOM)
    assert Queue.WRONG_REASON not in study.queues.counts()


def test_each_mask_remembers_its_queue_and_how_that_was_found(fresh: Reviewed) -> None:
    machine, study = fresh
    study.queues.select(Selection.PERSISTENT)
    first, second = ids(study)[0], ids(study, Queue.RANDOM)[0]

    paint(study, [first], Queue.MISPREDICTED)
    paint(study, [second], Queue.RANDOM)

    machine.restart()
    again = machine.studies.open(study.study_id)
    records = {r.sample_id: r for r in again.context.masks.by_name(again.context.masks.names())}
    assert (records[first].queue, records[first].selection) == ("mispredicted", "persistent")
    assert records[second].queue is Queue.RANDOM
    assert again.queues.opened_as_mispredicted(tuple(records.values()))[0].sample_id == first
    assert len(again.queues.opened_as_mispredicted(tuple(records.values()))) == 1


def test_triaged_images_leave_the_other_queues_and_a_kept_label_comes_back(
    fresh: Reviewed,
) -> None:
    machine, study = fresh
    first, second = ids(study)[:2]
    sample = study.images.sample(first)

    study.labels.relabel(first, study.images.classes[1 - sample.label])
    study.labels.exclude(second)

    for kind in (Queue.MISPREDICTED, Queue.RANDOM, Queue.HIGH_LOSS):
        assert not {first, second} & set(ids(study, kind))
    assert len(study.queues.offers(Queue.HIGH_LOSS)) == study.review.budget().allowed
    assert study.images.sample(first) == sample
    machine.restart()
    again = machine.studies.open(study.study_id)
    assert [t.sample_id for t in again.labels.changed()] == sorted([first, second])
    again.labels.keep(first)
    assert first in ids(again)
    kept = again.labels.decision(first)
    assert kept is not None
    assert kept.decision == "keep"


def test_arms_of_triage_are_compared_once_something_is_decided(fresh: Reviewed) -> None:
    _, study = fresh
    with pytest.raises(PlanError, match=r"“relabel” needs a relabelled or excluded image"):
        study.comparison.start(arms=("relabel",))
    assert study.comparison.usual.arms() == ("control", "imil")
    study.labels.exclude(ids(study)[0])
    assert study.comparison.usual.arms() == ("control", "relabel", "drop")  # nothing is masked

    study.comparison.start(arms=study.comparison.usual.arms())
    study.labels.keep(study.labels.changed()[0].sample_id)  # afterwards: what is compared stays

    assert finish(study.comparison.status).state is JobState.DONE
    found = study.results.current()
    assert found is not None
    assert [arm.arm for arm in found.arms] == ["control", "relabel", "drop"]
    assert any("1 excluded. Only relabel and drop" in notice for notice in found.notices)
    assert found.arms[1].values == found.arms[2].values != found.arms[0].values


def test_a_decision_that_could_not_be_saved_is_not_shown(fresh: Reviewed) -> None:
    class Full(MemoryStore):
        def write(self, name: str, content: bytes) -> None:
            raise StoreError(
                "The disk is full.", why=f"{name}, {len(content)} bytes.", fix="Free some space."
            )

    _, study = fresh
    study.context.state._store = Full()

    with pytest.raises(StoreError):
        study.labels.exclude(ids(study)[0])

    assert study.labels.changed() == ()


def test_a_study_saved_before_there_were_choices_still_opens(fresh: Reviewed) -> None:
    machine, study = fresh
    name = study_file(study.study_id)
    saved = json.loads(machine.store.read(name) or b"")
    for field in ("selection", "folds", "triage"):
        del saved[field]
    machine.store.write(name, json.dumps(saved).encode())

    machine.restart()
    again = machine.studies.open(study.study_id)

    assert (again.queues.selection, again.labels.changed()) == (Selection.IN_SAMPLE, ())


def test_without_dynamics_suspects_and_persistence_say_why_and_other_queues_work(
    fresh: Reviewed,
) -> None:
    _, study = fresh
    study.training.task.dynamics(1).unlink()

    with pytest.raises(PlanError, match=r"answers of each epoch were not kept.*new study"):
        study.queues.offers(Queue.LABEL_SUSPECT)
    with pytest.raises(PlanError, match=r"answers of each epoch were not kept"):
        study.queues.select(Selection.PERSISTENT)
    assert Queue.LABEL_SUSPECT not in study.queues.counts()
    assert ids(study)


def raises(_: str) -> Region:
    raise AssertionError("a queue asked for the reference")


def study_of(
    folder: Path, pool: WorkerPool, read_relevant: Callable[[str], Region | None]
) -> Study:
    films = film_set(NOISY)
    images = ImageSet(
        films.name,
        films.classes,
        films.samples,
        read=films.original,
        read_relevant=read_relevant,
        read_reference_label=raises if read_relevant is raises else None,  # type: ignore[arg-type]  # never returns
        channels=1,
    )
    record = StudyRecord(folder.name, DEMO_NAME, "2026-11-01T00:00:00", {}, PLAN)
    workspace = Workspace(folder, images, folder)
    tools = Services(LocalStore(folder / "state"), pool, no_weights)
    proof = prove_disjoint(images.samples)
    study = Study(record, workspace, tools, proof=proof, report=ImportReport(len(images)))
    study.training.start()
    finish(study.training.status)
    study.training.start_out_of_fold()
    finish(study.training.out_of_fold_status)
    return study


def test_no_queue_reads_reference_masks(tmp_path: Path) -> None:
    films = film_set(NOISY)

    def inverted(sample_id: str) -> Region | None:
        relevant = films.reference_relevant(sample_id)
        return None if relevant is None else ~relevant

    pool = WorkerPool(tmp_path / "jobs")
    right = study_of(tmp_path / "right", pool, films.reference_relevant)
    wrong = study_of(tmp_path / "wrong", pool, inverted)
    none = study_of(tmp_path / "none", pool, raises)
    pool.close()

    for selection in Selection:
        for study in (right, wrong, none):
            study.queues.select(selection)
        assert right.queues.offers()
        assert right.queues.offers() == wrong.queues.offers() == none.queues.offers()
    for study in (right, wrong, none):
        paint(study, ids(study)[:3], Queue.MISPREDICTED)
    for kind in Queue:
        assert right.queues.offers(kind)
        assert right.queues.offers(kind) == wrong.queues.offers(kind) == none.queues.offers(kind)
