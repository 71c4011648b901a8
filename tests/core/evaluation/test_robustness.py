from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from imil.core.evaluation.comparison import clusters_of
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Robustness
from imil.core.evaluation.robustness import (
    LabelledMasks,
    independent_right,
    mask_only,
    mask_only_held_out,
    swapped_differences,
    swapped_figures,
    swapped_right,
    swapped_values,
)
from imil.core.records import Split
from imil.errors import DataError
from imil.synthetic.films import FilmSpec, film_set

LABELS = np.array([0, 0, 0, 1], np.int64)
BEFORE = np.eye(2)[[0, 0, 1, 1]]
# Two copies of each: the first image flips in one, the last in both.
AFTER = np.eye(2)[[[0, 0, 1, 0], [1, 0, 1, 0]]]


def painted(
    labels: np.ndarray[tuple[int, ...], np.dtype[np.int64]], *, telling: bool
) -> LabelledMasks:
    """Masks on the left or the right: by class if `telling`, else by chance."""
    rng = np.random.default_rng(0)
    left = labels == 1 if telling else rng.random(len(labels)) < 0.5
    irrelevant = np.zeros((len(labels), 16, 16), np.bool_)
    irrelevant[left, :, :5] = True
    irrelevant[~left, :, 11:] = True
    irrelevant ^= rng.random(irrelevant.shape) < 0.1
    return LabelledMasks(irrelevant, labels, np.arange(len(labels)))


def test_swapped_figures_are_means_over_the_copies() -> None:
    assert swapped_values(BEFORE, AFTER, LABELS) == pytest.approx(
        {
            Robustness.SWAPPED_ACCURACY: 3 / 8,
            Robustness.SWAPPED_BALANCED_ACCURACY: (3 / 6 + 0) / 2,
            Robustness.FLIP_RATE: 3 / 8,
        }
    )


def test_intervals_belong_to_the_mean_over_seeds() -> None:
    still = np.stack([BEFORE, BEFORE])

    found = swapped_figures([BEFORE, BEFORE], [AFTER, still], LABELS, np.arange(4))

    assert found[Robustness.FLIP_RATE].value == pytest.approx((3 / 8 + 0) / 2)
    accuracy = found[Robustness.SWAPPED_ACCURACY]
    assert accuracy.value == pytest.approx((3 / 8 + 3 / 4) / 2)
    assert accuracy.low < accuracy.value < accuracy.high
    balanced = found[Robustness.SWAPPED_BALANCED_ACCURACY]
    assert balanced.value == pytest.approx((0.25 + (2 / 3 + 1) / 2) / 2)


def test_a_classifier_that_ignores_the_region_never_flips() -> None:
    found = swapped_values(BEFORE, np.stack([BEFORE] * 3), LABELS)

    assert found[Robustness.FLIP_RATE] == 0.0


def test_the_gain_on_swapped_images_is_paired_with_control() -> None:
    right = np.eye(2)[np.stack([LABELS, LABELS])]

    found = swapped_differences([right] * 5, [1 - right] * 5, LABELS, np.arange(4))

    assert found[Robustness.SWAPPED_BALANCED_ACCURACY] == Difference(100.0, 100.0, 100.0)
    assert list(found) == [Robustness.SWAPPED_ACCURACY, Robustness.SWAPPED_BALANCED_ACCURACY]


def test_scores_that_do_not_fit_are_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="swapped scores and labels differ"):
        swapped_right(BEFORE, LABELS)
    with pytest.raises(ValueError, match="swapped and un-edited scores differ"):
        swapped_values(BEFORE[:, :1], AFTER, LABELS)


def test_masks_that_follow_the_class_give_it_away() -> None:
    labels = np.arange(60, dtype=np.int64) % 2

    alone = mask_only(painted(labels, telling=True))

    assert alone.balanced_accuracy.low > 0.9
    assert not alone.at_chance
    assert (alone.chance, alone.images) == (0.5, 60)


def test_masks_that_ignore_the_class_stay_at_chance() -> None:
    labels = np.arange(60, dtype=np.int64) % 2

    assert mask_only(painted(labels, telling=False)).at_chance


def test_chance_is_one_over_the_classes_however_unequal() -> None:
    labels = (np.arange(90) % 9 == 0).astype(np.int64) + (np.arange(90) % 3 == 0)

    alone = mask_only(painted(labels, telling=False))

    assert alone.chance == pytest.approx(1 / 3)
    assert alone.at_chance


def test_masks_of_one_patient_are_never_judged_by_each_other() -> None:
    # Each patient has a mask of his own kind, which says nothing of other patients' classes.
    rng = np.random.default_rng(1)
    kinds = np.repeat(rng.random((16, 16, 16)) < 0.5, 6, axis=0)
    labels = np.repeat(np.arange(16, dtype=np.int64) % 2, 6)

    apart = mask_only(LabelledMasks(kinds, labels, np.repeat(np.arange(16), 6)))
    leaked = mask_only(LabelledMasks(kinds, labels, np.arange(96)))

    assert apart.at_chance
    assert leaked.balanced_accuracy.value == 1.0


def test_masks_smaller_than_the_cells_are_taken() -> None:
    labels = np.arange(20, dtype=np.int64) % 2
    irrelevant = np.zeros((20, 4, 6), np.bool_)
    irrelevant[labels == 1, :, :2] = True

    assert (
        mask_only(LabelledMasks(irrelevant, labels, np.arange(20))).balanced_accuracy.value == 1.0
    )


def test_masks_on_one_patient_of_a_class_are_too_few() -> None:
    labels = np.array([0, 0, 0, 1], np.int64)

    with pytest.raises(DataError, match="masks alone give away") as said:
        mask_only(LabelledMasks(np.zeros((4, 8, 8), np.bool_), labels, np.arange(4)))

    assert said.value.fix == "Paint masks on images of two or more patients of every class."


def test_training_masks_of_one_class_teach_nothing() -> None:
    train = LabelledMasks(np.zeros((4, 8, 8), np.bool_), np.zeros(4, np.int64), np.arange(4))

    with pytest.raises(DataError, match="masks alone give away") as said:
        mask_only_held_out(train, train)

    assert said.value.fix == "Paint masks on images of every class."


def test_the_reference_masks_of_films_do_not_give_the_class_away() -> None:
    films = film_set(FilmSpec(images=400, size=32))
    irrelevant = np.stack(
        [~region(films.reference_relevant(sample.sample_id)) for sample in films.samples]
    )
    clusters = clusters_of(films.samples)
    train, test = (
        LabelledMasks(irrelevant[rows], films.labels[rows], clusters[rows])
        for rows in (films.rows(Split.TRAIN), films.rows(Split.TEST))
    )

    assert mask_only_held_out(train, test).at_chance
    assert mask_only(train).at_chance


def region(
    relevant: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None,
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    assert relevant is not None
    return relevant


def test_independent_accuracy_takes_off_what_the_region_tells() -> None:
    # 1,000 images whose region names the class in nine of ten; the classifier reads nothing else.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1000)

    def said(share: float) -> NDArray[np.float64]:
        return np.eye(2)[np.where(rng.random(1000) < share, labels, 1 - labels)]

    found = independent_right(
        said(0.9), np.stack([said(0.9)] * 4), np.stack([said(0.1)] * 4), labels
    )

    assert found.mean() == pytest.approx(0.5, abs=0.03)


def test_independent_accuracy_is_ordinary_accuracy_where_swaps_cost_all_alike() -> None:
    labels = np.arange(100) % 2
    right, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    put_off = np.where(np.arange(100)[:, None] < 30, wrong, right)[None]

    found = independent_right(right, put_off, put_off, labels)

    assert found.mean() == 1.0
