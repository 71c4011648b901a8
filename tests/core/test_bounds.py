from __future__ import annotations

from typing import Any

import pytest

from imil.core.arms.registry import parse_arms, with_shares
from imil.core.arms.variants import CONTROL, IMIL
from imil.core.bounds import (
    LONGEST_QUOTE,
    LONGEST_STUDY_NAME,
    MOST_ARMS,
    check_above,
    check_flag,
    check_number,
    check_text,
    check_whole,
    one_line,
    quoted,
    study_name,
)
from imil.core.plans import check_seeds
from imil.errors import PlanError
from imil.synthetic.films import FilmSpec

HUGE = 10**400  # more than a float holds
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("value", [0, 11, HUGE, -HUGE, 3.0, NAN, INF, True, "3", None, [], {}])
def test_what_is_no_whole_number_of_the_range_is_refused_in_words(value: Any) -> None:
    with pytest.raises(PlanError, match=r"The count is .*whole number from 1 to 10"):
        check_whole("count", value, 1, 10)


@pytest.mark.parametrize("value", [-0.1, 1.1, HUGE, NAN, INF, -INF, 1e308, True, "0.5", None, [1]])
def test_what_is_no_finite_number_of_the_range_is_refused_in_words(value: Any) -> None:
    with pytest.raises(PlanError, match=r"The share is .*number from 0 to 1"):
        check_number("share", value, 0, 1)
    with pytest.raises(PlanError, match=r"The share is .*above 0 and at most 1"):
        check_above("share", value, 0, 1)


def test_what_fits_is_given_back_as_it_is() -> None:
    assert check_whole("count", 10, 1, 10) == 10
    assert check_number("share", 0, 0, 1) == 0
    assert check_above("share", 1, 0, 1) == 1
    assert check_flag("mirrored", value=False) is False
    assert check_text("name", "a\nb") == "a\nb"


@pytest.mark.parametrize("value", [1, 0, "true", None, NAN, []])
def test_only_true_and_false_are_flags(value: Any) -> None:
    with pytest.raises(PlanError, match=r"true or false"):
        check_flag("mirrored", value)


@pytest.mark.parametrize("value", [1, None, ["a"], {"a": 1}, "x" * 11, "\ud800"])
def test_a_text_is_short_and_can_be_stored(value: Any) -> None:
    with pytest.raises(PlanError, match="The name is"):
        check_text("name", value, longest=10)


@pytest.mark.parametrize(
    "value", [HUGE, -HUGE, NAN, INF, True, None, "\x00\n\u202e" * 999, "x" * 10**6, [[]] * 99, {}]
)
def test_an_error_quotes_any_value_in_one_short_line(value: Any) -> None:
    said = quoted(value)

    assert len(said) <= LONGEST_QUOTE + 3
    assert said.isprintable()


def test_an_error_repeats_no_token() -> None:
    with pytest.raises(PlanError) as refused:
        check_text("token", "hf_secret\ud800")

    assert "hf_secret" not in str(refused.value)


def test_an_error_quotes_a_number_of_more_digits_than_python_writes() -> None:
    assert quoted(10**5000) == "a huge number"
    with pytest.raises(PlanError, match="a huge number"):
        check_whole("count", -(10**5000), 1, 10)


def test_a_name_is_one_line_without_signs_that_nobody_sees() -> None:
    assert one_line("  A\u202e\x00 B\n\ud800C ") == "A B C"
    assert study_name(" Chest\tfilms ") == "Chest films"


@pytest.mark.parametrize("value", ["x" * (LONGEST_STUDY_NAME + 1), "\ud800", 3, None, ["a"]])
def test_a_study_name_that_is_no_short_text_is_refused(value: Any) -> None:
    with pytest.raises(PlanError, match="name of the study"):
        study_name(value)


@pytest.mark.parametrize(
    ("seeds", "arms"), [(0, 2), (-1, 2), (51, 2), (11, 100), (HUGE, 1), (True, 1), (NAN, 1)]
)
def test_a_comparison_has_few_seeds_and_fewer_of_many_arms(seeds: Any, arms: int) -> None:
    with pytest.raises(PlanError, match=r"seeds can't be compared.*at least one seed"):
        check_seeds(seeds, arms=arms)


def test_as_many_seeds_as_trainings_allow_can_be_asked_for() -> None:
    assert [check_seeds(1, arms=1000), check_seeds(50, arms=20), check_seeds(10, arms=100)] == [
        *(1, 50, 10)
    ]


def test_a_comparison_has_no_more_arms_than_are_trained_in_a_night() -> None:
    with pytest.raises(PlanError, match=f"at most {MOST_ARMS}"):
        parse_arms(tuple(f"imil+{share}%" for share in range(1, MOST_ARMS + 2)))


@pytest.mark.parametrize("share", [NAN, INF, 0.0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(PlanError, match="share of the images is"):
        with_shares((CONTROL, IMIL), (share,))


@pytest.mark.parametrize("weight", ["nan", "inf", "1e7", "1e308", "-1", "0", "9" * 400])
def test_a_weight_that_would_end_in_infinity_is_no_setting(weight: str) -> None:
    with pytest.raises(PlanError, match="is no setting of an arm"):
        parse_arms((f"right_reason+{weight}",))


BAD: dict[str, tuple[Any, ...]] = {
    "images": (HUGE, 10**6, 0, 20.0, NAN, True, "99", None),
    "size": (HUGE, 64.0, INF, "64", []),
    "seed": (HUGE, -1, 0.5, NAN, True, "0"),
    "shortcut": (NAN, INF, -1, "0.5", True, None),
    "label_noise": (NAN, 2, []),
    "distractors": (HUGE, 0.5, NAN, "1"),
}


@pytest.mark.parametrize("setting", BAD)
def test_films_are_drawn_of_sound_numbers_alone(setting: str) -> None:
    for value in BAD[setting]:
        with pytest.raises(PlanError):
            FilmSpec(**{setting: value})
