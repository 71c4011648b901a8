"""Which images an arm has fixed and broken, and matrices whose cells open their images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.cases import Case, Cases, broken, confusion, fixed
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Round
from imil.report.cards.verdict_card import key_arms
from imil.report.parts import numbers, text
from imil.report.parts.markup import badge, table
from imil.report.parts.tables import card, closed_card, remark, stacked

# Pictures of a kind that stand on the page; the others open. Our choice: two rows of eight.
THUMBS = 16
HEADLINE = (Metric.BALANCED_ACCURACY, Metric.SENSITIVITY, Metric.SPECIFICITY, Metric.AUROC)


def cases_cards(
    found: Round,
    cases: Cases,
    classes: Sequence[str],
    picture: Callable[[str], tuple[str, str]],
) -> str:
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
    changed = "".join(
        _changed(arm, cases, classes, picture, alone=len(first) == 2)
        for arm in first
        if arm.arm != CONTROL
    )
    pictures = card(text.CASES_TITLE[found.split], changed, aside=text.CASES_ASIDE)
    matrices = card(
        text.MATRICES_TITLE[found.split],
        _matrices(first, cases, classes) + _figures(found, first),
        aside=text.MATRICES_ASIDE,
    )
    rest = ""
    if others:
        counts = "".join(_counts(arm, cases) for arm in others)
        body = f'<div class="counts">{counts}</div>{_matrices(others, cases, classes)}'
        rest = closed_card(text.OTHER_ARMS, body, aside=text.MATRICES_ASIDE)
    return f'<div class="stackup"><div class="pairup">{pictures}{matrices}</div>{rest}</div>'


def changes_in_words(found: Round, cases: Cases) -> str:
    """Return how many images each arm fixed and broke, as a card of text alone."""
    rows = [
        [
            escape(text.arm_name(arm.arm)),
            numbers.count(len(fixed(cases, arm.arm))),
            numbers.count(len(broken(cases, arm.arm))),
        ]
        for arm in found.arms
        if arm.arm != CONTROL and arm.arm in cases.predicted
    ]
    head = (text.COLUMN_ARM, text.FIXED_WORDS, text.BROKEN_WORDS)
    return card(text.CASES_TITLE[found.split], stacked(head, rows), aside=text.CASES_ASIDE)


def unknown_cases(found: Round) -> str:
    """Return what stands there where nobody knows what the arms say to each image."""
    return card(text.CASES_TITLE[found.split], remark(text.MATRICES_UNKNOWN))


def case_words(case: Case, arm: Variant, classes: Sequence[str]) -> tuple[str, str, str]:
    """Return what an arm says to an image, its label, and what control says."""
    said = text.CASE_SAID.format(
        label=classes[case.predicted], confidence=numbers.share(case.confidence)
    )
    label = text.CASE_LABEL.format(label=classes[case.label])
    if arm == CONTROL:
        return said, label, ""
    control = text.CASE_CONTROL.format(
        label=classes[case.control], confidence=numbers.share(case.control_confidence)
    )
    return said, label, control


def _changed(
    arm: ArmFigures,
    cases: Cases,
    classes: Sequence[str],
    picture: Callable[[str], tuple[str, str]],
    *,
    alone: bool,
) -> str:
    shown = THUMBS if alone else THUMBS // 2
    name = f"<h3>{escape(text.arm_name(arm.arm))}</h3>"
    kinds = (
        ("fixed", fixed(cases, arm.arm), text.FIXED, text.FIXED_WORDS, "good"),
        ("broken", broken(cases, arm.arm), text.BROKEN, text.BROKEN_WORDS, "bad"),
    )
    if not any(found for _, found, *_ in kinds):
        return f'<div class="changed">{name}{remark(text.CASES_NONE)}</div>'
    body = ""
    for kind, found, count, words, tone in kinds:
        ask = {"arm": arm.arm, "changed": kind}
        more = ""
        if len(found) > shown:
            label = text.SHOW_ALL.format(n=numbers.count(len(found)))
            more = _button(ask, escape(label), kind="quiet")
        thumbs = "".join(
            _thumb(case, arm.arm, ask, classes, picture(case.sample_id)) for case in found[:shown]
        )
        count_words = count.format(n=numbers.count(len(found)))
        body += (
            f'<div class="kindhead">{badge(count_words, tone=tone)}'
            f'<span class="sub s12">{escape(words)}</span>{more}</div>'
            f'<div class="thumbs">{thumbs}</div>'
        )
    return f'<div class="changed">{name}{body}</div>'


def _thumb(
    case: Case, arm: Variant, ask: Mapping[str, Any], classes: Sequence[str], shot: tuple[str, str]
) -> str:
    address, title = shot
    words = text.CASE_OPEN.format(sample=title, words=", ".join(case_words(case, arm, classes)))
    image = f'<img alt="" loading="lazy" src="{address}">'
    return _button({**ask, "sample": case.sample_id}, image, label=words)


def _counts(arm: ArmFigures, cases: Cases) -> str:
    if arm.arm == CONTROL:
        return ""
    buttons = "".join(
        _button(
            {"arm": arm.arm, "changed": kind},
            badge(words.format(n=numbers.count(len(found))), tone=tone),
            disabled=not found,
        )
        for kind, found, words, tone in (
            ("fixed", fixed(cases, arm.arm), text.FIXED, "good"),
            ("broken", broken(cases, arm.arm), text.BROKEN, "bad"),
        )
    )
    return f"<span>{escape(text.arm_name(arm.arm))}</span><span>{buttons}</span>"


def _matrices(arms: Sequence[ArmFigures], cases: Cases, classes: Sequence[str]) -> str:
    return f'<div class="cmx">{"".join(_matrix(arm, cases, classes) for arm in arms)}</div>'


def _matrix(arm: ArmFigures, cases: Cases, classes: Sequence[str]) -> str:
    counts = confusion(cases, arm.arm, classes=len(classes))
    # The finding first, as in the split table.
    order = list(reversed(range(len(classes))))
    head = "".join(
        f'<th scope="col">{escape(text.SAID.format(label=classes[k]))}</th>' for k in order
    )
    name = text.arm_name(arm.arm)
    rows = ""
    for label in order:
        cells = ""
        for said in order:
            number = numbers.count(counts[label][said])
            words = text.CELL.format(n=number, label=classes[label], arm=name, said=classes[said])
            ask = {"arm": arm.arm, "label": label, "said": said}
            kind = "cell" if label == said else "cell err"
            button = _button(ask, number, kind=kind, label=words, disabled=not counts[label][said])
            cells += f"<td>{button}</td>"
        rows += f'<tr><th scope="row">{escape(classes[label])}</th>{cells}</tr>'
    accuracy = numbers.share(arm.values[Metric.ACCURACY][0])
    return (
        f'<div><h3>{escape(name)} <span class="sub">{accuracy}</span></h3><table class="cm open">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _figures(found: Round, arms: Sequence[ArmFigures]) -> str:
    head = (text.METRIC, *(text.arm_name(arm.arm) for arm in arms))
    rows = [
        [text.METRICS[metric], *(numbers.with_interval(arm.figures[metric]) for arm in arms)]
        for metric in HEADLINE
    ]
    if any(arm.worst_group for arm in arms):
        rows.append([text.WORST_GROUP, *(_worst(arm) for arm in arms)])
    aside = text.EVERY_ASIDE.format(
        split=text.SPLIT_WORDS[found.split], n=numbers.count(found.images)
    )
    return table(head, rows) + remark(aside)


def _worst(arm: ArmFigures) -> str:
    if arm.worst_group is None:
        return text.UNKNOWN
    return f"{arm.worst_group} {numbers.with_interval(arm.groups[arm.worst_group].accuracy)}"


def _button(
    ask: Mapping[str, Any], body: str, *, kind: str = "", label: str = "", disabled: bool = False
) -> str:
    named = f' aria-label="{escape(label)}" title="{escape(label)}"' if label else ""
    off = " disabled" if disabled else ""
    return (
        f'<button type="button" class="{kind}" data-ask="{escape(json.dumps(ask))}"{named}{off}>'
        f"{body}</button>"
    )
