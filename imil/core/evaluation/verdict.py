"""What the comparison of an arm to control says: two questions, and one word of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import IMIL
from imil.core.evaluation.differences import ALPHA, Difference, DrawnDifference
from imil.core.evaluation.metrics import Metric
from imil.core.records import Figure

# Fewer seeds than this are too early to say anything, whatever their interval.
MIN_SEEDS = 5

# An arm, or the name of one; and whatever the members of a family are told apart by.
Name = TypeVar("Name", bound=str)
Member = TypeVar("Member")


class Verdict(StrEnum):
    """The five things a comparison can say; `decide` says when it says which."""

    HELPS = "helps"
    TRADE_OFF = "trade_off"
    NO_CLEAR_DIFFERENCE = "no_clear_difference"
    HARMFUL = "harmful"
    TOO_EARLY_TO_SAY = "too_early_to_say"

    @classmethod
    def _missing_(cls, value: object) -> Verdict | None:
        """Return what a word of an older version is called now."""
        return {
            "shown": cls.HELPS,
            "not_shown": cls.NO_CLEAR_DIFFERENCE,
            "one_run": cls.TOO_EARLY_TO_SAY,
        }.get(str(value))


class QuestionAnswer(StrEnum):
    """What the comparison says to one of its two questions."""

    BETTER = "better"
    WORSE = "worse"
    NO_CLEAR_DIFFERENCE = "no_clear_difference"
    TOO_EARLY_TO_SAY = "too_early_to_say"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Change(Difference):
    """A paired difference to control in points, with the interval that decided.

    Attributes:
        level: of the interval, 0.95 or above.
        p: two-sided bootstrap p-value of no difference, not corrected; NaN where it was not kept.
    """

    level: Figure = 1 - ALPHA
    p: Figure = float("nan")

    @property
    def visible_from(self) -> float:
        """The smallest difference that could have been seen, points: half the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True, eq=False)
class DrawnChanges:
    """What is compared of one arm, with the draws behind it.

    Attributes:
        without_the_shortcut: balanced accuracy with what the irrelevant region tells taken off
            (`imil.core.evaluation.robustness.independent_right`); None where it is not known.
        on_images_like_these: accuracy and balanced accuracy on un-edited images.
    """

    without_the_shortcut: DrawnDifference | None
    on_images_like_these: Mapping[Metric, DrawnDifference]


@dataclass(frozen=True, slots=True)
class Decision:
    """What one arm's comparison to control says, beside the others of its study.

    Attributes:
        verdict: the word of both questions.
        exploratory: not named beforehand.
        without_the_shortcut: the first question's figure; None where it could not be asked.
        on_images_like_these: the second question's, accuracy and balanced accuracy.
    """

    verdict: Verdict
    exploratory: bool
    without_the_shortcut: Change | None
    on_images_like_these: Mapping[Metric, Change]


@dataclass(frozen=True, slots=True)
class McNemar:
    """One seed's paired test: never pooled over seeds, and never what decides.

    It takes images for independent, so with several a patient its p-value is too small.

    Attributes:
        gained: images that the arm has right and control wrong.
        lost: images that control has right and the arm wrong.
        p: exact, two-sided; 1 where the two never differ.
    """

    gained: int
    lost: int
    p: Figure


def answer_without(change: Difference | None, *, seeds: int) -> QuestionAnswer:
    """Return the answer to the first question: what is left without the shortcut."""
    return QuestionAnswer.NOT_ASKED if change is None else _answer(change, change, seeds)


def answer_alike(changes: Mapping[Metric, Difference], *, seeds: int) -> QuestionAnswer:
    """Return the answer to the second question: what happens on images like these.

    Worse: the interval of accuracy or of balanced accuracy lies below 0. Better: accuracy's lies
    above 0, and balanced accuracy's not below.
    """
    return _answer(changes[Metric.ACCURACY], changes[Metric.BALANCED_ACCURACY], seeds)


def decide(without: QuestionAnswer, alike: QuestionAnswer) -> Verdict:
    """Return the word of two answers.

    Helps: better without the shortcut, and not worse on images like these. Trade-off: better
    without the shortcut, and worse on images like these: a person decides. Harmful: worse without
    the shortcut, or worse on images like these with nothing gained without it. Too early: under
    `MIN_SEEDS` seeds. Where the first question could not be asked the second alone decides, which
    is then said: a gain on images like these may rest on a shortcut that nobody looked for.
    """
    if QuestionAnswer.TOO_EARLY_TO_SAY in (without, alike):
        return Verdict.TOO_EARLY_TO_SAY
    gained = alike if without is QuestionAnswer.NOT_ASKED else without
    if gained is QuestionAnswer.BETTER:
        return Verdict.TRADE_OFF if alike is QuestionAnswer.WORSE else Verdict.HELPS
    return (
        Verdict.HARMFUL if QuestionAnswer.WORSE in (without, alike) else Verdict.NO_CLEAR_DIFFERENCE
    )


def decide_all(
    drawn: Mapping[Name, DrawnChanges],
    *,
    recommended: str | None,
    seeds: int,
) -> dict[Name, Decision]:
    """Return the decision on every arm of a study.

    Two comparisons are named beforehand, `imil` and the recommended arm; all others are
    exploratory. The figures of the named ones, up to three each, are one family, and those of all
    others another. Within a family Holm's procedure holds the error rate: with m figures, the one
    of the smallest p-value is decided by its 1 - .05 / m interval, the next by 1 - .05 / (m - 1),
    and so on; from the first interval that holds 0 on, all are taken at that level, and hold 0 as
    well. So one interval decides, and it is the one that is shown.

    A wider interval must not hide a loss: where something was gained, the figures that may take it
    back are decided by, and shown with, their 95 % intervals. These are both figures on images like
    these where the gain is one without the shortcut, and balanced accuracy where it is one of
    accuracy. All this is our choice.

    Args:
        drawn: every arm but control.
        recommended: the arm chosen on validation; None or control if none is.
        seeds: how many were compared; below `MIN_SEEDS` it is too early to say anything.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
    """
    named = {IMIL, recommended}
    decisions = {}
    for family in ([n for n in drawn if n in named], [n for n in drawn if n not in named]):
        members = {
            (name, figure): change
            for name in family
            for figure, change in _figures(drawn[name]).items()
        }
        alphas = holm(members)
        for name in family:
            own = {figure: alphas[name, figure] for figure in _figures(drawn[name])}
            decisions[name] = _decision(drawn[name], own, name not in named, seeds)
    return {name: decisions[name] for name in drawn}


def holm(family: Mapping[Member, DrawnDifference]) -> dict[Member, float]:
    """Return the error rate that each comparison's interval may have, by Holm's procedure.

    Ties of p-values, which draws have, go to the larger difference first.
    """
    order = sorted(family, key=lambda member: (family[member].p, -abs(family[member].share)))
    alphas: dict[Member, float] = {}
    alpha = ALPHA
    stopped = False
    for rank, member in enumerate(order):
        alpha = alpha if stopped else ALPHA / (len(order) - rank)
        alphas[member] = alpha
        found = family[member].interval(alpha)
        stopped = stopped or found.low <= 0 <= found.high
    return alphas


def mcnemar(right: NDArray[np.bool_], control_right: NDArray[np.bool_]) -> tuple[McNemar, ...]:
    """Return McNemar's exact test of arm against control, a seed.

    Args:
        right: (S, N) whether the arm was right, a row a seed.
        control_right: (S, N) the same for control, row by row the same seed.

    Raises:
        ValueError: if the shapes differ.

    Source: McNemar (Psychometrika 1947), exact by the binomial of the images that differ.
    """
    if right.shape != control_right.shape:
        raise ValueError("arm and control differ in shape")
    return tuple(_mcnemar(*pair) for pair in zip(right, control_right, strict=True))


def _mcnemar(right: NDArray[np.bool_], control_right: NDArray[np.bool_]) -> McNemar:
    gained, lost = int((right & ~control_right).sum()), int((~right & control_right).sum())
    from scipy.stats import binomtest  # noqa: PLC0415  # slow to import

    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return McNemar(gained, lost, p)


def _answer(main: Difference, guard: Difference, seeds: int) -> QuestionAnswer:
    """Return what a figure and the one that guards it say together."""
    if seeds < MIN_SEEDS:
        return QuestionAnswer.TOO_EARLY_TO_SAY
    if main.high < 0 or guard.high < 0:
        return QuestionAnswer.WORSE
    return QuestionAnswer.BETTER if main.low > 0 else QuestionAnswer.NO_CLEAR_DIFFERENCE


def _figures(drawn: DrawnChanges) -> dict[Metric | None, DrawnDifference]:
    """Return all that is compared of an arm; None stands for the first question's figure."""
    found: dict[Metric | None, DrawnDifference] = {}
    if drawn.without_the_shortcut is not None:
        found[None] = drawn.without_the_shortcut
    found.update(drawn.on_images_like_these.items())
    return found


def _decision(
    drawn: DrawnChanges, alphas: Mapping[Metric | None, float], exploratory: bool, seeds: int
) -> Decision:
    changes = {figure: _change(each, alphas[figure]) for figure, each in _figures(drawn).items()}
    without = changes.pop(None, None)
    guards = set(drawn.on_images_like_these)
    if without is None or without.low <= 0:
        guards = {Metric.BALANCED_ACCURACY} if changes[Metric.ACCURACY].low > 0 else set()
    alike = {
        metric: _change(each, ALPHA if metric in guards else alphas[metric])
        for metric, each in drawn.on_images_like_these.items()
    }
    answers = answer_without(without, seeds=seeds), answer_alike(alike, seeds=seeds)
    return Decision(decide(*answers), exploratory, without, alike)


def _change(drawn: DrawnDifference, alpha: float) -> Change:
    found = drawn.interval(alpha)
    return Change(found.points, found.low, found.high, 1 - alpha, drawn.p)
