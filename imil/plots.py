"""Plots as SVG files that stand alone: no script, no chart library, dark on white.

The axes' geometry is shared with the screen's plots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from math import ceil, floor, isnan, log10

MINUS = "\N{MINUS SIGN}"
# At most this many marks on an axis.
MARKS = 6

WIDTH = 780
HEIGHT = 440  # of a line plot, px
TEXT = 13  # px
# A mean letter of a sans-serif face at that size, px; on the wide side, as faces differ.
LETTER = 7.6
PAD = 16
ROW = 24  # of an interval plot, px
LABEL_GAP = 17  # labels closer than this are pushed apart, px
DODGE = 4  # between the whiskers of two lines at one place, px
INSET = 16  # from the ends of a line plot to its first and last mark, px

# So that a grid line behind a word doesn't cross it.
HALO = ' paint-order="stroke" stroke="#ffffff" stroke-width="4"'
INK, FAINT, GRID = "#1c2430", "#5b6573", "#dde2e8"
# Okabe and Ito's colours, darkened until text in them can be read on white; then again, dashed.
COLOURS = ("#0b62a4", "#c4460f", "#0a7d55", "#8a3f9c", "#8a6400", "#b3286f", "#40505f", "#157a8c")


class Tone(StrEnum):
    """What an interval says; each has a colour and a shape."""

    GOOD = "good"
    BAD = "bad"
    FLAT = "flat"
    WARN = "warn"


TONES = {Tone.GOOD: "#0a7d55", Tone.BAD: "#b3261e", Tone.FLAT: "#5b6573", Tone.WARN: "#9a6200"}


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
    """A line of a plot, named at its end."""

    label: str
    points: tuple[Point, ...]


def signed(value: float) -> str:
    """Return a number with its sign, a true minus: +5, −2.5, 0."""
    sign = "+" if value > 0 else MINUS if value < 0 else ""
    return f"{sign}{abs(value):g}"


def points(value: float) -> str:
    """Return signed points with one place and a true minus: +7.0, −9.9, 0.0."""
    rounded = round(value, 1)
    sign = "+" if rounded > 0 else MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):.1f}"


def percent(value: float) -> str:
    """Return a share of 0-1 as per cent: 4 %."""
    return f"{100 * value:g} %".replace("-", MINUS)


def interval_plot(
    title: str, groups: Sequence[Group], axis: Axis, *, legend: Sequence[tuple[Tone, str]] = ()
) -> str:
    """Return an interval a row, grouped under headings; the figures stand at the right as text.

    Args:
        title: above the plot.
        groups: drawn downwards, on one axis.
        axis: values lie across; 0 is drawn stronger.
        legend: what each tone means.
    """
    bars = [bar for group in groups for bar in group.bars]
    left = PAD * 2 + LETTER * max((len(bar.label) for bar in bars), default=0)
    figures = [_figures(bar, axis) for bar in bars]
    right = WIDTH - PAD * 2 - LETTER * max((len(words) for words in figures), default=0)
    domain = nice_domain([end for bar in bars for end in _ends(bar)], axis.least, axis.most)
    top = 3.4 * ROW if legend else 2.2 * ROW
    said = {bar.tone for bar in bars}
    drawn, y = [_legend([entry for entry in legend if entry[0] in said])], top
    for group in groups:
        y += ROW
        drawn.append(_text(PAD, y + 4, group.heading, weight=600))
        for bar in group.bars:
            y += ROW
            place = _scale(domain, left, right)
            drawn.append(_text(left - PAD, y + 4, bar.label, anchor="end"))
            drawn.append(_bar(bar, y, place))
            drawn.append(_text(right + PAD, y + 4, _figures(bar, axis), colour=TONES[bar.tone]))
    bottom = y + ROW
    grid = "".join(_across(domain, axis, (left, right), (top, bottom)))
    return _svg(title, bottom + 2.4 * ROW, grid + "".join(drawn))


def line_plot(title: str, lines: Sequence[Line], x_axis: Axis, y_axis: Axis) -> str:
    """Return lines with an interval at each point, each named at its end in its own colour.

    Args:
        title: above the plot.
        lines: points in any order.
        x_axis: across.
        y_axis: upwards.
    """
    places = [point for line in lines for point in line.points]
    xs = nice_domain([point.x for point in places], x_axis.least, x_axis.most)
    ends = [end for p in places for end in (p.y, p.low, p.high) if not isnan(end)]
    ys = nice_domain(ends, y_axis.least, y_axis.most)
    left = PAD * 2 + LETTER * max(len(_mark(mark, y_axis)) for mark in nice_marks(ys))
    right = WIDTH - PAD * 2 - LETTER * max((len(line.label) for line in lines), default=0)
    top, bottom = 3.2 * ROW, HEIGHT - 2.4 * ROW
    inner = left + INSET, right - INSET
    across, up = _scale(xs, *inner), _scale(ys, bottom, top)
    drawn = [*_upwards(ys, y_axis, (left, right), up), *_across(xs, x_axis, inner, None)]
    named = []
    for number, line in enumerate(lines):
        shift = (number - (len(lines) - 1) / 2) * DODGE
        way = [
            (across(p.x) + shift, up(p.y), up(p.low), up(p.high))
            for p in sorted(line.points, key=lambda p: p.x)
        ]
        drawn.append(_line(way, number))
        if way:
            named.append((way[-1][1], line.label, _colour(number)))
    heights = apart([height for height, _, _ in named], LABEL_GAP)
    for height, (_, label, colour) in zip(heights, named, strict=True):
        drawn.append(_text(right + PAD, height + 4, label, colour=colour, weight=600))
    return _svg(title, HEIGHT, "".join(drawn))


def nice_step(span: float) -> float:
    """Return a round distance of marks, so that at most `MARKS` fit the span."""
    rough = span / (MARKS - 1)
    power = 10.0 ** floor(log10(rough))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)


def nice_marks(domain: tuple[float, float]) -> list[float]:
    """Return round values inside the domain, ends included."""
    low, high = domain
    step = nice_step(high - low)
    first = ceil(low / step - 1e-9)
    return [step * i for i in range(first, floor(high / step + 1e-9) + 1)]


def nice_domain(values: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """Return round ends that hold all values, and at least `least` to `most`; NaN is left out."""
    known = [value for value in values if not isnan(value)]
    low, high = min((*known, least)), max((*known, most))
    step = nice_step(high - low)
    return floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Return the places, moved as little as it takes for each two to be `gap` apart.

    Their order stays; those that are too close share the shift.
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    # Runs of neighbours that touch: (sum of where their first would be, how many).
    runs: list[tuple[float, int]] = []
    for i in order:
        runs.append((places[i], 1))
        while len(runs) > 1 and runs[-1][0] / runs[-1][1] < (
            runs[-2][0] / runs[-2][1] + gap * runs[-2][1]
        ):
            (total, number), (before, others) = runs.pop(), runs.pop()
            runs.append((before + total - number * gap * others, others + number))
    moved = [total / number + gap * k for total, number in runs for k in range(number)]
    found = [0.0] * len(places)
    for i, place in zip(order, moved, strict=True):
        found[i] = place
    return found


def _ends(bar: Bar) -> tuple[float, float, float]:
    return bar.value, bar.low, bar.high


def _figures(bar: Bar, axis: Axis) -> str:
    value, low, high = (
        "" if isnan(end) else (axis.figure or axis.write)(end) for end in _ends(bar)
    )
    return f"{value} [{low}, {high}]" if low and high else value


def _mark(value: float, axis: Axis) -> str:
    # Marks are round, but for the last bits of a product.
    return axis.write(float(f"{value:.6g}"))


def _scale(domain: tuple[float, float], first: float, last: float) -> Callable[[float], float]:
    low, high = domain
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _bar(bar: Bar, y: float, place: Callable[[float], float]) -> str:
    colour, x = TONES[bar.tone], place(bar.value)
    drawn = ""
    if not isnan(bar.low) and not isnan(bar.high):
        low, high = place(bar.low), place(bar.high)
        drawn = (
            f'<path d="M{low:.1f} {y - 5:.1f}v10M{high:.1f} {y - 5:.1f}v10M{low:.1f} {y:.1f}'
            f'H{high:.1f}" stroke="{colour}" stroke-width="2" fill="none"/>'
        )
    return drawn + _shape(bar.tone, x, y)


def _shape(tone: Tone, x: float, y: float) -> str:
    """Return the tone's mark: colour alone would not tell everybody."""
    colour = TONES[tone]
    if tone is Tone.BAD:
        return f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" fill="{colour}"/>'
    fill = colour if tone is Tone.GOOD else "#ffffff"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{colour}" '
        'stroke-width="2"/>'
    )


def _legend(entries: Sequence[tuple[Tone, str]]) -> str:
    drawn, x, y = "", float(PAD + 6), 2.2 * ROW
    for tone, words in entries:
        drawn += _shape(tone, x, y) + _text(x + 12, y + 4, words, colour=FAINT)
        x += 12 + LETTER * len(words) + 2 * PAD
    return drawn


def _line(places: Sequence[tuple[float, float, float, float]], number: int) -> str:
    colour = _colour(number)
    dashed = ' stroke-dasharray="6 4"' if number >= len(COLOURS) else ""
    way = "L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in places)
    whiskers = "".join(
        f"M{x:.1f} {low:.1f}V{high:.1f}" for x, _, low, high in places if not isnan(low + high)
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y, _, _ in places)
    return (
        f'<g stroke="{colour}" fill="none"><path d="M{way}" stroke-width="2"{dashed}/>'
        f'<path d="{whiskers}" stroke-width="1.5" opacity=".6"/></g><g fill="{colour}">{dots}</g>'
        if places
        else ""
    )


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _across(
    domain: tuple[float, float],
    axis: Axis,
    ends: tuple[float, float],
    lines: tuple[float, float] | None,
) -> Iterator[str]:
    """Yield the marks of the axis below, with grid lines over the height `lines` if given."""
    place = _scale(domain, *ends)
    bottom = lines[1] if lines else HEIGHT - 2.4 * ROW
    for mark in nice_marks(domain):
        if lines:
            colour = FAINT if mark == 0 else GRID
            yield f'<path d="M{place(mark):.1f} {lines[0]:.1f}V{bottom:.1f}" stroke="{colour}"/>'
        words = _mark(mark, axis)
        yield _text(place(mark), bottom + ROW * 0.8, words, colour=FAINT, anchor="middle")
    middle = sum(ends) / 2
    yield _text(middle, bottom + ROW * 1.8, axis.words, colour=FAINT, anchor="middle")


def _upwards(
    domain: tuple[float, float],
    axis: Axis,
    ends: tuple[float, float],
    place: Callable[[float], float],
) -> Iterator[str]:
    yield _text(PAD, 2.3 * ROW, axis.words, colour=FAINT)
    for mark in nice_marks(domain):
        y = place(mark)
        yield f'<path d="M{ends[0]:.1f} {y:.1f}H{ends[1]:.1f}" stroke="{GRID}"/>'
        yield _text(ends[0] - 8, y + 4, _mark(mark, axis), colour=FAINT, anchor="end")


def _text(
    x: float, y: float, words: str, *, colour: str = INK, anchor: str = "start", weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}"{HALO}>{escape(words)}</text>'
    )


def _svg(title: str, height: float, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" font-family="system-ui, Segoe UI, Helvetica, Arial,'
        f' sans-serif" font-size="{TEXT}" role="img"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="{PAD}" y="{1.2 * ROW:.0f}" fill="{INK}" font-size="16" font-weight="600">'
        f"{escape(title)}</text>{content}</svg>\n"
    )
