"""Which training images are offered for review, in which order.

Queues read scores and labels. None is given a mask, so none can follow the reference masks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor

from imil.core.bounds import is_number, quoted
from imil.core.records import Budget, Outlier
from imil.errors import PlanError

# Persistence: mispredicted in at least so many of the last epochs. Our choice: one lucky or unlucky
# epoch decides nothing, and the last three lie after most of the learning.
PERSISTENT_AT_LEAST, PERSISTENT_OF_LAST = 2, 3


@dataclass(frozen=True, slots=True)
class OfferedImage:
    """A training image offered for another reason than that it is mispredicted now.

    `predicted` may equal `label`. `confidence` is the probability (0-1) of `predicted`, `loss` the
    cross-entropy in nats; what `score` is, and which end of it comes first, each queue says.
    """

    sample_id: str
    label: int
    predicted: int
    confidence: float
    loss: float
    score: float


def find_outliers(
    logits: Tensor, labels: NDArray[np.int64], sample_ids: Sequence[str]
) -> tuple[Outlier, ...]:
    """Return the mispredicted samples, highest cross-entropy first: queue `mispredicted`.

    Never padded: an image that is merely of high loss is no outlier.

    Args:
        logits: (N, C) raw scores of the *training* images, un-edited, un-augmented, in eval mode.
            In-sample or out-of-fold: this function is the same for both, only the model that gave
            the scores is another.
        labels: (N,) class indices.
        sample_ids: N ids, in the order of the rows.

    Returns:
        Empty when every prediction is right. Ties keep row order.

    Raises:
        ValueError: if the three inputs differ in length.

    Source: Rao et al., IMIL (CVPR Workshops 2024), "misprediction outliers"; the order is our
    choice.
    """
    _check_lengths(len(logits), labels, sample_ids)
    losses = _losses(logits, labels)
    predicted, confidence = _answers(logits)
    wrong = np.flatnonzero(predicted != labels)
    return tuple(
        Outlier(
            sample_ids[i], int(labels[i]), int(predicted[i]), float(confidence[i]), float(losses[i])
        )
        for i in _highest_first(wrong, losses)
    )


def persistent_outliers(
    logits: Tensor,
    labels: NDArray[np.int64],
    sample_ids: Sequence[str],
    *,
    at_least: int,
    of_last: int,
) -> tuple[Outlier, ...]:
    """Return the samples mispredicted again and again: queue `mispredicted`, by persistence.

    Args:
        logits: (E, N, C) scores of the training images after each epoch, as in `find_outliers`.
        labels: (N,) class indices.
        sample_ids: N ids.
        at_least: in how many epochs a sample has to be mispredicted, 1 to `of_last`.
        of_last: how many epochs, counted from the last one, are looked at, 1 to E.

    Returns:
        Highest mean cross-entropy over those epochs first, which is also the `loss` given; ties
        keep row order. `predicted` and `confidence` are of the last epoch that got it wrong.

    Raises:
        ValueError: if the inputs differ in length or the two numbers are out of range.
    """
    _check_lengths(logits.shape[1], labels, sample_ids)
    if not 1 <= at_least <= of_last <= len(logits):
        raise ValueError("persistence asks for more epochs than there are")
    late = logits[-of_last:]
    losses = np.mean([_losses(epoch, labels) for epoch in late], axis=0)
    predicted, confidence = _answers(late)
    wrong = predicted != labels
    # Counted from the end: the first wrong epoch of the reversed order is the last one.
    last_wrong = of_last - 1 - wrong[::-1].argmax(0)
    rows = np.flatnonzero(wrong.sum(0) >= at_least)
    return tuple(
        Outlier(
            sample_ids[i],
            int(labels[i]),
            int(predicted[last_wrong[i], i]),
            float(confidence[last_wrong[i], i]),
            float(losses[i]),
        )
        for i in _highest_first(rows, losses)
    )


def high_loss(
    logits: Tensor, labels: NDArray[np.int64], sample_ids: Sequence[str], *, limit: int
) -> tuple[OfferedImage, ...]:
    """Return the samples of highest cross-entropy, predicted right or wrong: queue `high_loss`.

    Not the paper's queue: only asked for by name, never to fill up `mispredicted`.

    Args:
        logits: (N, C), as in `find_outliers`.
        labels: (N,) class indices.
        sample_ids: N ids.
        limit: the most samples to return.

    Returns:
        Highest `score`, the cross-entropy in nats, first; ties keep row order.

    Raises:
        ValueError: if the three inputs differ in length.
    """
    _check_lengths(len(logits), labels, sample_ids)
    losses = _losses(logits, labels)
    rows = _highest_first(np.arange(len(labels)), losses)[:limit]
    return _offered(rows, labels, sample_ids, *_answers(logits), losses, losses)


def label_suspects(
    logits: Tensor, labels: NDArray[np.int64], sample_ids: Sequence[str]
) -> tuple[OfferedImage, ...]:
    """Return the samples whose label looks wrong: queue `label_suspect`.

    Training dynamics with the thresholds of confident learning: a sample is suspected if, over the
    epochs, the model gave another class at least the mean probability that it gives to the images
    of that class. A counter-example to a shortcut can look the same, so a person decides.

    Args:
        logits: (E, N, C) scores of the training images after each epoch, or recorded while it
            trained; (N, C) of one model, such as out-of-fold scores, works too.
        labels: (N,) class indices.
        sample_ids: N ids.

    Returns:
        Lowest `score` first: the area under the margin, logits of the label minus the highest other
        one, mean over epochs. `predicted` is the class that is suspected to be the right one,
        `confidence` its mean probability, `loss` the mean cross-entropy. Ties keep row order.

    Raises:
        ValueError: if the inputs differ in length.

    Sources: Pleiss et al., Area Under the Margin (NeurIPS 2020), for the order; Northcutt et al.,
    Confident Learning (JAIR 2021), eq. 2, for who is suspected; to combine them is our choice.
    """
    epochs = (logits if logits.ndim == 3 else logits[None]).double().numpy()
    _check_lengths(epochs.shape[1], labels, sample_ids)
    rows = np.arange(len(labels))
    probabilities = np.exp(log_softmax(epochs, axis=2)).mean(0)
    losses = -log_softmax(epochs, axis=2)[:, rows, labels].mean(0)
    rivals = epochs.copy()
    rivals[:, rows, labels] = -np.inf
    margins = (epochs[:, rows, labels] - rivals.max(2)).mean(0)
    looks_like = _confident_class(probabilities, labels)
    suspects = np.flatnonzero((looks_like >= 0) & (looks_like != labels))
    return _offered(
        _highest_first(suspects, -margins),
        labels,
        sample_ids,
        looks_like,
        probabilities[rows, looks_like],
        losses,
        margins,
    )


def wrong_reason(
    logits: Tensor, swapped: Tensor, labels: NDArray[np.int64], sample_ids: Sequence[str]
) -> tuple[OfferedImage, ...]:
    """Return the samples predicted right for a reason that lies elsewhere: queue `wrong_reason`.

    Args:
        logits: (N, C) scores of the training images, as in `find_outliers`.
        swapped: (M, N, C) scores of M copies whose *predicted* irrelevant region comes from other
            training images, M at least 1.
        labels: (N,) class indices.
        sample_ids: N ids.

    Returns:
        Only images that are predicted right and lose by the swap. Highest `score` first: by how
        many nats the cross-entropy rises, mean over the copies. `predicted`, `confidence` and
        `loss` are of the image as it is. Ties keep row order.

    Raises:
        ValueError: if the inputs differ in shape.
    """
    _check_lengths(len(logits), labels, sample_ids)
    if swapped.ndim != 3 or swapped.shape[1:] != logits.shape or not len(swapped):
        raise ValueError("scores of images and of their copies differ in shape")
    losses = _losses(logits, labels)
    jumps = np.mean([_losses(copy, labels) for copy in swapped], axis=0) - losses
    predicted, confidence = _answers(logits)
    rows = np.flatnonzero((predicted == labels) & (jumps > 0))
    ordered = _highest_first(rows, jumps)
    return _offered(ordered, labels, sample_ids, predicted, confidence, losses, jumps)


def random_queue(sample_ids: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    """Return all samples in random order: queue `random`, for the controls."""
    return tuple(sample_ids[i] for i in rng.permutation(len(sample_ids)))


def allowed_masks(share: float, training_images: int) -> int:
    """Return how many distinct training images may be painted: the share, rounded up.

    Raises:
        PlanError: if the share is not above 0 and at most 1.
    """
    if not is_number(share) or not 0 < share <= 1:
        raise PlanError(
            f"A budget of {quoted(share)} can't be used.",
            why="The budget is the share of the training images that may be painted.",
            fix="Give a share above 0 and at most 1, such as 0.04 (the paper's 4 %).",
        )
    # A share such as 0.07 of 100 is 7.000000000000001 in binary: don't let it become 8.
    return math.ceil(round(share * training_images, 9))


def budget(share: float, training_images: int, painted: int) -> Budget:
    """Return how much of the study's budget is used."""
    return Budget(share, allowed_masks(share, training_images), painted)


def _check_lengths(rows: int, labels: NDArray[np.int64], sample_ids: Sequence[str]) -> None:
    if not rows == len(labels) == len(sample_ids):
        raise ValueError("logits, labels and sample_ids differ in length")


def _losses(logits: Tensor, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,) cross-entropies in nats of (N, C) scores."""
    told = log_softmax(logits.double().numpy(), axis=1)
    losses: NDArray[np.float64] = -told[np.arange(len(labels)), labels]
    return losses


def _answers(logits: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the predicted classes of (..., C) scores, and their probabilities."""
    return logits.argmax(-1).numpy(), torch.softmax(logits.double(), -1).amax(-1).numpy()


def _confident_class(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return (N,) the likeliest class among those that reach their class's own mean; -1 if none."""
    usual = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels):
        usual[label] = probabilities[labels == label, label].mean()
    reached = np.where(probabilities >= usual, probabilities, -1.0)
    return np.where(reached.max(1) >= 0, reached.argmax(1), -1)


def _highest_first(rows: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows by their scores; ties keep row order."""
    return rows[np.argsort(-scores[rows], kind="stable")]


def _offered(
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    sample_ids: Sequence[str],
    predicted: NDArray[np.int64],
    confidence: NDArray[np.float64],
    losses: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> tuple[OfferedImage, ...]:
    columns = (labels, predicted, confidence, losses, scores)
    ids = [sample_ids[i] for i in rows]
    return tuple(map(OfferedImage, ids, *(column[rows].tolist() for column in columns)))
