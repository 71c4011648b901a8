"""What would the model say if what is irrelevant were hidden?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says to an image as it is, and with a region hidden.

    Attributes:
        label: the class that the image carries.
        before: probability of each class, 0-1, of the image as it is.
        after: the same with the region hidden; equal to `before` where nothing is hidden.
        coverage: share of the image that is hidden, 0-1.
    """

    label: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    coverage: float = 0.0

    @property
    def predicted_before(self) -> int:
        """The most probable class of the image as it is."""
        return int(np.argmax(self.before))

    @property
    def predicted_after(self) -> int:
        """The most probable class with the region hidden."""
        return int(np.argmax(self.after))

    @property
    def flips(self) -> bool:
        """Whether hiding the region changes the prediction."""
        return self.predicted_before != self.predicted_after


def answer_of(
    before: NDArray[np.floating],
    after: NDArray[np.floating] | None,
    *,
    label: int,
    coverage: float,
) -> Answer:
    """Return the answer of (C,) raw scores; `after` is None where nothing is hidden."""
    was = tuple(float(p) for p in softmax(before.astype(np.float64)))
    if after is None:
        return Answer(label, was, was)
    return Answer(label, was, tuple(float(p) for p in softmax(after.astype(np.float64))), coverage)
