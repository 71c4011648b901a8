"""Figures of arms: the ones that matter most at hand, the rest closed until asked for."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from imil.core.arms.variants import CONTROL
from imil.core.evaluation.metrics import Metric, Robustness
from imil.core.evaluation.recommendation import MOST_LOST, Candidate, Recommendation
from imil.core.evaluation.rounds import BINARY, ArmFigures, Explanations, Paired, Round
from imil.core.evaluation.verdict import McNemar
from imil.core.nets.saliency import Explained
from imil.core.records import Deployment, Split
from imil.report.cards.questions import WITHOUT, interval_known, points_of
from imil.report.parts import numbers, text
from imil.report.parts.figures import training_curves
from imil.report.parts.markup import (
    arrange_cards,
    badge,
    card,
    closed_card,
    part,
    remark,
    render,
    stacked,
    subtitle,
)

REFERENCE = "reference"
SWAPPED_TITLE = "With the marked region from another image"
SWAPPED_BADGE = {"reference": "reference masks", "predicted": "predicted masks"}
SWAPPED_NONE = (
    "No image was swapped, so how an arm does where the irrelevant region differs is not known."
)
COLUMN_N = "n"
OPERATING_LATER = (
    "Given in the final comparison: on validation the threshold would be judged by the images "
    "that it was chosen on."
)
GROUPS_TITLE = "By group"
GROUPS_NONE = (
    "The images have no groups. A column “group”, such as the site, gives figures for each."
)
EXPLANATIONS_WORDS = (
    "Share of the map inside the irrelevant region (less is better), and how often the map's peak "
    "lies outside it (more is better)."
)
MCNEMAR_WORDS = (
    "Images that the arm alone, and control alone, has right; exact, two-sided, never pooled. It "
    "takes images for independent, and never decides."
)
P_SMALL = "< .001"
CANDIDATES_WORDS = (
    "On validation: the greatest gain of balanced accuracy without the shortcut whose interval "
    "lies above 0{among}. Ties go to fewer masks; without a gain, control."
)
AMONG_UNHARMED = ", among arms that lose at most {points} point of accuracy on images like these"

# From here down a p-value is said to be below it.
P_LEAST = 0.001
SWAPPED_PAIR = (Robustness.SWAPPED_ACCURACY, Robustness.SWAPPED_BALANCED_ACCURACY)
SWAPPED_HEAD = (
    text.COLUMN_ARM,
    "Accuracy, swapped",
    "Balanced, swapped",
    "Predictions that change",
)
CLASS_FIGURES = (text.METRICS["sensitivity"], text.METRICS["specificity"], text.METRICS["auroc"])
CLASS_HEAD = ("Class", text.COLUMN_ARM, COLUMN_N, *CLASS_FIGURES)
GROUP_HEAD = (
    "Group",
    text.COLUMN_ARM,
    COLUMN_N,
    text.METRICS["accuracy"],
    text.METRICS["balanced_accuracy"],
)
POINT_HEAD = (text.COLUMN_ARM, text.METRICS["sensitivity"], text.METRICS["specificity"])
EXPLAINED_HEAD = (
    text.COLUMN_ARM,
    "Explainer",
    "Wrong-reason share",
    "Pointing game",
    "Maps",
)


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
    return closed_card("Figures", stacked(head, rows), aside=figures_aside(found))


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
        body += subtitle(SWAPPED_TITLE)
        body += swapped_table(found, found.arms, kind="small")
    body += _mcnemar(found) + _candidates(found)
    return closed_card("Every figure of every arm", body, aside=figures_aside(found))


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
    return card("Confusion matrices", tables, aside="Rows are labels; counts summed over seeds")


def curves_card(arms: Sequence[ArmFigures]) -> Markup:
    """Return loss and accuracy by epoch of each arm's first seed, closed until asked for."""
    plots = (
        arrange_cards(
            "",
            subtitle(text.arm_name(arm.arm)),
            training_curves(arm.curves, planned=len(arm.curves)),
        )
        for arm in arms
    )
    return closed_card("Curves of the first seed", arrange_cards("pairup", *plots))


def figures_aside(found: Round) -> str:
    """Return of which images a card's figures are."""
    split = text.SPLIT_WORDS[found.split]
    return f"Value (95 % interval), {split}, n = {numbers.count(found.images)}"


def _mcnemar(found: Round) -> Markup:
    tested = [paired for paired in found.paired if paired.mcnemar]
    if not tested:
        return Markup()
    seeds = (f"Seed {seed}" for seed in found.seeds)
    rows = [
        [text.arm_name(paired.arm), *(mcnemar_words(one) for one in paired.mcnemar)]
        for paired in tested
    ]
    table = stacked((text.COLUMN_ARM, *seeds), rows, kind="small")
    return subtitle("McNemar's test, a seed") + remark(MCNEMAR_WORDS) + table


def mcnemar_words(one: McNemar) -> str:
    """Return one seed's test: images gained, lost, and p."""
    p = P_SMALL if one.p < P_LEAST else f"{one.p:.3f}".removeprefix("0").removesuffix(".000")
    return f"+{one.gained} {numbers.MINUS}{one.lost}, p {p}"


def _candidates(found: Round) -> Markup:
    if found.advice is None:
        return Markup()
    chosen = found.advice.chosen
    head = (
        text.COLUMN_ARM,
        "Accuracy",
        WITHOUT,
        "Points",
        "Balanced, swapped",
        "Masks to paint",
        "Choice",
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
    elsewhere = found.deployment is Deployment.ELSEWHERE
    among = "" if elsewhere else AMONG_UNHARMED.format(points=f"{MOST_LOST:g}")
    words = remark(CANDIDATES_WORDS.format(among=among))
    table = stacked(head, rows, kind="small")
    return subtitle("What the recommended arm was chosen from") + words + table


def _gain(one: Candidate, seeds: int) -> str:
    if one.name == CONTROL:
        return REFERENCE
    return points_of(one.gain, seeds)


def _choice(one: Candidate, chosen: Recommendation) -> str:
    if one.name == chosen.name:
        return "recommended"
    if one.name in chosen.not_eligible:
        return "loses too much accuracy"
    return "as good" if one.name in chosen.tied else ""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def robustness_card(found: Round, arms: Sequence[ArmFigures]) -> Markup:
    """Return accuracy and balanced accuracy on swapped images, and how often predictions flip."""
    if found.swapped_by is None:
        return closed_card(SWAPPED_TITLE, remark(SWAPPED_NONE))
    split = text.SPLIT_WORDS[found.split]
    aside = f"{split}, n = {numbers.count(found.images)}"
    whose = badge(SWAPPED_BADGE[found.swapped_by], tone="info")
    words = remark(Markup("{} {}").format(whose, text.SWAPPED_WORDS[found.swapped_by]))
    level = (
        remark("Points against control, 95 % intervals that are not corrected.")
        if interval_known(len(found.seeds))
        else Markup()
    )
    table = swapped_table(found, arms)
    return closed_card(SWAPPED_TITLE, words + table + level, aside=aside)


def swapped_table(found: Round, arms: Sequence[ArmFigures], *, kind: str = "") -> Markup:
    """Return the figures of some arms on swapped images, each with its difference to control."""
    paired = {each.arm: each for each in found.paired}
    rows = [_swapped_row(found, arm, paired.get(arm.arm)) for arm in arms if arm.swapped]
    return stacked(SWAPPED_HEAD, rows, kind=kind)


def _swapped_row(found: Round, arm: ArmFigures, paired: Paired | None) -> list[str]:
    cells = [
        part("two_lines", numbers.with_interval(arm.swapped[kind]), _against(found, paired, kind))
        for kind in SWAPPED_PAIR
    ]
    flips = numbers.with_interval(arm.swapped[Robustness.FLIP_RATE])
    return [text.arm_name(arm.arm), *cells, flips]


def _against(found: Round, paired: Paired | None, kind: Robustness) -> str:
    if paired is None:
        return REFERENCE
    if kind not in paired.swapped:
        return ""
    return points_of(paired.swapped[kind], len(found.seeds))


def classes_card(found: Round, arms: Sequence[ArmFigures], classes: Sequence[str]) -> Markup:
    """Return two closed cards: sensitivity, specificity, AUROC a class; the operating point."""
    aside = f"Each against all others, {text.SPLIT_WORDS[found.split]}"
    # The finding first, as in the split table.
    order = reversed(range(len(classes)))
    rows = [
        [classes[k], text.arm_name(arm.arm), *_of_class(arm, k)]
        for k in order
        for arm in arms
        if arm.classes
    ]
    table = stacked(CLASS_HEAD, rows, kind="named")
    by_class = closed_card("By class", table, aside=aside)
    return by_class + _operating_card(found, arms, len(classes))


def groups_card(found: Round, arms: Sequence[ArmFigures]) -> Markup:
    """Return the closed card of accuracy by group, control's worst group marked."""
    names = list(dict.fromkeys(name for arm in arms for name in arm.groups))
    if not names:
        return closed_card(GROUPS_TITLE, remark(GROUPS_NONE))
    aside = f"{text.SPLIT_NAMES[found.split]}, control's worst group marked"
    rows = [
        [_name(name, worst=found.worst_group == name), *_of_group(arm, name)]
        for name in names
        for arm in arms
        if name in arm.groups
    ]
    none = (
        Markup()
        if found.worst_group is not None
        else remark("No group is large enough to be called the worst.")
    )
    table = stacked(GROUP_HEAD, rows, kind="named")
    return closed_card(GROUPS_TITLE, table + none, aside=aside)


def _of_class(arm: ArmFigures, label: int) -> list[str]:
    figures = arm.classes[label]
    return [
        numbers.count(figures.images),
        numbers.with_interval(figures.sensitivity),
        numbers.with_interval(figures.specificity),
        numbers.share(figures.auroc),
    ]


def _name(name: str, *, worst: bool) -> str:
    return Markup("{} {}").format(name, badge("worst", tone="warn")) if worst else name


def _of_group(arm: ArmFigures, name: str) -> list[str]:
    figures = arm.groups[name]
    balanced = (
        "lacks a class"
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
        body = remark(f"Given for two classes only; here there are {classes}.")
    else:
        body = remark(OPERATING_LATER)
    aside = "Threshold chosen on validation" if found.split is Split.TEST else ""
    return closed_card("At 90 % sensitivity", body, aside=aside)


def explanations_card(found: Round) -> Markup:
    """Return the closed card of saliency figures; nothing where no map was taken."""
    rows = [
        [text.arm_name(arm.arm), *_explained(one)] for arm in found.arms for one in arm.explanations
    ]
    if not rows:
        return Markup()
    words: Markup | str = EXPLANATIONS_WORDS
    if found.swapped_by is not None:
        words = Markup("{} {}").format(badge(SWAPPED_BADGE[found.swapped_by], tone="info"), words)
    body = remark(words) + stacked(EXPLAINED_HEAD, rows, kind="named")
    return closed_card("Where the models look, in figures", body, aside=text.EXPLANATIONS_SECONDARY)


def zero_maps(found: Explained) -> str:
    """Return how many maps say nothing, as words."""
    maps = numbers.count(found.maps)
    if not found.zero_maps:
        return f"{maps} maps, none zero everywhere"
    if found.zero_maps == 1:
        return f"1 of {maps} maps is zero everywhere"
    return f"{numbers.count(found.zero_maps)} of {maps} maps are zero everywhere"


def _explained(one: Explanations) -> list[str]:
    return [
        text.EXPLAINER_NAMES[one.explainer],
        numbers.with_interval(one.wrong_reason_share.figure),
        numbers.with_interval(one.pointing_game.figure),
        zero_maps(one.wrong_reason_share),
    ]
