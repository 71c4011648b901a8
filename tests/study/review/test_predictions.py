from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from imil.core.records import Origin, Region, Split
from imil.core.review.irrelevance import PredictionKind, mean_dice
from imil.errors import MaskError, PlanError
from imil.storage.codec import decode_masks
from imil.study.review.predicted_regions import MODEL
from imil.study.review.predictions import CONFIRMED_SAMPLE
from imil.study.study import Study
from imil.synthetic.films import film
from tests.standins.trained import as_if_trained, corner
from tests.study.conftest import FILMS, Machine


@pytest.fixture
def study(machine: Machine) -> Study:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs_after=1, budget=0.5))
    return as_if_trained(study)


def training(study: Study) -> list[str]:
    return [s.sample_id for s in study.images.samples if s.split is Split.TRAIN]


def paint(
    study: Study, sample_id: str, irrelevant: Region, origin: Origin = Origin.PAINTED
) -> None:
    study.review.submit(sample_id, irrelevant, reader="r", seconds=1, origin=origin)


def paint_lungs(study: Study, number: int) -> None:
    """Hide all but the lungs, as reference masks do."""
    for sample_id in training(study)[:number]:
        paint(study, sample_id, ~film(FILMS, study.images.position(sample_id)).relevant)


def paint_against_each_other(study: Study) -> None:
    """Hide the left half of every other image, and the right half of the rest."""
    for place, sample_id in enumerate(training(study)[:6]):
        irrelevant = np.zeros((FILMS.size, FILMS.size), np.bool_)
        irrelevant[:, : FILMS.size // 2] = True
        paint(study, sample_id, irrelevant if place % 2 else ~irrelevant)


def test_from_one_mask_nothing_is_predicted_and_this_is_said(study: Study) -> None:
    with pytest.raises(MaskError, match=r"No image is painted.*Paint another image"):
        study.predictions.region(training(study)[0])
    paint_lungs(study, 1)

    with pytest.raises(MaskError, match=r"Only one image is painted.*better a dozen"):
        study.predictions.region(training(study)[1])


def test_masks_that_contradict_each_other_are_told_so(study: Study) -> None:
    paint_against_each_other(study)

    with pytest.raises(MaskError, match=r"contradict each other.*drawn the other way round"):
        study.predictions.of().learn()


def test_any_training_image_gets_a_predicted_region_of_its_own_size(study: Study) -> None:
    paint_lungs(study, 8)
    others = training(study)[8:]

    regions = np.stack([study.predictions.region(sample_id) for sample_id in others])

    truth = np.stack([~film(FILMS, study.images.position(s)).relevant for s in others])
    assert regions.shape == (len(others), FILMS.size, FILMS.size)
    assert mean_dice(regions, truth).mean() > 0.85


def test_beside_what_other_masks_suggest_a_mask_of_the_same_hides_nothing_more(
    study: Study,
) -> None:
    with_finding = next(
        one.sample_id
        for one in study.images.samples[::-1]
        if one.split is Split.TRAIN and one.label
    )
    paint_lungs(study, 8)
    predictions = study.predictions.of("r")
    assert predictions.suggests(with_finding) is None
    predictions.learn()

    suggested = predictions.suggests(with_finding)

    assert suggested is not None
    mask = study.predictions.region(with_finding)
    alone = study.model.check(with_finding, mask)
    beside = study.model.check(with_finding, mask, suggested)
    assert alone is not None
    assert beside is not None
    assert abs(beside.fall) < 0.001 < abs(alone.fall)
    assert study.model.check(with_finding, mask) == alone


def test_agreement_of_both_kinds_confidence_and_a_sample_are_told(study: Study) -> None:
    paint_lungs(study, 8)

    learned = study.predictions.of().learn()

    assert learned.masks == 8
    assert set(learned.predictor.agreement) == set(PredictionKind)
    assert learned.agreement == learned.predictor.agreement[learned.kind] > 0.8
    assert 0.5 < learned.confidence <= 1
    assert len(set(learned.sample)) == CONFIRMED_SAMPLE
    assert set(learned.sample) <= set(training(study)[8:])
    assert study.predictions.of().known() is learned


def test_a_mask_more_is_learned_from_anew_and_shows_other_images(study: Study) -> None:
    paint_lungs(study, 4)
    before = study.predictions.of().learn()

    paint_lungs(study, 5)

    assert study.predictions.of().known() is None
    after = study.predictions.of().learn()
    assert after.key != before.key
    assert after.sample != before.sample


def test_a_predicted_mask_accepted_as_it_was_teaches_nothing(study: Study) -> None:
    paint_lungs(study, 4)
    learned = study.predictions.of().learn()
    sample_id = training(study)[10]

    paint(study, sample_id, study.predictions.region(sample_id), Origin.PREDICTED)

    assert study.predictions.of().learn() is learned
    assert study.review.origin(sample_id) is Origin.PREDICTED
    assert study.review.budget().painted == 5


def test_a_corrected_mask_is_learned_from(study: Study) -> None:
    paint_lungs(study, 4)
    sample_id = training(study)[10]

    paint(study, sample_id, corner(study, sample_id), Origin.CORRECTED)

    assert study.predictions.of().masks == 5


def test_only_training_images_are_predicted(study: Study) -> None:
    paint_lungs(study, 4)
    tested = next(s.sample_id for s in study.images.samples if s.split is Split.TEST)

    with pytest.raises(MaskError, match=r"is a test image.*gallery of outliers"):
        study.predictions.region(tested)


def test_a_confirmation_says_who_when_and_on_which_masks_and_outlives_a_restart(
    machine: Machine, study: Study
) -> None:
    paint_lungs(study, 4)
    key = study.predictions.of().learn().key

    study.predictions.confirm(key, reader="reader 1")

    machine.restart()
    again = machine.studies.open(study.study_id)
    given = again.predictions.confirmation
    assert given is not None
    assert (given.masks, given.reader) == (key, "reader 1")
    assert datetime.fromisoformat(given.time).tzinfo is not None
    assert again.predictions.confirmed


def test_a_mask_more_withdraws_the_confirmation(study: Study) -> None:
    paint_lungs(study, 4)
    study.predictions.confirm(study.predictions.of().learn().key, reader="r")

    paint_lungs(study, 5)

    assert not study.predictions.confirmed
    assert study.predictions.confirmation is not None
    with pytest.raises(PlanError, match=r"“propagated” needs.*have changed since.*confirm them"):
        study.comparison.start(arms=("propagated",))


def test_what_was_not_looked_at_can_not_be_confirmed(study: Study) -> None:
    paint_lungs(study, 4)
    seen = study.predictions.of().learn().key
    paint_lungs(study, 5)

    with pytest.raises(MaskError, match=r"changed since you looked.*Look at the predicted masks"):
        study.predictions.confirm(seen, reader="r")
    assert study.predictions.confirmation is None


def test_nothing_can_be_confirmed_without_masks(study: Study) -> None:
    with pytest.raises(MaskError, match=r"No image is painted.*Paint another image"):
        study.predictions.confirm("", reader="r")


def test_the_arm_that_uses_predictions_needs_them_confirmed(study: Study) -> None:
    paint_lungs(study, 4)

    with pytest.raises(PlanError, match=r"“propagated” needs.*a reader has confirmed.*Look at"):
        study.comparison.start(arms=("imil", "propagated"))
    assert study.comparison.status().state is None


@pytest.mark.slow
def test_once_confirmed_the_usual_comparison_has_the_arm_and_it_uses_what_was_seen(
    study: Study,
) -> None:
    paint_lungs(study, 4)
    study.predictions.confirm(study.predictions.of().learn().key, reader="r")

    study.comparison.start()
    study.stop()

    task = next(t for t in study.comparison.tasks() if t.arm == "propagated")
    assert task.edits is not None
    used = np.load(task.edits / "predicted.npy")
    row = study.images.position(training(study)[10])
    learned = study.predictions.of().learn()
    expected = learned.predictor.confidence(np.load(task.images)[row : row + 1])[0]
    assert np.array_equal(used[row], learned.predictor.irrelevant(expected))


def test_all_predicted_masks_are_exported_and_marked(study: Study, tmp_path: Path) -> None:
    paint_lungs(study, 4)

    study.predictions.export(tmp_path / "predicted_masks.parquet")

    records = decode_masks((tmp_path / "predicted_masks.parquet").read_bytes())
    assert [record.sample_id for record in records] == training(study)
    assert {(r.origin, r.reader, r.study) for r in records} == {
        (Origin.PREDICTED, MODEL, study.study_id)
    }
    assert np.array_equal(records[7].irrelevant, study.predictions.region(records[7].sample_id))
    assert records[0].time <= datetime.now(UTC)
    assert not list(tmp_path.glob("*.part"))


def wait_for(done: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_from_two_masks_on_the_other_images_are_predicted_without_being_asked(
    study: Study,
) -> None:
    paint_lungs(study, 1)
    assert study.predictions.of().known() is None

    paint_lungs(study, 2)
    paint_lungs(study, 3)

    wait_for(lambda: study.predictions.of().known() is not None)
    learned = study.predictions.of().known()
    assert learned is not None
    assert learned.masks == 3, "the newest masks count"


def test_that_masks_contradict_each_other_is_known_without_being_asked(study: Study) -> None:
    paint_against_each_other(study)

    wait_for(lambda: study.predictions.of().refused is not None)
    assert "contradict each other" in str(study.predictions.of().refused)
    paint_lungs(study, 1)
    assert study.predictions.of().refused is None, "other masks may agree"


def test_a_study_that_ends_learns_nothing_more(study: Study) -> None:
    paint_lungs(study, 3)

    study.end()

    assert study.predictions.of().known() is None


def test_what_is_looked_at_is_of_both_classes_and_never_painted(study: Study) -> None:
    paint_lungs(study, 8)

    learned = study.predictions.of().learn()

    labels = [study.images.sample(sample_id).label for sample_id in learned.sample]
    assert (labels.count(0), labels.count(1)) == (4, 4)
    shown = [sample_id for page in learned.pages for sample_id in page]
    assert len(set(shown)) == len(shown)
    assert not set(shown) & set(training(study)[:8])


def test_painted_masks_alone_are_compared_unless_the_predicted_ones_are_confirmed(
    study: Study,
) -> None:
    paint_lungs(study, 4)
    before = study.comparison.usual.arms()
    study.predictions.confirm(study.predictions.of().learn().key, reader="r")
    confirmed = study.comparison.usual.arms()

    study.predictions.decline(reader="r")

    assert before == study.comparison.usual.arms() == ("control", "imil", "upweight")
    assert confirmed == ("control", "imil", "propagated", "upweight")
    assert [act.what for act in study.audit.check().acts][-2:] == [
        "predictions_confirmed",
        "predictions_declined",
    ]
