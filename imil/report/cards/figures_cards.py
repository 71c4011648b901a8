"""Every figure of every arm: the ones that matter most at hand, the rest closed until asked for."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.recommendation import MOST_LOST, Candidate, Recommendation
from imil.core.evaluation.rounds import ArmFigures, Round
from imil.core.evaluation.verdict import McNemar
from imil.core.records import Arm
from imil.report.cards.robustness_card import swapped_table
from imil.report.cards.verdict_card import points_of
from imil.report.parts import numbers, text
from imil.report.parts.figures import training_curves
from imil.report.parts.markup import card, closed_card, remark, render, stacked

# From here down a p-value is said to be below it.
P_LEAST = 0.001
TITLE = Markup("<h3>{}</h3>")


def figures_card(found: Round, arms: Sequence[ArmFigures]) -> Markup:
    """Return the closed card of every metric of some arms, with its interval, split and n."""
    head = (text.METRIC, *(text.arm_name(arm.arm) for arm in arms))
    rows = [
        [
            text.METRICS[metric],
            *(numbers.with_interval(arm.figures[metric]) for arm in arms),
        ]
        for metric in Metric
    ]
    return closed_card(text.FIGURES_TITLE, stacked(head, rows), aside=figures_aside(found))


def every_figure_card(found: Round) -> Markup:
    """Return the closed card of every arm's metrics, tests a seed and what was recommended from."""
    head = (text.COLUMN_ARM, *(text.METRICS[metric] for metric in Metric))
    rows = [
        [
            text.arm_name(arm.arm),
            *(numbers.with_interval(arm.figures[metric]) for metric in Metric),
        ]
        for arm in found.arms
    ]
    body = stacked(head, rows, kind="small")
    if found.swapped_by is not None:
        body += TITLE.format(text.SWAPPED_TITLE)
        body += swapped_table(found, found.arms, kind="small")
    body += _mcnemar(found) + _candidates(found)
    return closed_card(text.EVERY_TITLE, body, aside=figures_aside(found))


def confusion_card(arms: Sequence[ArmFigures], classes: Sequence[str]) -> Markup:
    """Return the confusion matrix of some arms, counts summed over seeds."""
    # The finding first, as in the split table.
    order = list(reversed(range(len(classes))))
    matrices = [
        {
            "name": text.arm_name(arm.arm),
            "accuracy": "",
            "rows": [
                (classes[k], [{"right": j == k, "count": arm.confusion[k][j]} for j in order])
                for k in order
            ],
        }
        for arm in arms
    ]
    tables = render(
        "confusion.html", matrices=matrices, classes=[classes[k] for k in order], opens=False
    )
    return card(text.CONFUSION_TITLE, tables, aside=text.CONFUSION_ASIDE)


def curves_card(arms: Sequence[ArmFigures]) -> Markup:
    """Return loss and accuracy by epoch of each arm's first seed, closed until asked for."""
    plots = Markup().join(
        Markup("<div><h3>{}</h3>{}</div>").format(
            text.arm_name(arm.arm), training_curves(arm.curves, planned=len(arm.curves))
        )
        for arm in arms
    )
    return closed_card(text.CURVES_TITLE, Markup('<div class="pairup">{}</div>').format(plots))


def figures_aside(found: Round) -> str:
    """Return of which images a card's figures are."""
    split = text.SPLIT_WORDS[found.split]
    return text.EVERY_ASIDE.format(split=split, n=numbers.count(found.images))


def _mcnemar(found: Round) -> Markup:
    tested = [paired for paired in found.paired if paired.mcnemar]
    if not tested:
        return Markup()
    seeds = (text.SEED_NUMBER.format(seed=seed) for seed in found.seeds)
    rows = [
        [text.arm_name(paired.arm), *(mcnemar_words(one) for one in paired.mcnemar)]
        for paired in tested
    ]
    table = stacked((text.COLUMN_ARM, *seeds), rows, kind="small")
    return TITLE.format(text.MCNEMAR_TITLE) + remark(text.MCNEMAR_WORDS) + table


def mcnemar_words(one: McNemar) -> str:
    """Return one seed's test: images gained, lost, and p."""
    p = text.P_SMALL if one.p < P_LEAST else f"{one.p:.3f}".removeprefix("0").removesuffix(".000")
    return text.MCNEMAR_CELL.format(gained=one.gained, minus=numbers.MINUS, lost=one.lost, p=p)


def _candidates(found: Round) -> Markup:
    if found.advice is None:
        return Markup()
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
            text.arm_name(one.name),
            numbers.share(_mean(one.accuracy)),
            numbers.share(_mean(one.independent)),
            _gain(one, len(found.seeds)),
            numbers.share(_mean(one.swapped_balanced_accuracy)),
            numbers.count(one.masks),
            _choice(one, chosen),
        ]
        for one in found.advice.candidates
    ]
    words = remark(text.CANDIDATES_WORDS.format(points=f"{MOST_LOST:g}"))
    table = stacked(head, rows, kind="small")
    return TITLE.format(text.CANDIDATES_TITLE) + words + table


def _gain(one: Candidate, seeds: int) -> str:
    if one.name == Arm.CONTROL:
        return text.REFERENCE
    return points_of(one.gain, seeds)


def _choice(one: Candidate, chosen: Recommendation) -> str:
    if one.name == chosen.name:
        return text.RECOMMENDED
    if one.name in chosen.not_eligible:
        return text.CHOICE_NOT_ELIGIBLE
    return text.CHOICE_TIED if one.name in chosen.tied else ""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
