"""What each round of a study found: masks, seeds, points and verdict, a row a round."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import Paired, Round
from imil.report.cards.verdict_card import (
    VERDICT_TONES,
    main_arm,
    points_of,
    second_arm,
    verdict_word,
)
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, card, stacked

_HEAD = (
    "Round",
    text.COLUMN_ARM,
    "Masked",
    "Seeds",
    "Points",
    "Verdict",
)


def rounds_card(rounds: Sequence[Round]) -> Markup:
    """Return the table of rounds on validation; nothing for a single one."""
    if len(rounds) < 2:
        return Markup()
    rows = [
        _row(found, paired)
        for found in rounds
        for paired in (main_arm(found), second_arm(found))
        if paired is not None
    ]
    return card(
        "Rounds so far",
        stacked(_HEAD, rows, kind="named"),
        aside="Points of validation accuracy against control",
    )


def _row(found: Round, paired: Paired) -> list[str]:
    seeds, gain = len(found.seeds), paired.differences[Metric.ACCURACY]
    tone, picture = VERDICT_TONES[paired.verdict]
    seen = badge("test set seen", tone="warn") if found.test_seen else Markup()
    return [
        str(found.number) + seen,
        text.arm_name(paired.arm),
        numbers.span(found.masked),
        str(seeds),
        points_of(gain, seeds),
        badge(verdict_word(paired.verdict, seeds), tone=tone, picture=picture),
    ]
