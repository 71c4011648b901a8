from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from imil.plots import (
    Axis,
    Bar,
    Group,
    Line,
    Point,
    Tone,
    apart,
    interval_plot,
    line_plot,
    nice_domain,
    nice_marks,
    percent,
    points,
    signed,
)

POINTS = Axis("points", signed, -1, 1, points)
SHARE = Axis("share masked", percent, 0, 0.08)
ACCURACY = Axis("accuracy", lambda value: f"{value:g}", 0.5, 1)


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]  # noqa: S314  # our own text


def test_an_interval_plot_names_each_row_with_its_figures() -> None:
    bars = (
        Bar("imil", -22.71, -28.1, -17.5, Tone.BAD),
        Bar("a<b", 3, math.nan, math.nan, Tone.WARN),
    )

    svg = interval_plot(
        "Gain", [Group("shortcut .95", bars)], POINTS, legend=[(Tone.BAD, "harmful")]
    )

    written = texts(svg)
    assert {"Gain", "shortcut .95", "imil", "a<b", "points", "harmful", "+3.0"} <= set(written)
    assert "−22.7 [−28.1, −17.5]" in written


def test_the_legend_names_only_what_is_drawn() -> None:
    legend = [(tone, tone.value) for tone in Tone]

    svg = interval_plot("Gain", [Group("", (Bar("a", 1, 0, 2, Tone.GOOD),))], POINTS, legend=legend)

    assert [word for word in texts(svg) if word in set(Tone)] == ["good"]


def test_figures_have_one_place_and_a_true_minus() -> None:
    assert [points(v) for v in (12, -0.04, -9.86)] == ["+12.0", "0.0", "−9.9"]
    assert [percent(v) for v in (0.04, -1.2)] == ["4 %", "−120 %"]
    assert [signed(v) for v in (20, 0, -2.5)] == ["+20", "0", "−2.5"]


def test_a_line_plot_names_each_line_at_its_end_and_draws_whiskers() -> None:
    one = Line("imil", (Point(0.04, 0.8, 0.7, 0.9), Point(0, 0.75, math.nan, math.nan)))

    svg = line_plot("Accuracy", [one, Line("none", ())], SHARE, ACCURACY)

    assert {"imil", "share masked", "accuracy", "4 %"} <= set(texts(svg))
    assert "none" not in texts(svg)
    whiskers = re.findall(r'<path d="(M[^"]*V[^"]*)" stroke-width="1.5"', svg)
    assert len(whiskers) == 1
    assert whiskers[0].count("V") == 1
    xs = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]
    assert xs == sorted(xs)


def test_plots_load_nothing_and_are_light() -> None:
    svg = line_plot("Accuracy", [Line("a", (Point(0, 1, 1, 1),))], SHARE, ACCURACY)

    assert 'fill="#ffffff"' in svg
    assert "href" not in svg
    assert "<script" not in svg


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
    assert apart(places, 10) == pytest.approx(wanted, abs=0.01)


def test_axes_end_on_round_values_that_hold_everything() -> None:
    assert nice_domain([-28.1, 21.9, math.nan], -1, 1) == (-30, 30)
    assert nice_domain([], 0, 1) == (0, 1)
    assert nice_marks((-20, 20)) == [-20, -10, 0, 10, 20]
