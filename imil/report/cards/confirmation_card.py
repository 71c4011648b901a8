"""Validation beside test: what was chosen by, and what it comes to on images not chosen by."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.arms.variants import Variant
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Interval, Metric, Robustness
from imil.core.evaluation.rounds import ArmFigures, Round
from imil.core.records import Split
from imil.report.cards.questions import ALIKE, WITHOUT, points_of
from imil.report.cards.verdict_card import key_arms
from imil.report.parts import numbers, text
from imil.report.parts.markup import render

COMPARED_METRICS = (Metric.ACCURACY, Metric.BALANCED_ACCURACY)
# What answers the first question.
KIND = Robustness.INDEPENDENT_BALANCED_ACCURACY
IN_WORST_GROUP = "Accuracy in “{group}”, control's worst group on validation"


def confirmation_card(found: Round, rounds: Sequence[Round]) -> Markup:
    """Return the headline figures on validation and on test, side by side.

    Of control, the paper's arm and the recommended one; each with its points against control. The
    group in which control did worst on validation is the one that every arm is looked at in.

    Args:
        found: the comparison.
        rounds: the study's rounds on validation, among which is the one of a comparison on test.

    Returns:
        "" until the test set was opened, and where nothing is known of validation.
    """
    validation = _on_validation(found, rounds)
    if found.split is not Split.TEST or validation is None:
        return Markup()
    arms = [
        (
            text.arm_name(arm.arm),
            _cells(validation, arm.arm, validation),
            _cells(found, arm.arm, validation),
        )
        for arm in key_arms(found)
    ]
    # Figure by figure: what is compared are the arms.
    rows = [
        (figure, name, before[place], after[place])
        for place, figure in enumerate(_figures(validation))
        for name, before, after in arms
    ]
    return render("confirmation.html", validation=validation, test=found, rows=rows)


def _on_validation(found: Round, rounds: Sequence[Round]) -> Round | None:
    """Return the same comparison on validation; None where it is not among the rounds."""
    arms = {arm.arm for arm in found.arms}
    for each in rounds:
        same = (each.number, each.seeds) == (found.number, found.seeds)
        if same and arms <= {arm.arm for arm in each.arms}:
            return each
    return None


def _figures(validation: Round) -> list[str]:
    """Return the names of the figures, in the order of `_cells`."""
    without = [f"{WITHOUT}: balanced accuracy"] if validation.swapped_by is not None else []
    names = [*without, *(f"{ALIKE}: {text.METRICS[m].lower()}" for m in COMPARED_METRICS)]
    group = validation.worst_group
    return names if group is None else [*names, IN_WORST_GROUP.format(group=group)]


def _cells(found: Round, name: Variant, validation: Round) -> list[tuple[str, str]]:
    """Return an arm's figures in a round, each with its points against control where it has any."""
    arm = next(arm for arm in found.arms if arm.arm == name)
    paired = next((each for each in found.paired if each.arm == name), None)

    def against(difference: Difference | None) -> str:
        return "" if difference is None else points_of(difference, len(found.seeds))

    cells = [
        (
            numbers.with_interval(arm.figures[metric]),
            against(None if paired is None else paired.differences[metric]),
        )
        for metric in COMPARED_METRICS
    ]
    if validation.swapped_by is not None:
        left = arm.swapped.get(KIND)
        cells.insert(0, (_known(left), against(None if paired is None else paired.independent)))
    group = validation.worst_group
    return cells if group is None else [*cells, _in_group(arm, group)]


def _in_group(arm: ArmFigures, group: str) -> tuple[str, str]:
    found = arm.groups.get(group)
    if found is None:
        return text.UNKNOWN, ""
    return numbers.with_interval(found.accuracy), f"n = {numbers.count(found.images)}"


def _known(figure: Interval | None) -> str:
    return text.UNKNOWN if figure is None else numbers.with_interval(figure)
