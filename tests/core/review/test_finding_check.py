from __future__ import annotations

import numpy as np
import pytest

from imil.core.review.finding_check import (
    FindingCheck,
    chance_of,
    check_finding,
    has_evidence,
    names_absence,
    random_places,
)

WITHOUT = (
    "no finding, No_Finding, NORMAL, negative, healthy, 0, notumor, none, no, not melanoma, "
    "covid-negative, normal chest, kein Befund"
)
WITH = (
    "finding, pneumonia, benign, abnormal, 1, nodule, novel, not normal, positive, abnormal chest, "
    "grade 1, clear cell carcinoma"
)


@pytest.mark.parametrize("name", WITHOUT.split(", "))
def test_a_class_without_a_finding_is_known_by_its_name(name: str) -> None:
    assert names_absence(name)


@pytest.mark.parametrize("name", WITH.split(", "))
def test_a_class_with_a_finding_is_not_taken_for_one_without(name: str) -> None:
    assert not names_absence(name)


@pytest.mark.parametrize(
    ("fall", "chance", "warns"),
    [
        (0.69, 0.02, True),
        (0.69, 0.69, False),  # as much is lost anywhere
        (0.10, 0.02, False),  # no change of mind
        (0.11, 0.02, True),
        (0.69, None, False),
        (-0.69, -0.9, False),  # what rises is not hidden
    ],
)
def test_a_mask_is_warned_of_where_the_label_falls_far_and_not_by_chance(
    fall: float, chance: float | None, warns: bool
) -> None:
    assert FindingCheck(fall, chance).warns is warns


def test_what_has_no_evidence_is_not_checked() -> None:
    assert has_evidence("finding", 0.5)
    assert not has_evidence("finding", 0.1)
    assert not has_evidence("no finding", 0.98)


def test_chance_is_what_all_but_one_of_twenty_stay_below() -> None:
    falls = np.array([0.5, *np.zeros(19)])

    assert 0 <= chance_of(falls) < 0.05


def test_random_regions_have_the_shape_of_the_mask_and_lie_elsewhere() -> None:
    mask = np.zeros((16, 16))
    mask[2:4, 2:9] = 1

    places = random_places(mask, np.random.default_rng(0))

    assert places.shape == (20, 16, 16)
    assert (places.sum((1, 2)) == mask.sum()).all()
    assert len({place.tobytes() for place in places}) > 15
    again = random_places(mask, np.random.default_rng(0))
    assert np.array_equal(places, again)


def test_chance_is_asked_only_where_the_label_falls() -> None:
    image = np.full((1, 16, 16), 100, np.uint8)
    image[0, 2:4, 2:9] = 255
    hidden = np.zeros((16, 16))
    hidden[1:5, 1:10] = 1
    asked: list[int] = []

    def brightest(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return np.array([float(each.max() > 200) for each in images])

    def blind(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return np.ones(len(images))

    rng = np.random.default_rng(0)
    found = check_finding(image, hidden, before=1.0, shares=brightest, rng=rng)
    passes = list(asked)
    missed = check_finding(image, hidden, before=1.0, shares=blind, rng=rng)

    assert found.warns
    assert passes == [1, 5, 5, 5, 5]
    assert missed == FindingCheck(0.0)
    assert asked[5:] == [1]


def test_beside_what_other_masks_suggest_the_finding_is_told_from_the_marker() -> None:
    """The model reads both: beside the marker, the finding alone changes nothing."""
    image = np.full((1, 64, 64), 100, np.uint8)
    marker, finding = np.zeros((64, 64)), np.zeros((64, 64))
    marker[4:10, 50:60] = 1
    finding[40:46, 20:30] = 1
    image[0, (marker + finding) > 0] = 255

    def either(images: np.ndarray) -> np.ndarray:
        return np.array([float(each.max() > 200) for each in images])

    def warned(mask: np.ndarray, elsewhere: np.ndarray | None = None) -> bool:
        rng = np.random.default_rng(0)
        return check_finding(
            image, mask, before=1.0, shares=either, rng=rng, elsewhere=elsewhere
        ).warns

    assert not warned(finding)
    # A prediction that misses the marker's rim is widened.
    predicted = np.zeros((64, 64))
    predicted[5:9, 51:59] = 1
    assert warned(finding, predicted)
    assert not warned(marker, predicted)
    # Without the marker the label is far less probable than the image as it is lets one think.
    assert not warned(finding, np.maximum(marker, finding))
