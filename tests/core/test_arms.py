from __future__ import annotations

import numpy as np
import pytest
import torch

from imil.core.arms import ArmInputs, control, imil, parse_arms
from imil.core.records import Arm, Plan
from imil.errors import PlanError

# No augmentation, so that what comes out can be told apart by its grey value.
PLAN = Plan(size=32, batch_size=4, shift_share=0.0, scale_share=0.0)


def inputs(edited: dict[int, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> ArmInputs:
    labels = np.array([0] * 8 + [1] * 4, np.int64)
    images = np.arange(10, 130, 10).astype(np.uint8)[:, None, None, None] * np.ones(
        (1, 1, 4, 4), np.uint8
    )
    return ArmInputs(PLAN, images, labels, 2, np.arange(10), np.array([10, 11]), False, edited)


def greys(batches: list[torch.Tensor]) -> list[int]:
    return sorted(round(float(image.mean()) * 255) for batch in batches for image in batch)


BLACK = np.zeros((1, 4, 4), np.uint8)


def test_imil_replaces_the_masked_images_by_their_edited_copies() -> None:
    arm = imil(inputs({0: BLACK, 1: BLACK}))

    seen = {g for seed in range(5) for g in greys([b.images for b in arm.epoch(seed)])}

    assert seen == {0, 30, 40, 50, 60, 70, 80, 90, 100}


def test_control_ignores_the_masks() -> None:
    masked, plain = control(inputs({0: BLACK})), control(inputs({}))

    for a, b in zip(masked.epoch(3), plain.epoch(3), strict=True):
        assert torch.equal(a.images, b.images)


def test_imil_without_masks_equals_control() -> None:
    for a, b in zip(imil(inputs({})).epoch(3), control(inputs({})).epoch(3), strict=True):
        assert torch.equal(a.images, b.images)


def test_arms_see_the_same_order_and_take_equal_steps() -> None:
    with_masks, without = imil(inputs({0: BLACK})), control(inputs({}))

    orders = [[b.labels.tolist() for b in arm.epoch(1)] for arm in (with_masks, without)]

    assert orders[0] == orders[1]
    assert with_masks.steps == without.steps == 2


def test_an_epoch_has_no_image_twice() -> None:
    seen = greys([b.images for b in control(inputs({})).epoch(0)])

    assert len(seen) == len(set(seen)) == 8


def test_validation_images_are_never_edited() -> None:
    images, labels = imil(inputs({0: BLACK})).validation()

    assert (images[:, 0, 0, 0].tolist(), labels.tolist()) == ([110, 120], [1, 1])


def test_rare_classes_weigh_more() -> None:
    # 8 of class 0 and 2 of class 1 among the ten training images.
    assert control(inputs({})).class_weights.tolist() == [0.625, 2.5]


def test_control_is_always_compared() -> None:
    assert parse_arms(("imil", "imil")) == (Arm.CONTROL, Arm.IMIL)


def test_an_unknown_arm_is_named_with_the_known_ones() -> None:
    with pytest.raises(PlanError, match=r"no arm “magic”.*control, imil"):
        parse_arms(("magic",))
