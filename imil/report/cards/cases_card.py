"""Which images an arm has fixed and broken, and matrices whose cells open their images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.cases import Case, Cases, arm_confusion, broken, fixed
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Round
from imil.core.records import Split
from imil.report.cards.figures_cards import figures_aside
from imil.report.cards.verdict_card import key_arms
from imil.report.parts import numbers, text
from imil.report.parts.markup import card, closed_card, remark, render, stacked

CASES_TITLE = {
    Split.VALIDATION: "Validation images fixed and broken",
    Split.TEST: "Test images fixed and broken",
}
FIXED_WORDS = "now right"
BROKEN_WORDS = "now wrong"
CELL = "{n} with label {label} of which {arm} said {said}. Open them."

# Pictures of a kind that stand on the page; the others open. Our choice: two rows of eight.
THUMBS = 16
HEADLINE = (Metric.BALANCED_ACCURACY, Metric.SENSITIVITY, Metric.SPECIFICITY, Metric.AUROC)


def cases_cards(
    found: Round,
    cases: Cases,
    classes: Sequence[str],
    picture: Callable[[str], tuple[str, str]],
) -> Markup:
    """Return the two cards side by side, and the other arms closed below.

    What opens carries `data-ask`: the JSON that the viewer is asked for.

    Args:
        found: the comparison.
        cases: what its arms say.
        classes: class names, in label order.
        picture: from an image's id to the address of its small picture, and what people call it.
    """
    first = tuple(arm for arm in key_arms(found) if arm.arm in cases.predicted)
    others = tuple(arm for arm in found.arms if arm.arm in cases.predicted and arm not in first)
    shown = THUMBS if len(first) == 2 else THUMBS // 2

    def thumb(case: Case, arm: Variant, ask: Mapping[str, str]) -> dict[str, object]:
        address, title = picture(case.sample_id)
        said = ", ".join(case_words(case, arm, classes))
        words = f"Open {title}: {said}"
        return {"ask": {**ask, "sample": case.sample_id}, "address": address, "words": words}

    def changed(arm: ArmFigures) -> dict[str, object]:
        kinds = _kinds(arm.arm, cases)
        for kind in kinds:
            kind["thumbs"] = [thumb(case, arm.arm, kind["ask"]) for case in kind["cases"][:shown]]
        any_kind = any(kind["number"] for kind in kinds)
        return {"name": text.arm_name(arm.arm), "kinds": kinds if any_kind else []}

    return render(
        "cases.html",
        split=text.SPLIT_NAMES[found.split],
        firsts=[changed(arm) for arm in first if arm.arm != CONTROL],
        matrices=_matrices(first, cases, classes),
        head=(text.METRIC, *(text.arm_name(arm.arm) for arm in first)),
        figures=_figures(first, found.worst_group),
        aside=figures_aside(found),
        others=[
            {"name": text.arm_name(arm.arm), "counts": _kinds(arm.arm, cases)}
            for arm in others
            if arm.arm != CONTROL
        ],
        other_matrices=_matrices(others, cases, classes),
    )


def changes_in_words(found: Round, cases: Cases) -> Markup:
    """Return how many images each arm fixed and broke, as a card of text alone."""
    rows = [
        [
            text.arm_name(arm.arm),
            numbers.count(len(fixed(cases, arm.arm))),
            numbers.count(len(broken(cases, arm.arm))),
        ]
        for arm in found.arms
        if arm.arm != CONTROL and arm.arm in cases.predicted
    ]
    head = (text.COLUMN_ARM, FIXED_WORDS, BROKEN_WORDS)
    return card(CASES_TITLE[found.split], stacked(head, rows), aside="First seed, against control")


def unknown_cases(found: Round) -> Markup:
    """Return what stands there where nobody knows what the arms say to each image."""
    return closed_card(CASES_TITLE[found.split], remark(text.MATRICES_UNKNOWN))


def case_words(case: Case, arm: Variant, classes: Sequence[str]) -> tuple[str, str, str]:
    """Return what an arm says to an image, its label, and what control says."""
    said = f"said {classes[case.predicted]} {numbers.share(case.confidence)}"
    label = text.CASE_LABEL.format(label=classes[case.label])
    if arm == CONTROL:
        return said, label, ""
    control = f"control {classes[case.control]} {numbers.share(case.control_confidence)}"
    return said, label, control


def _kinds(arm: Variant, cases: Cases) -> list[dict[str, Any]]:
    """Return the images that an arm fixed, and those that it broke."""
    kinds = (
        ("fixed", fixed(cases, arm), "{n} fixed", FIXED_WORDS, "good"),
        ("broken", broken(cases, arm), "{n} broken", BROKEN_WORDS, "bad"),
    )
    return [
        {
            "ask": {"arm": arm, "changed": kind},
            "cases": found,
            "number": len(found),
            "count": count.format(n=numbers.count(len(found))),
            "words": words,
            "tone": tone,
        }
        for kind, found, count, words, tone in kinds
    ]


def _matrices(arms: Sequence[ArmFigures], cases: Cases, classes: Sequence[str]) -> Markup:
    # The finding first, as in the split table.
    order = list(reversed(range(len(classes))))
    matrices = []
    for arm in arms:
        counts, name = arm_confusion(cases, arm.arm, classes=len(classes)), text.arm_name(arm.arm)

        def cell(label: int, said: int, number: int, arm: str, name: str) -> dict[str, object]:
            words = CELL.format(
                n=numbers.count(number), label=classes[label], arm=name, said=classes[said]
            )
            ask = {"arm": arm, "label": label, "said": said}
            return {"right": label == said, "count": number, "words": words, "ask": ask}

        rows = [
            (classes[k], [cell(k, j, counts[k][j], arm.arm, name) for j in order]) for k in order
        ]
        accuracy = numbers.share(arm.values[Metric.ACCURACY][0])
        matrices.append({"name": name, "accuracy": accuracy, "rows": rows})
    return render(
        "confusion.html", matrices=matrices, classes=[classes[k] for k in order], opens=True
    )


def _figures(arms: Sequence[ArmFigures], group: str | None) -> list[list[str]]:
    rows = [
        [text.METRICS[metric], *(numbers.with_interval(arm.figures[metric]) for arm in arms)]
        for metric in HEADLINE
    ]
    if group is not None:
        name = f"Accuracy in “{group}”, control's worst group"
        rows.append([name, *(numbers.with_interval(arm.groups[group].accuracy) for arm in arms)])
    return rows
