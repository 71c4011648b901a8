from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from imil.core.nets.backbones import build
from imil.core.review.similar import nearest, penultimate
from imil.errors import PlanError

FEATURES = np.array([[1, 0], [0, 3], [5, 5], [2, 0]], np.float32)


def test_the_nearest_point_the_same_way_whatever_their_length() -> None:
    places = nearest(FEATURES, np.array([4, 1], np.float32), limit=3)

    assert places.tolist() == [0, 3, 2]


def test_equally_similar_images_keep_their_order_and_none_comes_twice() -> None:
    places = nearest(FEATURES, np.array([1, 0], np.float32), limit=9)

    assert places.tolist() == [0, 3, 2, 1]


def test_a_feature_of_nothing_resembles_nothing() -> None:
    features = np.array([[0, 0], [-1, 0], [0, 1]], np.float32)

    assert nearest(features, np.array([1, 1], np.float32), limit=3).tolist() == [2, 1, 0]


@pytest.mark.parametrize("limit", [0, -1])
def test_of_no_candidates_or_for_no_place_there_is_none(limit: int) -> None:
    wanted = np.ones(2, np.float32)

    assert nearest(FEATURES, wanted, limit=limit).tolist() == []
    assert nearest(np.zeros((0, 2), np.float32), wanted, limit=3).tolist() == []


def test_features_of_another_size_are_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        nearest(FEATURES, np.ones(3, np.float32), limit=1)


def test_penultimate_features_are_what_the_head_decides_on() -> None:
    net = build("film_net", classes=3, channels=1, size=32, seed=0)
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32), np.uint8)

    features = penultimate(net, images)

    assert features.shape == (5, 96)
    assert features.dtype == np.float32
    with torch.no_grad():
        decided = net.head(torch.from_numpy(features))
        said = net(torch.from_numpy(images).float() / 255)
    assert torch.allclose(decided, said, atol=1e-5)
    assert not net.training


def test_a_module_without_a_head_has_no_penultimate_features() -> None:
    with pytest.raises(PlanError, match=r"can't be found with a Linear.*backbones"):
        penultimate(nn.Linear(1, 1), np.zeros((1, 1, 32, 32), np.uint8))
