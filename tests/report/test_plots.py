from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from imil.report.parts import numbers
from imil.report.plots import Axis, Bar, Group, Line, Point, Tone, interval_plot, line_plot

POINTS = Axis("points", numbers.signed, -1, 1, numbers.points)
SHARE = Axis("share masked", numbers.percent, 0, 0.08)
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


def test_a_line_plot_names_each_line_that_has_points() -> None:
    one = Line("imil", (Point(0.04, 0.8, 0.7, 0.9), Point(0, 0.75, math.nan, math.nan)))

    svg = line_plot("Accuracy", [one, Line("none", ())], SHARE, ACCURACY)

    assert {"imil", "share masked", "accuracy", "4 %"} <= set(texts(svg))
    assert "none" not in texts(svg)


def test_a_plot_without_anything_to_draw_is_an_empty_frame() -> None:
    assert "accuracy" in texts(line_plot("Accuracy", [], SHARE, ACCURACY))
    assert "points" in texts(interval_plot("Gain", [], POINTS))


def test_plots_run_no_script_and_the_same_values_make_the_same_file() -> None:
    first, second = (
        line_plot("Accuracy", [Line("a", (Point(0, 1, 1, 1),))], SHARE, ACCURACY) for _ in range(2)
    )

    assert first == second
    assert "<script" not in first
