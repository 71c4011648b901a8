from __future__ import annotations

import math
import re
from math import nan
from xml.etree import ElementTree as ET

import pytest

from imil.core.records import EpochFigures
from imil.report.parts.figures import (
    interval_axis,
    interval_domain,
    interval_row,
    nice_domain,
    nice_marks,
    spread_labels,
    training_curves,
)

EPOCHS = (EpochFigures(1, 0.7, 0.5, 0.6, 0.6), EpochFigures(2, 0.4, 0.8, 0.5, 0.75))


def frame(svg: str) -> list[str]:
    return re.findall(r'<svg viewBox="[^"]+"', svg)


def test_curves_keep_their_frame_from_the_first_epoch_to_the_last() -> None:
    nothing, some = training_curves((), planned=6), training_curves(EPOCHS, planned=6)

    assert frame(nothing) == frame(some) == ['<svg viewBox="0 0 424 206"'] * 2
    assert re.findall(r">(\d)</text>", nothing) == re.findall(r">(\d)</text>", some)


def test_curves_say_their_last_values_in_words() -> None:
    drawn = training_curves(EPOCHS, planned=6)

    assert 'aria-label="Loss by epoch; Train .40; Valid. .50"' in drawn
    assert 'aria-label="Accuracy by epoch; Train .80; Valid. .75"' in drawn


def test_a_single_epoch_can_be_drawn() -> None:
    ET.fromstring(training_curves(EPOCHS[:1], planned=1))  # noqa: S314 (our own text)


def test_labels_that_would_touch_are_pushed_apart() -> None:
    same = (EpochFigures(1, 0.5, 0.8, 0.5, 0.8),)

    heights = [float(y) for y in re.findall(r'class="lab" x="[\d.]+" y="([\d.]+)"', _loss(same))]

    assert heights[1] - heights[0] == pytest.approx(15, abs=0.2)


def _loss(epochs: tuple[EpochFigures, ...]) -> str:
    return training_curves(epochs, planned=3).split("</figure>")[0]


def test_the_axis_of_points_holds_every_interval_and_nought() -> None:
    low, high = interval_domain([(7.0, 6.5, 7.5), (-9.9, -11.9, -7.9)])

    assert low <= -11.9
    assert high >= 7.5


def test_a_row_without_an_interval_shows_its_points_alone() -> None:
    domain = interval_domain([(-0.5, nan, nan)])

    assert domain == (-1.0, 1.0)
    assert interval_row(-0.5, nan, nan, domain=domain, tone="warn").count("<circle") == 1
    assert "stroke-width:2" not in interval_row(-0.5, nan, nan, domain=domain, tone="warn")


def test_the_axis_is_written_with_a_true_minus() -> None:
    assert "\N{MINUS SIGN}10<" in interval_axis((-10.0, 10.0))
    assert ">+10<" in interval_axis((-10.0, 10.0))
    assert ">0<" in interval_axis((-10.0, 10.0))


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ([0.0, 100.0], [0.0, 100.0]),
        ([10.0, 12.0], [6.0, 16.0]),
        ([12.0, 10.0], [16.0, 6.0]),
        ([10.0, 10.0, 10.0], [0.0, 10.0, 20.0]),
        ([0.0, 9.0, 16.0], [-1.67, 8.33, 18.33]),
        ([], []),
    ],
)
def test_labels_that_touch_share_the_shift(places: list[float], wanted: list[float]) -> None:
    assert spread_labels(places, 10) == pytest.approx(wanted, abs=0.01)


def test_axes_end_on_round_values_that_hold_everything() -> None:
    assert nice_domain([-28.1, 21.9, math.nan], -1, 1) == (-30, 30)
    assert nice_domain([], 0, 1) == (0, 1)
    assert nice_marks((-20, 20)) == [-20, -10, 0, 10, 20]
