"""All that a finished comparison holds, in reading order: the same on screen and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.evaluation.cases import Cases
from imil.core.evaluation.rounds import Round
from imil.report.cards.arms_table import arms_table
from imil.report.cards.budget_curves_card import budget_curves_cards
from imil.report.cards.cases_card import changes_in_words
from imil.report.cards.confirmation_card import confirmation_card
from imil.report.cards.external_card import external_cards
from imil.report.cards.figures_cards import (
    classes_card,
    confusion_card,
    curves_card,
    every_figure_card,
    explanations_card,
    figures_card,
    groups_card,
    robustness_card,
)
from imil.report.cards.rounds_card import rounds_card
from imil.report.cards.verdict_card import key_arms
from imil.report.parts.markup import arrange_cards


def headline(found: Round, rounds: Sequence[Round] = ()) -> Markup:
    """Return what stands right below the verdict: test and validation, elsewhere, arms, swapped.

    Args:
        found: the comparison.
        rounds: every round of the study on validation, this one included.
    """
    swapped = robustness_card(found, key_arms(found))
    cards = (confirmation_card(found, rounds), external_cards(found), arms_table(found), swapped)
    return arrange_cards("stackup", *cards)


def details(found: Round, classes: Sequence[str], rounds: Sequence[Round] = ()) -> Markup:
    """Return what is looked up: doses and rounds, then figures, each closed until asked for.

    Args:
        found: the comparison.
        classes: class names, in label order.
        rounds: every round of the study, this one included.
    """
    arms = key_arms(found)
    cards = (
        budget_curves_cards(found),
        rounds_card(rounds),
        figures_card(found, arms),
        classes_card(found, arms, classes),
        groups_card(found, arms),
        explanations_card(found),
        every_figure_card(found),
        curves_card(arms),
    )
    return arrange_cards("stackup", *cards)


def round_page(
    found: Round,
    classes: Sequence[str],
    *,
    cases: Cases | None = None,
    rounds: Sequence[Round] = (),
) -> Markup:
    """Return everything below the verdict without pictures, open as for print.

    Args:
        found: the comparison.
        classes: class names, in label order.
        cases: what its arms say to each image; None where nobody knows.
        rounds: every round of the study, this one included.
    """
    changes = Markup() if cases is None else changes_in_words(found, cases)
    pair = arrange_cards("pairup", confusion_card(key_arms(found), classes), changes)
    page = arrange_cards("stackup", headline(found, rounds), pair, details(found, classes, rounds))
    return page.replace("<details class=", Markup("<details open class="))
