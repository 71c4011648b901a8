"""Plots of the page as SVG: no script, and the same geometry in every state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isnan, log10

from markupsafe import Markup

from imil.core.records import EpochFigures
from imil.report.parts import numbers
from imil.report.parts.markup import arrange_cards, plot

# At most this many marks on an axis.
_MARKS = 6
# Geometry of a curve plot, px; the right margin holds the direct labels.
_WIDTH, _HEIGHT = 424, 206
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 78, 10, 28
# What the two lines of a plot are called, and their colours.
TITLES = ("Train", "Valid.")
_COLOURS = ("curve-train", "primary-text")
# Labels closer than this are pushed apart, px.
LABEL_GAP = 15
# The least that the axes show, so that a first epoch rarely moves them: loss to, accuracy from.
LOSS_FRAME, ACCURACY_FRAME = 0.8, 0.5
# Height of a row of the interval plot and of its axis, px.
_ROW, AXIS = 48, 28
# Room at either end of the interval plot for a label or a whisker, % of its width.
EDGE = 4.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the axes of a plot lie, px, and which values they span.

    Attributes:
        width: of the plot.
        height: of the plot.
        margins: left, right, top and bottom of the axes.
        across: the first and the last value of the axis across.
        values: the lowest and the highest value.
        write: how a value is written.
    """

    width: int
    height: int
    margins: tuple[int, int, int, int]
    across: tuple[float, float]
    values: tuple[float, float]
    write: Callable[[float], str]

    @property
    def left(self) -> int:
        """Where the axes begin."""
        return self.margins[0]

    @property
    def end(self) -> int:
        """Where the axes end on the right."""
        return self.width - self.margins[1]

    @property
    def rows(self) -> list[tuple[float, str, str]]:
        """The lines across: where each lies, its words, and its shade."""
        return [
            (self.y(mark), self.write(mark), "line" if mark else "text-2")
            for mark in nice_marks(self.values)
        ]

    def x(self, value: float) -> float:
        """Return where a value lies across."""
        first, last = self.across
        return self.left + (value - first) / (last - first) * (self.end - self.left)

    def y(self, value: float) -> float:
        """Return at which height a value lies."""
        (low, high), (_, _, top, bottom) = self.values, self.margins
        return top + (high - value) / (high - low) * (self.height - top - bottom)


@dataclass(frozen=True, slots=True)
class Track:
    """A line to draw.

    Attributes:
        way: its path.
        dots: on it.
        colour: a variable of the theme.
        label: where its words begin.
        words: beside it.
        whiskers: a path of its intervals; None for none.
    """

    way: str
    dots: Sequence[tuple[float, float]]
    colour: str
    label: tuple[str, float]
    words: str
    whiskers: str | None = None


def path(points: Sequence[tuple[float, float]]) -> str:
    """Return a path through points, px."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def training_curves(epochs: Sequence[EpochFigures], *, planned: int) -> Markup:
    """Return loss and accuracy by epoch, side by side.

    Args:
        epochs: the finished epochs, in order; none gives two empty frames.
        planned: epochs in all: the width of the axis, so that nothing moves while training.
    """
    losses = [[e.train_loss for e in epochs], [e.validation_loss for e in epochs]]
    rates = [[e.train_accuracy for e in epochs], [e.validation_accuracy for e in epochs]]
    highest = max((*losses[0], *losses[1], LOSS_FRAME))
    lowest = min((*rates[0], *rates[1], ACCURACY_FRAME))
    step = nice_step(highest)
    span = max(planned, len(epochs), 2)
    top = ceil(highest / step) * step
    low = floor(lowest * 10) / 10
    return arrange_cards(
        "charts",
        _curves("Loss by epoch", losses, (0.0, top), span, _two_places),
        _curves("Accuracy by epoch", rates, (low, 1.0), span, numbers.share),
    )


def interval_domain(intervals: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Return the ends of an axis of points that holds (value, low, high) of each row, and 0.

    NaN ends are left out. The axis is at least one point to either side of 0.
    """
    return nice_domain([end for interval in intervals for end in interval], -1.0, 1.0)


def interval_axis(domain: tuple[float, float]) -> Markup:
    """Return the axis of an interval plot: points, with a true minus."""
    marks = [(_across(mark, domain), numbers.signed(mark)) for mark in nice_marks(domain)]
    return plot("interval_axis", AXIS, marks)


def interval_row(
    value: float | None, low: float, high: float, *, domain: tuple[float, float], tone: str
) -> Markup:
    """Return one row of an interval plot; its figures stand beside it as text.

    Args:
        value: points; None draws the grid alone.
        low: lower end; NaN for no interval.
        high: upper end; NaN for no interval.
        domain: of `interval_domain`.
        tone: good, bad, flat or warn: the colour of the verdict.
    """
    grid = [(_across(m, domain), "text-2" if m == 0 else "line") for m in nice_marks(domain)]
    if value is None:
        return plot("interval_row", _ROW, grid, tone, (), None)
    strokes = []
    if not isnan(low) and not isnan(high):
        left, right, middle = _across(low, domain), _across(high, domain), _ROW / 2
        ends = ((left, left, 6), (right, right, 6), (left, right, 0))
        strokes = [(a, b, middle - t, middle + t) for a, b, t in ends]
    return plot("interval_row", _ROW, grid, tone, strokes, _across(value, domain))


def nice_step(span: float) -> float:
    """Return a round distance of marks, so that at most `_MARKS` fit the span."""
    rough = span / (_MARKS - 1)
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


def spread_labels(places: Sequence[float], gap: float) -> list[float]:
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


def _two_places(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.2f}"


def _curves(
    name: str,
    rows: Sequence[Sequence[float]],
    values: tuple[float, float],
    span: int,
    write: Callable[[float], str],
) -> Markup:
    """Return the plot of training and validation; `write` writes the last values."""
    margins = (_LEFT, _RIGHT, _TOP, _BOTTOM)
    frame = Frame(_WIDTH, _HEIGHT, margins, (1, span), values, _two_places)
    called = [
        f"{title} {write(row[-1])}" if row else title
        for title, row in zip(TITLES, rows, strict=True)
    ]
    ends = [frame.y(row[-1] if row else values[0]) for row in rows]
    tracks = []
    for row, colour, words, place in zip(
        rows, _COLOURS, called, spread_labels(ends, LABEL_GAP), strict=True
    ):
        if not row:
            continue
        points = [(frame.x(epoch), frame.y(value)) for epoch, value in enumerate(row, 1)]
        label = f"{points[-1][0] + 8:.1f}", place
        tracks.append(Track(path(points), points[-1:], colour, label, words))
    said = "; ".join([name, *(track.words for track in tracks)])
    columns = [(frame.x(epoch), str(epoch)) for epoch in _epoch_marks(span)]
    return plot("lines", frame, said, tracks, columns, _HEIGHT - 8, name)


def _epoch_marks(span: int) -> list[int]:
    step = max(1, ceil((span - 1) / (_MARKS - 1)))
    inner = [epoch for epoch in range(1, span, step) if span - epoch >= step / 2 or epoch == 1]
    return [*inner, span]


def _across(value: float, domain: tuple[float, float]) -> float:
    low, high = domain
    return EDGE + (value - low) / (high - low) * (100 - 2 * EDGE)
