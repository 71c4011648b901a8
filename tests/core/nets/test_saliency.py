from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from imil.core.nets.backbones import Classifier, build
from imil.core.nets.saliency import (
    EXPLAINERS,
    Explainer,
    explain_image,
    explained,
    grad_cam,
    integrated_gradients,
    pointing_game,
    soften,
    wrong_reason_share,
)
from imil.core.training.device_images import to_float
from imil.core.training.fit import predict
from imil.errors import ComputeError, PlanError

GREY = 128
Explain = Callable[..., NDArray[np.float32]]


@pytest.fixture(autouse=True, scope="module")
def captum_on_one_thread() -> Iterator[None]:
    # A second, once, that no single test is to answer for.
    importlib.import_module("captum.attr")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def film_net() -> Classifier:
    net = build("film_net", classes=2, channels=1, size=32, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        # The blocks start as their shortcuts alone; a trained net doesn't stay like that.
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=0.3)
    return net


def brightness() -> Classifier:
    """Says class 1 by how much brighter than grey an image is on average, pixel by pixel."""
    body = nn.Conv2d(1, 1, 1, bias=False)
    net = Classifier(body, 1, classes=2, mean=(GREY / 255,), std=(1.0,))
    with torch.no_grad():
        body.weight.fill_(1)
        net.head.weight.copy_(torch.tensor([[-1.0], [1.0]]))
        net.head.bias.zero_()
    return net


def one_dot(*, value: int = 255) -> NDArray[np.uint8]:
    image = np.full((1, 1, 6, 6), GREY, np.uint8)
    image[0, 0, 1, 2] = value
    return image


def some_images(count: int, *, channels: int = 1, size: int = 32) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, channels, size, size), dtype=np.uint8)


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_a_map_points_at_the_pixel_that_decides(explain: Explain) -> None:
    found = explain(brightness(), one_dot())

    assert found.dtype == np.float32
    assert found.shape == (1, 6, 6)
    assert found[0, 1, 2] == 1.0
    assert found.sum() == 1.0


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_a_map_without_any_reason_stays_zero(explain: Explain) -> None:
    found = explain(brightness(), one_dot(value=GREY))

    assert not found.any()


def test_grad_cam_hides_what_speaks_against_the_class() -> None:
    against = grad_cam(brightness(), one_dot(), np.array([0]))
    dark = grad_cam(brightness(), one_dot(value=0), np.array([0]))

    assert not against.any()
    assert dark[0, 1, 2] == 1.0


def test_integrated_gradients_count_for_and_against_alike() -> None:
    against = integrated_gradients(brightness(), one_dot(), np.array([0]))

    assert against[0, 1, 2] == 1.0


def test_integrated_gradients_grow_with_the_distance_from_grey() -> None:
    image = one_dot(value=GREY + 100)
    image[0, 0, 4, 4] = GREY - 50

    found = integrated_gradients(brightness(), image)

    assert found[0, 4, 4] == pytest.approx(0.5)


def test_grad_cam_of_a_pooled_linear_head_is_the_class_activation_map(
    film_net: Classifier,
) -> None:
    images = some_images(3)

    found = grad_cam(film_net, images, np.array([0, 1, 0]))

    with torch.no_grad():
        maps = film_net.eval().feature_maps(to_float(images))
        weights = film_net.head.weight[[0, 1, 0]]
        cells = torch.einsum("nf,nfhw->nhw", weights, maps).relu()[:, None]
        whole = functional.interpolate(cells, (32, 32), mode="bilinear")[:, 0]
        expected = (whole / whole.amax((1, 2), keepdim=True)).nan_to_num(0)
    assert expected.any()
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_the_predicted_class_is_explained_unless_one_is_named(
    explain: Explain, film_net: Classifier
) -> None:
    images = some_images(4)
    predicted = predict(film_net, images).argmax(1).numpy()

    assert np.array_equal(explain(film_net, images), explain(film_net, images, predicted))


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_an_image_has_the_same_map_in_any_batch(explain: Explain, film_net: Classifier) -> None:
    images = some_images(18)

    found = explain(film_net, images)

    assert found[17:] == pytest.approx(explain(film_net, images[17:]), abs=1e-4)
    assert 0 <= found.min() < found.max() == 1


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_explaining_leaves_the_classifier_as_it_was(explain: Explain, film_net: Classifier) -> None:
    before = {name: tensor.clone() for name, tensor in film_net.state_dict().items()}

    with torch.inference_mode():
        explain(film_net, some_images(2))

    after = film_net.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in film_net.parameters())


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
@pytest.mark.slow
def test_networks_for_colour_are_explained_on_grey_and_colour(
    name: str, channels: int, explain: Explain
) -> None:
    if name.startswith("tf_"):
        pytest.importorskip("timm")
    net = build(name, classes=3, channels=channels, size=64, seed=0)

    found = explain(net, some_images(2, channels=channels, size=64))

    assert found.shape == (2, 64, 64)
    assert found.max((1, 2)) == pytest.approx([1, 1])


def test_a_named_layer_can_be_weighed(film_net: Classifier) -> None:
    found = grad_cam(film_net, some_images(2), layer="body.3")

    assert found.shape == (2, 32, 32)


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_a_foreign_module_is_refused(explain: Explain) -> None:
    with pytest.raises(PlanError, match="can't explain a Sequential") as said:
        explain(nn.Sequential(), one_dot())

    assert said.value.fix == "Use one of the backbones that a plan can name."


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        ("body.99", "The classifier has no part of that name."),
        ("", "The classifier has no part of that name."),
        ("head", "Its output has no height and width."),
        ("spare", "It takes no part in the prediction."),
    ],
)
def test_a_layer_without_feature_maps_is_refused(
    layer: str, why: str, film_net: Classifier
) -> None:
    film_net.spare = nn.Conv2d(1, 1, 1)

    with pytest.raises(PlanError, match=f"can't use the layer “{layer}”") as said:
        grad_cam(film_net, some_images(1), layer=layer)

    assert said.value.why == why
    assert "such as “maps”" in said.value.fix


def test_feature_maps_of_one_cell_are_refused() -> None:
    net = Classifier(nn.AdaptiveAvgPool2d(1), 1, classes=2, mean=(0.5,), std=(1.0,))

    with pytest.raises(PlanError, match="can't say where") as said:
        grad_cam(net, one_dot())

    assert said.value.why == "At 6 px its feature maps are a single cell."
    assert said.value.fix == "Use larger working images, or integrated gradients."


@pytest.mark.parametrize("explain", EXPLAINERS.values(), ids=EXPLAINERS)
def test_an_answer_that_is_no_number_is_refused(explain: Explain) -> None:
    net = brightness()
    with torch.no_grad():
        net.head.weight.fill_(torch.nan)

    with pytest.raises(ComputeError, match="can't be said") as said:
        explain(net, one_dot(), np.array([1]))

    assert said.value.fix == "Train again with a lower learning rate."


def test_every_explainer_is_registered() -> None:
    assert set(EXPLAINERS) == set(Explainer)


MAPS = np.zeros((4, 2, 2), np.float32)
MAPS[0] = [[1, 0], [0, 1]]
MAPS[1] = [[1, 0.5], [0.25, 0.25]]
MAPS[3] = 1
LEFT = np.tile(np.array([[True, False], [True, False]]), (4, 1, 1))


def test_the_wrong_reason_share_is_the_mass_in_the_irrelevant_region() -> None:
    found = wrong_reason_share(MAPS, LEFT)

    assert found[[0, 1, 3]].tolist() == [0.5, 0.625, 0.5]
    assert np.isnan(found[2])


def test_the_pointing_game_asks_where_the_map_is_greatest() -> None:
    found = pointing_game(MAPS, LEFT)

    assert found[[0, 1, 3]].tolist() == [0.5, 1.0, 0.5]
    assert np.isnan(found[2])


def test_maps_that_say_nothing_are_counted_and_left_out() -> None:
    values = np.stack([pointing_game(MAPS, LEFT), pointing_game(MAPS, ~LEFT)])

    found = explained(values, np.arange(4))

    assert (found.maps, found.zero_maps) == (8, 2)
    assert found.figure.value == pytest.approx((0.5 + 1 + 0.5 + 0.5 + 0 + 0.5) / 6)
    assert found.figure.low <= found.figure.value <= found.figure.high


@pytest.mark.parametrize("read", [wrong_reason_share, pointing_game])
def test_a_region_of_another_size_is_a_callers_bug(
    read: Callable[..., NDArray[np.float64]],
) -> None:
    with pytest.raises(ValueError, match="saliency and region differ in shape"):
        read(MAPS, LEFT[:, :1])


def test_a_readers_map_shows_where_the_score_comes_from() -> None:
    image = np.full((1, 32, 32), GREY, np.uint8)
    image[0, 4:8, 20:24] = 255

    looked = explain_image(brightness(), image, target=1)

    peak = np.unravel_index(int(looked.saliency.argmax()), looked.saliency.shape)
    assert looked.saliency.shape == (32, 32)
    assert looked.saliency.max() == 1
    assert 4 <= peak[0] < 8
    assert 20 <= peak[1] < 24
    assert looked.saliency[20:].max() == 0
    assert (looked.target, looked.zero) == (1, False)


def test_a_readers_map_shows_what_speaks_for_the_class_alone() -> None:
    image = np.full((1, 32, 32), GREY, np.uint8)
    image[0, 4:8, 4:8] = 255
    image[0, 20:24, 20:24] = 40

    looked = explain_image(brightness(), image, target=1)
    both = soften(integrated_gradients(brightness(), image[None], np.array([1]))[0])

    assert looked.saliency[4:8, 4:8].min() > 0.3
    assert looked.saliency[20:24, 20:24].max() == 0
    assert both[20:24, 20:24].max() > 0.3


def test_where_the_maps_are_a_single_cell_the_gradients_stand_alone() -> None:
    net = Classifier(nn.AdaptiveAvgPool2d(1), 1, classes=2, mean=(GREY / 255,), std=(1.0,))
    image = np.full((1, 32, 32), 255, np.uint8)

    looked = explain_image(net, image, target=int(predict(net, image[None]).argmax()))

    assert looked.explainers == (Explainer.INTEGRATED_GRADIENTS,)


def test_a_readers_map_of_an_image_that_moves_nothing_is_zero_and_says_so() -> None:
    grey = np.full((1, 32, 32), GREY, np.uint8)

    looked = explain_image(brightness(), grey, target=0)

    assert looked.zero
    assert np.isfinite(looked.saliency).all()


def test_a_module_that_is_not_ours_has_no_readers_map() -> None:
    with pytest.raises(PlanError, match=r"can't explain a Linear.*backbones"):
        explain_image(nn.Linear(1, 1), np.zeros((1, 32, 32), np.uint8), target=0)


def test_softening_spreads_a_point_and_leaves_its_place_and_its_top() -> None:
    point = np.zeros((64, 64), np.float32)
    point[10, 40] = 0.5

    softened = soften(point)

    assert softened[10, 40] == 1
    assert 0.5 < softened[11, 40] < 1
    assert softened[10, 52] == 0
    assert not soften(np.zeros((64, 64), np.float32)).any()
