from __future__ import annotations

import gc

import numpy as np
import pytest

from imil.app.painter.painter import encode_image
from imil.app.review.image_cache import ImageCache
from imil.core.images import ImageSet
from imil.core.records import Pixels, Sample, Split
from imil.errors import DataError

NAMES = ("a", "b", "c")


class Films:
    """Three films, and which of them were read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        samples = [Sample(name, 0, Split.TRAIN) for name in NAMES]
        self.images = ImageSet("three", ("x",), samples, read=self._read, channels=1)

    def _read(self, sample_id: str) -> Pixels:
        self.read.append(sample_id)
        return np.full((4, 4), NAMES.index(sample_id), np.uint8)


@pytest.fixture
def films() -> Films:
    return Films()


def size_of(name: str) -> int:
    return len(encode_image(np.full((4, 4), NAMES.index(name), np.uint8))["pixels"])


def test_a_film_that_many_open_is_read_once(films: Films) -> None:
    shelf = ImageCache()

    first, second = (shelf.image(films.images, "b") for _ in range(2))

    assert first == second == encode_image(np.full((4, 4), 1, np.uint8))
    assert films.read == ["b"]


def test_films_of_one_name_in_two_studies_are_told_apart(films: Films) -> None:
    shelf, other = ImageCache(), Films()

    shelf.image(films.images, "a")
    shelf.image(other.images, "a")

    assert (films.read, other.read) == (["a"], ["a"])


def test_the_film_used_longest_ago_leaves_first(films: Films) -> None:
    shelf = ImageCache(most=size_of("a") + size_of("b"))

    for name in ("a", "b", "a", "c", "a", "b"):
        shelf.image(films.images, name)

    assert films.read == ["a", "b", "c", "b"]


def test_a_film_too_large_to_keep_is_shown_all_the_same(films: Films) -> None:
    shelf = ImageCache(most=1)

    assert shelf.image(films.images, "a") == shelf.image(films.images, "a")
    assert films.read == ["a", "a"]


def test_nothing_stays_of_images_that_are_gone(films: Films) -> None:
    shelf = ImageCache()
    shelf.image(films.images, "a")

    films.images = Films().images
    gc.collect()

    assert (len(shelf), shelf.held) == (0, 0)


def test_a_film_that_is_not_there_is_refused(films: Films) -> None:
    with pytest.raises(DataError, match="no image “z”"):
        ImageCache().image(films.images, "z")
