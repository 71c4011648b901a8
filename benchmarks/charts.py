"""The plots of a benchmark, as SVG files by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imil.core.evaluation.metrics import Metric, Robustness
from imil.core.evaluation.verdict import Verdict
from imil.report.charts import CHART_TONES, LEGEND, POINTS
from imil.report.parts import numbers
from imil.report.plots import Axis, Bar, Group, Tone, interval_plot


def _whole(share: float) -> str:
    return numbers.percent(round(share, 2))


SHARE = Axis(
    "share of the gap to shortcut-free films, 95 % interval", numbers.percent, 0.0, 1.0, _whole
)
SWAPPED = Axis(
    "points of balanced accuracy against control, 95 % interval",
    POINTS.write,
    -1.0,
    1.0,
    POINTS.figure,
)


def film_plots(content: Mapping[str, Any]) -> dict[str, str]:
    """Return a plot of gains a level of label noise, and one of the gap where there is any."""
    plots = {}
    for noise in dict.fromkeys(cell["label_noise"] for cell in content["cells"]):
        cells = [cell for cell in content["cells"] if cell["label_noise"] == noise]
        plots[f"gain-noise-{noise:g}.svg"] = interval_plot(
            f"Gain against control on test films, label noise {noise:.0%}",
            [_gains(f"shortcut {cell['shortcut']:g}", cell["paired"]) for cell in cells],
            POINTS,
            legend=LEGEND,
        )
    gaps = [group for cell in content["cells"] if (group := _gap(cell)).bars]
    if gaps:
        plots["gap.svg"] = interval_plot("Share of the gap closed", gaps, SHARE, legend=LEGEND)
    return plots


def image_plots(content: Mapping[str, Any]) -> dict[str, str]:
    """Return a plot of gains, and one of gains on swapped images where they were measured."""
    paired = content["study"]["paired"]
    name = content["data"]["name"]
    swapped = Robustness.SWAPPED_BALANCED_ACCURACY.value
    plots = {
        "gain.svg": interval_plot(
            "Gain against control", [_gains(f"{name}, test images", paired)], POINTS, legend=LEGEND
        )
    }
    bars = tuple(
        Bar(arm, *_ends(found["swapped"][swapped]), _tone(found))
        for arm, found in paired.items()
        if swapped in found["swapped"]
    )
    if bars:
        title = "Gain when the irrelevant region is another image's"
        groups = [Group(f"{name}, test images", bars)]
        plots["swapped.svg"] = interval_plot(title, groups, SWAPPED, legend=LEGEND)
    return plots


def _gains(heading: str, paired: Mapping[str, Any]) -> Group:
    return Group(
        heading,
        tuple(
            Bar(arm, *_ends(found[Metric.ACCURACY.value]), _tone(found))
            for arm, found in paired.items()
        ),
    )


def _gap(cell: Mapping[str, Any]) -> Group:
    heading = f"shortcut {cell['shortcut']:g}, label noise {cell['label_noise']:.0%}"
    return Group(
        heading,
        tuple(
            Bar(
                arm,
                closed["value"],
                closed["low"],
                closed["high"],
                _tone(found),
            )
            for arm, found in cell["paired"].items()
            if (closed := found["share_closed"]) is not None
        ),
    )


def _tone(paired: Mapping[str, Any]) -> Tone:
    return CHART_TONES[Verdict(paired["verdict"])]


def _ends(found: Mapping[str, float]) -> tuple[float, float, float]:
    return found["points"], found["low"], found["high"]
