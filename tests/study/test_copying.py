from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.core.images import open_cache
from imil.core.records import Origin, Queue, Split
from imil.core.review.similar import nearest, penultimate
from imil.errors import DataError, MaskError, PlanError
from imil.storage.codec import MaskRecord, decode_masks
from imil.study.review.answers import _read_model
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner
from tests.study.conftest import Machine


@pytest.fixture
def study(machine: Machine) -> Study:
    study = machine.studies.demo()
    study.set_plan(replace(study.plan, size=32, budget=0.2))
    return as_if_trained(study)


def stored(machine: Machine) -> dict[str, MaskRecord]:
    names = machine.store.names("data/masks/")
    records = [record for name in names for record in decode_masks(machine.store.read(name) or b"")]
    return {record.sample_id: record for record in records}


def ids(study: Study, queue: Queue = Queue.RANDOM) -> list[str]:
    return [offer.sample_id for offer in study.queue(queue)]


def test_similar_images_are_the_nearest_in_what_the_head_decides_on(study: Study) -> None:
    names = ids(study)
    rows = [study.images.position(name) for name in names]
    features = penultimate(_read_model(study._first), open_cache(study._first.images)[rows])
    expected = [names[1 + place] for place in nearest(features[1:], features[0], limit=4)]

    found = [offer.sample_id for offer in study.similar(names[0], 4, queue=Queue.RANDOM)]

    assert found == expected


def test_features_are_made_once_and_kept_beside_the_checkpoint(
    machine: Machine, study: Study
) -> None:
    names = ids(study)
    found = study.similar(names[0], queue=Queue.RANDOM)
    (path,) = study._first.folder.glob("features-*.npy")
    content = path.read_bytes()

    machine.restart()
    again = machine.studies.open(study.study_id)
    # Another checkpoint's features would have another name; these are read, not made.
    assert again.similar(names[0], queue=Queue.RANDOM) == found
    assert path.read_bytes() == content
    assert list(study._first.folder.glob("features-*")) == [path]


def test_a_row_that_was_cut_short_is_made_again(machine: Machine, study: Study) -> None:
    names = ids(study)
    found = study.similar(names[0], queue=Queue.RANDOM)
    (path,) = study._first.folder.glob("features-*.npy")
    kept = np.lib.format.open_memmap(path, "r+")
    kept[study.images.position(names[3])] = 0
    kept.flush()

    machine.restart()

    assert machine.studies.open(study.study_id).similar(names[0], queue=Queue.RANDOM) == found


def test_masked_skipped_and_triaged_images_are_not_offered(study: Study) -> None:
    source, masked, skipped, excluded, *rest = ids(study)
    study.submit_mask(masked, corner(study, masked), reader="r", seconds=1, queue=Queue.RANDOM)
    study.skip(skipped)
    study.exclude(excluded)

    found = {offer.sample_id for offer in study.similar(source, 1000, queue=Queue.RANDOM)}

    assert found == set(rest)


def test_a_copied_mask_is_accepted_marked_and_counted(machine: Machine, study: Study) -> None:
    source, first, second, *_ = ids(study)
    irrelevant = corner(study, source)

    budget = study.copy_mask(
        source, irrelevant, (first, second), reader="Dr A", seconds=6, queue=Queue.RANDOM
    )

    assert budget.painted == 2
    kept = stored(machine)
    assert set(kept) == {first, second}
    assert {record.origin for record in kept.values()} == {Origin.COPIED}
    assert {record.source for record in kept.values()} == {source}
    assert {(record.reader, record.seconds) for record in kept.values()} == {("Dr A", 3.0)}
    assert np.array_equal(kept[first].irrelevant, irrelevant)
    assert (study.origin(first), study.copied_from(first)) == (Origin.COPIED, source)
    assert study.review_state(first) == "masked"
    assert study.irrelevant(source) is None


def test_a_copied_mask_that_is_accepted_again_as_it_is_stays_copied(study: Study) -> None:
    source, first, *_ = ids(study)
    study.copy_mask(source, corner(study, source), (first,), reader="r", seconds=1)

    mask = study.irrelevant(first)
    assert mask is not None
    study.submit_mask(first, mask, reader="r", seconds=2, origin=Origin.COPIED)
    assert (study.origin(first), study.copied_from(first)) == (Origin.COPIED, source)

    study.submit_mask(
        first, corner(study, first, side=5), reader="r", seconds=2, origin=Origin.CORRECTED
    )
    assert (study.origin(first), study.copied_from(first)) == (Origin.CORRECTED, "")


def test_copies_teach_the_prediction_nothing(study: Study) -> None:
    source, first, second, *_ = ids(study)
    study.copy_mask(source, corner(study, source), (first, second), reader="r", seconds=1)

    assert study.predictions.masks == 0


def test_nothing_that_is_masked_is_overwritten_and_then_nothing_is_copied(study: Study) -> None:
    source, first, second, *_ = ids(study)
    own = corner(study, first, side=4)
    study.submit_mask(first, own, reader="r", seconds=1)

    with pytest.raises(MaskError, match=r"masked already.*never replaces.*Untick it"):
        study.copy_mask(source, corner(study, source), (second, first), reader="r", seconds=1)

    assert np.array_equal(study.irrelevant(first), own)  # type: ignore[arg-type]  # it is there
    assert study.irrelevant(second) is None


def test_the_budget_limits_copies_and_keeps_a_place_for_the_image_itself(study: Study) -> None:
    source, *others = ids(study)
    allowed = study.budget().allowed
    assert study.copy_room(source) == allowed - 1

    with pytest.raises(MaskError, match=r"room for 11 more, and 12 were asked.*Untick some"):
        study.copy_mask(source, corner(study, source), others[:allowed], reader="r", seconds=1)
    study.copy_mask(source, corner(study, source), others[: allowed - 1], reader="r", seconds=1)

    assert allowed == 12
    assert study.copy_room(source) == 0
    assert study.copy_count(source, Queue.RANDOM) == 0
    with pytest.raises(MaskError, match="room for no image"):
        study.copy_mask(source, corner(study, source), others[-1:], reader="r", seconds=1)
    study.submit_mask(source, corner(study, source), reader="r", seconds=1)
    assert study.budget().painted == allowed


def test_a_mask_is_brought_to_the_size_of_the_image_that_it_is_copied_to(
    machine: Machine, tmp_path: Path
) -> None:
    study = as_if_trained(machine.studies.from_archive(two_sizes(tmp_path), name="sizes"))
    training = [s.sample_id for s in study.images.samples if s.split is Split.TRAIN]
    small = next(i for i in training if study.picture(i).shape == (40, 40))
    large = next(i for i in training if study.picture(i).shape == (80, 60))
    irrelevant = np.zeros((40, 40), np.bool_)
    irrelevant[:20] = True
    study.set_plan(replace(study.plan, budget=0.5))

    study.copy_mask(small, irrelevant, (large,), reader="r", seconds=1)

    copied = study.irrelevant(large)
    assert copied is not None
    assert copied.shape == (80, 60)
    assert copied[:40].all()
    assert not copied[40:].any()
    point = np.zeros((80, 60), np.bool_)
    point[1, 1] = True
    with pytest.raises(MaskError, match=r"too small for.*Untick it"):
        study.copy_mask(large, point, (small,), reader="r", seconds=1)


def test_what_cannot_be_copied_is_refused_with_a_sentence(study: Study) -> None:
    source, first, *_ = ids(study)
    mask = corner(study, source)
    test_image = next(s.sample_id for s in study.images.samples if s.split is Split.TEST)

    def copy(irrelevant: np.ndarray, *targets: str) -> None:
        study.copy_mask(source, irrelevant, targets, reader="r", seconds=1)

    with pytest.raises(MaskError, match="No image is ticked"):
        copy(mask)
    with pytest.raises(MaskError, match="Nothing is painted"):
        copy(np.zeros_like(mask), first)
    with pytest.raises(MaskError, match="own size"):
        copy(np.ones((3, 3), np.bool_), first)
    with pytest.raises(MaskError, match="is a test image"):
        copy(mask, test_image)
    with pytest.raises(MaskError, match="masked already"):
        copy(mask, source)
    with pytest.raises(DataError, match="gone"):
        copy(mask, "gone")
    assert study.budget().painted == 0


def test_a_queue_that_cannot_be_made_has_no_image_to_copy_to(study: Study) -> None:
    source = ids(study)[0]

    assert study.copy_count(source, Queue.WRONG_REASON) == 0
    assert study.copy_count(source, Queue.RANDOM) == 5


def test_before_training_nothing_is_similar(machine: Machine) -> None:
    study = machine.studies.demo()

    with pytest.raises(PlanError, match="nothing to review yet"):
        study.similar(study.images.samples[0].sample_id)


def two_sizes(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    path = folder / "sizes.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("amber", "blue"):
            for number in range(20):
                shape = (40, 40) if number % 2 else (80, 60)
                picture = folder / f"{name}-{number}.png"
                Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(picture)
                archive.write(picture, f"{name}/{picture.name}")
    return path
