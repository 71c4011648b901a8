from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imil.core.arms.rebalancing import FEWEST_IN_PAIR, pair_weights, rebalanced
from imil.core.arms.registry import ArmInputs
from imil.core.records import Plan
from imil.core.training.fit import initial_state, predict, restore

SIDE = 32


def test_every_pair_of_label_and_word_weighs_the_same() -> None:
    labels = np.array([0] * 100 + [1] * 100)
    said = np.array([0] * 80 + [1] * 20 + [1] * 85 + [0] * 15)

    weights = pair_weights(labels, said)

    sums = [weights[(labels == k) & (said == g)].sum() for k in (0, 1) for g in (0, 1)]
    assert sums == pytest.approx([50] * 4)


def test_a_handful_of_images_does_not_decide() -> None:
    labels, said = np.array([0] * 99 + [1] * 100), np.array([0] * 98 + [1] + [1] * 100)

    weights = pair_weights(labels, said)

    assert weights.max() / weights.min() < 1.01 * 100 / FEWEST_IN_PAIR


def test_what_the_irrelevant_part_says_counts_less_in_the_new_last_layer() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    images = rng.integers(60, 100, (400, 1, SIDE, SIDE)).astype(np.uint8)
    # A faint finding in the middle; a bright token in the rim agrees in nine of ten.
    images[labels == 1, :, 12:20, 12:20] += 20
    agrees = rng.random(400) < 0.9
    agrees[300:] = rng.random(100) < 0.5
    images[(labels == 1) == agrees, :, :4, :4] = 250
    irrelevant = np.ones((SIDE, SIDE), np.bool_)
    irrelevant[8:24, 8:24] = False
    plan = Plan(size=SIDE)
    inputs = ArmInputs(
        plan=plan,
        images=images,
        labels=labels,
        classes=2,
        train=np.arange(300),
        validation=np.arange(300, 400),
        mirrored=False,
        predicted=np.broadcast_to(irrelevant, (400, SIDE, SIDE)),
    )
    blind = replace(inputs, predicted=np.zeros((400, SIDE, SIDE), np.bool_))
    state = initial_state(plan, classes=2, channels=1)

    gaps = []
    for given in (blind, inputs):
        fitted = rebalanced(state, given, seed=0)
        logits = predict(restore(plan, fitted), images[300:]).numpy()
        right = logits.argmax(1) == labels[300:]
        gaps.append(right[agrees[300:]].mean() - right[~agrees[300:]].mean())
        changed = {k for k, v in fitted.tensors.items() if v is not state.tensors[k]}
        assert changed == {"model.head.weight", "model.head.bias"}
    assert gaps[1] < gaps[0] - 0.2
