"""Every arm against control: figures as text, intervals as a plot in the same rows."""

from __future__ import annotations

from math import nan

from markupsafe import Markup

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.core.records import Split
from imil.report.cards.questions import (
    VERDICT_NAMES,
    VERDICT_TONES,
    QuestionRow,
    interval_known,
    question_rows,
)
from imil.report.cards.verdict_card import named_arms
from imil.report.parts import numbers, text
from imil.report.parts.figures import interval_axis, interval_domain, interval_row
from imil.report.parts.markup import render

_Interval = tuple[float | None, float, float]
_NONE: _Interval = (None, nan, nan)


def arms_table(found: Round) -> Markup:
    """Return the table of arms: both questions of each, as text and with their intervals drawn."""
    known = interval_known(len(found.seeds))
    asked = {paired.arm: question_rows(found, paired) for paired in found.paired}
    domain = interval_domain(
        [
            (value, low, high)
            for rows in asked.values()
            for value, low, high in (_interval(row, known=known) for row in rows)
            if value is not None
        ]
    )
    by_arm = {paired.arm: paired for paired in found.paired}
    named = named_arms(found)
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
        fewest=min(every),
        most=max(every),
        optimistic=bool(chosen_here(found)),
        widened=any(row.level for rows in asked.values() for row in rows),
    )


def chosen_here(found: Round) -> frozenset[Variant]:
    """Return the arms that were chosen, or a setting of them, on the very images of the figures.

    None on test images, which take no part in any choice.
    """
    if found.split is Split.TEST:
        return frozenset()
    recommended = () if found.recommended in {None, CONTROL} else (found.recommended,)
    return frozenset(name for name in (*recommended, *found.variants) if name is not None)


def _interval(row: QuestionRow, *, known: bool) -> _Interval:
    if row.change is None:
        return _NONE
    return (row.change.points, *((row.change.low, row.change.high) if known else (nan, nan)))


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
        "optimistic": arm.arm in chosen_here(found),
        "accuracy": numbers.with_interval(arm.figures[Metric.ACCURACY]),
    }
    if paired is None:
        return {**row, "exploratory": False, "verdict": "", "questions": ()}
    tone, picture = VERDICT_TONES[paired.verdict]
    known = interval_known(len(found.seeds))
    return {
        **row,
        "exploratory": paired.exploratory,
        "verdict": VERDICT_NAMES[paired.verdict],
        "tone": tone,
        "picture": picture,
        "questions": [
            (
                each,
                interval_row(*_interval(each, known=known), domain=domain, tone=each.tone),
            )
            for each in question_rows(found, paired)
        ],
    }
