"""What more masks, and more minutes, gain: lines of points against control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan

from markupsafe import Markup

from imil.core.evaluation.budget_curves import BudgetCurve, BudgetPoint, budget_curves
from imil.core.evaluation.rounds import Round
from imil.report.cards.questions import interval_known
from imil.report.parts import numbers, text
from imil.report.parts.figures import Frame, Track, interval_domain, nice_marks, path, spread_labels
from imil.report.parts.markup import arrange_cards, card, plot, remark

DOSES_WORDS = "0 masks are control. Whiskers are the intervals of the table above."

# Geometry of a plot, px; the right margin holds the names of the lines.
_WIDTH, _HEIGHT = 440, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 150, 12, 44
# Names closer than this are pushed apart, and whiskers of one place drawn this far apart, px.
NAME_GAP, DODGE = 16, 5
# Letters of a name at the end of a line; the whole stands in the table above.
NAME_LETTERS = 22
# Colours of the lines, again from the first after the last: a name at its end tells each apart.
_COLOURS = ("primary-text", "curve-train", "good", "bad", "flat", "warn")


@dataclass(frozen=True, slots=True)
class _Place:
    """A dose across, and its points with the ends of its interval; NaN for none."""

    across: float
    points: float
    low: float
    high: float


def budget_curves_cards(found: Round) -> Markup:
    """Return points by images masked and by minutes; nothing where no share was compared."""
    lines = budget_curves(found)
    if not lines:
        return Markup()
    known = interval_known(len(found.seeds))
    cards = _card(
        "Points by images masked", "images masked", lines, lambda dose: dose.masks, known=known
    )
    timed = [line for line in lines if line.timed]
    if timed:
        minutes: Callable[[BudgetPoint], float] = lambda dose: dose.minutes or 0.0  # noqa: E731
        cards += _card("Points by your minutes", "minutes", timed, minutes, known=known)
    return arrange_cards("pairup" if timed else "stackup", cards)


def _card(
    title: str,
    axis: str,
    lines: Sequence[BudgetCurve],
    across: Callable[[BudgetPoint], float],
    *,
    known: bool,
) -> Markup:
    drawn = [
        [
            _Place(
                across(dose),
                dose.accuracy.points,
                dose.accuracy.low if known else nan,
                dose.accuracy.high if known else nan,
            )
            for dose in line.points
        ]
        for line in lines
    ]
    names = [text.arm_name(line.arm) for line in lines]
    drawing = _plot(title, axis, names, drawn)
    return card(title, drawing + remark(DOSES_WORDS), aside="Accuracy against control")


def _plot(title: str, axis: str, names: Sequence[str], lines: Sequence[Sequence[_Place]]) -> Markup:
    places = [place for line in lines for place in line]
    domain = interval_domain([(place.points, place.low, place.high) for place in places])
    most = max(place.across for place in places) or 1.0
    frame = Frame(
        _WIDTH, _HEIGHT, (_LEFT, _RIGHT, _TOP, _BOTTOM), (0.0, most), domain, numbers.signed
    )
    heights = spread_labels([frame.y(line[-1].points) for line in lines], NAME_GAP)
    shift = [(i - (len(lines) - 1) / 2) * DODGE for i in range(len(lines))]
    tracks = [
        _track(frame, line, shift[i], _COLOURS[i % len(_COLOURS)], heights[i], _short(names[i]))
        for i, line in enumerate(lines)
    ]
    said = "; ".join(
        f"{name}: " + ", ".join(f"{p.across:g} {numbers.points(p.points)}" for p in line)
        for name, line in zip(names, lines, strict=True)
    )
    columns = [(frame.x(mark), f"{mark:g}") for mark in nice_marks(frame.across)]
    return plot(
        "lines",
        frame,
        f"{title}. {said}",
        tracks,
        columns,
        _HEIGHT - 24,
        axis=axis,
        kind="doses",
        shaded=True,
    )


def _track(
    frame: Frame, line: Sequence[_Place], shift: float, colour: str, height: float, name: str
) -> Track:
    xs = [frame.x(place.across) + (shift if place.across else 0) for place in line]
    points = [(x, frame.y(place.points)) for x, place in zip(xs, line, strict=True)]
    whiskers = "".join(
        f"M{x:.1f} {frame.y(place.low):.1f}V{frame.y(place.high):.1f}"
        for x, place in zip(xs, line, strict=True)
        if place.across and not isnan(place.low) and not isnan(place.high)
    )
    label = f"{_WIDTH - _RIGHT + 12}", height
    return Track(path(points), points, colour, label, name, whiskers)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1].rstrip() + "…"
