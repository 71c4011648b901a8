"""Outcomes of studies that nobody ran: each arm right about as often as asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.grid import Cell, Outcomes
from benchmarks.pooled import Outcome
from imil.core.arms.variants import CONTROL, parse_variant
from imil.core.evaluation.differences import paired_differences
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.recommendation import Candidate
from imil.core.evaluation.robustness import balanced

FILMS = 200


def outcome(seed: int, swapped: Mapping[str, float] | None = None, /, **accuracy: float) -> Outcome:
    """Return one seed's answers; `swapped` are the shares that count on validation."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, FILMS)
    # One draw for all: the more accurate arm is right wherever the other is.
    hardness = rng.random(FILMS)
    answers = {
        parse_variant(arm): np.where(hardness < share, labels, 1 - labels)
        for arm, share in accuracy.items()
    }
    told = {parse_variant(arm): share for arm, share in (swapped or {}).items()}
    # Of the validation films, too, the better arm counts wherever the other does.
    counted = {arm: (hardness < share).astype(float) for arm, share in told.items()}
    patients = np.arange(FILMS) // 2
    candidates = tuple(
        Candidate(
            arm,
            accuracy=(0.9,),
            independent=(balanced(counted[arm], labels),),
            gain=paired_differences(counted[arm][None], counted[CONTROL][None], labels, patients)[
                Metric.BALANCED_ACCURACY
            ],
            swapped_balanced_accuracy=(share,),
            masks=40,
        )
        for arm, share in told.items()
    )
    return Outcome(labels, patients, answers, candidates, labels, patients, counted)


def grid(*cells: Cell, seeds: int, swapped: dict[str, float], **accuracy: float) -> Outcomes:
    """Return the same fabricated study in every cell and seed, 0.98 for all where it is clean."""
    return {
        (cell, seed): outcome(
            100 * place + seed,
            swapped,
            **(dict.fromkeys(accuracy, 0.98) if cell.shortcut == 0.5 else accuracy),
        )
        for place, cell in enumerate(cells)
        for seed in range(seeds)
    }
