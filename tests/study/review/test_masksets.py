from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL, IMIL, parse_variant
from imil.core.records import Outlier, Plan, Queue, Region, Split
from imil.jobs.training.task import TrainingTask, run_task
from imil.study.review.mask_sets import Review
from imil.study.workspace import Workspace
from imil.synthetic.films import FilmSpec, film_set

PROPAGATED = parse_variant("propagated")
RANDOM_MASK = parse_variant("random_mask")
RANDOM_SAMPLE = parse_variant("random_sample")
AUTO_MASK = parse_variant("auto_mask")
IMIL_RANDOM = parse_variant("imil+random")

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
    found = review.masks([IMIL])[IMIL]

    assert list(found.masks) == [outlier.sample_id for outlier in review.queue[:8]]


def test_what_nobody_needs_is_not_painted(review: Review) -> None:
    def nobody(_: str) -> Region | None:
        raise AssertionError

    assert set(replace(review, clinician=nobody).masks([CONTROL])) == {CONTROL}


def test_both_queues_share_the_budget_and_predict_the_rest(review: Review) -> None:
    found = review.masks([PROPAGATED])[PROPAGATED]

    assert len(found.masks) == 8
    assert set(found.masks) <= TRAIN
    assert [o.sample_id for o in review.queue[:4]] == list(found.masks)[:4]
    assert found.predicted is not None
    assert found.predicted[FILMS.rows(Split.TRAIN)].any((1, 2)).all()
    assert not found.predicted[FILMS.rows(Split.TEST)].any()


def test_what_a_real_clinician_painted_is_used_whole(review: Review) -> None:
    painted = {o.sample_id: clinician(o.sample_id) for o in review.queue[:8]}

    found = replace(review, clinician=painted.get, simulated=False).masks([PROPAGATED])

    assert list(found[PROPAGATED].masks) == list(painted)


def test_a_mask_from_any_queue_is_used_and_a_variant_takes_those_of_its_own(
    review: Review,
) -> None:
    wrong = [o.sample_id for o in review.queue[:3]]
    others = sorted(TRAIN - {o.sample_id for o in review.queue})[:3]
    painted = {i: clinician(i) for i in (*wrong, *others)}
    opened = dict.fromkeys(wrong, Queue.MISPREDICTED) | dict.fromkeys(others, Queue.RANDOM)
    real = replace(review, clinician=painted.get, simulated=False, opened=opened)

    found = real.masks([IMIL, PROPAGATED, IMIL_RANDOM])

    assert list(found[IMIL].masks) == wrong
    assert set(found[PROPAGATED].masks) == set(painted)
    assert list(found[IMIL_RANDOM].masks) == others


def test_with_nothing_mispredicted_masks_are_painted_on_random_images(review: Review) -> None:
    none: tuple[Outlier, ...] = ()

    found = replace(review, queue=none).masks([IMIL, PROPAGATED])

    assert not found[IMIL].masks
    assert len(found[PROPAGATED].masks) == 8
    assert "0 mispredicted, 4 random" in found[PROPAGATED].told


def test_moved_masks_keep_their_area_on_the_same_images(review: Review) -> None:
    sets = review.masks([IMIL, RANDOM_MASK])
    painted, moved = sets[IMIL].masks, sets[RANDOM_MASK].masks

    assert painted.keys() == moved.keys()
    assert [r.sum() for r in painted.values()] == [r.sum() for r in moved.values()]
    assert any(not np.array_equal(painted[s], moved[s]) for s in painted)


def test_random_images_are_as_many_as_those_of_the_paper(review: Review) -> None:
    sets = review.masks([IMIL, RANDOM_SAMPLE])

    assert len(sets[RANDOM_SAMPLE].masks) == len(sets[IMIL].masks)
    assert sets[RANDOM_SAMPLE].masks.keys() != sets[IMIL].masks.keys()


def test_automatic_masks_hide_no_more_than_the_painted_ones(review: Review) -> None:
    sets = review.masks([IMIL, AUTO_MASK])
    painted, salient = sets[IMIL].masks, sets[AUTO_MASK].masks

    assert painted.keys() == salient.keys()
    mean = [float(np.mean([r.mean() for r in masks.values()])) for masks in (painted, salient)]
    assert 0 < mean[1] <= mean[0] + 0.05


def test_the_same_review_gives_the_same_masks(review: Review) -> None:
    first, again = (review.masks([PROPAGATED])[PROPAGATED] for _ in range(2))

    assert list(first.masks) == list(again.masks)
    assert np.array_equal(first.predicted, again.predicted)  # type: ignore[arg-type]  # both there
