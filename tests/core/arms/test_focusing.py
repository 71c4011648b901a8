from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from imil.core.arms.focusing import central_disc, learn_focus, template
from imil.core.arms.registry import ArmInputs, batches_of, parse_arms
from imil.core.arms.variants import CONTROL, parse_variant
from imil.core.records import Plan
from imil.core.review.irrelevance import dice, learn_irrelevance
from imil.errors import MaskError, PlanError

SIDE = 32
PAINTED = range(12)


def spots(count: int = 20) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return grey images with a dark spot anywhere, and what lies outside of it."""
    rng = np.random.default_rng(3)
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    middles = rng.integers(8, SIDE - 8, (count, 2))
    irrelevant = np.hypot(down - middles[:, :1, None], across - middles[:, 1:, None]) > 7
    images = np.clip(rng.normal(np.where(irrelevant, 190, 90), 12), 0, 255)
    return images.astype(np.uint8)[:, None], irrelevant


def inputs() -> ArmInputs:
    images, irrelevant = spots()
    return ArmInputs(
        plan=Plan(size=SIDE, batch_size=4),
        images=images,
        labels=np.arange(20) % 2,
        classes=2,
        train=np.arange(16),
        validation=np.arange(16, 20),
        mirrored=True,
        masks={row: irrelevant[row] for row in PAINTED},
    )


def floats(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).float() / 255


def test_focus_hides_in_each_image_what_the_masks_predict_there() -> None:
    given, (images, irrelevant) = inputs(), spots()

    focus = learn_focus(given, parse_variant("focus+margin0%"), seed=0)

    hidden = focus.hidden(floats(images[12:])).numpy() >= 0.5
    assert dice(~hidden, ~irrelevant[12:]).mean() > 0.85
    predictor = learn_irrelevance(images, given.masks, seed=0)
    np.testing.assert_allclose(
        focus.confidence(floats(images)).numpy(), predictor.confidence(images), atol=1e-5
    )


def test_what_is_hidden_is_filled_with_the_training_images_mean_colour_or_black() -> None:
    given = inputs()
    mean = given.images[given.train].mean() / 255

    for name, colour in (("focus+disc", mean), ("focus+disc+black", 0.0)):
        filled = learn_focus(given, parse_variant(name), seed=0).filled(floats(given.images))

        assert filled[:, :, 0, 0].numpy() == pytest.approx(colour, abs=1e-3)


def test_a_disc_and_a_template_hide_the_same_in_every_image_and_as_much_as_a_mask() -> None:
    given = inputs()
    area = np.mean([mask.mean() for mask in given.masks.values()])

    for name in ("focus+disc+margin0%", "focus+template+margin0%"):
        hidden = learn_focus(given, parse_variant(name), seed=0).hidden(floats(given.images))

        assert (hidden == hidden[0]).all()
        assert hidden[0].mean().item() == pytest.approx(area, abs=0.01)


def test_shuffled_hides_a_painted_mask_whatever_the_image_shows() -> None:
    given = inputs()
    painted = np.stack([given.masks[row] for row in PAINTED])

    hidden = learn_focus(given, parse_variant("focus+shuffled+margin0%"), seed=0).hidden(
        floats(given.images)
    )

    found = [int((painted == region).all((1, 2)).argmax()) for region in hidden.numpy() > 0.5]
    assert all((painted[k] == (hidden[i].numpy() > 0.5)).all() for i, k in enumerate(found))
    assert len(set(found)) > 5


def test_a_disc_keeps_the_middle_and_a_template_what_is_hidden_least_often() -> None:
    disc = central_disc(SIDE, 0.75)
    masks = np.ones((3, SIDE, SIDE), np.bool_)
    masks[:, :8, :8] = False

    assert disc.mean() == pytest.approx(0.75, abs=0.001)
    assert not disc[SIDE // 2, SIDE // 2]
    assert disc[0, 0]
    assert np.array_equal(template(masks), masks[0])


def test_the_weight_of_the_raw_answer_is_half_unless_said_otherwise() -> None:
    given = inputs()

    told = {
        name: learn_focus(given, parse_variant(name), seed=0).settings.raw
        for name in ("focus+disc", "focus_blend+disc", "focus_blend+disc+raw25%")
    }

    assert told == {"focus+disc": 0, "focus_blend+disc": 0.5, "focus_blend+disc+raw25%": 0.25}


def test_focus_is_shown_what_control_is_shown() -> None:
    given = inputs()

    for name in ("focus", "focus_blend"):
        batches = batches_of(given, parse_variant(name)), batches_of(given, CONTROL)
        for a, b in zip(*(each.epoch(1) for each in batches), strict=True):
            assert torch.equal(a.images, b.images)


def test_without_masks_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(MaskError, match="No image is painted"):
        learn_focus(replace(inputs(), masks={}), parse_variant("focus+disc"), seed=0)


def test_a_model_can_fill_with_one_colour_alone() -> None:
    with pytest.raises(PlanError, match=r"can't fill a region with noise.*Use mean or black"):
        parse_arms(["focus+noise"])
    with pytest.raises(PlanError, match="no setting raw"):
        parse_arms(["focus+raw50%"])
