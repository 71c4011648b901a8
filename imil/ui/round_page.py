"""All that a finished comparison holds, in reading order: the same on screen and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from imil.core.rounds import Round
from imil.ui.arms_table import arms_table
from imil.ui.doses_card import doses_cards
from imil.ui.explanations_card import explanations_card
from imil.ui.figures_cards import (
    confusion_card,
    curves_card,
    every_figure_card,
    figures_card,
)
from imil.ui.robustness_card import robustness_card
from imil.ui.subgroups import classes_card, groups_card
from imil.ui.verdict_card import key_arms


def round_page(found: Round, classes: Sequence[str]) -> str:
    """Return everything below the verdict: what is headline first, what is secondary closed.

    Args:
        found: the comparison.
        classes: class names, in label order.
    """
    arms = key_arms(found)
    pair = figures_card(found, arms) + confusion_card(arms, classes)
    of_classes = f'<div class="stackup">{classes_card(found, arms, classes)}</div>'
    return (
        f'<div class="stackup">{arms_table(found)}{robustness_card(found, arms)}'
        f'{doses_cards(found)}<div class="pairup">{pair}</div>'
        f'<div class="pairup">{groups_card(found, arms)}{of_classes}</div>'
        f"{explanations_card(found)}{every_figure_card(found)}{curves_card(arms)}</div>"
    )
