from __future__ import annotations

import json
from copy import deepcopy

import pytest

from imil.core.arms.variants import Penalty, Setting, Variant, parse_variant
from imil.core.records import Arm, Queue
from imil.core.review.edits import Fill, Mode
from imil.errors import PlanError


def test_an_arm_alone_is_a_variant_without_settings() -> None:
    assert parse_variant("imil") == Variant(Arm.IMIL)
    assert not parse_variant("imil").changed


@pytest.mark.parametrize(
    "variant",
    [
        Variant(Arm.IMIL, queue=Queue.HIGH_LOSS, fill=Fill.NOISE, mode=Mode.APPEND, share=0.02),
        Variant(Arm.RIGHT_REASON, penalty=Penalty.GRAD_CAM, weight=1000.0),
        Variant(Arm.COUNTEREXAMPLE, share=0.005),
        Variant(Arm.IMIL, reader="Dr Ada + ada@example.org"),
        Variant(Arm.RIGHT_REASON, weight=10.0, reader="Zoë"),
    ],
)
def test_a_name_says_every_setting_and_reads_back(variant: Variant) -> None:
    assert parse_variant(str(variant)) == variant


def test_settings_come_in_any_order_and_give_one_name() -> None:
    assert parse_variant("imil+append+noise") == parse_variant("imil+noise+append")


def test_a_weight_and_a_share_are_told_apart() -> None:
    assert parse_variant("right_reason+2").weight == 2
    assert parse_variant("imil+2%").share == pytest.approx(0.02)
    assert parse_variant("imil+2%").changed == {Setting.SHARE}


@pytest.mark.parametrize("word", ["pink", "0", "-1", "0%", "101%", "inf", "nan", ""])
def test_an_unknown_setting_is_refused_with_those_that_there_are(word: str) -> None:
    with pytest.raises(PlanError, match=r"is no setting of an arm.*Use .*noise.*append.*2%"):
        parse_variant(f"imil+{word}")


def test_one_setting_twice_is_refused() -> None:
    with pytest.raises(PlanError, match=r"gives the fill twice.*Name two variants"):
        parse_variant("imil+noise+mean")


def test_an_unknown_arm_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(PlanError, match=r"no arm “magic”.*Use one of: control, imil"):
        parse_variant("magic+noise")


def test_a_reader_comes_last_and_has_a_name() -> None:
    assert Variant(Arm.IMIL, fill=Fill.NOISE, reader="Ada") == "imil+noise@Ada"
    with pytest.raises(
        PlanError, match=r"“imil@” names no reader.*use “imil” for the masks of all"
    ):
        parse_variant("imil@")


def test_a_variant_is_the_word_it_is_stored_by() -> None:
    variant = Variant(Arm.IMIL, fill=Fill.NOISE, reader="Ada")

    assert json.dumps([variant]) == '["imil+noise@Ada"]'
    assert {variant: 1}["imil+noise@Ada"] == 1  # type: ignore[index]  # as a file names it
    assert deepcopy(variant).fill is Fill.NOISE


def test_other_settings_make_another_variant() -> None:
    variant = parse_variant("imil+noise@Ada")

    assert variant.evolve(reader=None) == "imil+noise"
    assert variant == "imil+noise@Ada"
    with pytest.raises(AttributeError, match="frozen"):
        variant.fill = None


def test_a_number_is_the_one_that_the_word_tells() -> None:
    variant = Variant(Arm.IMIL, weight=1 / 3, share=1 / 300)

    assert variant.weight == 0.333333
    assert variant.share == pytest.approx(0.00333333, abs=1e-12)
