from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imil.core.images import ImageSet, describe, open_cache, to_uint8, working_image, write_cache
from imil.core.records import Pixels, Sample, Split
from imil.errors import DataError

SAMPLES = (
    Sample("a", 0, Split.TRAIN, patient="p1"),
    Sample("b", 1, Split.TRAIN),
    Sample("c", 2, Split.VALIDATION),
)


def read(sample_id: str) -> Pixels:
    return np.full((6, 8), "abc".index(sample_id) * 50, np.uint8)


@pytest.fixture
def images() -> ImageSet:
    return ImageSet("three", ("x", "y", "z"), SAMPLES, read=read, channels=1)


def test_the_cache_holds_every_image_in_order_at_working_size(
    images: ImageSet, tmp_path: Path
) -> None:
    done = list(write_cache(images, tmp_path / "cache.npy", size=4))

    cache = open_cache(tmp_path / "cache.npy")
    assert done == [1, 2, 3]
    assert cache.shape == (3, 1, 4, 4)
    assert cache[:, 0, 0, 0].tolist() == [0, 50, 100]


def test_a_complete_cache_is_not_made_again(images: ImageSet, tmp_path: Path) -> None:
    list(write_cache(images, tmp_path / "cache.npy", size=4))

    def unreadable(_: str) -> Pixels:
        raise AssertionError

    again = ImageSet("three", ("x", "y", "z"), SAMPLES, read=unreadable, channels=1)
    assert list(write_cache(again, tmp_path / "cache.npy", size=4)) == [3]


def test_an_interrupted_cache_is_not_taken_for_a_whole_one(
    images: ImageSet, tmp_path: Path
) -> None:
    next(iter(write_cache(images, tmp_path / "cache.npy", size=4)))

    assert not (tmp_path / "cache.npy").exists()


def test_two_who_make_the_same_cache_at_once_both_find_it_whole(
    images: ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "cache.npy"
    first, second = (write_cache(images, path, size=4) for _ in range(2))
    next(first), next(first), next(second)

    list(first)
    whole = np.array(open_cache(path))
    list(second)

    assert whole[:, 0, 0, 0].tolist() == [0, 50, 100]
    assert np.array_equal(open_cache(path), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["cache.npy"]


def test_sixteen_bits_are_windowed_to_eight() -> None:
    pixels = np.linspace(1000, 3000, 10_000).reshape(100, 100).astype(np.uint16)

    eight_bit = to_uint8(pixels)

    assert (int(eight_bit[0, 0]), int(eight_bit[50, 0]), int(eight_bit[-1, -1])) == (0, 128, 255)


def test_a_constant_sixteen_bit_image_becomes_black() -> None:
    assert to_uint8(np.full((3, 3), 500, np.uint16)).max() == 0


def test_grey_is_repeated_for_a_colour_set() -> None:
    assert working_image(np.full((5, 5), 9, np.uint8), size=4, channels=3).tolist() == (
        np.full((3, 4, 4), 9).tolist()
    )


def test_colour_in_a_grey_set_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="colour"):
        working_image(np.zeros((5, 5, 3), np.uint8), size=4, channels=1)


def test_one_against_the_rest_makes_the_named_class_positive(images: ImageSet) -> None:
    task = images.one_against_rest("y")

    assert task.classes == ("not y", "y")
    assert task.labels.tolist() == [0, 1, 0]


def test_an_unknown_label_is_named_with_the_known_ones(images: ImageSet) -> None:
    with pytest.raises(DataError, match=r"no class “w”.*x, y, z.*positive label"):
        images.one_against_rest("w")


def test_an_unknown_image_is_refused(images: ImageSet) -> None:
    with pytest.raises(DataError, match=r"no image “q”.*gallery"):
        images.original("q")


def test_doubled_ids_are_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="not unique"):
        ImageSet("two", ("x",), (SAMPLES[0], SAMPLES[0]), read=read)


def test_a_label_without_class_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="no class"):
        ImageSet("three", ("x",), SAMPLES, read=read)


def test_counts_images_a_split_and_class(images: ImageSet) -> None:
    assert describe(images)["train"] == {"x": 1, "y": 1, "z": 0}


def test_the_rows_of_a_split_are_counted_once_and_nobody_can_change_them(images: ImageSet) -> None:
    rows = images.rows(Split.TRAIN)

    assert rows.tolist() == [0, 1]
    assert rows is images.rows(Split.TRAIN)
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 2
