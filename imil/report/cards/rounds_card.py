"""What each round of a study found: masks, seeds, points and verdict, a row a round."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.evaluation.rounds import Paired, Round
from imil.report.cards.questions import (
    ALIKE,
    VERDICT_NAMES,
    VERDICT_TONES,
    WITHOUT,
    question_rows,
)
from imil.report.cards.verdict_card import named_arms
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, card, stacked

_HEAD = (
    "Round",
    text.COLUMN_ARM,
    "Masked",
    "Seeds",
    WITHOUT,
    ALIKE,
    "Verdict",
)


def rounds_card(rounds: Sequence[Round]) -> Markup:
    """Return the table of rounds on validation; nothing for a single one."""
    if len(rounds) < 2:
        return Markup()
    rows = [_row(found, paired) for found in rounds for paired in named_arms(found)]
    return card(
        "Rounds so far",
        stacked(_HEAD, rows, kind="named"),
        aside="Points against control, validation",
    )


def _row(found: Round, paired: Paired) -> list[str]:
    seeds, rows = len(found.seeds), question_rows(found, paired)
    tone, picture = VERDICT_TONES[paired.verdict]
    seen = badge("test set seen", tone="warn") if found.test_seen else Markup()
    return [
        str(found.number) + seen,
        text.arm_name(paired.arm),
        numbers.span(found.masked),
        str(seeds),
        *(row.points or row.word for row in rows),
        badge(VERDICT_NAMES[paired.verdict], tone=tone, picture=picture),
    ]
