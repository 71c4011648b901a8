"""Training as a generator, one learning-rate segment a round, and prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from imil.core.nets.backbones import Classifier, build, install_focus, load_pretrained
from imil.core.nets.focus import Focus
from imil.core.records import EpochFigures, Plan, Precision, Progress
from imil.core.training.batches import Batches, Images
from imil.core.training.device_images import gather, to_float
from imil.core.training.steps import (
    make_optimiser,
    make_step,
    optimiser_tensors,
    place_module,
    snapshot,
)
from imil.errors import ComputeError

# Batches between two reports of progress: a few a second on a slow CPU.
REPORT_EVERY = 4
# Images a forward pass without gradients; larger gains nothing on a CPU. A GPU needs more to do.
_PREDICT_BATCH, PREDICT_BATCH_CUDA = 128, 512


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


def with_focus(state: TrainState, focus: Focus) -> TrainState:
    """Return the state of the same model that hides regions before it looks."""
    held = {f"model.focus.{k}": snapshot(v) for k, v in focus.state_dict().items()}
    return replace(state, tensors={**state.tensors, **held})


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
    plan: Plan,
    state: TrainState,
    batches: Batches,
    *,
    should_stop: Callable[[], bool],
) -> Iterator[Progress | EpochReport]:
    """Train to the end of the state's round.

    Args:
        plan: fixed for the study; arms are compared only under equal plans.
        state: where to go on; a state whose round is finished yields nothing.
        batches: what the arm trains on. Several processes take the steps that one would take,
            within rounding, except that on processors normalisation looks at each one's slice.
        should_stop: asked before each batch; True ends the generator without a report, so the last
            finished epoch is where training goes on.

    Yields:
        A `Progress` every few batches, an `EpochReport` an epoch. Going on from a report's state is
        bit-identical to not having stopped, for the same CPU type, torch and number of threads.

    Raises:
        ComputeError: the loss is no longer a finite number.
        ValueError: the plan's arithmetic is not settled yet.
    """
    if plan.precision is Precision.AUTO:
        raise ValueError("the plan's arithmetic is settled before anything is trained")
    device = torch.device(plan.device)
    module = place_module(restore(plan, state), device)
    optimiser = make_optimiser(module, plan, state.tensors)
    epochs, steps = epochs_of(plan, state.round), batches.steps
    weights = batches.class_weights.to(device) if plan.class_weighted else None
    step = make_step(module, optimiser, plan, weights)
    for epoch in range(state.epoch, epochs):
        seed = epoch_seed(plan.seed, state.round, epoch)
        torch.manual_seed(seed)  # dropout draws from the global generator
        module.train()
        # Summed on the device, and asked for at the epoch's end: a GPU is never waited for.
        loss_sum, right = torch.zeros((2,), device=device)
        seen = 0
        answers: list[tuple[NDArray[np.int64], Tensor]] = []
        for index, batch in enumerate(batches.epoch(seed)):
            if should_stop():
                return
            rate = learning_rate(plan, epoch * steps + index, epochs * steps)
            loss, logits = step(batch, rate)
            loss_sum += loss * len(batch.labels)
            hard = batch.labels if batch.labels.ndim == 1 else batch.labels.argmax(1)
            right += (logits.argmax(1) == hard).sum()
            seen += len(batch.labels)
            if batch.rows is not None:
                answers.append((batch.rows, logits))
            if index % REPORT_EVERY == 0:
                yield Progress(epoch + 1, epochs, index + 1, steps)
        train_loss = _finite(float(loss_sum) / seen, epoch + 1)
        accuracy = float(right) / seen
        figures = EpochFigures(epoch + 1, train_loss, accuracy, *_validated(module, plan, batches))
        tensors = _model_tensors(module) | optimiser_tensors(module, optimiser)
        told = _answers(answers, batches.train, state.classes)
        yield EpochReport(figures, replace(state, tensors=tensors, epoch=epoch + 1), told)


def _validated(module: nn.Module, plan: Plan, batches: Batches) -> tuple[float, float]:
    """Return loss and accuracy on the validation images."""
    images, rows, labels = batches.validation()
    return _score(predict(module, images, rows=rows, device=plan.device), labels)


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


def predict(
    module: nn.Module,
    images: Images,
    *,
    rows: NDArray[np.int64] | None = None,
    device: str = "cpu",
) -> Tensor:
    """Return (N, C) float32 logits on the CPU for uint8 images, or for some rows of them.

    In eval mode, and in float32 on every device.
    """
    module.eval()
    rows = np.arange(len(images)) if rows is None else rows
    batch = _PREDICT_BATCH if device == "cpu" else PREDICT_BATCH_CUDA
    logits = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            part = gather(images, rows[start : start + batch], torch.device(device))
            logits.append(module(to_float(part)).float())
        # One way from the device: it is waited for once.
        return torch.cat(logits).cpu().clone()


def left_raw(module: Classifier, images: Images, *, device: str = "cpu") -> NDArray[np.bool_]:
    """Return (N,): in which images a model that hides regions finds none to hide.

    Args:
        module: a classifier with a `focus`, where `device` is; left in eval mode.
        images: (N, C, S, S) uint8.
        device: "cpu" or "cuda".
    """
    module.eval()
    if module.focus is None:
        raise ValueError("the model hides nothing")
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), _PREDICT_BATCH):
            rows = np.arange(start, min(start + _PREDICT_BATCH, len(images)))
            found.append(~module.focus.sure(to_float(gather(images, rows, torch.device(device)))))
        answers: NDArray[np.bool_] = torch.cat(found).cpu().numpy()
    return answers


def restore(plan: Plan, state: TrainState) -> Classifier:
    """Return the module with the state's weights, on the CPU."""
    module = build(
        plan.backbone, classes=state.classes, channels=state.channels, size=plan.size, seed=0
    )
    prefix = "model."
    install_focus(module, state.tensors, prefix=prefix)
    module.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state.tensors.items() if k.startswith(prefix)}
    )
    module.lay_out(channels_last=plan.channels_last)
    return module


def epoch_seed(seed: int, round_number: int, epoch: int) -> int:
    """Return the seed of one epoch's batch order and draws."""
    sequence = np.random.SeedSequence([seed, round_number, epoch])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


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
    return {f"model.{k}": snapshot(v) for k, v in module.state_dict().items()}
