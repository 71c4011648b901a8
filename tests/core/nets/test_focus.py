from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imil.core.nets.backbones import Classifier, build, load_weights, weights_to_bytes
from imil.core.nets.focus import (
    DrawnRegion,
    FixedRegion,
    Focus,
    FocusSettings,
    PixelFinder,
    expected_dice,
)
from imil.core.nets.saliency import grad_cam, integrated_gradients
from imil.core.review.pixel_model import PixelModel
from imil.errors import WeightsError

SIDE = 32
GREY = torch.tensor([0.5])


def upper_half() -> Tensor:
    """Return a region that hides the upper half of an image."""
    region = torch.zeros(SIDE, SIDE)
    region[: SIDE // 2] = 1
    return region


def settings(*, raw: float = 0.0, margin: float = 0.0, least: float = 0.0) -> FocusSettings:
    return FocusSettings(raw, 0.5, margin, least)


def model(focus: Focus | None = None, *, seed: int = 3) -> Classifier:
    made = build("film_net", classes=2, channels=1, size=SIDE, seed=seed)
    made.focus = focus
    return made.eval()


def hiding(*, raw: float = 0.0) -> Classifier:
    return model(Focus(FixedRegion(upper_half()), settings(raw=raw), GREY))


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def pixel_focus() -> Focus:
    pixel_model = PixelModel(1, SIDE)
    for name, weights in (("first", pixel_model.first), ("second", pixel_model.second)):
        seed = len(name)
        weights.copy_(torch.randn(len(weights), generator=torch.Generator().manual_seed(seed)) / 9)
    return Focus(PixelFinder(pixel_model, torch.tensor([1.0, 0.0])), settings(), GREY)


def test_what_is_hidden_changes_nothing_in_the_answer() -> None:
    net, shown = hiding(), images()
    marked = shown.clone()
    marked[:, :, :12] = 1.0  # well inside the hidden half

    with torch.inference_mode():
        assert torch.equal(net(shown), net(marked))
        assert not torch.equal(model()(shown), model()(marked))


def test_the_blend_answers_the_weighted_mean_of_the_raw_and_the_hidden_answer() -> None:
    shown = images()

    with torch.inference_mode():
        raw, hidden, both = (net(shown) for net in (model(), hiding(), hiding(raw=0.25)))

    torch.testing.assert_close(both, 0.25 * raw + 0.75 * hidden, atol=1e-5, rtol=1e-4)


def test_the_blend_trains_on_half_of_the_images_as_they_are() -> None:
    net, shown = hiding(raw=0.5).train(), images()
    seen: list[Tensor] = []
    assert net.focus is not None

    def body(batch: Tensor) -> Tensor:
        seen.append(batch)
        return batch

    net.focus.maps(shown, body)

    assert torch.equal(seen[0][::2], shown[::2])
    assert (seen[0][1::2, :, :12] == 0.5).all()


def test_a_margin_hides_less_around_what_is_relevant() -> None:
    focus = Focus(FixedRegion(upper_half()), settings(margin=0.125), GREY)

    hidden = focus.hidden(images(1))[0]

    assert hidden[: SIDE // 2 - 4].all()
    assert not hidden[SIDE // 2 - 4 :].any()


def test_an_image_stays_raw_where_the_predictor_is_not_sure() -> None:
    torn = FixedRegion(torch.full((SIDE, SIDE), 0.9))  # next to nothing seems relevant

    net = model(Focus(torn, settings(least=0.5), GREY))

    assert net.focus is not None
    assert not net.focus.hidden(images()).any()
    with torch.inference_mode():
        torch.testing.assert_close(net(images()), model()(images()))


def test_expected_dice_is_that_of_the_relevant_region_were_the_confidences_true() -> None:
    certain = upper_half()[None]
    split = torch.where(certain > 0, 0.6, 0.4)

    assert expected_dice(certain, certain).item() == pytest.approx(1)
    # 0.6 of the kept half and 0.4 of the hidden half would be relevant.
    assert expected_dice(split, certain).item() == pytest.approx(2 * 0.3 / (0.5 + 0.5))
    assert expected_dice(split, torch.ones_like(split)).item() == 0


def test_a_drawn_mask_is_always_the_same_for_an_image_and_differs_between_images() -> None:
    masks = torch.stack([torch.full((SIDE, SIDE), float(i % 2)) for i in range(2)])
    focus, shown = Focus(DrawnRegion(masks), settings(), GREY), images(32)

    together = focus.hidden(shown)
    alone = torch.cat([focus.hidden(image[None]) for image in shown])

    assert torch.equal(together, alone)
    assert 0.2 < together.mean() < 0.8


@pytest.mark.parametrize(
    "focus",
    [
        Focus(FixedRegion(upper_half()), settings(raw=0.5, margin=0.1), GREY),
        Focus(DrawnRegion(upper_half().expand(3, -1, -1)), settings(), GREY),
        pixel_focus(),
    ],
)
def test_weights_carry_the_mask_predictor(focus: Focus) -> None:
    saved, loaded = model(focus), model(seed=9)

    load_weights(loaded, weights_to_bytes(saved))

    with torch.inference_mode():
        assert torch.equal(saved(images()), loaded.eval()(images()))


def test_weights_without_a_predictor_take_it_away() -> None:
    net = hiding()

    load_weights(net, weights_to_bytes(model()))

    assert net.focus is None


@pytest.mark.parametrize("told", [[float("nan"), 0.5, 0, 0], [0, 0.5, 0.9, 0], [0, 2, 0, 0], [0.5]])
def test_a_file_whose_settings_make_no_sense_is_refused(told: list[float]) -> None:
    net = hiding()
    assert net.focus is not None
    net.focus.told = torch.tensor(told)

    with pytest.raises(WeightsError, match="mask predictor that can't be used"):
        load_weights(model(), weights_to_bytes(net))


def test_a_predictor_for_other_images_is_refused() -> None:
    other = build("film_net", classes=2, channels=1, size=64, seed=3)

    with pytest.raises(WeightsError, match="another classifier"):
        load_weights(other, weights_to_bytes(hiding()))


def test_nothing_of_the_predictor_is_trained() -> None:
    plain, focused = model(), model(pixel_focus())

    assert [n for n, _ in plain.named_parameters()] == [n for n, _ in focused.named_parameters()]


@pytest.mark.parametrize("raw", [0.0, 0.5])
def test_saliency_says_nothing_of_what_the_model_does_not_see(raw: float) -> None:
    shown = (images() * 255).round().to(torch.uint8).numpy()

    maps = integrated_gradients(hiding(raw=raw), shown)

    if raw:
        assert maps[:, :12].any()
    else:
        assert not maps[:, :12].any()
        assert maps[:, 24:].any()
    assert grad_cam(hiding(raw=raw), shown).shape == (4, SIDE, SIDE)
