"""What is left of the headline pair where the irrelevant region is another image's."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.evaluation.metrics import Robustness
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.report.cards.verdict_card import interval_known, points_of
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, card, part, remark, stacked

PAIR = (Robustness.SWAPPED_ACCURACY, Robustness.SWAPPED_BALANCED_ACCURACY)
HEAD = (text.COLUMN_ARM, text.SWAPPED_ACCURACY, text.SWAPPED_BALANCED, text.FLIP_RATE)


def robustness_card(found: Round, arms: Sequence[ArmFigures]) -> Markup:
    """Return accuracy and balanced accuracy on swapped images, and how often predictions flip."""
    if found.swapped_by is None:
        return card(text.SWAPPED_TITLE, remark(text.SWAPPED_NONE))
    split = text.SPLIT_WORDS[found.split]
    aside = text.SWAPPED_ASIDE.format(split=split, n=numbers.count(found.images))
    whose = badge(text.SWAPPED_BADGE[found.swapped_by], tone="info")
    words = remark(Markup("{} {}").format(whose, text.SWAPPED_WORDS[found.swapped_by]))
    level = remark(text.SWAPPED_LEVEL) if interval_known(len(found.seeds)) else Markup()
    table = swapped_table(found, arms)
    return card(text.SWAPPED_TITLE, words + table + level, aside=aside)


def swapped_table(found: Round, arms: Sequence[ArmFigures], *, kind: str = "") -> Markup:
    """Return the figures of some arms on swapped images, each with its difference to control."""
    paired = {each.arm: each for each in found.paired}
    rows = [_row(found, arm, paired.get(arm.arm)) for arm in arms if arm.swapped]
    return stacked(HEAD, rows, kind=kind)


def _row(found: Round, arm: ArmFigures, paired: Paired | None) -> list[str]:
    cells = [
        part("two_lines", numbers.with_interval(arm.swapped[kind]), _against(found, paired, kind))
        for kind in PAIR
    ]
    flips = numbers.with_interval(arm.swapped[Robustness.FLIP_RATE])
    return [text.arm_name(arm.arm), *cells, flips]


def _against(found: Round, paired: Paired | None, kind: Robustness) -> str:
    if paired is None:
        return text.REFERENCE
    if kind not in paired.swapped:
        return ""
    return points_of(paired.swapped[kind], len(found.seeds))
