"""Masks as a loss: what a classifier is told not to use, instead of hiding it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Added to the greatest value of a map before it divides: a map without any is left at zero.
_LEAST = 1e-6


def gradient_penalty(logits: Tensor, images: Tensor, penalised: Tensor) -> Tensor:
    """Return the mean over the batch of the squared input gradients inside the penalised regions.

    Args:
        logits: (B, C) scores of `images`.
        images: (B, channels, S, S), on which gradients are taken.
        penalised: (B, S, S) bool.

    Returns:
        A scalar that can be differentiated again.

    Source: Ross et al., Right for the Right Reasons (IJCAI 2017), eq. 1: gradients of the summed
    log-probabilities; divided by the batch so that its weight doesn't depend on it (our choice).
    """
    total = functional.log_softmax(logits, 1).sum()
    (gradient,) = torch.autograd.grad(total, images, create_graph=True)
    return (gradient * penalised[:, None]).square().sum() / len(images)


def grad_cam_penalty(logits: Tensor, maps: Tensor, labels: Tensor, penalised: Tensor) -> Tensor:
    """Return the mean over the batch of the squared Grad-CAM of the label in penalised regions.

    Args:
        logits: (B, C) scores.
        maps: (B, F, h, w), the feature maps that they were made from.
        labels: (B,) class indices.
        penalised: (B, S, S) bool; an (h, w) cell counts by the share of it that is penalised.

    Returns:
        A scalar that can be differentiated again; each map is divided by its greatest value.

    Source: Schramowski et al., Making deep neural networks right for the right scientific reasons
    (Nature Machine Intelligence 2020), RRR-G: Grad-CAM in place of input gradients.
    """
    total = logits.gather(1, labels[:, None]).sum()
    (gradient,) = torch.autograd.grad(total, maps, create_graph=True)
    height, width = maps.shape[-2:]
    cam = functional.relu((gradient.mean((2, 3), keepdim=True) * maps).sum(1))
    cam = cam / (cam.amax((1, 2), keepdim=True) + _LEAST)
    inside = functional.adaptive_avg_pool2d(penalised[:, None].float(), (height, width))[:, 0]
    return (cam * inside).square().sum((1, 2)).mean()
