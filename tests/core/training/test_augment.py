from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from imil.core.records import Arm
from imil.core.training.augment import (
    USUAL,
    base_draws,
    base_grid,
    moved,
    moved_regions,
    usual_augmentation,
)


def grid(batch: int, side: int, *, shift: float, scale: float, mirrored: bool) -> torch.Tensor:
    return base_grid(
        base_draws(batch, torch.Generator().manual_seed(0)),
        side,
        shift_share=shift,
        scale_share=scale,
        mirrored=mirrored,
    )


def augmented(images: torch.Tensor, *, shift: float, scale: float, mirrored: bool) -> torch.Tensor:
    where = grid(len(images), images.shape[-1], shift=shift, scale=scale, mirrored=mirrored)
    return moved(images, where)


def test_without_room_to_move_images_stay_as_they_are() -> None:
    images = torch.rand(4, 1, 16, 16)

    assert torch.allclose(augmented(images, shift=0, scale=0, mirrored=False), images, atol=1e-5)


@pytest.mark.parametrize("side", [48, 64, 112])
def test_is_the_affine_grid_of_scale_flip_and_shift(side: int) -> None:
    signed = torch.rand(8, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    theta = torch.zeros(8, 2, 3)
    theta[:, 1, 1] = 1 + signed[:, 2] * 0.2
    theta[:, 0, 0] = theta[:, 1, 1] * torch.where(signed[:, 3] < 0, -1, 1)
    theta[:, :, 2] = signed[:, :2] * 0.2

    found = grid(8, side, shift=0.1, scale=0.2, mirrored=True)

    wanted = functional.affine_grid(theta, [8, 1, side, side], align_corners=False)
    assert torch.allclose(found, wanted, rtol=0, atol=2e-7)


def test_moves_no_further_than_the_share() -> None:
    images = torch.zeros(64, 1, 32, 32)
    images[:, :, 16, 16] = 1

    shown = augmented(images, shift=0.1, scale=0, mirrored=False)

    columns = (shown.sum(2)[:, 0] * torch.arange(32)).sum(1)
    assert columns.min() >= 16 - 3.3
    assert columns.max() <= 16 + 3.3
    assert columns.std() > 1


def test_flips_only_where_the_data_allow_it() -> None:
    images = torch.zeros(32, 1, 8, 8)
    images[..., :4] = 1

    kept = augmented(images, shift=0, scale=0, mirrored=False)
    flipped = augmented(images, shift=0, scale=0, mirrored=True)

    assert torch.allclose(kept, images, atol=1e-5)
    assert 8 < sum(bool(image[0, 0, 0] < 0.5) for image in flipped) < 24


def test_what_moves_in_repeats_the_border() -> None:
    shown = augmented(torch.ones(8, 1, 16, 16), shift=0.3, scale=0.3, mirrored=False)

    assert torch.allclose(shown, torch.ones_like(shown), atol=1e-5)


def test_a_mask_moves_with_its_image() -> None:
    regions = torch.rand(16, 32, 32) < 0.5
    regions[:, 8:24, 8:24] = True
    where = grid(16, 32, shift=0.2, scale=0.1, mirrored=True)

    images, masks = moved(regions[:, None].float(), where), moved_regions(regions, where)

    assert ((images[:, 0] > 0.5) == masks).float().mean() > 0.8
    blocks = torch.zeros(16, 32, 32, dtype=torch.bool)
    blocks[:, 8:24, 8:24] = True
    assert (
        (moved(blocks[:, None].float(), where)[:, 0] > 0.5) == moved_regions(blocks, where)
    ).float().mean() > 0.98


@pytest.mark.parametrize("kind", USUAL)
def test_the_usual_augmentations_change_images_and_keep_shape_and_range(kind: Arm) -> None:
    torch.manual_seed(0)
    images, labels = torch.rand(8, 1, 32, 32), torch.arange(8) % 2

    changed, targets = usual_augmentation(kind, classes=2)(images, labels)

    assert changed.shape == images.shape
    assert not torch.equal(changed, images)
    assert changed.min() >= 0
    assert changed.max() <= 1
    mixes = kind in {Arm.MIXUP, Arm.CUTMIX}
    assert targets.shape == ((8, 2) if mixes else (8,))
