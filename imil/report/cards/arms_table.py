"""Every arm against control: figures as text, intervals as a plot in the same rows."""

from __future__ import annotations

from math import isnan, nan

from markupsafe import Markup

from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.report.cards.verdict_card import (
    VERDICT_TONES,
    interval_known,
    main_arm,
    second_arm,
    verdict_word,
)
from imil.report.parts import numbers, text
from imil.report.parts.figures import interval_axis, interval_domain, interval_row
from imil.report.parts.markup import render


def arms_table(found: Round) -> Markup:
    """Return the table of arms with its interval plot."""
    known = interval_known(len(found.seeds))
    domain = interval_domain([_interval(paired, known=known) for paired in found.paired])
    by_arm = {paired.arm: paired for paired in found.paired}
    named = [paired for paired in (main_arm(found), second_arm(found)) if paired is not None]
    # Named comparisons first; control, which the others are read against, last, as the reference.
    arms = sorted(
        found.arms, key=lambda arm: (arm.arm not in by_arm, by_arm.get(arm.arm) not in named)
    )
    masks = [arm.masks for arm in found.arms if any(arm.masks)] or [(0,)]
    # Only arms that differ as a whole; seeds of one arm may differ, and stand in its row.
    every = [number for each in masks for number in each] if len(set(masks)) > 1 else [0]
    return render(
        "arms.html",
        split=text.SPLIT_WORDS[found.split],
        axis=interval_axis(domain),
        rows=[
            _row(found, arm, by_arm.get(arm.arm), domain, main=by_arm.get(arm.arm) in named)
            for arm in arms
        ],
        majority=found.majority_rate,
        nothing=interval_row(None, nan, nan, domain=domain, tone="flat"),
        fewest=min(every),
        most=max(every),
        widened=known and any(paired.exploratory for paired in found.paired),
    )


def _interval(paired: Paired, *, known: bool) -> tuple[float, float, float]:
    gain = paired.differences[Metric.ACCURACY]
    return (gain.points, gain.low, gain.high) if known else (gain.points, nan, nan)


def _row(
    found: Round, arm: ArmFigures, paired: Paired | None, domain: tuple[float, float], *, main: bool
) -> dict[str, object]:
    words = text.arm_words(arm.arm)
    if any(arm.masks):
        words += f" · {numbers.span(arm.masks)} masked"
    row = {
        "kind": "main" if main else "ctl" if paired is None else "",
        "name": text.arm_name(arm.arm),
        "words": words,
        "recommended": arm.arm == found.recommended,
        "accuracy": numbers.with_interval(arm.figures[Metric.ACCURACY]),
    }
    if paired is None:
        plot = interval_row(None, nan, nan, domain=domain, tone="flat")
        return {**row, "exploratory": False, "verdict": "", "plot": plot}
    value, low, high = _interval(paired, known=interval_known(len(found.seeds)))
    tone, picture = VERDICT_TONES[paired.verdict]
    around = "" if isnan(low) else f" {numbers.brackets(low, high)}"
    return {
        **row,
        "exploratory": paired.exploratory,
        "verdict": verdict_word(paired.verdict, len(found.seeds)),
        "tone": tone,
        "picture": picture,
        "points": numbers.points(value),
        "around": around,
        "level": paired.levels[Metric.ACCURACY] if around and paired.exploratory else None,
        "plot": interval_row(value, low, high, domain=domain, tone=tone),
    }
