"""One optimiser step, on a processor or a GPU, alone or together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from imil.core.backbones import Classifier
from imil.core.batches import Batch
from imil.core.captured import MOST_PIXELS, CapturedStep
from imil.core.penalties import Penalty, grad_cam_penalty, gradient_penalty
from imil.core.records import Plan, Precision
from imil.core.team import Team

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def placed(module: Classifier, device: torch.device, team: Team) -> Classifier:
    """Return the module on the device, laid out as it trains fastest there."""
    if device.type == "cpu":
        return module
    if team.size > 1:
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]  # torch's
    return cast("Classifier", module.to(device=device, memory_format=torch.channels_last))  # type: ignore[call-overload]  # of modules its stubs know none


@dataclass(frozen=True, slots=True, eq=False)
class Taking:
    """How steps are taken, the same for all of a round."""

    weights: Tensor | None
    plan: Plan
    team: Team


def step_of(
    module: Classifier, optimiser: torch.optim.Optimizer, take: Taking
) -> Callable[[Batch, float], tuple[Tensor, Tensor]]:
    """Return what takes one step at a learning rate, and returns its loss and logits."""
    plan = take.plan

    def usual(batch: Batch) -> tuple[Tensor, Tensor]:
        return _step(module, optimiser, batch, take)

    pixels = plan.batch_size * plan.size**2
    small = plan.device == "cuda" and take.team.size == 1 and pixels <= MOST_PIXELS
    captured = CapturedStep(lambda x, y: usual(Batch(x, y))) if small else None

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


def _step(
    module: Classifier, optimiser: torch.optim.Optimizer, batch: Batch, take: Taking
) -> tuple[Tensor, Tensor]:
    loss, penalty, logits = _losses(module, batch, take)
    total = loss if penalty is None else loss + penalty
    optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    take.team.add_gradients(module)
    nn.utils.clip_grad_norm_(module.parameters(), take.plan.clip_norm)
    optimiser.step()
    return loss.detach(), logits.detach()


def _losses(module: Classifier, batch: Batch, take: Taking) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return the loss, what is added to it to be minimised, and the logits."""
    images, labels = batch.images, batch.labels
    penalty = None
    if batch.penalised is None or not batch.penalty_weight:
        with _fast(images.device, take.plan.precision):
            logits = module(images).float()
    else:
        # In full precision: gradients of gradients are small numbers.
        logits, penalty = _penalised(module, images, labels, batch.penalised, batch)
    mean = functional.cross_entropy(logits, labels, take.weights)
    loss = _of_the_whole(mean, batch, take.weights, take.team)
    if penalty is not None:
        penalty = batch.penalty_weight * (len(labels) / batch.count) * penalty
    return loss, penalty, logits


def _of_the_whole(mean: Tensor, batch: Batch, weights: Tensor | None, team: Team) -> Tensor:
    """Return what a part of a batch adds to the whole batch's mean, from its own mean."""
    if team.size == 1:
        return mean
    if weights is None or batch.labels.ndim > 1:  # as torch does where labels are soft
        return mean * (len(batch.labels) / batch.count)
    own = weights[batch.labels].sum()
    return mean * own / team.total(own)


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


def _penalised(
    module: Classifier, images: Tensor, labels: Tensor, penalised: Tensor, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Return the logits, and the batch's penalty."""
    if batch.penalty is Penalty.GRAD_CAM:
        maps = module.feature_maps(images)
        logits = module.answer(maps)
        return logits, grad_cam_penalty(logits, maps, labels, penalised)
    logits = module(images.requires_grad_())
    return logits, gradient_penalty(logits, images, penalised)


def optimiser_of(module: nn.Module, plan: Plan, tensors: Mapping[str, Tensor]) -> torch.optim.AdamW:
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


def kept(tensor: Tensor) -> Tensor:
    """Return a copy on the CPU, laid out as a file wants it."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def optimiser_tensors(module: nn.Module, optimiser: torch.optim.AdamW) -> dict[str, Tensor]:
    """Return the optimiser's moments by the names of a state's tensors."""
    return {
        f"optimiser.{name}.{m}": kept(optimiser.state[parameter][m])
        for name, parameter in module.named_parameters()
        if optimiser.state.get(parameter)  # what was always frozen has none
        for m in MOMENTS
    }
