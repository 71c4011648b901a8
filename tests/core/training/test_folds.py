from __future__ import annotations

import numpy as np
import pytest

from imil.core.training.folds import make_folds
from imil.errors import PlanError

LABELS = np.arange(60, dtype=np.int64) // 2 % 2
PATIENTS = np.arange(60, dtype=np.int64) // 3


def test_every_image_is_held_out_once_and_no_patient_is_parted() -> None:
    folds = make_folds(LABELS, PATIENTS, seed=0)

    assert len(folds) == 3
    assert np.sort(np.concatenate(folds)).tolist() == list(range(60))
    held = [set(PATIENTS[fold].tolist()) for fold in folds]
    assert sum(map(len, held)) == len(set().union(*held)) == 20


def test_each_fold_has_about_the_same_share_of_each_class() -> None:
    shares = [LABELS[fold].mean() for fold in make_folds(LABELS, np.arange(60), seed=0)]

    assert max(shares) - min(shares) < 0.06


def test_the_seed_alone_decides() -> None:
    first, again, other = (make_folds(LABELS, PATIENTS, seed=seed) for seed in (0, 0, 1))

    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("patients", [1, 2])
def test_a_class_of_too_few_patients_is_refused(patients: int) -> None:
    labels = np.array([0] * 30 + [1] * 6, np.int64)
    clusters = np.concatenate([np.arange(30), 100 + np.arange(6) % patients])

    with pytest.raises(PlanError, match=rf"{patients} patients are too few.*by persistence"):
        make_folds(labels, clusters, seed=0)


def test_a_patient_with_images_of_all_classes_alone_leaves_nothing_to_learn_from() -> None:
    labels = np.array([0, 1, 1, 1, 0, 0], np.int64)

    with pytest.raises(PlanError, match=r"too few for 5 folds.*add images of the rare class"):
        make_folds(labels, np.arange(6) // 2, seed=0, folds=5)
