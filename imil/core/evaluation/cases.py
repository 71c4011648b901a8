"""What each arm says to each image of a split: what its figures are counts of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from imil.core.arms.variants import CONTROL, Variant
from imil.core.records import Sample


@dataclass(frozen=True, slots=True)
class Case:
    """One image of a split as an arm and control answer it, each in its first seed.

    Attributes:
        sample_id: which.
        label: class index it carries.
        predicted: what the arm says.
        confidence: the arm's probability of that, 0-1.
        control: what control says.
        control_confidence: control's probability of that, 0-1.
    """

    sample_id: str
    label: int
    predicted: int
    confidence: float
    control: int
    control_confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Every arm's answers to the un-edited images of one split.

    Attributes:
        sample_ids: N ids, in the order of the rows.
        labels: (N,) class indices.
        seeds: S of them.
        predicted: from an arm's name to (S, N) class indices.
        confidence: from an arm's name to (S, N) float32, the probability of the predicted class.
    """

    sample_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    seeds: tuple[int, ...]
    predicted: Mapping[Variant, NDArray[np.int64]]
    confidence: Mapping[Variant, NDArray[np.float32]]


def cases_of(
    scores: Mapping[Variant, Sequence[NDArray[np.floating]]],
    samples: Sequence[Sample],
    seeds: tuple[int, ...],
) -> Cases:
    """Return the answers.

    Args:
        scores: from an arm's name to (N, C) raw scores a seed; control among them.
        samples: the split's images, in the order of the rows.
        seeds: in the order of the scores.
    """
    shares = {name: softmax(np.stack(each), axis=2) for name, each in scores.items()}
    return Cases(
        sample_ids=tuple(sample.sample_id for sample in samples),
        labels=np.array([sample.label for sample in samples], np.int64),
        seeds=seeds,
        # Of the scores: two that differ may be equal as probabilities.
        predicted={name: np.stack(each).argmax(2) for name, each in scores.items()},
        confidence={name: each.max(2).astype(np.float32) for name, each in shares.items()},
    )


def arm_confusion(cases: Cases, arm: Variant, *, classes: int) -> tuple[tuple[int, ...], ...]:
    """Return how often the arm's first seed says what; rows are labels, columns predictions."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (cases.labels, cases.predicted[arm][0]), 1)
    return tuple(tuple(int(n) for n in row) for row in counts)


def in_cell(cases: Cases, arm: Variant, *, label: int, predicted: int) -> tuple[Case, ...]:
    """Return the images of one cell of an arm's confusion matrix, the surest answers first."""
    said = cases.predicted[arm][0]
    return _sorted(_cases(cases, arm, (cases.labels == label) & (said == predicted)))


def in_group(cases: Cases, arm: Variant, ids: Collection[str]) -> tuple[Case, ...]:
    """Return what an arm says to some of the images, the surest answers first."""
    return _sorted(_cases(cases, arm, np.isin(cases.sample_ids, list(ids))))


def fixed(cases: Cases, arm: Variant) -> tuple[Case, ...]:
    """Return the images that the arm's first seed has right and control's wrong, surest first."""
    right, control = _right(cases, arm), _right(cases, CONTROL)
    return _sorted(_cases(cases, arm, right & ~control))


def broken(cases: Cases, arm: Variant) -> tuple[Case, ...]:
    """Return the images that the arm's first seed has wrong and control's right, surest first."""
    right, control = _right(cases, arm), _right(cases, CONTROL)
    return _sorted(_cases(cases, arm, control & ~right))


def _right(cases: Cases, arm: Variant) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = cases.predicted[arm][0] == cases.labels
    return right


def _cases(cases: Cases, arm: Variant, wanted: NDArray[np.bool_]) -> Iterator[Case]:
    control = CONTROL
    for row in np.flatnonzero(wanted):
        yield Case(
            sample_id=cases.sample_ids[row],
            label=int(cases.labels[row]),
            predicted=int(cases.predicted[arm][0, row]),
            confidence=float(cases.confidence[arm][0, row]),
            control=int(cases.predicted[control][0, row]),
            control_confidence=float(cases.confidence[control][0, row]),
        )


def _sorted(cases: Iterator[Case]) -> tuple[Case, ...]:
    return tuple(sorted(cases, key=lambda case: -case.confidence))
