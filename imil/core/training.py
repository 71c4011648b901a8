"""Training as a generator, one learning-rate segment a round, and prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imil.core.backbones import Classifier, build, load_pretrained
from imil.core.penalties import Penalty, grad_cam_penalty, gradient_penalty
from imil.core.records import EpochFigures, Plan, Progress
from imil.errors import ComputeError

# Batches between two reports of progress: a few a second on a slow CPU.
REPORT_EVERY = 4
# Images a forward pass without gradients; larger gains nothing on a CPU.
PREDICT_BATCH = 128
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True, eq=False)
class TrainState:
    """All that training needs to go on: one checkpoint.

    Attributes:
        tensors: on the CPU: `model.*` (weights and normalisation statistics) and
            `optimiser.<parameter>.<moment>`. Batch order and augmentation are drawn afresh each
            epoch from (seed, round, epoch), so position and plan stand for the random state.
        classes: number of classes.
        channels: 1 or 3.
        round: 0 for the first training.
        epoch: epochs finished in this round.
    """

    tensors: Mapping[str, Tensor]
    classes: int
    channels: int
    round: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class EpochReport:
    """One finished epoch, with the state to save.

    `scores` are (N_train, C) float32: what the model answered to each training image while it was
    trained on, augmented and in training mode, in the order of `Batches.train`. NaN where an image
    was not shown as it is; of an image shown twice the last answer. They cost no further pass, and
    for finding wrong labels serve as well as one (docs/decisions/0006).
    """

    figures: EpochFigures
    state: TrainState
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one optimiser step sees.

    Attributes:
        images: (B, C, S, S) float32 in 0-1.
        labels: (B,) int64, or (B, classes) float32 where images are mixed.
        rows: (B,) the study's row of each image; -1 where it is shown edited. None where images
            are mixed or changed beyond the base augmentation.
        penalised: (B, S, S) bool, where the classifier must not look; None for nowhere.
        penalty_weight: weight of that penalty in the loss.
        penalty: what is penalised there.
    """

    images: Tensor
    labels: Tensor
    rows: NDArray[np.int64] | None = None
    penalised: Tensor | None = None
    penalty_weight: float = 0.0
    penalty: Penalty = Penalty.INPUT_GRADIENTS


class Batches(Protocol):
    """What an arm trains on. The same number of steps an epoch in every arm."""

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch."""

    @property
    def class_weights(self) -> Tensor:
        """(C,) float32 weights of the cross-entropy."""

    @property
    def train(self) -> NDArray[np.int64]:
        """(N_train,) rows of the training images, ascending."""

    def epoch(self, seed: int) -> Iterator[Batch]:
        """Yield `steps` augmented batches; the seed alone decides order and draws."""

    def validation(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the un-edited validation images, (N, C, S, S), and their labels."""


def initial_state(
    plan: Plan, *, classes: int, channels: int, pretrained: bytes | None = None
) -> TrainState:
    """Return the state before the first epoch, from the plan's seed or from pretrained weights."""
    module = build(
        plan.backbone, classes=classes, channels=channels, size=plan.size, seed=plan.seed
    )
    if pretrained is not None:
        load_pretrained(module, pretrained)
    return TrainState(_model_tensors(module), classes, channels)


def next_round(state: TrainState) -> TrainState:
    """Return the state from which every arm of the next round starts, moments carried over.

    A fresh optimiser made the control arm itself lose accuracy in trials; our choice.
    """
    return replace(state, round=state.round + 1, epoch=0)


def epochs_of(plan: Plan, round_number: int) -> int:
    """Return how many epochs a round has."""
    return plan.epochs if round_number == 0 else plan.epochs_after


def learning_rate(plan: Plan, step: int, steps: int) -> float:
    """Return the rate of a step (from 0) of a round: linear warm-up, then cosine to 0."""
    warm = max(1, round(plan.warmup_share * steps))
    if step < warm:
        return plan.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return plan.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def fit(
    plan: Plan, state: TrainState, batches: Batches, *, should_stop: Callable[[], bool]
) -> Iterator[Progress | EpochReport]:
    """Train to the end of the state's round.

    Args:
        plan: fixed for the study; arms are compared only under equal plans.
        state: where to go on; a state whose round is finished yields nothing.
        batches: what the arm trains on.
        should_stop: asked before each batch; True ends the generator without a report, so the last
            finished epoch is where training goes on.

    Yields:
        A `Progress` every few batches, an `EpochReport` an epoch. Going on from a report's state is
        bit-identical to not having stopped, for the same CPU type, torch and number of threads.

    Raises:
        ComputeError: the loss is no longer a finite number.
    """
    device = torch.device(plan.device)
    module = restore(plan, state).to(device)
    optimiser = _optimiser(module, plan, state)
    epochs, steps = epochs_of(plan, state.round), batches.steps
    weights = batches.class_weights.to(device) if plan.class_weighted else None
    for epoch in range(state.epoch, epochs):
        seed = epoch_seed(plan.seed, state.round, epoch)
        torch.manual_seed(seed)  # dropout draws from the global generator
        module.train()
        loss_sum, right, seen = torch.zeros((), device=device), 0, 0
        answers: list[tuple[NDArray[np.int64], Tensor]] = []
        for index, batch in enumerate(batches.epoch(seed)):
            if should_stop():
                return
            rate = learning_rate(plan, epoch * steps + index, epochs * steps)
            loss, logits = _step(module, optimiser, batch, device, weights, rate, plan.clip_norm)
            loss_sum += loss * len(batch.labels)
            hard = batch.labels if batch.labels.ndim == 1 else batch.labels.argmax(1)
            right += int((logits.argmax(1).cpu() == hard).sum())
            seen += len(batch.labels)
            if batch.rows is not None:
                answers.append((batch.rows, logits))
            if index % REPORT_EVERY == 0:
                yield Progress(epoch + 1, epochs, index + 1, steps)
        train_loss = _finite(float(loss_sum) / seen, epoch + 1)
        images, labels = batches.validation()
        scores = _score(predict(module, images, device=plan.device), labels)
        figures = EpochFigures(epoch + 1, train_loss, right / seen, *scores)
        tensors = _model_tensors(module) | _optimiser_tensors(module, optimiser)
        told = _answers(answers, batches.train, state.classes)
        yield EpochReport(figures, replace(state, tensors=tensors, epoch=epoch + 1), told)


def _answers(
    answers: list[tuple[NDArray[np.int64], Tensor]], train: NDArray[np.int64], classes: int
) -> NDArray[np.float32]:
    """Return (N_train, C) the last answer to each training image; NaN where there is none."""
    scores = np.full((len(train), classes), np.nan, np.float32)
    if not answers:
        return scores
    rows = np.concatenate([shown for shown, _ in answers])
    # One way from the device an epoch, not one a batch.
    logits = torch.cat([told for _, told in answers]).float().cpu().numpy()
    plain = rows >= 0
    # Where a row stands twice numpy keeps the last: assignment goes in order.
    scores[np.searchsorted(train, rows[plain])] = logits[plain]
    return scores


def predict(module: nn.Module, images: NDArray[np.uint8], *, device: str = "cpu") -> Tensor:
    """Return (N, C) float32 logits on the CPU for (N, C, S, S) uint8 images, in eval mode."""
    module.eval()
    logits = []
    with torch.inference_mode():
        for start in range(0, len(images), PREDICT_BATCH):
            part = to_float(images[start : start + PREDICT_BATCH])
            logits.append(module(part.to(device)).float().cpu())
    return torch.cat(logits).clone()


def restore(plan: Plan, state: TrainState) -> Classifier:
    """Return the module with the state's weights, on the CPU."""
    module = build(
        plan.backbone, classes=state.classes, channels=state.channels, size=plan.size, seed=0
    )
    prefix = "model."
    module.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state.tensors.items() if k.startswith(prefix)}
    )
    return module


def to_float(images: NDArray[np.uint8]) -> Tensor:
    """Return uint8 images as float32 in 0-1."""
    # A copy: images read from disk as they are used can't be written to, which torch asks for.
    return torch.from_numpy(np.array(images)).float().div_(255)


def epoch_seed(seed: int, round_number: int, epoch: int) -> int:
    """Return the seed of one epoch's batch order and draws."""
    sequence = np.random.SeedSequence([seed, round_number, epoch])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def _step(
    module: Classifier,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    device: torch.device,
    weights: Tensor | None,
    rate: float,
    clip_norm: float,
) -> tuple[Tensor, Tensor]:
    for group in optimiser.param_groups:
        group["lr"] = rate
    images, labels = batch.images.to(device), batch.labels.to(device)
    if batch.penalised is None or not batch.penalised.any():
        logits = module(images)
        total = loss = functional.cross_entropy(logits, labels, weights)
    else:
        logits, penalty = _penalised(module, images, labels, batch.penalised.to(device), batch)
        loss = functional.cross_entropy(logits, labels, weights)
        total = loss + batch.penalty_weight * penalty
    optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
    optimiser.step()
    return loss.detach(), logits.detach()


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


def _finite(loss: float, epoch: int) -> float:
    if math.isfinite(loss):
        return loss
    raise ComputeError(
        f"The loss is not a number any more in epoch {epoch}.",
        why="The learning rate is too high for these images, or an image holds no usable values.",
        fix="Lower the learning rate and train on; the last finished epoch is kept.",
    )


def _score(logits: Tensor, labels: NDArray[np.int64]) -> tuple[float, float]:
    target = torch.from_numpy(labels)
    accuracy = (logits.argmax(1) == target).double().mean()
    return float(functional.cross_entropy(logits, target)), float(accuracy)


def _model_tensors(module: nn.Module) -> dict[str, Tensor]:
    return {f"model.{k}": v.detach().cpu().clone() for k, v in module.state_dict().items()}


def _optimiser(module: nn.Module, plan: Plan, state: TrainState) -> torch.optim.AdamW:
    # Norms and biases are not decayed: they set scales, not what is looked at.
    decayed = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(
        groups,
        lr=plan.learning_rate,
        weight_decay=plan.weight_decay,
        fused=True,
    )
    for name, parameter in module.named_parameters():
        key = f"optimiser.{name}"
        if f"{key}.step" in state.tensors:
            optimiser.state[parameter] = {
                m: state.tensors[f"{key}.{m}"].to(parameter.device, copy=True) for m in MOMENTS
            }
    return optimiser


def _optimiser_tensors(module: nn.Module, optimiser: torch.optim.AdamW) -> dict[str, Tensor]:
    return {
        f"optimiser.{name}.{m}": optimiser.state[parameter][m].detach().cpu().clone()
        for name, parameter in module.named_parameters()
        for m in MOMENTS
    }
