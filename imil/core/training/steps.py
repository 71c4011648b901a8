"""One optimiser step, on a processor or a GPU, alone or together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from imil.core.arms.penalties import grad_cam_penalty, gradient_penalty
from imil.core.arms.variants import Penalty
from imil.core.nets.backbones import Classifier
from imil.core.records import Plan, Precision
from imil.core.training.batches import Batch
from imil.core.training.cuda_graph import MOST_GRAPH_PIXELS, CudaGraphStep
from imil.core.training.data_parallel import (
    DataParallelObjective,
    with_synced_batch_norm,
    world_size,
)

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def place_module(module: Classifier, device: torch.device) -> Classifier:
    """Return the module on the device, laid out as it trains fastest there."""
    if device.type == "cpu":
        return module
    if world_size() > 1:
        module = with_synced_batch_norm(module)
    return cast("Classifier", module.to(device=device, memory_format=torch.channels_last))  # type: ignore[call-overload]  # of modules its stubs know none


class _Objective(nn.Module):
    """From a batch to its mean loss, the penalty added to it, and the logits.

    A module, because DistributedDataParallel asks for one that holds all of a step's forward pass.
    """

    def __init__(self, net: Classifier, plan: Plan, weights: Tensor | None) -> None:
        super().__init__()
        self.net = net
        self._precision = plan.precision
        self._weights = weights

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor]:
        penalty = None
        if batch.penalised is None or not batch.penalty_weight:
            with _fast(batch.images.device, self._precision):
                logits = self.net(batch.images).float()
        else:
            # In full precision: gradients of gradients are small numbers.
            logits, penalty = _penalised(self.net, batch, batch.penalised)
            penalty = batch.penalty_weight * penalty
        return functional.cross_entropy(logits, batch.labels, self._weights), penalty, logits

    def alone(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return what to minimise, and the loss and the logits, where no process shares batches."""
        loss, penalty, logits = self(batch)
        return loss if penalty is None else loss + penalty, loss, logits


def make_step(
    module: Classifier, optimiser: torch.optim.Optimizer, plan: Plan, weights: Tensor | None
) -> Callable[[Batch, float], tuple[Tensor, Tensor]]:
    """Return what takes one step at a learning rate, and returns the batch's loss and logits.

    How it is taken, with other processes or as a captured graph, is decided here alone.

    Args:
        module: to train, from `place_module`.
        optimiser: of its parameters.
        plan: how to train.
        weights: (C,) of the cross-entropy, on the plan's device.
    """
    together = world_size() > 1
    objective = _Objective(module, plan, weights)
    minimised = DataParallelObjective(objective, weights) if together else objective.alone

    def usual(batch: Batch) -> tuple[Tensor, Tensor]:
        total, loss, logits = minimised(batch)
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(module.parameters(), plan.clip_norm)
        optimiser.step()
        return loss.detach(), logits.detach()

    pixels = plan.batch_size * plan.size**2
    small = plan.device == "cuda" and not together and pixels <= MOST_GRAPH_PIXELS
    captured = CudaGraphStep(lambda x, y: usual(Batch(x, y))) if small else None

    def step(batch: Batch, rate: float) -> tuple[Tensor, Tensor]:
        _set_rate(optimiser, rate)
        if captured is None or batch.penalty_weight:
            return usual(batch)
        return captured(batch.images, batch.labels)

    return step


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


@contextmanager
def _fast(device: torch.device, precision: Precision) -> Iterator[None]:
    """On a GPU: bfloat16 where it has it, and each convolution's fastest algorithm."""
    if device.type == "cpu":
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is Precision.BF16):
            yield
        return
    half = torch.cuda.is_bf16_supported(including_emulation=False)
    with (
        torch.autocast("cuda", torch.bfloat16, enabled=half),
        torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True),
    ):
        yield


def _penalised(module: Classifier, batch: Batch, penalised: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits, and the batch's penalty."""
    images = batch.images
    if batch.penalty is Penalty.GRAD_CAM:
        maps = module.feature_maps(images)
        logits = module.answer(maps)
        return logits, grad_cam_penalty(logits, maps, batch.labels, penalised)
    logits = module(images.requires_grad_())
    return logits, gradient_penalty(logits, images, penalised)


def make_optimiser(
    module: nn.Module, plan: Plan, tensors: Mapping[str, Tensor]
) -> torch.optim.AdamW:
    """Return the optimiser with the moments that a state's tensors hold."""
    # Norms and biases are not decayed: they set scales, not what is looked at.
    decayed = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    on_gpu = plan.device == "cuda"
    # On a GPU a tensor: a captured step reads it anew each time.
    rate = torch.tensor(plan.learning_rate, device=plan.device) if on_gpu else plan.learning_rate
    optimiser = torch.optim.AdamW(
        groups, lr=rate, weight_decay=plan.weight_decay, fused=True, capturable=on_gpu
    )
    for name, parameter in module.named_parameters():
        key = f"optimiser.{name}"
        if f"{key}.step" in tensors:
            optimiser.state[parameter] = {
                m: _like(parameter, tensors[f"{key}.{m}"]) for m in MOMENTS
            }
    return optimiser


def _like(parameter: Tensor, moment: Tensor) -> Tensor:
    """Return a copy of a moment beside its parameter, laid out alike as the fused step needs it."""
    if moment.ndim == 0:
        return moment.to(parameter.device, copy=True)
    return torch.empty_like(parameter).copy_(moment)


def snapshot(tensor: Tensor) -> Tensor:
    """Return a copy on the CPU, laid out as a file wants it."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def optimiser_tensors(module: nn.Module, optimiser: torch.optim.AdamW) -> dict[str, Tensor]:
    """Return the optimiser's moments by the names of a state's tensors."""
    return {
        f"optimiser.{name}.{m}": snapshot(optimiser.state[parameter][m])
        for name, parameter in module.named_parameters()
        if optimiser.state.get(parameter)  # what was always frozen has none
        for m in MOMENTS
    }
