"""Plots as SVG text: no script, no chart library, and the same geometry in every state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isnan, log10

from imil.core.records import EpochFigures
from imil.report.parts import numbers, text

# At most this many marks on an axis.
MARKS = 6
# Geometry of a curve plot, px; the right margin holds the direct labels.
WIDTH, HEIGHT = 424, 206
LEFT, RIGHT, TOP, BOTTOM = 38, 78, 10, 28
# Labels closer than this are pushed apart, px.
LABEL_GAP = 15
# The least that the axes show, so that a first epoch rarely moves them: loss to, accuracy from.
LOSS_FRAME, ACCURACY_FRAME = 0.8, 0.5
# Height of a row of the interval plot and of its axis, px.
ROW, AXIS = 48, 28
# Room at either end of the interval plot for a label or a whisker, % of its width.
EDGE = 4.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A line to draw: a value an epoch, a CSS colour, and the words at its end."""

    values: tuple[float, ...]
    colour: str
    words: str


def training_curves(epochs: Sequence[EpochFigures], *, planned: int) -> str:
    """Return loss and accuracy by epoch, side by side.

    Args:
        epochs: the finished epochs, in order; none gives two empty frames.
        planned: epochs in all: the width of the axis, so that nothing moves while training.
    """
    losses = _pair([(e.train_loss, e.validation_loss) for e in epochs], _two_places)
    accuracies = _pair([(e.train_accuracy, e.validation_accuracy) for e in epochs], numbers.share)
    highest = max((*losses[0].values, *losses[1].values, LOSS_FRAME))
    lowest = min((*accuracies[0].values, *accuracies[1].values, ACCURACY_FRAME))
    step = nice_step(highest)
    span = max(planned, len(epochs), 2)
    return (
        '<div class="charts">'
        + _plot(text.LOSS_BY_EPOCH, losses, (0.0, ceil(highest / step) * step), span)
        + _plot(text.ACCURACY_BY_EPOCH, accuracies, (floor(lowest * 10) / 10, 1.0), span)
        + "</div>"
    )


def interval_domain(intervals: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Return the ends of an axis of points that holds (value, low, high) of each row, and 0.

    NaN ends are left out. The axis is at least one point to either side of 0.
    """
    return nice_domain([end for interval in intervals for end in interval], -1.0, 1.0)


def interval_axis(domain: tuple[float, float]) -> str:
    """Return the axis of an interval plot: points, with a true minus."""
    marks = "".join(
        f'<text class="axis" x="{_across(mark, domain):.2f}%" y="18" text-anchor="middle">'
        f"{numbers.signed(mark)}</text>"
        for mark in nice_marks(domain)
    )
    return f'<svg height="{AXIS}" aria-hidden="true">{marks}</svg>'


def interval_row(
    value: float | None, low: float, high: float, *, domain: tuple[float, float], tone: str
) -> str:
    """Return one row of an interval plot; its figures stand beside it as text.

    Args:
        value: points; None draws the grid alone.
        low: lower end; NaN for no interval.
        high: upper end; NaN for no interval.
        domain: of `interval_domain`.
        tone: good, bad, flat or warn: the colour of the verdict.
    """
    drawn = "".join(
        f'<line class="grid" x1="{_across(m, domain):.2f}%" x2="{_across(m, domain):.2f}%" '
        f'y1="0" y2="{ROW}" style="stroke:var(--{"text-2" if m == 0 else "line"})"/>'
        for m in nice_marks(domain)
    )
    if value is not None:
        colour, middle = f"var(--{tone})", ROW / 2
        if not isnan(low) and not isnan(high):
            left, right = _across(low, domain), _across(high, domain)
            ends = ((left, left, 6), (right, right, 6), (left, right, 0))
            drawn += "".join(
                f'<line x1="{a:.2f}%" x2="{b:.2f}%" y1="{middle - t}" y2="{middle + t}" '
                f'style="stroke:{colour};stroke-width:2"/>'
                for a, b, t in ends
            )
        drawn += f'<circle cx="{_across(value, domain):.2f}%" cy="{middle}" r="5" fill="{colour}"/>'
    return f'<svg height="{ROW}" aria-hidden="true">{drawn}</svg>'


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


def _pair(
    rows: Sequence[tuple[float, float]], write: Callable[[float], str]
) -> tuple[Curve, Curve]:
    train = tuple(row[0] for row in rows)
    validation = tuple(row[1] for row in rows)
    return (
        Curve(train, "var(--curve-train)", _ending(text.CURVE_TRAIN, train, write)),
        Curve(validation, "var(--primary-text)", _ending(text.CURVE_VALIDATION, validation, write)),
    )


def _ending(name: str, values: Sequence[float], write: Callable[[float], str]) -> str:
    return f"{name} {write(values[-1])}" if values else name


def _two_places(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.2f}"


def _plot(name: str, curves: tuple[Curve, ...], values: tuple[float, float], span: int) -> str:
    low, high = values

    def x(epoch: float) -> float:
        return LEFT + (epoch - 1) / (span - 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    drawn = [
        f'<path class="grid" d="M{LEFT} {y(mark):.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="axis" x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">'
        f"{_two_places(mark)}</text>"
        for mark in nice_marks(values)
    ]
    drawn += [
        f'<text class="axis" x="{x(epoch):.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{epoch}</text>"
        for epoch in _epoch_marks(span)
    ]
    ends = [y(curve.values[-1]) if curve.values else y(low) for curve in curves]
    places = apart(ends, LABEL_GAP)
    for curve, place in zip(curves, places, strict=True):
        if not curve.values:
            continue
        points = "L".join(f"{x(i):.1f} {y(v):.1f}" for i, v in enumerate(curve.values, 1))
        end = x(len(curve.values)), y(curve.values[-1])
        drawn.append(
            f'<path d="M{points}" style="fill:none;stroke:{curve.colour};stroke-width:2"/>'
            f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="3.5" style="fill:{curve.colour}"/>'
            f'<text class="lab" x="{end[0] + 8:.1f}" y="{place + 4:.1f}" '
            f'style="fill:{curve.colour}">{escape(curve.words)}</text>'
        )
    alt = escape("; ".join([name, *(curve.words for curve in curves if curve.values)]))
    return (
        f'<figure><h3>{escape(name)}</h3><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{alt}">{"".join(drawn)}</svg></figure>'
    )


def _epoch_marks(span: int) -> list[int]:
    step = max(1, ceil((span - 1) / (MARKS - 1)))
    inner = [epoch for epoch in range(1, span, step) if span - epoch >= step / 2 or epoch == 1]
    return [*inner, span]


def _across(value: float, domain: tuple[float, float]) -> float:
    low, high = domain
    return EDGE + (value - low) / (high - low) * (100 - 2 * EDGE)
