"""Where the arms look: closed until asked for, since a better map is no better model."""

from __future__ import annotations

from html import escape

from imil.core.evaluation.rounds import Explanations, Round
from imil.core.nets.saliency import Explained
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge
from imil.report.parts.tables import closed_card, stacked

HEAD = (
    text.COLUMN_ARM,
    text.COLUMN_EXPLAINER,
    text.COLUMN_WRONG_REASON,
    text.COLUMN_POINTING,
    text.COLUMN_MAPS,
)


def explanations_card(found: Round) -> str:
    """Return the closed card of saliency figures; nothing where no map was taken."""
    rows = [
        [escape(text.arm_name(arm.arm)), *_cells(one)]
        for arm in found.arms
        for one in arm.explanations
    ]
    if not rows:
        return ""
    whose = ""
    if found.swapped_by is not None:
        whose = badge(text.SWAPPED_BADGE[found.swapped_by], tone="info") + " "
    words = f'<p class="sub s13 remark">{whose}{escape(text.EXPLANATIONS_WORDS)}</p>'
    body = words + stacked(HEAD, rows, kind="named")
    return closed_card(text.EXPLANATIONS_TITLE, body, aside=text.EXPLANATIONS_SECONDARY)


def zero_maps(found: Explained) -> str:
    """Return how many maps say nothing, as words."""
    maps = numbers.count(found.maps)
    if not found.zero_maps:
        return text.NO_ZERO_MAPS.format(maps=maps)
    if found.zero_maps == 1:
        return text.ZERO_MAP.format(maps=maps)
    return text.ZERO_MAPS.format(zero=numbers.count(found.zero_maps), maps=maps)


def _cells(one: Explanations) -> list[str]:
    return [
        escape(text.EXPLAINERS[one.explainer]),
        escape(numbers.with_interval(one.wrong_reason_share.figure)),
        escape(numbers.with_interval(one.pointing_game.figure)),
        escape(zero_maps(one.wrong_reason_share)),
    ]
