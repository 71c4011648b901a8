from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL, Variant, parse_variant
from imil.core.evaluation.comparison import Trained
from imil.core.evaluation.fixed_regions import fixed_notices, over_fixed

LABELS = np.arange(200) % 2
CLUSTERS = np.arange(200)


def answering(right: float, *, seed: int) -> Trained:
    """Return an arm that is right on this share of the images, in three seeds."""
    rng = np.random.default_rng(seed)
    logits = []
    for _ in range(3):
        said = np.where(rng.random(200) < right, LABELS, 1 - LABELS)
        logits.append(np.eye(2)[said])
    return Trained(logits=tuple(logits), curves=((),) * 3)


def arms(**right: float) -> Mapping[Variant, Trained]:
    names = {"focus": "focus", "disc": "focus+disc", "template": "focus+template"}
    names |= {"shuffled": "focus+shuffled", "blend": "focus_blend+disc"}
    found = {
        parse_variant(names[name]): answering(share, seed=i)
        for i, (name, share) in enumerate(right.items())
    }
    return {CONTROL: answering(0.6, seed=99), **found}


def test_masks_are_credited_only_where_they_beat_every_rival() -> None:
    better = over_fixed(arms(focus=0.95, disc=0.7, template=0.7), LABELS, CLUSTERS)
    equal = over_fixed(arms(focus=0.9, disc=0.6, template=0.9), LABELS, CLUSTERS)

    assert [each.rival for each in better] == ["focus+disc", "focus+template"]
    assert all(each.above for each in better)
    assert better[0].like_these.points == pytest.approx(25, abs=5)
    assert [each.above for each in equal] == [True, False]
    assert any("one mask instead of 40" in told for told in fixed_notices(equal, painted=40))
    assert not any("instead" in told for told in fixed_notices(better, painted=40))


def test_an_arm_is_compared_with_rivals_of_its_own_kind_alone() -> None:
    assert over_fixed(arms(disc=0.7, shuffled=0.7), LABELS, CLUSTERS) == ()
    assert over_fixed(arms(focus=0.9, blend=0.7), LABELS, CLUSTERS) == ()
