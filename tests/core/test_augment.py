from __future__ import annotations

import torch

from imil.core.augment import base_augmentation


def augmented(images: torch.Tensor, *, shift: float, scale: float, mirrored: bool) -> torch.Tensor:
    return base_augmentation(
        images,
        torch.Generator().manual_seed(0),
        shift_share=shift,
        scale_share=scale,
        mirrored=mirrored,
    )


def test_without_room_to_move_images_stay_as_they_are() -> None:
    images = torch.rand(4, 1, 16, 16)

    assert torch.allclose(augmented(images, shift=0, scale=0, mirrored=False), images, atol=1e-5)


def test_moves_no_further_than_the_share() -> None:
    images = torch.zeros(64, 1, 32, 32)
    images[:, :, 16, 16] = 1

    moved = augmented(images, shift=0.1, scale=0, mirrored=False)

    columns = (moved.sum(2)[:, 0] * torch.arange(32)).sum(1)
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
    moved = augmented(torch.ones(8, 1, 16, 16), shift=0.3, scale=0.3, mirrored=False)

    assert torch.allclose(moved, torch.ones_like(moved), atol=1e-5)
