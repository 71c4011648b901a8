"""Validation beside test, and what is marked as optimistic before."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from imil.core.arms.variants import CONTROL
from imil.core.evaluation.rounds import Round
from imil.core.records import Split
from imil.report.cards.arms_table import arms_table
from imil.report.cards.confirmation_card import confirmation_card
from imil.report.round_page import headline
from tests.report.fabricated import probed


def rows(card: str) -> list[list[str]]:
    """Return the texts of a table's body, a list a row."""
    found = re.findall(r"<tr><th scope=\"row\">.*?</tr>", card, re.DOTALL)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in found]
    return [[unescape(re.sub(r"<[^>]*>", " ", cell)).strip() for cell in row] for row in cells]


def with_group_accuracy(found: Round, arm: int, group: str, accuracy: float) -> Round:
    """Return the round in which an arm has another accuracy in a group."""
    one = found.arms[arm]
    value = replace(one.groups[group].accuracy, value=accuracy)
    groups = {**one.groups, group: replace(one.groups[group], accuracy=value)}
    arms = list(found.arms)
    arms[arm] = replace(one, groups=groups)
    return replace(found, arms=tuple(arms))


def test_control_the_paper_s_arm_and_the_recommended_one_stand_with_both_splits() -> None:
    validation, test = probed(split=Split.VALIDATION), probed(split=Split.TEST)

    table = rows(confirmation_card(test, (validation,)))

    accuracy = [row[1:] for row in table if row[0].endswith(": accuracy")]
    assert [row[0] for row in accuracy] == [
        "Control",
        "IMIL, the paper's way",
        "Masks on all images",
    ]
    assert all(row[1].startswith((".67", ".50", ".93")) for row in accuracy)
    assert [row[1] for row in accuracy] == [row[2] for row in accuracy]


def test_every_arm_is_looked_at_in_the_group_in_which_control_is_worst_on_validation() -> None:
    validation, test = probed(split=Split.VALIDATION), probed(split=Split.TEST)
    group = str(validation.worst_group)
    other = next(name for name in test.arms[0].groups if name != group)
    # On test control does worse in the other group, and so does the paper's arm.
    test = with_group_accuracy(with_group_accuracy(test, 0, other, 0.01), 1, other, 0.02)

    table = rows(confirmation_card(test, (validation,)))

    worst = [row for row in table if "worst group" in row[0]]
    assert len(worst) == 3
    assert len({row[0] for row in worst}) == 1
    assert "against label" in worst[0][0]
    assert not any(".01" in cell or ".02" in cell for row in worst for cell in row[2:])


def test_there_is_none_before_the_test_set_is_opened_nor_without_validation() -> None:
    validation, test = probed(split=Split.VALIDATION), probed(split=Split.TEST)

    assert confirmation_card(validation, (validation,)) == ""
    assert confirmation_card(test, ()) == ""
    assert confirmation_card(test, (replace(validation, number=2),)) == ""


def test_what_was_chosen_on_validation_is_optimistic_until_the_test_set_is_opened() -> None:
    validation, test = probed(split=Split.VALIDATION), probed(split=Split.TEST)
    assert validation.recommended not in {None, CONTROL}

    assert arms_table(validation).count(">optimistic<") == 1
    assert ">optimistic<" not in headline(test, (validation,))


def test_nothing_is_optimistic_where_nothing_was_chosen() -> None:
    validation = replace(probed(split=Split.VALIDATION), advice=None)

    assert ">optimistic<" not in arms_table(validation)
