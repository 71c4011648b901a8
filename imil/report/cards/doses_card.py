"""What more masks, and more minutes, gain: lines of points against control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import isnan, nan

from imil.core.evaluation.doses import Dose, DoseLine, doses
from imil.core.evaluation.rounds import Round
from imil.report.cards.verdict_card import interval_known
from imil.report.parts import numbers, text
from imil.report.parts.figures import apart, interval_domain, nice_marks
from imil.report.parts.tables import card, remark

# Geometry of a plot, px; the right margin holds the names of the lines.
WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 34, 150, 12, 44
# Names closer than this are pushed apart, and whiskers of one place drawn this far apart, px.
NAME_GAP, DODGE = 16, 5
# Letters of a name at the end of a line; the whole stands in the table above.
NAME_LETTERS = 22
# Colours of the lines, again from the first after the last: a name at its end tells each apart.
COLOURS = ("primary-text", "curve-train", "good", "bad", "flat", "warn")


@dataclass(frozen=True, slots=True)
class _Place:
    """A dose across, and its points with the ends of its interval; NaN for none."""

    across: float
    points: float
    low: float
    high: float


def doses_cards(found: Round) -> str:
    """Return points by images masked and by minutes; nothing where no share was compared."""
    lines = doses(found)
    if not lines:
        return ""
    known = interval_known(len(found.seeds))
    cards = _card(text.DOSES_MASKS, text.AXIS_MASKS, lines, lambda dose: dose.masks, known=known)
    timed = [line for line in lines if line.timed]
    if timed:
        minutes: Callable[[Dose], float] = lambda dose: dose.minutes or 0.0  # noqa: E731
        cards += _card(text.DOSES_MINUTES, text.AXIS_MINUTES, timed, minutes, known=known)
    return f'<div class="{"pairup" if timed else "stackup"}">{cards}</div>'


def _card(
    title: str,
    axis: str,
    lines: Sequence[DoseLine],
    across: Callable[[Dose], float],
    *,
    known: bool,
) -> str:
    drawn = [
        [
            _Place(
                across(dose),
                dose.accuracy.points,
                dose.accuracy.low if known else nan,
                dose.accuracy.high if known else nan,
            )
            for dose in line.doses
        ]
        for line in lines
    ]
    names = [text.arm_name(line.arm) for line in lines]
    plot = _plot(title, axis, names, drawn)
    return card(title, plot + remark(text.DOSES_WORDS), aside=text.DOSES_ASIDE)


def _plot(title: str, axis: str, names: Sequence[str], lines: Sequence[Sequence[_Place]]) -> str:
    places = [place for line in lines for place in line]
    domain = interval_domain([(place.points, place.low, place.high) for place in places])
    most = max(place.across for place in places) or 1.0

    def x(value: float) -> float:
        return LEFT + value / most * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        low, high = domain
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    grid = "".join(
        f'<path class="grid" d="M{LEFT} {y(mark):.1f}H{WIDTH - RIGHT}"'
        f' style="stroke:var(--{"text-2" if mark == 0 else "line"})"/>'
        f'<text class="axis" x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">'
        f"{numbers.signed(mark)}</text>"
        for mark in nice_marks(domain)
    )
    grid += "".join(
        f'<text class="axis" x="{x(mark):.1f}" y="{HEIGHT - 24}" text-anchor="middle">{mark:g}'
        "</text>"
        for mark in nice_marks((0.0, most))
    )
    grid += (
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" '
        f'text-anchor="middle">{escape(axis)}</text>'
    )
    heights = apart([y(line[-1].points) for line in lines], NAME_GAP)
    shift = [(i - (len(lines) - 1) / 2) * DODGE for i in range(len(lines))]
    drawn = "".join(
        _line(
            [(x(p.across) + (shift[i] if p.across else 0), p) for p in line],
            y,
            f"var(--{COLOURS[i % len(COLOURS)]})",
        )
        + f'<text class="lab" x="{WIDTH - RIGHT + 12}" y="{heights[i] + 4:.1f}" '
        f'style="fill:var(--{COLOURS[i % len(COLOURS)]})">{escape(_short(names[i]))}</text>'
        for i, line in enumerate(lines)
    )
    said = "; ".join(
        f"{name}: " + ", ".join(f"{p.across:g} {numbers.points(p.points)}" for p in line)
        for name, line in zip(names, lines, strict=True)
    )
    return (
        f'<figure class="doses"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(f"{title}. {said}")}">{grid}{drawn}</svg></figure>'
    )


def _line(line: Sequence[tuple[float, _Place]], y: Callable[[float], float], colour: str) -> str:
    way = "L".join(f"{x:.1f} {y(place.points):.1f}" for x, place in line)
    whiskers = "".join(
        f"M{x:.1f} {y(place.low):.1f}V{y(place.high):.1f}"
        for x, place in line
        if place.across and not isnan(place.low) and not isnan(place.high)
    )
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y(place.points):.1f}" r="3.5" style="fill:{colour}"/>'
        for x, place in line
    )
    return (
        f'<path d="M{way}" style="fill:none;stroke:{colour};stroke-width:2"/>'
        f'<path d="{whiskers}" style="fill:none;stroke:{colour};stroke-width:1.5;opacity:.6"/>'
        f"{dots}"
    )


def _short(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1].rstrip() + "…"
