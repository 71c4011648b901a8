"""Where the arms look: closed until asked for, since a better map is no better model."""

from __future__ import annotations

from markupsafe import Markup

from imil.core.evaluation.rounds import Explanations, Round
from imil.core.nets.saliency import Explained
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, closed_card, remark, stacked

HEAD = (
    text.COLUMN_ARM,
    text.COLUMN_EXPLAINER,
    text.COLUMN_WRONG_REASON,
    text.COLUMN_POINTING,
    text.COLUMN_MAPS,
)


def explanations_card(found: Round) -> Markup:
    """Return the closed card of saliency figures; nothing where no map was taken."""
    rows = [
        [text.arm_name(arm.arm), *_cells(one)] for arm in found.arms for one in arm.explanations
    ]
    if not rows:
        return Markup()
    words: Markup | str = text.EXPLANATIONS_WORDS
    if found.swapped_by is not None:
        words = Markup("{} {}").format(
            badge(text.SWAPPED_BADGE[found.swapped_by], tone="info"), words
        )
    body = remark(words) + stacked(HEAD, rows, kind="named")
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
        text.EXPLAINERS[one.explainer],
        numbers.with_interval(one.wrong_reason_share.figure),
        numbers.with_interval(one.pointing_game.figure),
        zero_maps(one.wrong_reason_share),
    ]
