from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from imil.core.evaluation.metrics import Explanation
from imil.core.evaluation.probe import EXPLAINED, SWAPS, Probe, answer_probe, draw_probe
from imil.core.nets.backbones import build
from imil.core.nets.saliency import Explainer
from imil.core.review.swaps import swap_region
from imil.core.training.fit import predict

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 1, 32, 32), dtype=np.uint8)
CORNER = np.zeros((32, 32), np.bool_)
CORNER[:8, :8] = True
LABELS = np.arange(12) % 2


def drawn_for(regions: Mapping[int, NDArray[np.bool_]], *, explain: bool = False) -> Probe | None:
    splits = {"validation": np.arange(6), "test": np.arange(6, 12)}
    return draw_probe(regions, LABELS, **splits, explain=explain, seed=0)


def probe(*, explain: bool = False) -> Probe:
    drawn = drawn_for(dict.fromkeys(range(12), CORNER), explain=explain)
    assert drawn is not None
    return drawn


def test_donors_are_other_images_of_the_same_split() -> None:
    drawn = probe()

    assert drawn.donors.shape == (SWAPS, 12)
    assert (drawn.donors != drawn.rows).all()
    assert ((drawn.donors < 6) == (drawn.rows < 6)).all()


def test_images_are_also_swapped_within_and_across_classes_of_their_split() -> None:
    drawn = probe()
    rows = drawn.rows[drawn.contrasted]

    assert rows.tolist() == list(range(12))
    assert (LABELS[drawn.same] == LABELS[rows]).all()
    assert (LABELS[drawn.other] != LABELS[rows]).all()
    assert (drawn.same != rows).all()
    for donors in (drawn.same, drawn.other):
        assert ((donors < 6) == (rows < 6)).all()


def test_images_without_a_region_are_not_asked_about() -> None:
    drawn = drawn_for(dict.fromkeys([0, 2, 7, 9], CORNER))

    assert drawn is not None
    assert drawn.rows.tolist() == [0, 2, 7, 9]
    assert set(drawn.donors[:, :2].ravel()) <= {0, 2}


def test_without_any_region_nothing_is_asked() -> None:
    assert drawn_for({}) is None
    assert drawn_for({3: CORNER}) is None


def test_no_more_images_of_a_split_are_explained_than_said() -> None:
    rows = np.arange(EXPLAINED + 10)
    drawn = draw_probe(
        dict.fromkeys(map(int, rows), CORNER),
        rows % 2,
        validation=rows[:0],
        test=rows,
        explain=True,
        seed=0,
    )

    assert drawn is not None
    assert len(np.unique(drawn.explained)) == EXPLAINED


def test_readings_are_the_scores_of_images_with_the_donors_region() -> None:
    module, asked = build("film_net", classes=2, channels=1, size=32, seed=0), probe()
    donors = asked.donors[1]
    lent = asked.regions[asked.places(donors)]
    expected = swap_region(IMAGES[asked.rows], asked.regions, IMAGES[donors], lent)

    readings = answer_probe(module, IMAGES, asked)

    np.testing.assert_allclose(readings.swapped[1], predict(module, expected), atol=1e-5)
    assert not readings.explained


def test_both_explainers_give_a_figure_an_explained_image() -> None:
    module, asked = build("film_net", classes=2, channels=1, size=32, seed=0), probe(explain=True)

    explained = answer_probe(module, IMAGES, asked).explained

    assert set(explained) == {(by, figure) for by in Explainer for figure in Explanation}
    for values in explained.values():
        assert values.shape == (12,)
        assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()


def test_an_explainer_that_cannot_explain_is_left_out() -> None:
    small = IMAGES[:, :, ::2, ::2].copy()
    module = build("resnet18", classes=2, channels=1, size=32, seed=0)
    regions = dict.fromkeys(range(12), CORNER[::2, ::2])
    asked = drawn_for(regions, explain=True)
    assert asked is not None

    explained = answer_probe(module, small, asked).explained

    assert {by for by, _ in explained} == {Explainer.INTEGRATED_GRADIENTS}
