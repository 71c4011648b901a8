from __future__ import annotations

from math import nan

import pytest

from imil.core.evaluation.metrics import Interval
from imil.report.parts import numbers


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.876, ".88"), (0.0, ".00"), (0.994, ".99"), (0.995, "1.00"), (1.0, "1.00"), (nan, "n/a")],
)
def test_a_share_has_two_places_and_no_leading_nought(value: float, written: str) -> None:
    assert numbers.share(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (7.04, "+7.0"),
        (-9.9, "\N{MINUS SIGN}9.9"),
        (0.0, "±0.0"),
        (-0.04, "±0.0"),
        (12, "+12.0"),
        (nan, "n/a"),
    ],
)
def test_points_are_signed_with_a_true_minus(value: float, written: str) -> None:
    assert numbers.points(value) == written


def test_an_interval_reads_differently_in_a_sentence_and_in_a_table() -> None:
    assert numbers.between(-0.4, 1.0) == "\N{MINUS SIGN}0.4 to +1.0"
    assert numbers.brackets(-0.4, 1.0) == "[\N{MINUS SIGN}0.4, +1.0]"


@pytest.mark.parametrize(
    ("value", "written"), [(0.04, "4 %"), (0.007, "0.7 %"), (1.0, "100 %"), (nan, "n/a")]
)
def test_a_percentage_has_a_space_and_at_most_one_place(value: float, written: str) -> None:
    assert numbers.percent(value) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.2, "0 s"), (14, "14 s"), (60, "1 min"), (93, "1 min 33 s"), (7500, "2 h 5 min")],
)
def test_a_duration_is_written_in_words(seconds: float, written: str) -> None:
    assert numbers.duration(seconds) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "59 min"), (7300, "2 h")],
)
def test_what_is_looked_up_every_few_seconds_is_written_in_its_largest_unit(
    seconds: float, written: str
) -> None:
    assert numbers.roughly(seconds) == written


def test_a_figure_names_its_interval_its_split_and_its_n() -> None:
    interval = Interval(0.87, 0.83, 0.9)

    written = numbers.figure(interval, split="validation", n=1312)

    assert written == ".87 (.83–.90), validation, n = 1,312"


def test_a_figure_without_an_interval_does_not_invent_one() -> None:
    assert numbers.figure(Interval(0.87, nan, nan), split="test", n=5) == ".87, test, n = 5"


def test_one_thing_is_singular() -> None:
    assert numbers.some(1, "image", "images") == "1 image"
    assert numbers.some(1600, "image", "images") == "1,600 images"


def test_a_figure_without_an_interval_stands_alone() -> None:
    assert numbers.with_interval(Interval(0.5, 0.4, 0.6)) == ".50 (.40–.60)"
    assert numbers.with_interval(Interval(0.5, nan, nan)) == ".50"
    assert numbers.with_interval(Interval(nan, nan, nan)) == "n/a"


def test_counts_that_differ_between_seeds_are_a_span() -> None:
    assert numbers.span((40, 40)) == "40"
    assert numbers.span((1038, 1040, 1039)) == "1,038–1,040"
    assert numbers.span(()) == "0"
