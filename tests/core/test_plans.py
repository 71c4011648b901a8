from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from imil.core.nets.backbones import BACKBONES
from imil.core.plans import check_plan, default_plan, with_arithmetic
from imil.core.records import Plan, Precision
from imil.errors import PlanError


def test_a_backbone_comes_with_its_own_learning_rate_and_size() -> None:
    film, residual = default_plan("film_net"), default_plan("resnet18")

    assert film.size == 64
    assert not film.pretrained
    assert residual.size == 128
    assert residual.pretrained
    assert residual.learning_rate < film.learning_rate


def test_an_unknown_backbone_is_named_with_the_known_ones() -> None:
    with pytest.raises(PlanError, match=r"no backbone “vgg99”.*film_net.*Name one of them"):
        default_plan("vgg99")


def test_a_size_that_the_backbone_cannot_take_is_refused() -> None:
    with pytest.raises(PlanError, match=r"film_net can't take images of 500 px.*another backbone"):
        check_plan(Plan(size=500))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"epochs": 0}, "epochs is 0.*1 to 1000"),
        ({"batch_size": 1}, "batch size is 1.*2 to 1024"),
        ({"learning_rate": 0.0}, "learning rate is 0.*above 0 and at most 1"),
        ({"shift_share": 0.9}, "shift share is 0.9.*0 to 0.5"),
        ({"seed": -1}, "seed is -1.*Change the plan's seed"),
        ({"budget": 0.0}, "budget of 0 can't be used"),
        ({"budget": 1.5}, "budget of 1.5 can't be used"),
    ],
)
def test_a_setting_out_of_range_says_what_it_can_be(change: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        check_plan(replace(Plan(), **change))


@pytest.mark.parametrize("setting", [field.name for field in fields(Plan)])
@pytest.mark.parametrize(
    "value",
    [None, "x", "", [], {}, (), float("nan"), float("inf"), -(10**400), 10**400, -1, 1e308],
)
def test_no_setting_takes_what_a_hostile_file_or_program_may_hold(setting: str, value: Any) -> None:
    with pytest.raises(PlanError):
        check_plan(replace(Plan(), **{setting: value}))


@pytest.mark.parametrize("setting", [field.name for field in fields(Plan)])
def test_a_flag_is_no_number_and_a_number_no_flag(setting: str) -> None:
    other: Any = 1 if isinstance(getattr(Plan(), setting), bool) else True

    with pytest.raises(PlanError):
        check_plan(replace(Plan(), **{setting: other}))


@pytest.mark.parametrize(
    "whole", ["size", "epochs", "epochs_after", "batch_size", "seed", "threads"]
)
def test_a_whole_number_has_no_fraction(whole: str) -> None:
    change: dict[str, Any] = {whole: 64.0}

    with pytest.raises(PlanError, match="whole number"):
        check_plan(replace(Plan(), **change))


@pytest.mark.parametrize(
    ("name", "with_native_bf16", "without"),
    [
        ("film_net", Precision.FP32, Precision.FP32),
        ("resnet18", Precision.BF16, Precision.FP32),
        ("resnet50", Precision.BF16, Precision.FP32),
        ("tf_efficientnet_lite0", Precision.FP32, Precision.FP32),
    ],
)
def test_arithmetic_follows_from_network_and_processor(
    name: str, with_native_bf16: Precision, without: Precision
) -> None:
    plan = Plan(backbone=name, precision=Precision.AUTO)

    settled = [with_arithmetic(plan, native_bf16=native) for native in (True, False)]

    assert [each.precision for each in settled] == [with_native_bf16, without]
    assert all(each.channels_last for each in settled)


def test_a_gpu_trains_in_its_own_arithmetic() -> None:
    plan = Plan(precision=Precision.AUTO, device="cuda")

    assert with_arithmetic(plan, native_bf16=False).precision is Precision.BF16


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_arithmetic_that_was_asked_for_stays(precision: Precision) -> None:
    plan = Plan(backbone="resnet18", precision=precision, channels_last=False)

    assert with_arithmetic(plan, native_bf16=precision is Precision.FP32) == plan


def test_arithmetic_is_left_open_only_where_the_processor_decides() -> None:
    assert {name: default_plan(name).precision for name in BACKBONES} == {
        "film_net": Precision.FP32,
        "resnet18": Precision.AUTO,
        "resnet50": Precision.AUTO,
        "tf_efficientnet_lite0": Precision.FP32,
    }
