"""The base augmentation that all arms share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def base_augmentation(
    images: Tensor,
    generator: torch.Generator,
    *,
    shift_share: float,
    scale_share: float,
    mirrored: bool,
) -> Tensor:
    """Return the batch with a small random shift and scale an image, and flips where allowed.

    Written here, as torchvision's v2 transforms draw one set of parameters for a whole batch.

    Args:
        images: (B, C, S, S) float.
        generator: on the CPU, so that the draws are the same on every device.
        shift_share: largest shift along either axis, share of the side.
        scale_share: largest relative change of size.
        mirrored: flip half of the images left to right.

    Returns:
        (B, C, S, S) float; what moves in from outside repeats the border, because a black edge
        would be a mark of its own. Our choice.
    """
    batch = len(images)
    signed = torch.rand(batch, 4, generator=generator).to(images.device) * 2 - 1
    scale = 1 + signed[:, 2] * scale_share
    flip = torch.where((signed[:, 3] < 0) & mirrored, -1.0, 1.0)
    theta = torch.zeros(batch, 2, 3, device=images.device)
    theta[:, 0, 0] = scale * flip
    theta[:, 1, 1] = scale
    # grid_sample's coordinates run from -1 to 1: a shift of the whole side is 2.
    theta[:, :, 2] = signed[:, :2] * (2 * shift_share)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    # Bicubic: bilinear halves an image's grain, so that un-augmented images look noisier than any
    # the net was trained on, which cost film_net up to 5 points of accuracy on clean films.
    return functional.grid_sample(
        images, grid.to(images.dtype), mode="bicubic", padding_mode="border", align_corners=False
    )
