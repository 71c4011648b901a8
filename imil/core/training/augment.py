"""The base augmentation that all arms share, and the usual ones of the rival arms."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from imil.core.records import Arm

# From images and labels to augmented images and labels or soft targets.
Augmentation = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


# The usual augmentations, each on top of the base one; named as torchvision names them.
USUAL = (
    Arm.RANDAUGMENT,
    Arm.TRIVIALAUGMENT,
    Arm.AUGMIX,
    Arm.RANDOM_ERASING,
    Arm.MIXUP,
    Arm.CUTMIX,
)


def base_draws(images: int, generator: torch.Generator) -> Tensor:
    """Return what is drawn for the base augmentation of some images, (N, 4) float32, -1 to 1.

    The generator is on the CPU, so that the draws are the same on every device.
    """
    return torch.rand(images, 4, generator=generator) * 2 - 1


def base_grid(
    signed: Tensor, side: int, *, shift_share: float, scale_share: float, mirrored: bool
) -> Tensor:
    """Return where each pixel of the augmented images comes from, (B, S, S, 2).

    Written here, as torchvision's v2 transforms draw one set of parameters for a whole batch.

    Args:
        signed: (B, 4), of `base_draws`, on the device where the grid is needed.
        side: of the square images, px.
        shift_share: largest shift along either axis, share of the side.
        scale_share: largest relative change of size.
        mirrored: flip half of the images left to right.
    """
    scale = 1 + signed[:, 2] * scale_share
    flip = torch.where((signed[:, 3] < 0) & mirrored, -1.0, 1.0)
    # grid_sample's coordinates run from -1 to 1: a shift of the whole side is 2.
    shift = signed[:, :2] * (2 * shift_share)
    centres = torch.linspace(-1, 1, side, device=signed.device) * (side - 1) / side
    # What torch's affine_grid gives, in an eighth of its time: it multiplies a matrix a pixel, and
    # here nothing is turned, so that columns and rows move by themselves.
    grid = torch.empty(len(signed), side, side, 2, device=signed.device)
    grid[..., 0] = ((scale * flip)[:, None] * centres + shift[:, 0, None])[:, None, :]
    grid[..., 1] = (scale[:, None] * centres + shift[:, 1, None])[:, :, None]
    return grid


def moved(images: Tensor, grid: Tensor) -> Tensor:
    """Return the images, (B, C, S, S) float, moved by a `base_grid`.

    What moves in from outside repeats the border, because a black edge would be a mark of its own.
    Our choice.
    """
    # Bicubic: bilinear halves an image's grain, so that un-augmented images look noisier than any
    # the net was trained on, which cost film_net up to 5 points of accuracy on clean films.
    return functional.grid_sample(
        images, grid, mode="bicubic", padding_mode="border", align_corners=False
    )


def moved_regions(regions: Tensor, grid: Tensor) -> Tensor:
    """Return boolean regions, (B, S, S), moved like the images they belong to."""
    floats = regions[:, None].float()
    sampled = functional.grid_sample(
        floats, grid, mode="nearest", padding_mode="border", align_corners=False
    )
    return sampled[:, 0] > 0.5  # noqa: PLR2004  # half


def usual_augmentation(kind: Arm, *, classes: int) -> Augmentation:
    """Return torchvision's augmentation with its own defaults.

    Args:
        kind: one of `USUAL`.
        classes: number of classes.

    Returns:
        From (B, C, S, S) float images in 0-1 and (B,) labels to augmented images and either labels
        (B,) or, where images are mixed, soft targets (B, classes). It draws from torch's global
        generator, which training seeds at the start of each epoch.
    """
    # Imported here: it takes seconds, and most arms need none of it.
    from torchvision.transforms import v2  # noqa: PLC0415  # slow to import

    if kind in {Arm.MIXUP, Arm.CUTMIX}:
        kinds = {Arm.MIXUP: v2.MixUp, Arm.CUTMIX: v2.CutMix}
        mixed: Augmentation = kinds[kind](num_classes=classes)
        return mixed
    if kind is Arm.RANDOM_ERASING:
        erase = v2.RandomErasing()
        return lambda images, labels: (torch.stack([erase(image) for image in images]), labels)
    change = {
        Arm.RANDAUGMENT: v2.RandAugment,
        Arm.TRIVIALAUGMENT: v2.TrivialAugmentWide,
        Arm.AUGMIX: v2.AugMix,
    }[kind]()

    def each(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        # On 8 bits, for which torchvision's magnitudes are meant; one draw an image.
        eight_bit = images.mul(255).round().clamp(0, 255).to(torch.uint8)
        return torch.stack([change(image) for image in eight_bit]).float().div(255), labels

    return each
