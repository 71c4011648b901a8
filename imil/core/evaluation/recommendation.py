"""Which arm to go on with, chosen on validation alone, and how good that choice turns out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Interval, clustered_mean
from imil.core.records import Deployment, Figure

# An arm that loses more ordinary validation accuracy than this to control is not eligible: points.
MOST_LOST = 1.0
# Arms whose figures read alike with one decimal tie: points. Our choice.
TIE = 0.1
# Rounding of a difference of shares in binary, far below one image of any set: points.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Candidate:
    """An arm, or one setting of an arm, with its figures on *validation* images.

    Validation follows the training distribution, shortcut included, so accuracy there can't decide.

    Attributes:
        name: an arm, or one with settings of its own.
        accuracy: on un-edited images, 0-1, a value a seed.
        independent: balanced accuracy with what the irrelevant region tells taken off (see
            `imil.core.evaluation.robustness.independent_right`), a value a seed. The region is the
            *predicted* one, never a reference mask's.
        gain: that figure against control, points with the 95 % interval over seeds and patients.
        swapped_balanced_accuracy: on copies with the region of another image, 0-1, a value a seed.
        masks: distinct training images that a clinician has to paint for it.
    """

    name: Variant
    accuracy: tuple[Figure, ...]
    independent: tuple[Figure, ...]
    gain: Difference
    swapped_balanced_accuracy: tuple[Figure, ...]
    masks: int = 0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the rule chose, and from what.

    Attributes:
        name: of the chosen candidate; control's where nothing is shown to be better.
        tied: names that were as good to within `TIE`, the chosen one among them.
        not_eligible: names that lose too much ordinary accuracy to control.
        gain: of the chosen one, on validation; it is what the choice was made by, so it flatters.
    """

    name: Variant
    tied: tuple[Variant, ...]
    not_eligible: tuple[Variant, ...]
    gain: Difference


@dataclass(frozen=True, slots=True)
class RuleCase:
    """One setting of a benchmark: what the rule chose, and what the test set says of every arm.

    Attributes:
        recommended: the arm chosen on validation.
        test: each arm's test figure, 0-1, mean over seeds; control among them.
        harmful: arms whose verdict on the test set is `harmful`.
    """

    recommended: str
    test: Mapping[str, float]
    harmful: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleScore:
    """How good it was to follow the rule, over the settings of a benchmark.

    Attributes:
        cases: how many settings.
        best: in how many of them the best arm by test, or one within `TIE` of it, was chosen.
        harmful: in how many a harmful arm was.
        regret: what following it cost against the best arm by test: points, 0 or above, mean with
            a 95 % interval over settings.
        worst_regret: the same in the setting where it cost most.
        gain: what it gained against control: points, mean with a 95 % interval over settings.
    """

    cases: int
    best: int
    harmful: int
    regret: Interval
    worst_regret: float
    gain: Interval


def recommend(
    candidates: Sequence[Candidate], deployment: Deployment = Deployment.UNSURE
) -> Recommendation:
    """Return the candidate to go on with, by where the model is to work.

    The one of the greatest gain among those whose gain's interval lies above 0. Within `TIE` of
    it: the one of fewest masks, else the greater gain, else the first. Control where no gain is
    shown. *Elsewhere* that is all: what the arm costs on images like these is the reader's to
    weigh. On the *same* images, or where that is *unsure*, only arms count that lose at most
    `MOST_LOST` points of ordinary accuracy to control.

    Args:
        candidates: control among them; as many seeds each, and the same.
        deployment: where the model is to work.

    Raises:
        ValueError: no control, two of one name, uneven seeds, or a figure that is no number.

    Source: our choice; docs/decisions/0011 says what was measured.
    """
    by_name = _by_name(candidates)
    control = by_name[CONTROL]
    eligible = list(by_name) if deployment is Deployment.ELSEWHERE else _eligible(by_name)
    better = [name for name in eligible if name != control.name and by_name[name].gain.low > 0]
    top = max((by_name[name].gain.points for name in better), default=0.0)
    tied = [name for name in better if by_name[name].gain.points >= top - TIE - ROUNDING]
    chosen = min(
        tied or [control.name], key=lambda name: (by_name[name].masks, -by_name[name].gain.points)
    )
    return Recommendation(
        name=chosen,
        tied=tuple(tied) or (control.name,),
        not_eligible=tuple(name for name in by_name if name not in eligible),
        gain=by_name[chosen].gain,
    )


def best_setting(candidates: Sequence[Candidate]) -> Variant:
    """Return the best of an arm's settings, by the same figure, whether or not control beats it.

    Args:
        candidates: control, then the settings.

    Returns:
        Of those that lose at most `MOST_LOST` points of ordinary accuracy to control, or else of
        all, the one of the greatest gain; the first on a tie.

    Raises:
        ValueError: as `recommend`, or control alone.
    """
    by_name = _by_name(candidates)
    settings = [name for name in by_name if name != CONTROL]
    if not settings:
        raise ValueError("no setting to choose from")
    eligible = [name for name in _eligible(by_name) if name in settings]
    return max(eligible or settings, key=lambda name: by_name[name].gain.points)


def score_rule(cases: Sequence[RuleCase], *, seed: int = 0) -> RuleScore:
    """Return how often the rule picks the best arm or a harmful one, and what following it costs.

    Args:
        cases: the settings of a benchmark, at least one.
        seed: of the intervals' draws.

    Raises:
        ValueError: no case, or one without control's or the recommended arm's figure.
    """
    if not cases:
        raise ValueError("no case to score")
    if any(not {case.recommended, CONTROL} <= case.test.keys() for case in cases):
        raise ValueError("a case lacks the figure of control or of the recommended arm")
    regrets = [100 * (max(c.test.values()) - c.test[c.recommended]) for c in cases]
    gains = [100 * (c.test[c.recommended] - c.test[CONTROL]) for c in cases]
    settings = np.arange(len(cases))
    return RuleScore(
        cases=len(cases),
        best=sum(regret <= TIE + ROUNDING for regret in regrets),
        harmful=sum(case.recommended in case.harmful for case in cases),
        regret=clustered_mean(np.array(regrets), settings, seed=seed),
        worst_regret=max(regrets),
        gain=clustered_mean(np.array(gains), settings, seed=seed),
    )


def always(cases: Sequence[RuleCase], name: str) -> tuple[RuleCase, ...]:
    """Return the cases as if one arm were always recommended: what the rule is to be held against.

    Cases without that arm are left out.
    """
    return tuple(replace(case, recommended=name) for case in cases if name in case.test)


def _eligible(by_name: Mapping[Variant, Candidate]) -> list[Variant]:
    ordinary = {name: 100 * float(np.mean(c.accuracy)) for name, c in by_name.items()}
    least = ordinary[CONTROL] - MOST_LOST - ROUNDING
    return [name for name in by_name if ordinary[name] >= least]


def _by_name(candidates: Sequence[Candidate]) -> dict[Variant, Candidate]:
    by_name = {candidate.name: candidate for candidate in candidates}
    if CONTROL not in by_name or len(by_name) != len(candidates):
        raise ValueError("candidates lack control, or two have one name")
    figures = [
        f for c in candidates for f in (c.accuracy, c.independent, c.swapped_balanced_accuracy)
    ]
    if len({len(figure) for figure in figures}) != 1 or not np.isfinite(figures).all():
        raise ValueError("candidates differ in seeds, or a figure is no number")
    return by_name
