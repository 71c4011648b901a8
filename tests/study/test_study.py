from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.core.arms.variants import Variant
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.verdict import Verdict
from imil.core.records import Arm, Precision, Region, Split
from imil.errors import ComputeError, DataError, MaskChangedError, MaskError, PlanError, StoreError
from imil.jobs.base import JobState
from imil.storage.records.studies import load_study
from imil.study.study import Study
from imil.study.workspace import read_logits
from tests.standins.trained import as_if_trained
from tests.study.conftest import Machine, finish

pytestmark = pytest.mark.slow

Trained = tuple[Machine, Study]
MIXUP = Variant(Arm.MIXUP)


def corner(study: Study, sample_id: str, *, side: int = 10) -> Region:
    irrelevant = np.zeros(study.pictures.original(sample_id).shape[:2], np.bool_)
    irrelevant[:side, :side] = True
    return irrelevant


def kept_mask(study: Study, sample_id: str) -> list[list[bool]]:
    kept = study.review.irrelevant(sample_id)
    assert kept is not None
    rows: list[list[bool]] = kept.tolist()
    return rows


def test_training_ends_with_curves_and_a_queue_of_training_images(trained: Trained) -> None:
    _, study = trained

    status = study.training.status()

    assert (status.state, status.share, len(status.curves)) == (JobState.DONE, 1.0, 1)
    splits = {study.images.sample(o.sample_id).split for o in study.queues.offers()}
    assert splits == {Split.TRAIN}
    assert all(o.predicted != o.label for o in study.queues.offers())


def test_a_mask_is_on_disk_when_submit_returns(trained: Trained) -> None:
    machine, study = trained
    sample_id = study.queues.offers()[0].sample_id
    irrelevant = corner(study, sample_id)

    study.review.submit(sample_id, irrelevant, reader="r", seconds=9.0)

    names = machine.store.names("data/masks/")
    assert any(name.endswith(f"-{study.study_id}.parquet") for name in names)
    assert kept_mask(study, sample_id) == irrelevant.tolist()
    assert study.review.state(sample_id) == "masked"


def test_a_mask_drawn_again_replaces_the_first_and_counts_once(trained: Trained) -> None:
    _, study = trained
    sample_id = study.queues.offers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id), reader="r", seconds=1)
    painted = study.review.budget().painted

    again = corner(study, sample_id, side=20)
    study.review.submit(sample_id, again, reader="r", seconds=1)

    assert study.review.budget().painted == painted
    assert kept_mask(study, sample_id) == again.tolist()


def test_a_mask_that_comes_twice_is_kept_once(trained: Trained) -> None:
    machine, study = trained
    sample_id = study.queues.offers()[0].sample_id
    irrelevant = corner(study, sample_id, side=17)
    study.review.submit(sample_id, irrelevant, reader="r", seconds=3.2)
    before, name = machine.store.names("data/masks/"), study.review.mask_name(sample_id)

    study.review.submit(sample_id, irrelevant, reader="r", seconds=3.2, replaces="an older one")

    assert machine.store.names("data/masks/") == before
    assert study.review.mask_name(sample_id) == name


def test_a_mask_begun_before_another_was_saved_does_not_replace_it_unnoticed(
    trained: Trained,
) -> None:
    _, study = trained
    sample_id = study.queues.offers()[0].sample_id
    known = study.review.mask_name(sample_id)
    first = corner(study, sample_id, side=18)
    study.review.submit(sample_id, first, reader="r", seconds=1, replaces=known)

    late = corner(study, sample_id, side=19)
    with pytest.raises(MaskChangedError, match=r"saved meanwhile.*another tab.*save it again"):
        study.review.submit(sample_id, late, reader="r", seconds=1, replaces=known)

    assert kept_mask(study, sample_id) == first.tolist()
    now = study.review.mask_name(sample_id)
    study.review.submit(sample_id, late, reader="r", seconds=1, replaces=now)
    assert kept_mask(study, sample_id) == late.tolist()


@pytest.mark.parametrize("painted", ["nothing", "everything", "another size"])
def test_a_refused_mask_leaves_the_study_as_it_was(trained: Trained, painted: str) -> None:
    machine, study = trained
    sample_id = study.queues.offers()[1].sample_id
    shape = study.pictures.original(sample_id).shape[:2]
    masks = {
        "nothing": np.zeros(shape, np.bool_),
        "everything": np.ones(shape, np.bool_),
        "another size": np.ones((3, 3), np.bool_),
    }
    study.flush()  # the log of what was done before
    before = machine.store.names("")

    with pytest.raises(MaskError):
        study.review.submit(sample_id, masks[painted], reader="r", seconds=1)

    assert machine.store.names("") == before


def test_only_training_images_can_be_masked(trained: Trained) -> None:
    _, study = trained
    tested = next(s.sample_id for s in study.images.samples if s.split is Split.TEST)

    with pytest.raises(MaskError, match=r"is a test image.*gallery of outliers"):
        study.review.submit(tested, corner(study, tested), reader="r", seconds=1)


def test_an_unknown_image_is_refused(trained: Trained) -> None:
    with pytest.raises(DataError, match=r"no image “film_x”"):
        trained[1].review.submit("film_x", np.ones((1, 1), np.bool_), reader="r", seconds=1)


def test_skipping_is_remembered_and_a_mask_takes_it_back(trained: Trained) -> None:
    _, study = trained
    sample_id = study.queues.offers()[2].sample_id

    study.review.skip(sample_id)
    assert study.review.state(sample_id) == "skipped"

    study.review.submit(sample_id, corner(study, sample_id), reader="r", seconds=1)
    assert study.review.state(sample_id) == "masked"


def test_the_plan_is_fixed_once_training_has_begun(trained: Trained) -> None:
    _, study = trained

    with pytest.raises(PlanError, match=r"fixed once training has begun.*new study"):
        study.training.set_plan(replace(study.plan, epochs=9))


def test_thumbnails_are_small_and_made_once(trained: Trained) -> None:
    _, study = trained
    sample_id = study.queues.offers()[0].sample_id

    path = study.pictures.thumbnail(sample_id)
    made = path.stat().st_mtime_ns

    with Image.open(path) as small:
        assert small.size == (48, 48)
    assert study.pictures.thumbnail(sample_id).stat().st_mtime_ns == made


def test_a_comparison_says_one_run_and_counts_each_opening_of_the_test_set(
    trained: Trained,
) -> None:
    _, study = trained
    for outlier in study.queues.offers()[:3]:
        irrelevant = corner(study, outlier.sample_id)
        study.review.submit(outlier.sample_id, irrelevant, reader="r", seconds=2)
    study.comparison.start(arms=("imil",))
    assert finish(study.comparison.status).state is JobState.DONE

    found = study.results.current()

    assert found is not None
    assert (found.split, found.test_openings, found.seed_scope) == ("validation", 0, "train_on")
    assert [arm.arm for arm in found.arms] == ["control", "imil"]
    assert [p.verdict for p in found.paired] == [Verdict.TOO_EARLY_TO_SAY]
    assert study.results.final() is None
    first, second = study.comparison.open_test_set(), study.comparison.open_test_set()
    assert (first.split, first.test_openings, second.test_openings) == ("test", 1, 2)
    assert json.loads(study.results.json() or b"")["test_openings"] == 2


def test_more_seeds_keep_those_that_are_done(trained: Trained) -> None:
    _, study = trained
    study.comparison.start(arms=("imil",), seeds=1)
    finish(study.comparison.status)
    done = {t.folder: t.logits.stat().st_mtime_ns for t in study.comparison.tasks()}

    study.comparison.start(arms=("imil",), seeds=2)
    finish(study.comparison.status)

    tasks = study.comparison.tasks()
    assert len(tasks) == 4
    kept = {t.folder: t.logits.stat().st_mtime_ns for t in tasks if t.folder in done}
    assert kept == done
    found = study.results.current()
    assert found is not None
    assert found.seeds == (0, 1)


def test_seeds_are_added_to_the_same_round_whatever_was_masked_since(trained: Trained) -> None:
    _, study = trained
    study.comparison.start(seeds=1)
    finish(study.comparison.status)
    before, number = study.results.current(), study.comparison.round_number
    sample_id = study.queues.offers()[1].sample_id
    study.review.submit(sample_id, corner(study, sample_id, side=13), reader="r", seconds=1)

    study.comparison.more_seeds(2)
    study.comparison.more_seeds(2)  # the second half of a double click
    finish(study.comparison.status)

    after = study.results.current()
    assert before is not None
    assert after is not None
    assert (before.seeds, after.seeds, study.comparison.seeds_asked()) == ((0,), (0, 1), 2)
    assert (after.number, after.masked) == (before.number, before.masked * 2)
    assert after.arms[0].values[Metric.ACCURACY][0] == before.arms[0].values[Metric.ACCURACY][0]
    assert study.comparison.round_number == number
    assert not study.comparison.is_current()


def test_a_comparison_that_is_stopped_shows_the_seeds_it_has_and_goes_on(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=40))
    study.training.start()
    finish(study.training.status)
    study.comparison.start(arms=("randaugment", "mixup"), seeds=30)
    while not study.comparison.seeds_done():
        assert study.comparison.status().active
    found = study.results.current()
    study.stop()
    finish(study.comparison.status)

    assert found is not None
    assert study.comparison.status().state is JobState.STOPPED
    assert 0 < study.comparison.seeds_done() < study.comparison.seeds_asked() == 30
    machine.restart()
    again = machine.studies.open(study.study_id)
    assert again.comparison.status().state is JobState.STOPPED
    assert again.results.current() is not None
    again.comparison.more_seeds(30)
    assert again.comparison.status().active
    again.stop()
    finish(again.comparison.status)
    before = again.results.shown()

    # Another comparison that is stopped at once hides nothing that was found.
    sample_id = again.queues.offers()[0].sample_id
    again.review.submit(sample_id, corner(again, sample_id), reader="r", seconds=1)
    again.comparison.start()
    again.stop()
    finish(again.comparison.status)
    assert before is not None
    assert again.results.current() is None
    assert again.results.shown() == before
    assert again.results.cases() is not None
    assert [found.number for found in again.results.rounds()] == [1]
    assert again.comparison.round_number == 2


def test_seeds_that_were_asked_for_are_trained_after_a_kill_at_any_moment(
    machine: Machine,
) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1))
    study.training.start()
    finish(study.training.status)
    study.comparison.start(arms=("mixup",), seeds=1)
    finish(study.comparison.status)
    # Killed when the wish was on disk, and the job not yet.
    asked = study.context.record.comparison
    assert asked is not None
    study.context.state.update(comparison=replace(asked, seeds=(0, 1)))
    machine.restart()

    again = machine.studies.open(study.study_id)

    finish(again.comparison.status)
    found = again.results.current()
    assert found is not None
    assert found.seeds == (0, 1)


def test_other_masks_make_another_round_and_the_earlier_one_stays(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.1))
    study.training.start()
    finish(study.training.status)
    first, second = (o.sample_id for o in study.queues.offers()[:2])
    assert study.comparison.round_number == 1
    study.review.submit(first, corner(study, first), reader="r", seconds=1)
    study.comparison.start()
    finish(study.comparison.status)
    study.comparison.start(arms=("imil", "mixup"))  # other arms: the same round
    finish(study.comparison.status)
    assert study.comparison.round_number == 2
    study.comparison.open_test_set()

    study.review.submit(second, corner(study, second), reader="r", seconds=1)
    study.comparison.start()
    finish(study.comparison.status)

    machine.restart()
    rounds = machine.studies.open(study.study_id).results.rounds()
    assert [(r.number, r.masked, r.test_seen) for r in rounds] == [
        (1, (1,), False),
        (2, (2,), True),
    ]
    assert [len(r.arms) for r in rounds] == [3, 3]
    saved = load_study(machine.store, study.study_id)
    assert saved is not None
    assert [c.number for c in saved.earlier] == [1]


def test_what_each_arm_says_to_each_image_is_kept_with_the_round(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1))
    study.training.start()
    finish(study.training.status)
    assert study.results.cases() is None
    study.comparison.start(arms=("mixup",), seeds=2)
    finish(study.comparison.status)
    found, cases = study.results.current(), study.results.cases()
    assert found is not None
    assert cases is not None
    split = [s.sample_id for s in study.images.samples if s.split is Split.VALIDATION]
    assert list(cases.sample_ids) == split
    assert cases.seeds == (0, 1)
    right = (cases.predicted[MIXUP] == cases.labels).mean(1)
    accuracy = found.arms[1].values[Metric.ACCURACY]
    assert right.tolist() == pytest.approx(list(accuracy))

    machine.restart()
    for name in machine.store.names(f"studies/{study.study_id}/rounds/"):
        if name.endswith(".parquet"):
            kept = name
    again = machine.studies.open(study.study_id)
    saved = again.results.cases()
    (machine.home / "state" / kept).unlink()  # as a round of an older version is
    remade = again.results.cases()

    for other in (saved, remade):
        assert other is not None
        assert other.predicted[MIXUP].tolist() == cases.predicted[MIXUP].tolist()


def test_a_mask_drawn_after_the_comparison_does_not_change_what_was_compared(
    trained: Trained,
) -> None:
    _, study = trained
    study.comparison.start()
    finish(study.comparison.status)
    before = study.results.current()
    sample_id = study.queues.offers()[0].sample_id

    study.review.submit(sample_id, corner(study, sample_id, side=15), reader="r", seconds=1)

    assert study.results.current() == before


def test_the_budget_ends_at_its_number_but_masks_can_still_be_changed(trained: Trained) -> None:
    _, study = trained
    queue = study.queues.offers()
    for outlier in queue[: study.review.budget().allowed]:
        irrelevant = corner(study, outlier.sample_id)
        study.review.submit(outlier.sample_id, irrelevant, reader="r", seconds=1)
    assert study.review.budget().painted == study.review.budget().allowed == 6
    extra = queue[6].sample_id

    with pytest.raises(MaskError, match=r"budget is used up: 6 of 6.*Test"):
        study.review.submit(extra, corner(study, extra), reader="r", seconds=1)
    study.review.submit(
        queue[0].sample_id, corner(study, queue[0].sample_id, side=5), reader="r", seconds=1
    )


def test_readers_who_save_at_once_lose_nothing(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.5))
    study.training.start()
    finish(study.training.status)
    ids = [outlier.sample_id for outlier in study.queues.offers()[:12]]

    threads = [
        threading.Thread(
            target=study.review.submit,
            args=(sample_id, corner(study, sample_id)),
            kwargs={"reader": sample_id, "seconds": 1.0},
        )
        for sample_id in ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    machine.restart()
    again = machine.studies.open(study.study_id)
    assert all(again.review.state(sample_id) == "masked" for sample_id in ids)


def test_after_a_restart_nothing_is_missing(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.2))
    study.training.start()
    finish(study.training.status)
    first, second = (o.sample_id for o in study.queues.offers()[:2])
    irrelevant = corner(study, first)
    study.review.submit(first, irrelevant, reader="r", seconds=7.5)
    study.review.skip(second)
    study.comparison.start()
    finish(study.comparison.status)
    found, queue = study.results.current(), study.queues.offers()

    machine.restart()
    again = machine.studies.open(study.study_id)

    assert again is not study
    assert again.plan == study.plan
    assert again.queues.offers() == queue
    assert kept_mask(again, first) == irrelevant.tolist()
    assert again.review.state(second) == "skipped"
    assert again.results.current() == found
    assert again.training.status().curves == study.training.status().curves


def test_a_training_goes_on_after_the_app_was_killed(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=60, epochs_after=1))
    study.training.start()
    while len(study.training.status().curves) < 2:
        assert study.training.status().active
    for child in list(machine.pool._children):
        os.kill(child.pid, signal.SIGKILL)
    machine.restart()

    again = machine.studies.open(study.study_id)

    assert finish(again.training.status).state is JobState.DONE
    assert [f.epoch for f in again.training.status().curves] == list(range(1, 61))


def test_a_study_that_an_older_version_began_without_settled_arithmetic_goes_on(
    machine: Machine,
) -> None:
    study = machine.studies.demo()
    plan = replace(study.plan, size=32, epochs=1, precision=Precision.AUTO)
    study.context.state.update(started=True, plan=plan)
    machine.restart()

    again = machine.studies.open(study.study_id)

    assert finish(again.training.status).state is JobState.DONE
    assert again.plan == replace(plan, precision=Precision.FP32)


def test_a_stopped_training_waits_to_be_started_again(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=200))
    study.training.start()
    while not study.training.status().curves:
        assert study.training.status().active

    study.stop()

    assert finish(study.training.status, seconds=10).state is JobState.STOPPED
    kept = len(study.training.status().curves)
    machine.restart()
    again = machine.studies.open(study.study_id)
    assert again.training.status().state is JobState.STOPPED
    assert len(again.training.status().curves) == kept
    again.training.start()
    again.training.start()
    while len(again.training.status().curves) <= kept:
        assert again.training.status().active
    again.stop()
    finish(again.training.status)


def test_a_training_stopped_while_images_are_prepared_is_stopped(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=200))

    study.training.start()
    study.stop()

    assert finish(study.training.status, seconds=20).state is JobState.STOPPED


def test_before_training_there_is_nothing_to_review_or_compare(machine: Machine) -> None:
    study = machine.studies.demo()

    assert study.training.status().state is None
    assert study.comparison.status().state is None
    assert study.results.current() is None
    for step in (study.queues.offers, study.comparison.start):
        with pytest.raises(PlanError, match=r"nothing to review yet.*Train a model first"):
            step()
    with pytest.raises(PlanError, match=r"no comparison to open the test set for.*Test your masks"):
        study.comparison.open_test_set()
    with pytest.raises(PlanError, match=r"no comparison to add seeds to.*Test your masks"):
        study.comparison.more_seeds()


def test_a_comparison_of_no_seeds_or_an_unknown_arm_is_refused(trained: Trained) -> None:
    with pytest.raises(PlanError, match=r"0 seeds.*at least one seed"):
        trained[1].comparison.start(seeds=0)
    with pytest.raises(PlanError, match=r"no arm “magic”"):
        trained[1].comparison.start(arms=("magic",))


def test_other_arms_can_be_compared_with_the_same_masks(trained: Trained) -> None:
    _, study = trained
    for outlier in study.queues.offers()[:4]:
        irrelevant = corner(study, outlier.sample_id)
        study.review.submit(outlier.sample_id, irrelevant, reader="r", seconds=1)

    study.predictions.confirm(study.predictions.of().learn().key, reader="r")

    study.comparison.start(arms=("imil", "counterexample", "propagated", "upweight", "mixup"))
    finish(study.comparison.status)

    found = study.results.current()
    assert found is not None
    assert [arm.arm for arm in found.arms] == [
        "control",
        "imil",
        "counterexample",
        "propagated",
        "upweight",
        "mixup",
    ]


def test_arms_that_need_more_masks_than_there_are_are_refused(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1))
    study.training.start()
    finish(study.training.status)

    with pytest.raises(PlanError, match=r"“propagated” needs 2 masked images, and there are 0"):
        study.comparison.start(arms=("propagated",))
    sample_id = study.queues.offers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id), reader="r", seconds=1)
    with pytest.raises(PlanError, match=r"“random_sample” can't be compared.*command line"):
        study.comparison.start(arms=("random_sample",))


def test_missing_pretrained_weights_are_said_and_training_goes_on(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_plan(
        replace(study.plan, backbone="resnet18", pretrained=True, size=32, epochs=1)
    )

    study.training.start()

    assert finish(study.training.status).state is JobState.DONE
    assert "resnet18 starts from random weights" in study.notices[0]


@pytest.mark.parametrize("study_id", ["0" * 16, "../../etc", "", "a/b", "é", "a" * 10**6])
def test_an_unknown_study_is_refused(machine: Machine, study_id: str) -> None:
    with pytest.raises(StoreError, match=r"no study.*Check the link"):
        machine.studies.open(study_id)


def test_a_broken_upload_leaves_nothing_behind(machine: Machine, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip at all")

    with pytest.raises(DataError):
        machine.studies.from_archive(broken, name="broken")

    assert not list((machine.home / "work").rglob("*.*"))
    assert machine.store.names("") == ()


def test_who_reads_a_study_whose_folder_was_just_removed_is_told_so(machine: Machine) -> None:
    study = machine.studies.demo()
    as_if_trained(study)
    study.training.task.logits.unlink()

    with pytest.raises(ComputeError):
        read_logits(study.training.task)
