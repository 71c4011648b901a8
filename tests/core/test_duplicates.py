from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from imil.core.duplicates import (
    find_near_duplicates,
    fingerprint,
    group_duplicates,
    near_duplicate_pairs,
    separate_duplicates,
)
from imil.core.records import Pixels, Split
from imil.synthetic.films import FilmSpec, film_set


@pytest.fixture(scope="module")
def films() -> list[Pixels]:
    images = film_set(FilmSpec(images=40, size=96, shortcut=0.9, seed=5))
    return [images.original(sample.sample_id) for sample in images.samples[:40]]


def recompressed(pixels: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file))


def enlarged(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((2 * image.width, 2 * image.height)))


def deeper(pixels: Pixels) -> Pixels:
    return pixels.astype(np.uint16) * 200


@pytest.mark.parametrize("change", [recompressed, enlarged, deeper])
def test_a_copy_is_found_and_films_of_other_patients_are_not(
    change: Callable[[Pixels], Pixels], films: list[Pixels]
) -> None:
    shown = [*films, change(films[7])]

    assert near_duplicate_pairs([fingerprint(pixels) for pixels in shown]) == ((7, 40),)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_a_turned_or_mirrored_copy_is_found(
    quarters: int, mirrored: bool, films: list[Pixels]
) -> None:
    turned: Pixels = np.rot90(films[7][8:, :], quarters)
    copy = recompressed(turned[:, ::-1].copy() if mirrored else turned.copy())
    shown = [films[7][8:, :], *films[8:], copy]

    assert near_duplicate_pairs([fingerprint(pixels) for pixels in shown]) == ((0, 33),)


def test_blank_images_are_nobodys_copy() -> None:
    blank = fingerprint(np.full((20, 30), 128, np.uint8))

    assert near_duplicate_pairs([blank, blank]) == ()


def test_of_a_huge_set_only_equal_images_are_found(
    films: list[Pixels],
) -> None:
    taken = [fingerprint(pixels) for pixels in (*films[:3], films[1], recompressed(films[2]))]

    assert near_duplicate_pairs(taken, most=3) == ((1, 3),)


def test_duplicates_and_all_other_images_of_their_patients_belong_together() -> None:
    owners = ["ann", "ann", "ben", None, None]

    joined = group_duplicates(owners, [(0, 2), (3, 2)])

    assert joined[0] == joined[1] == joined[2] == joined[3] is not None
    assert joined[4] is None
    assert group_duplicates(owners, []) == ("ann", "ann", "ben", None, None)


def test_a_row_without_patient_is_not_taken_for_a_patient_of_that_number() -> None:
    joined = group_duplicates([None, None, "0", "0"], [(0, 1)])

    assert joined[0] == joined[1] != joined[2] == "0"


def test_pairs_across_splits_are_counted_apart_and_named_first() -> None:
    splits = [Split.TRAIN, Split.TRAIN, Split.TEST]

    found = find_near_duplicates(["a", "b", "c"], splits, [(0, 1), (1, 2)], kept=0)

    assert (found.compared, found.inside, found.across) == (3, 1, 1)
    assert found.named == (("b", "c"), ("a", "b"))


TRAIN, VALIDATION, TEST = Split
MANY = [TRAIN] * 20


def test_duplicates_go_to_the_strictest_split_that_one_is_in() -> None:
    splits = [*MANY, VALIDATION, VALIDATION, TEST]

    made = separate_duplicates(["a"] * 23, splits, [(0, 20), (1, 21), (21, 22)])

    assert made == (VALIDATION, TEST, *MANY[2:], VALIDATION, TEST, TEST)


def test_nothing_moves_where_much_would_or_a_class_would_be_missing() -> None:
    many = [*MANY, TEST, TEST, TEST, VALIDATION]
    rare = [*MANY, TEST, TEST]
    labels = ["b", *"a" * 20, "b"]

    assert separate_duplicates(["a"] * 24, many, [(0, 20), (1, 21), (2, 22)]) == tuple(many)
    assert separate_duplicates(labels, rare, [(0, 21)]) == tuple(rare)
    assert separate_duplicates(labels, rare, []) == tuple(rare)
