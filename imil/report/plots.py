"""Plots as SVG files, drawn by matplotlib: dark on white, text that stays text, nothing loaded."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

# At most this many marks on an axis.
_MARKS = 6
# Inches: width of a plot, height of a line plot, of a row of intervals, of what frames the rows.
_WIDTH, _HEIGHT, _ROW, FRAME = 9.0, 5.0, 0.28, 1.5
INK, FAINT, _GRID = "#1c2430", "#5b6573", "#dde2e8"
# Okabe and Ito's colours, darkened until text in them can be read on white; then again, dashed.
_COLOURS = ("#0b62a4", "#c4460f", "#0a7d55", "#8a3f9c", "#8a6400", "#b3286f", "#40505f", "#157a8c")
# Text stays text, and the same values give the same file.
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "imil",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": _GRID,
    "axes.unicode_minus": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
}


class Tone(StrEnum):
    """What an interval says; each has a colour and a shape."""

    GOOD = "good"
    BAD = "bad"
    FLAT = "flat"
    WARN = "warn"


PLOT_COLOURS = {
    Tone.GOOD: "#0a7d55",
    Tone.BAD: "#b3261e",
    Tone.FLAT: "#5b6573",
    Tone.WARN: "#9a6200",
}
# Colour alone would not tell everybody.
SHAPES = {Tone.GOOD: "o", Tone.BAD: "D", Tone.FLAT: "o", Tone.WARN: "s"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of an interval plot: a name, a value with the ends of its interval, and what it says.

    Ends are NaN where there is no interval.
    """

    label: str
    value: float
    low: float
    high: float
    tone: Tone


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading."""

    heading: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows.

    Attributes:
        words: beside it.
        write: how a mark on it is written.
        least: the axis begins here at the latest.
        most: and ends here at the earliest.
        figure: how a value is written as text; None for as a mark.
    """

    words: str
    write: Callable[[float], str]
    least: float
    most: float
    figure: Callable[[float], str] | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A place of a line, with the ends of its interval; NaN for none."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a plot, named in its legend."""

    label: str
    points: tuple[Point, ...]


def interval_plot(
    title: str, groups: Sequence[Group], axis: Axis, *, legend: Sequence[tuple[Tone, str]] = ()
) -> str:
    """Return an interval a row, grouped under headings; the figures stand at the right as text.

    Args:
        title: above the plot.
        groups: drawn downwards, on one axis.
        axis: values lie across; 0 is drawn stronger.
        legend: what each tone means; tones that are not drawn are left out.
    """
    bars = [bar for group in groups for bar in group.bars]
    rows = len(bars) + len(groups)
    with mpl.rc_context(STYLE):
        figure, axes = _empty(title, FRAME + _ROW * rows)
        axes.axvline(0, color=FAINT, linewidth=1)
        axes.grid(axis="x", color=_GRID)
        row = 0
        for group in groups:
            beside = axes.get_yaxis_transform()
            axes.text(
                -0.02, row, group.heading, weight="bold", ha="right", va="center", transform=beside
            )
            for bar in group.bars:
                row += 1
                _draw_bar(axes, bar, row, axis)
            row += 1
        axes.set_ylim(rows - 0.3, -0.7)
        axes.set_yticks([])
        _across(axes, axis, [end for bar in bars for end in (bar.value, bar.low, bar.high)])
        drawn = {bar.tone for bar in bars}
        meant = {tone: words for tone, words in legend if tone in drawn}
        if meant:
            marks = [Line2D([], [], **_mark_style(tone)) for tone in meant]
            _legend(axes, marks, list(meant.values()))
        return _svg(figure, title)


def line_plot(title: str, lines: Sequence[Line], x_axis: Axis, y_axis: Axis) -> str:
    """Return lines with an interval at each point, each with its name and colour.

    Args:
        title: above the plot.
        lines: points in any order; a line without any is left out.
        x_axis: across.
        y_axis: upwards.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _empty(title, _HEIGHT)
        axes.grid(axis="y", color=_GRID)
        drawn = [line for line in lines if line.points]
        for number, line in enumerate(drawn):
            _draw_line(axes, line, number)
        places = [point for line in drawn for point in line.points]
        _across(axes, x_axis, [point.x for point in places])
        axes.set_ylim(*_ends([end for p in places for end in (p.y, p.low, p.high)], y_axis))
        axes.yaxis.set_major_locator(MaxNLocator(_MARKS, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _write(value, y_axis)))
        axes.set_ylabel(y_axis.words)
        if drawn:
            _legend(axes, *axes.get_legend_handles_labels())
        return _svg(figure, title)


def _empty(title: str, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", weight="bold", fontsize=12, pad=28)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    return figure, axes


def _draw_bar(axes: Axes, bar: Bar, row: int, axis: Axis) -> None:
    """Draw one interval, its name at the left and its figures at the right."""
    beside, colour = axes.get_yaxis_transform(), PLOT_COLOURS[bar.tone]
    if not isnan(bar.low) and not isnan(bar.high):
        axes.plot([bar.low, bar.high], [row, row], color=colour, marker="|", markersize=9)
    axes.plot([bar.value], [row], **_mark_style(bar.tone))
    axes.text(-0.02, row, bar.label, ha="right", va="center", transform=beside)
    axes.text(1.02, row, _figures(bar, axis), color=colour, va="center", transform=beside)


def _draw_line(axes: Axes, line: Line, number: int) -> None:
    """Draw one line with its whiskers; whiskers of several lines at one place don't overlap."""
    places = sorted(line.points, key=lambda point: point.x)
    xs, ys = [point.x for point in places], [point.y for point in places]
    # A missing interval is drawn as one without length.
    below = [0.0 if isnan(p.low) else p.y - p.low for p in places]
    above = [0.0 if isnan(p.high) else p.high - p.y for p in places]
    axes.errorbar(
        xs,
        ys,
        yerr=[below, above],
        color=_COLOURS[number % len(_COLOURS)],
        linestyle="-" if number < len(_COLOURS) else "--",
        marker="o",
        markersize=4,
        elinewidth=1,
        label=line.label,
    )


def _mark_style(tone: Tone) -> dict[str, Any]:
    filled = tone in {Tone.GOOD, Tone.BAD}
    colour = PLOT_COLOURS[tone]
    return {
        "marker": SHAPES[tone],
        "markersize": 7,
        "color": colour,
        "markerfacecolor": colour if filled else "#ffffff",
        "linestyle": "none",
    }


def _across(axes: Axes, axis: Axis, values: Sequence[float]) -> None:
    """Frame the axis below and write its marks."""
    low, high = _ends(values, axis)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(_MARKS, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _write(value, axis)))
    axes.set_xlabel(axis.words)


def _ends(values: Sequence[float], axis: Axis) -> tuple[float, float]:
    """Return ends that hold all values, and a margin for their marks; NaN is left out."""
    known = [value for value in values if not isnan(value)]
    low, high = min((*known, axis.least)), max((*known, axis.most))
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def _legend(axes: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Set the legend between title and plot, so that it hides nothing."""
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        labelcolor=FAINT,
    )


def _figures(bar: Bar, axis: Axis) -> str:
    write = axis.figure or axis.write
    value, low, high = ("" if isnan(end) else write(end) for end in (bar.value, bar.low, bar.high))
    return f"{value} [{low}, {high}]" if low and high else value


def _write(value: float, axis: Axis) -> str:
    # Marks are round, but for the last bits of a product.
    return axis.write(float(f"{value:.6g}"))


def _svg(figure: Figure, title: str) -> str:
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Title": title, "Date": None})
    return content.getvalue()
