from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imil.core.records import Outlier, Plan, Queue, Region, Split
from imil.jobs.training.task import TrainingTask, run_task
from imil.study.review.masksets import Review
from imil.study.workspace import Workspace
from imil.synthetic.films import FilmSpec, film_set

pytestmark = pytest.mark.slow

FILMS = film_set(FilmSpec(images=80, size=48, shortcut=0.95))
TRAIN = {FILMS.samples[row].sample_id for row in FILMS.rows(Split.TRAIN)}


def clinician(sample_id: str) -> Region | None:
    relevant = FILMS.reference_relevant(sample_id)
    return None if relevant is None else ~relevant


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Review:
    folder = tmp_path_factory.mktemp("study")
    workspace = Workspace(folder, FILMS, folder)
    plan = Plan(size=48, epochs=2, epochs_after=1, batch_size=8)
    for _ in workspace.prepare(plan):
        pass
    first: TrainingTask = workspace.first_task(plan)
    for _ in run_task(first, should_stop=lambda: False):
        pass
    return Review(workspace, first, workspace.outliers(first), clinician, 8)


def test_mispredicted_masks_are_those_of_the_worst_outliers(review: Review) -> None:
    found = review.masks(["imil"])["imil"]

    assert list(found.masks) == [outlier.sample_id for outlier in review.queue[:8]]


def test_what_nobody_needs_is_not_painted(review: Review) -> None:
    def nobody(_: str) -> Region | None:
        raise AssertionError

    assert set(replace(review, clinician=nobody).masks(["control"])) == {"control"}


def test_both_queues_share_the_budget_and_predict_the_rest(review: Review) -> None:
    found = review.masks(["propagated"])["propagated"]

    assert len(found.masks) == 8
    assert set(found.masks) <= TRAIN
    assert [o.sample_id for o in review.queue[:4]] == list(found.masks)[:4]
    assert found.predicted is not None
    assert found.predicted[FILMS.rows(Split.TRAIN)].any((1, 2)).all()
    assert not found.predicted[FILMS.rows(Split.TEST)].any()


def test_what_a_real_clinician_painted_is_used_whole(review: Review) -> None:
    painted = {o.sample_id: clinician(o.sample_id) for o in review.queue[:8]}

    found = replace(review, clinician=painted.get, simulated=False).masks(["propagated"])

    assert list(found["propagated"].masks) == list(painted)


def test_a_mask_from_any_queue_is_used_and_a_variant_takes_those_of_its_own(
    review: Review,
) -> None:
    wrong = [o.sample_id for o in review.queue[:3]]
    others = sorted(TRAIN - {o.sample_id for o in review.queue})[:3]
    painted = {i: clinician(i) for i in (*wrong, *others)}
    opened = dict.fromkeys(wrong, Queue.MISPREDICTED) | dict.fromkeys(others, Queue.RANDOM)
    real = replace(review, clinician=painted.get, simulated=False, opened=opened)

    found = real.masks(["imil", "propagated", "imil+random"])

    assert list(found["imil"].masks) == wrong
    assert set(found["propagated"].masks) == set(painted)
    assert list(found["imil+random"].masks) == others


def test_with_nothing_mispredicted_masks_are_painted_on_random_images(review: Review) -> None:
    none: tuple[Outlier, ...] = ()

    found = replace(review, queue=none).masks(["imil", "propagated"])

    assert not found["imil"].masks
    assert len(found["propagated"].masks) == 8
    assert "0 mispredicted, 4 random" in found["propagated"].told


def test_moved_masks_keep_their_area_on_the_same_images(review: Review) -> None:
    sets = review.masks(["imil", "random_mask"])
    painted, moved = sets["imil"].masks, sets["random_mask"].masks

    assert painted.keys() == moved.keys()
    assert [r.sum() for r in painted.values()] == [r.sum() for r in moved.values()]
    assert any(not np.array_equal(painted[s], moved[s]) for s in painted)


def test_random_images_are_as_many_as_those_of_the_paper(review: Review) -> None:
    sets = review.masks(["imil", "random_sample"])

    assert len(sets["random_sample"].masks) == len(sets["imil"].masks)
    assert sets["random_sample"].masks.keys() != sets["imil"].masks.keys()


def test_automatic_masks_hide_no_more_than_the_painted_ones(review: Review) -> None:
    sets = review.masks(["imil", "auto_mask"])
    painted, salient = sets["imil"].masks, sets["auto_mask"].masks

    assert painted.keys() == salient.keys()
    mean = [float(np.mean([r.mean() for r in masks.values()])) for masks in (painted, salient)]
    assert 0 < mean[1] <= mean[0] + 0.05


def test_the_same_review_gives_the_same_masks(review: Review) -> None:
    first, again = (review.masks(["propagated"])["propagated"] for _ in range(2))

    assert list(first.masks) == list(again.masks)
    assert np.array_equal(first.predicted, again.predicted)  # type: ignore[arg-type]  # both there
