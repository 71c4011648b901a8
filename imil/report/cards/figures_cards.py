"""Every figure of every arm: the ones that matter most at hand, the rest closed until asked for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from imil.core.arms.variants import CONTROL
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.recommendation import MOST_LOST, Candidate, Recommendation
from imil.core.evaluation.rounds import ArmFigures, Round
from imil.core.evaluation.verdict import McNemar
from imil.report.cards.robustness_card import swapped_table
from imil.report.cards.verdict_card import interval_known
from imil.report.parts import numbers, text
from imil.report.parts.figures import training_curves
from imil.report.parts.tables import card, closed_card, remark, stacked

# From here down a p-value is said to be below it.
P_LEAST = 0.001


def figures_card(found: Round, arms: Sequence[ArmFigures]) -> str:
    """Return the closed card of every metric of some arms, with its interval, split and n."""
    head = (text.METRIC, *(text.arm_name(arm.arm) for arm in arms))
    rows = [
        [
            escape(text.METRICS[metric]),
            *(escape(numbers.with_interval(arm.figures[metric])) for arm in arms),
        ]
        for metric in Metric
    ]
    return closed_card(text.FIGURES_TITLE, stacked(head, rows), aside=_aside(found))


def every_figure_card(found: Round) -> str:
    """Return the closed card of every arm's metrics, tests a seed and what was recommended from."""
    head = (text.COLUMN_ARM, *(text.METRICS[metric] for metric in Metric))
    rows = [
        [
            escape(text.arm_name(arm.arm)),
            *(escape(numbers.with_interval(arm.figures[metric])) for metric in Metric),
        ]
        for arm in found.arms
    ]
    body = stacked(head, rows, kind="small")
    if found.swapped_by is not None:
        body += f"<h3>{escape(text.SWAPPED_TITLE)}</h3>"
        body += swapped_table(found, found.arms, kind="small")
    body += _mcnemar(found) + _candidates(found)
    return closed_card(text.EVERY_TITLE, body, aside=_aside(found))


def confusion_card(arms: Sequence[ArmFigures], classes: Sequence[str]) -> str:
    """Return the confusion matrix of some arms, counts summed over seeds."""
    tables = "".join(_confusion(arm, classes) for arm in arms)
    return card(
        text.CONFUSION_TITLE, f'<div class="cmx">{tables}</div>', aside=text.CONFUSION_ASIDE
    )


def curves_card(arms: Sequence[ArmFigures]) -> str:
    """Return loss and accuracy by epoch of each arm's first seed, closed until asked for."""
    plots = "".join(
        f"<div><h3>{escape(text.arm_name(arm.arm))}</h3>"
        f"{training_curves(arm.curves, planned=len(arm.curves))}</div>"
        for arm in arms
    )
    return closed_card(text.CURVES_TITLE, f'<div class="pairup">{plots}</div>')


def _aside(found: Round) -> str:
    split = text.SPLIT_WORDS[found.split]
    return text.EVERY_ASIDE.format(split=split, n=numbers.count(found.images))


def _mcnemar(found: Round) -> str:
    tested = [paired for paired in found.paired if paired.mcnemar]
    if not tested:
        return ""
    seeds = (text.SEED_NUMBER.format(seed=seed) for seed in found.seeds)
    rows = [
        [escape(text.arm_name(paired.arm)), *(escape(mcnemar_words(one)) for one in paired.mcnemar)]
        for paired in tested
    ]
    return f"<h3>{escape(text.MCNEMAR_TITLE)}</h3>{remark(text.MCNEMAR_WORDS)}" + stacked(
        (text.COLUMN_ARM, *seeds), rows, kind="small"
    )


def mcnemar_words(one: McNemar) -> str:
    """Return one seed's test: images gained, lost, and p."""
    p = text.P_SMALL if one.p < P_LEAST else f"{one.p:.3f}".removeprefix("0").removesuffix(".000")
    return text.MCNEMAR_CELL.format(gained=one.gained, minus=numbers.MINUS, lost=one.lost, p=p)


def _candidates(found: Round) -> str:
    if found.advice is None:
        return ""
    chosen = found.advice.chosen
    head = (
        text.COLUMN_ARM,
        text.COLUMN_CANDIDATE,
        text.COLUMN_CANDIDATE_INDEPENDENT,
        text.COLUMN_CANDIDATE_GAIN,
        text.COLUMN_CANDIDATE_SWAPPED,
        text.COLUMN_MASKS,
        text.COLUMN_CHOICE,
    )
    rows = [
        [
            escape(text.arm_name(one.name)),
            numbers.share(_mean(one.accuracy)),
            numbers.share(_mean(one.independent)),
            _gain(one, len(found.seeds)),
            numbers.share(_mean(one.swapped_balanced_accuracy)),
            numbers.count(one.masks),
            escape(_choice(one, chosen)),
        ]
        for one in found.advice.candidates
    ]
    words = remark(text.CANDIDATES_WORDS.format(points=f"{MOST_LOST:g}"))
    table = stacked(head, rows, kind="small")
    return f"<h3>{escape(text.CANDIDATES_TITLE)}</h3>{words}{table}"


def _gain(one: Candidate, seeds: int) -> str:
    if one.name == CONTROL:
        return text.REFERENCE
    points = numbers.points(one.gain.points)
    if not interval_known(seeds):
        return points
    return f"{points} {numbers.brackets(one.gain.low, one.gain.high)}"


def _choice(one: Candidate, chosen: Recommendation) -> str:
    if one.name == chosen.name:
        return text.RECOMMENDED
    if one.name in chosen.not_eligible:
        return text.CHOICE_NOT_ELIGIBLE
    return text.CHOICE_TIED if one.name in chosen.tied else ""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _confusion(arm: ArmFigures, classes: Sequence[str]) -> str:
    # The finding first, as in the split table.
    order = list(reversed(range(len(classes))))
    head = "".join(
        f'<th scope="col">{escape(text.SAID.format(label=classes[k]))}</th>' for k in order
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(classes[k])}</th>'
        + "".join(
            f'<td class="{"" if j == k else "err"}">{numbers.count(arm.confusion[k][j])}</td>'
            for j in order
        )
        + "</tr>"
        for k in order
    )
    return (
        f'<div><h3>{escape(text.arm_name(arm.arm))}</h3><table class="cm"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
