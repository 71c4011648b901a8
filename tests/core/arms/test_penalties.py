from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from imil.core.arms.penalties import grad_cam_penalty, gradient_penalty


def test_the_gradient_penalty_of_a_linear_model_is_known() -> None:
    # logits = (x, -x): the sum of log-probabilities is -2 softplus-like, with gradient -2 tanh(x).
    images = torch.tensor([[[[0.5, 2.0]]]], requires_grad=True)
    logits = torch.stack([images.sum((1, 2, 3)), -images.sum((1, 2, 3))], 1)
    inside = torch.tensor([[[True, False]]])

    penalty = gradient_penalty(logits, images, inside)

    assert float(penalty.detach()) == pytest.approx(float((2 * np.tanh(2.5)) ** 2), rel=1e-5)


def test_the_grad_cam_penalty_counts_only_what_lies_inside() -> None:
    maps = torch.zeros(1, 1, 2, 2)
    maps[0, 0, 0, 0] = 3.0
    maps.requires_grad_()
    logits = torch.stack([maps.mean((1, 2, 3)), -maps.mean((1, 2, 3))], 1)
    label = torch.tensor([0])
    upper = torch.tensor([[[True] * 4] * 2 + [[False] * 4] * 2])

    inside = grad_cam_penalty(logits, maps, label, upper)
    outside = grad_cam_penalty(logits, maps, label, ~upper)

    assert float(inside.detach()) == pytest.approx(1.0, abs=1e-4)
    assert float(outside.detach()) == 0


def test_the_grad_cam_penalty_can_be_learned_from() -> None:
    weight = torch.ones(1, 1, 1, 1, requires_grad=True)
    maps = functional.conv2d(
        torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)), weight
    )
    scores = maps.square().mean((2, 3))
    penalty = grad_cam_penalty(
        torch.cat([scores, -scores], 1), maps, torch.tensor([0, 0]), torch.ones(2, 8, 8).bool()
    )

    (gradient,) = torch.autograd.grad(penalty, weight)

    assert torch.isfinite(gradient).all()
