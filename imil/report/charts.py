"""Plots of finished comparisons, as SVG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imil.core.evaluation.budget_curves import BudgetCurve, budget_curves
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import Verdict
from imil.report.parts import numbers
from imil.report.plots import Axis, Bar, Group, Line, Point, Tone, interval_plot, line_plot

CHART_TONES: Mapping[str, Tone] = {
    Verdict.SHOWN: Tone.GOOD,
    Verdict.HARMFUL: Tone.BAD,
    Verdict.NOT_SHOWN: Tone.FLAT,
    Verdict.ONE_RUN: Tone.WARN,
}
LEGEND = (
    (Tone.GOOD, "shown"),
    (Tone.FLAT, "not shown"),
    (Tone.BAD, "harmful"),
    (Tone.WARN, "too few seeds to tell"),
)
POINTS = Axis(
    "points of accuracy against control, 95 % interval", numbers.signed, -1.0, 1.0, numbers.points
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
    """Return each arm's gain against control with its interval, as SVG."""
    accuracy = Metric.ACCURACY
    bars = tuple(
        Bar(
            str(paired.arm),
            paired.differences[accuracy].points,
            paired.differences[accuracy].low,
            paired.differences[accuracy].high,
            CHART_TONES[paired.verdict],
        )
        for paired in found.paired
    )
    heading = f"{found.split}, n = {found.images}, {len(found.seeds)} {found.seed_scope} seeds"
    return interval_plot("Gain against control", [Group(heading, bars)], POINTS, legend=LEGEND)
