from __future__ import annotations

import numpy as np
import pytest

from imil.core.external.distribution import check_distribution
from imil.core.images import ImageSet
from imil.core.records import Pixels, Sample, Split

NOISE = np.random.default_rng(0).integers(60, 120, (200, 24, 24)).astype(np.uint8)


def image_set(
    first: int, *, count: int = 40, split: Split = Split.TRAIN, bright: int = 0, positive: int = 2
) -> ImageSet:
    """Return images of noise from the `first` on; every `positive`-th is of class 1."""
    rows = {f"i{n}": first + n for n in range(count)}
    samples = [
        Sample(name, int(n % positive == 0), split, patient=f"p{first + n}")
        for n, name in enumerate(rows)
    ]

    def read(name: str) -> Pixels:
        pixels: Pixels = NOISE[rows[name]] + np.uint8(bright)
        return pixels

    return ImageSet("noise", ("no", "yes"), samples, read=read, channels=1)


def test_a_set_like_the_training_images_differs_in_nothing() -> None:
    check = check_distribution(image_set(100), image_set(0))

    assert (check.external.images, check.training.images) == (40, 40)
    assert check.external.shares == (0.5, 0.5)
    assert (check.near_duplicates, check.shared_patients) == (0, 0)
    different = (check.darker_or_brighter, check.other_contrast, check.other_sizes)
    assert (*different, check.other_shares) == (False, False, False, False)


def test_copies_of_training_images_and_their_patients_are_found() -> None:
    check = check_distribution(image_set(30), image_set(0))

    assert check.near_duplicates == 10
    assert check.shared_patients == 10


def test_a_brighter_scanner_and_rarer_findings_are_seen() -> None:
    check = check_distribution(image_set(100, bright=90, positive=8), image_set(0))

    assert check.darker_or_brighter
    assert check.other_shares
    assert check.external.shares == (0.875, 0.125)


def test_only_training_images_stand_for_the_study() -> None:
    study = image_set(0)
    parted = [
        Sample(s.sample_id, s.label, Split.TRAIN if n < 20 else Split.TEST)
        for n, s in enumerate(study.samples)
    ]
    halved = ImageSet("half", study.classes, parted, read=study.original, channels=1)

    check = check_distribution(image_set(20, count=20), halved)

    assert (check.training.images, check.near_duplicates) == (20, 0)
    assert check.shared_patients is None


def test_progress_counts_the_images_of_both_sets() -> None:
    told: list[tuple[int, int]] = []

    check_distribution(image_set(100), image_set(0), on_progress=lambda *at: told.append(at))

    assert told[-1] == (80, 80)
    assert [done for done, _ in told] == pytest.approx(list(range(1, 81)))
