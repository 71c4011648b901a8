"""Whom a classifier serves well and whom not: figures a class, a group, an operating point."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.evaluation.rounds import BINARY, ArmFigures, Round
from imil.core.records import Split
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, closed_card, remark, stacked

CLASS_FIGURES = (text.METRICS["sensitivity"], text.METRICS["specificity"], text.METRICS["auroc"])
CLASS_HEAD = (text.COLUMN_CLASS, text.COLUMN_ARM, text.COLUMN_N, *CLASS_FIGURES)
GROUP_HEAD = (
    text.COLUMN_GROUP,
    text.COLUMN_ARM,
    text.COLUMN_N,
    text.METRICS["accuracy"],
    text.METRICS["balanced_accuracy"],
)
POINT_HEAD = (text.COLUMN_ARM, text.METRICS["sensitivity"], text.METRICS["specificity"])


def classes_card(found: Round, arms: Sequence[ArmFigures], classes: Sequence[str]) -> Markup:
    """Return two closed cards: sensitivity, specificity, AUROC a class; the operating point."""
    aside = text.CLASSES_ASIDE.format(split=text.SPLIT_WORDS[found.split])
    # The finding first, as in the split table.
    order = reversed(range(len(classes)))
    rows = [
        [classes[k], text.arm_name(arm.arm), *_of_class(arm, k)]
        for k in order
        for arm in arms
        if arm.classes
    ]
    table = stacked(CLASS_HEAD, rows, kind="named")
    by_class = closed_card(text.CLASSES_TITLE, table, aside=aside)
    return by_class + _operating_card(found, arms, len(classes))


def groups_card(found: Round, arms: Sequence[ArmFigures]) -> Markup:
    """Return the closed card of accuracy by group, the worst group of each arm marked."""
    names = list(dict.fromkeys(name for arm in arms for name in arm.groups))
    if not names:
        return closed_card(text.GROUPS_TITLE, remark(text.GROUPS_NONE))
    aside = text.GROUPS_ASIDE.format(split=text.SPLITS[found.split])
    rows = [
        [_name(name, worst=arm.worst_group == name), *_of_group(arm, name)]
        for name in names
        for arm in arms
        if name in arm.groups
    ]
    none = Markup() if any(arm.worst_group for arm in arms) else remark(text.WORST_NONE)
    table = stacked(GROUP_HEAD, rows, kind="named")
    return closed_card(text.GROUPS_TITLE, table + none, aside=aside)


def _of_class(arm: ArmFigures, label: int) -> list[str]:
    figures = arm.classes[label]
    return [
        numbers.count(figures.images),
        numbers.with_interval(figures.sensitivity),
        numbers.with_interval(figures.specificity),
        numbers.share(figures.auroc),
    ]


def _name(name: str, *, worst: bool) -> str:
    return Markup("{} {}").format(name, badge(text.WORST, tone="warn")) if worst else name


def _of_group(arm: ArmFigures, name: str) -> list[str]:
    figures = arm.groups[name]
    balanced = (
        text.GROUP_NOT_BALANCED
        if figures.balanced_accuracy is None
        else numbers.with_interval(figures.balanced_accuracy)
    )
    return [
        text.arm_name(arm.arm),
        numbers.count(figures.images),
        numbers.with_interval(figures.accuracy),
        balanced,
    ]


def _operating_card(found: Round, arms: Sequence[ArmFigures], classes: int) -> Markup:
    rows = [
        [
            text.arm_name(arm.arm),
            numbers.with_interval(arm.operating_point.sensitivity),
            numbers.with_interval(arm.operating_point.specificity),
        ]
        for arm in arms
        if arm.operating_point is not None
    ]
    if rows:
        body = stacked(POINT_HEAD, rows)
    elif classes != BINARY:
        body = remark(text.OPERATING_NOT_BINARY.format(n=classes))
    else:
        body = remark(text.OPERATING_LATER)
    aside = text.OPERATING_ASIDE if found.split is Split.TEST else ""
    return closed_card(text.OPERATING_TITLE, body, aside=aside)
