"""Plots of finished comparisons, as SVG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imil.core.evaluation.budget_curves import BudgetCurve, budget_curves
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import Paired, Round
from imil.core.evaluation.verdict import Verdict
from imil.report.cards.questions import ALIKE, WITHOUT
from imil.report.parts import numbers
from imil.report.plots import Axis, Bar, Group, Line, Point, Tone, interval_plot, line_plot

CHART_TONES: Mapping[str, Tone] = {
    Verdict.HELPS: Tone.GOOD,
    Verdict.TRADE_OFF: Tone.WARN,
    Verdict.HARMFUL: Tone.BAD,
    Verdict.NO_CLEAR_DIFFERENCE: Tone.FLAT,
    Verdict.TOO_EARLY_TO_SAY: Tone.FLAT,
}
LEGEND = (
    (Tone.GOOD, "helps"),
    (Tone.WARN, "trade-off"),
    (Tone.FLAT, "no clear difference, or too early to say"),
    (Tone.BAD, "harmful"),
)
POINTS = Axis(
    "points of accuracy against control, 95 % interval", numbers.signed, -1.0, 1.0, numbers.points
)
GAINS = Axis(
    "points against control, 95 % interval or wider", numbers.signed, -1.0, 1.0, numbers.points
)
MASKED = Axis("training images masked", "{:g}".format, 0.0, 1.0)
MINUTES = Axis("minutes of a clinician", "{:g}".format, 0.0, 1.0)


def run_plots(found: Round) -> dict[str, str]:
    """Return the plots of a comparison, SVG by file name.

    `gain.svg` always; `masks.svg` where an arm was compared at several numbers of masks, and
    `minutes.svg` where it is known what these took.
    """
    plots = {"gain.svg": gain_plot(found)}
    lines = budget_curves(found)
    if lines:
        drawn = [_line(line, [dose.masks for dose in line.points]) for line in lines]
        plots["masks.svg"] = line_plot("Accuracy against images masked", drawn, MASKED, POINTS)
    timed = [
        _line(line, [minutes for dose in line.points if (minutes := dose.minutes) is not None])
        for line in lines
        if line.timed
    ]
    if timed:
        plots["minutes.svg"] = line_plot("Accuracy against minutes", timed, MINUTES, POINTS)
    return plots


def _line(line: BudgetCurve, xs: Sequence[float]) -> Line:
    gains = [dose.accuracy for dose in line.points]
    return Line(
        line.arm,
        tuple(Point(x, g.points, g.low, g.high) for x, g in zip(xs, gains, strict=True)),
    )


def gain_plot(found: Round) -> str:
    """Return each arm's gain against control, question by question, as SVG."""
    runs = f"{found.split}, n = {found.images}, {len(found.seeds)} {found.seed_scope} seeds"
    without = [(p, p.independent) for p in found.paired if p.independent is not None]
    alike = [(p, p.differences[Metric.ACCURACY]) for p in found.paired]
    groups = [
        Group(f"{question}, {runs}", tuple(_bar(paired, change) for paired, change in asked))
        for question, asked in ((WITHOUT, without), (ALIKE, alike))
        if asked
    ]
    return interval_plot("Gain against control", groups, GAINS, legend=LEGEND)


def _bar(paired: Paired, change: Difference) -> Bar:
    tone = CHART_TONES[paired.verdict]
    return Bar(str(paired.arm), change.points, change.low, change.high, tone)
