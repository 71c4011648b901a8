from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from imil.core.review.irrelevance import (
    PredictionKind,
    dice,
    learn_irrelevance,
    mean_confidence,
    mean_dice,
    predict_in_batches,
    region_at,
    spread_pages,
    too_few_masks_error,
)
from imil.errors import MaskError
from imil.synthetic.films import FilmSpec, film

SIDE = 24


def spots(count: int, *, aligned: bool) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return noisy colour images, each with a dark spot, and what lies outside of it."""
    rng = np.random.default_rng(3)
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    middles = rng.integers(7, SIDE - 7, (count, 2))
    if aligned:
        middles[:] = SIDE // 2 + rng.integers(-1, 2, (count, 2))
    far = np.hypot(down - middles[:, :1, None], across - middles[:, 1:, None])
    irrelevant = far > 5
    # Aligned images show noise alone, so that place is all there is to learn from.
    level = 170 if aligned else np.where(irrelevant, 190, 90)[:, None]
    images = np.clip(rng.normal(level, 12, (count, 3, SIDE, SIDE)), 0, 255)
    return images.astype(np.uint8), irrelevant


def painted(masks: NDArray[np.bool_], rows: range) -> dict[int, NDArray[np.bool_]]:
    return {row: masks[row] for row in rows}


class Predicted(NamedTuple):
    kind: PredictionKind
    confidence: NDArray[np.float32]
    irrelevant: NDArray[np.bool_]


def predicted_for(
    images: NDArray[np.uint8], masks: dict[int, NDArray[np.bool_]], rows: NDArray[np.int64]
) -> Predicted:
    predictor = learn_irrelevance(images, masks, seed=0)
    confidence = predictor.confidence(images[rows])
    return Predicted(predictor.kind, confidence, predictor.irrelevant(confidence))


def test_aligned_images_get_the_share_of_masks_that_hide_a_pixel() -> None:
    images, irrelevant = spots(12, aligned=True)

    predicted = predicted_for(images, painted(irrelevant, range(8)), np.arange(8, 12))

    assert predicted.kind is PredictionKind.CONSENSUS
    assert predicted.confidence.shape == (4, SIDE, SIDE)
    assert (predicted.confidence == predicted.confidence[0]).all()
    assert predicted.confidence[0, SIDE // 2, SIDE // 2] < 0.1
    assert predicted.confidence[0, 0, 0] > 0.9
    assert mean_dice(predicted.irrelevant, irrelevant[8:]).min() > 0.85


def test_a_few_painted_films_tell_where_to_look_on_the_others() -> None:
    spec = FilmSpec(images=40)
    films = [film(spec, index) for index in range(40)]
    images = np.stack([one.pixels[None] for one in films])
    relevant = np.stack([one.relevant for one in films])

    predicted = predicted_for(images, painted(~relevant, range(10)), np.arange(10, 40))

    assert predicted.kind is PredictionKind.CONSENSUS
    assert dice(predicted.irrelevant, ~relevant[10:]).mean() > 0.94
    assert dice(~predicted.irrelevant, relevant[10:]).mean() > 0.9


def test_where_the_subject_lies_anywhere_a_pixel_model_finds_it() -> None:
    images, irrelevant = spots(20, aligned=False)

    predicted = predicted_for(images, painted(irrelevant, range(12)), np.arange(12, 20))

    assert predicted.kind is PredictionKind.PIXEL_MODEL
    assert mean_dice(predicted.irrelevant, irrelevant[12:]).mean() > 0.9


def test_confidence_says_how_often_the_mask_hides_such_a_pixel() -> None:
    images, irrelevant = spots(30, aligned=True)

    predicted = predicted_for(images, painted(irrelevant, range(15)), np.arange(15, 30))

    unsure = (predicted.confidence > 0.3) & (predicted.confidence < 0.7)
    assert unsure.sum() > 50
    assert irrelevant[15:][unsure].mean() == pytest.approx(
        predicted.confidence[unsure].mean(dtype=float), abs=0.1
    )


def test_only_painted_images_are_learned_from() -> None:
    images, irrelevant = spots(12, aligned=False)
    others = images.copy()
    others[6:] = 0

    first, second = (
        learn_irrelevance(shown, painted(irrelevant, range(6)), seed=0).confidence(images)
        for shown in (images, others)
    )

    assert np.array_equal(first, second)


def test_batches_give_what_memory_gives() -> None:
    images, irrelevant = spots(70, aligned=False)
    masks = painted(irrelevant, range(6))
    rows = np.arange(69, -1, -1)

    parts = list(predict_in_batches(learn_irrelevance(images, masks, seed=0), images, rows))

    assert [len(part) for part, _ in parts] == [64, 6]
    assert np.concatenate([part for part, _ in parts]).tolist() == rows.tolist()
    whole = predicted_for(images, masks, rows).confidence
    assert np.allclose(np.concatenate([c for _, c in parts]), whole, atol=1e-6)


def test_tiny_regions_are_found_where_images_are_aligned() -> None:
    images, _ = spots(10, aligned=True)
    corner = np.zeros((SIDE, SIDE), np.bool_)
    corner[:3, :3] = True

    predicted = predicted_for(images, dict.fromkeys(range(6), corner), np.arange(4))

    assert predicted.irrelevant.sum((1, 2)).tolist() == [9] * 4


def test_grey_images_smaller_than_the_grid_are_taken() -> None:
    images, irrelevant = spots(8, aligned=False)

    predictor = learn_irrelevance(images[:, :1], painted(irrelevant, range(8)), seed=0)

    assert predictor.confidence(images[:2, :1]).shape == (2, SIDE, SIDE)


@pytest.mark.parametrize(("count", "what"), [(0, "No image is painted"), (1, "Only one image")])
def test_one_mask_says_nothing_about_other_images(count: int, what: str) -> None:
    images, irrelevant = spots(2, aligned=True)

    with pytest.raises(MaskError, match=rf"{what}.*Paint another image"):
        learn_irrelevance(images, painted(irrelevant, range(count)), seed=0)


def test_contradicting_masks_are_refused_with_a_way_out() -> None:
    images = np.random.default_rng(0).integers(0, 255, (12, 1, SIDE, SIDE)).astype(np.uint8)
    left = np.zeros((SIDE, SIDE), np.bool_)
    left[:, : SIDE // 2] = True
    masks = {row: left if row % 2 else ~left for row in range(12)}

    with pytest.raises(
        MaskError, match=r"12 painted masks.*a guess reaches 0\.50.*contradict.*Look through"
    ):
        learn_irrelevance(images, masks, seed=0)


@pytest.mark.parametrize(
    "wrong", [np.ones((SIDE, SIDE), np.uint8), np.ones((SIDE, SIDE + 1), np.bool_)]
)
def test_a_mask_of_another_type_or_size_is_a_callers_bug(wrong: NDArray[np.bool_]) -> None:
    images, irrelevant = spots(2, aligned=True)

    with pytest.raises(ValueError, match="boolean and has the working images' size"):
        learn_irrelevance(images, {0: irrelevant[0], 1: wrong}, seed=0)


def test_dice_of_two_empty_regions_is_one() -> None:
    empty, half = np.zeros((1, 2, 2), np.bool_), np.array([[[True, True], [False, False]]])

    assert dice(empty, empty).tolist() == [1.0]
    assert dice(half, ~half).tolist() == [0.0]
    assert mean_dice(half, np.array([[[True, False], [False, False]]])).tolist() == [
        pytest.approx((2 / 3 + 4 / 5) / 2)
    ]


def test_a_region_is_enlarged_to_an_images_own_size() -> None:
    images, irrelevant = spots(12, aligned=True)
    predictor = learn_irrelevance(images, painted(irrelevant, range(8)), seed=0)
    confidence = predictor.confidence(images[8:9])

    region = region_at(predictor, confidence[0], (SIDE * 3, SIDE * 2))

    assert region.shape == (SIDE * 3, SIDE * 2)
    centres = region[1::3, 1::2]
    assert (centres == predictor.irrelevant(confidence[0])).mean() > 0.97


def test_confidence_is_a_mean_over_what_is_predicted_alone() -> None:
    images, irrelevant = spots(12, aligned=True)
    predictor = learn_irrelevance(images, painted(irrelevant, range(8)), seed=0)
    confidence = np.full((2, 4, 4), 0.1)
    confidence[0, 0, :2] = (0.9, 0.7)

    assert mean_confidence(predictor, confidence).tolist() == pytest.approx([0.8, 0.0])


def test_too_few_masks_are_told_apart_from_none() -> None:
    assert "No image is painted" in str(too_few_masks_error(0))
    assert "Only one image is painted" in str(too_few_masks_error(1))


def test_a_page_has_its_share_of_every_class_from_the_least_sure_to_the_surest() -> None:
    confidence = np.array([0.9, 0.1, 0.5, 0.7, 0.2, 0.8, 0.6, 0.3])
    labels = [0, 0, 0, 0, 0, 1, 1, 1]

    first, second = spread_pages(confidence, labels, 4)

    assert first == [1, 7, 5, 0]
    assert sorted(first + second) == list(range(8))
    assert spread_pages(np.zeros(0), [], 4) == []


def test_equally_sure_images_keep_their_order_and_a_rare_class_leaves_its_places() -> None:
    assert spread_pages(np.full(5, 0.5), [1, 0, 0, 0, 0], 4) == [[0, 1, 3, 4], [2]]
