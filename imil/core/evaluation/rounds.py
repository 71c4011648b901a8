"""A finished comparison as one value: screen, command line and report all render this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.groups import ClassFigures, GroupFigures, by_class, by_group, worst_group
from imil.core.evaluation.metrics import (
    FIGURE_DRAWS,
    Explanation,
    Interval,
    Metric,
    Robustness,
    confusion_matrix,
    figures,
    majority_rate,
    mean_intervals,
)
from imil.core.evaluation.recommendation import Candidate, Recommendation, recommend
from imil.core.evaluation.robustness import (
    MaskOnly,
    balanced,
    independent_right,
    swapped_differences,
    swapped_figures,
    swapped_values,
)
from imil.core.evaluation.thresholds import (
    OperatingPoint,
    at_threshold,
    log_odds,
    threshold_for_sensitivity,
)
from imil.core.evaluation.verdict import (
    Difference,
    McNemar,
    Verdict,
    decide_all,
    drawn_differences,
    mcnemar,
    paired_differences,
)
from imil.core.nets.saliency import Explained, Explainer, explained
from imil.core.records import (
    EpochFigures,
    Figure,
    Notice,
    Openings,
    RoundNumber,
    Sample,
    Split,
)
from imil.core.review.readers import PoolingName

# Classes of a task that has a positive one, and so an operating point.
BINARY = 2


@dataclass(frozen=True, slots=True)
class Explanations:
    """Where an arm looks, by one explainer. Secondary: never what decides.

    Attributes:
        explainer: which.
        wrong_reason_share: share of the saliency inside the irrelevant region.
        pointing_game: share of the maps that are greatest inside the relevant region.
        values: both, a value a seed; NaN where every map is zero everywhere.
    """

    explainer: Explainer
    wrong_reason_share: Explained
    pointing_game: Explained
    values: Mapping[Explanation, tuple[Figure, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm of a comparison.

    Attributes:
        arm: which arm or variant.
        values: each metric, a value a seed (0-1).
        figures: each metric's mean over seeds with its 95 % interval over patients.
        confusion: counts summed over seeds; rows are labels, columns predictions.
        curves: epochs of its first seed.
        masks: images masked for it, a value a seed.
        seconds: what its masks cost a clinician; None where nobody measured (a simulated one).
        swapped_values: figures on swapped images, a value a seed; empty where nothing was swapped.
        swapped: the same with intervals over patients.
        explanations: of each explainer that can explain it.
        classes: figures a class, in label order.
        groups: figures a group; empty where images have no groups.
        worst_group: the group of lowest accuracy that is large enough to say so.
        operating_point: at the threshold for 90 % sensitivity on validation; None on validation
            itself, and where there are more than two classes.
    """

    arm: Variant
    values: Mapping[Metric, tuple[Figure, ...]]
    figures: Mapping[Metric, Interval]
    confusion: tuple[tuple[int, ...], ...]
    curves: tuple[EpochFigures, ...]
    masks: tuple[int, ...] = ()
    seconds: float | None = None
    swapped_values: Mapping[Robustness, tuple[Figure, ...]] = field(default_factory=dict)
    swapped: Mapping[Robustness, Interval] = field(default_factory=dict)
    explanations: tuple[Explanations, ...] = ()
    classes: tuple[ClassFigures, ...] = ()
    groups: Mapping[str, GroupFigures] = field(default_factory=dict)
    worst_group: str | None = None
    operating_point: OperatingPoint | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """One arm against control: points of the headline pair, and what they say together.

    Attributes:
        arm: which arm or variant.
        differences: each of the pair with the interval that decided.
        verdict: what they say.
        exploratory: not named beforehand, so that its intervals are widened by Holm's procedure.
        levels: the level of each interval, 0.95 or above.
        mcnemar: one test a seed; never what decides.
        swapped: the pair on swapped images, 95 % intervals; beside the headline, not part of it.
    """

    arm: Variant
    differences: Mapping[Metric, Difference]
    verdict: Verdict
    exploratory: bool
    levels: Mapping[Metric, float]
    mcnemar: tuple[McNemar, ...] = ()
    swapped: Mapping[Robustness, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """Which arm to go on with, chosen on validation, and what it was chosen from."""

    chosen: Recommendation
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """What a comparison found, and all that is needed to read it rightly.

    Attributes:
        number: 1 for the first review.
        split: validation between rounds; test in a final comparison.
        images: images the figures are taken on.
        patients: patients among them; None where patients are unknown.
        seeds: the seeds compared.
        seed_scope: "replication" (a seed is a whole study anew) or "train_on" (a seed varies only
            what follows one checkpoint).
        majority_rate: accuracy of always answering the commonest class.
        masked: distinct training images masked, a value a seed.
        allowed: how many the budget allowed.
        training_images: how many there are.
        test_openings: how often the test set was opened so far, this time included.
        arms: control first.
        paired: every other arm against control.
        notices: sentences that belong beside the figures.
        swapped_by: what said which region to swap: "reference" or "predicted" masks; None where
            nothing was swapped.
        mask_only: what a classifier that sees masks alone makes of the classes; None where there
            are too few masks.
        advice: the recommended arm; None where nothing could be predicted to choose it by.
        test_seen: whether the test set had been opened before this round was asked for.
        variants: what was trained for an arm, where a setting of it was chosen on validation.
        readers: who painted the masks that were compared.
        pooling: how the masks of several readers became one an image, a `Pooling`; "" for one
            reader's.
    """

    number: RoundNumber
    split: Split
    images: int
    patients: int | None
    seeds: tuple[int, ...]
    seed_scope: Notice
    majority_rate: Figure
    masked: tuple[int, ...]
    allowed: int
    training_images: int
    test_openings: Openings
    arms: tuple[ArmFigures, ...]
    paired: tuple[Paired, ...]
    notices: tuple[Notice, ...] = ()
    swapped_by: str | None = None
    mask_only: MaskOnly | None = None
    advice: Advice | None = None
    test_seen: bool = False
    variants: Mapping[Variant, Variant] = field(default_factory=dict)
    readers: tuple[str, ...] = ()
    pooling: PoolingName = ""

    @property
    def recommended(self) -> Variant | None:
        """The recommended arm; None where none could be chosen."""
        return None if self.advice is None else self.advice.chosen.name


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """An arm's answers on one split; everything a value a seed.

    Attributes:
        logits: (N, C) scores of the split's images.
        curves: finished epochs.
        swapped: (M, N, C) scores of copies whose irrelevant region is another image's; empty where
            not every image has a region.
        same: (K, N, C) scores of copies with donors of the same class; on validation alone.
        other: (K, N, C) scores of copies with donors of another class.
        explained: (E,) figures of the images whose saliency was taken.
        explained_places: (E,) places of these images in the split.
        masks: images masked for it.
        seconds: what they cost a clinician; None where nobody measured.
    """

    logits: tuple[NDArray[np.floating], ...]
    curves: tuple[tuple[EpochFigures, ...], ...]
    swapped: tuple[NDArray[np.floating], ...] = ()
    same: tuple[NDArray[np.floating], ...] = ()
    other: tuple[NDArray[np.floating], ...] = ()
    explained: Mapping[tuple[Explainer, Explanation], tuple[NDArray[np.float64], ...]] = field(
        default_factory=dict
    )
    explained_places: NDArray[np.int64] | None = None
    masks: tuple[int, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What a comparison needs to know about the study; see `Round` for the fields."""

    number: int
    split: Split
    seeds: tuple[int, ...]
    seed_scope: str
    masked: tuple[int, ...]
    allowed: int
    training_images: int
    test_openings: int
    notices: tuple[str, ...] = ()
    swapped_by: str | None = None
    mask_only: MaskOnly | None = None
    test_seen: bool = False
    variants: Mapping[Variant, Variant] = field(default_factory=dict)
    readers: tuple[str, ...] = ()
    pooling: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """The same arms on validation: the recommendation and thresholds are chosen there."""

    trained: Mapping[Variant, Trained]
    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]

    def independent(self, name: Variant) -> NDArray[np.float64]:
        """Return (S, N): what each image counts towards an arm's independent accuracy."""
        arm = self.trained[name]
        each = zip(arm.logits, arm.same, arm.other, strict=True)
        return np.stack([independent_right(*scores, self.labels) for scores in each])


def evaluate_round(
    trained: Mapping[Variant, Trained],
    samples: Sequence[Sample],
    setting: RoundContext,
    validation: Validation,
    *,
    draws: int = FIGURE_DRAWS,
) -> Round:
    """Return the round: figures of each arm, and each arm against control.

    Args:
        trained: arms trained from one checkpoint under equal plans; control among them.
        samples: the split's images, in the order of the scores' rows.
        setting: what the study knows.
        validation: the same arms on validation.
        draws: of the headline figures' own intervals, which are NaN where it is 0. The differences
            to control have theirs whatever it is.

    Raises:
        DataError: some images have a group and others none.
    """
    labels = np.array([sample.label for sample in samples], np.int64)
    clusters = clusters_of(samples)
    known = all(sample.patient is not None for sample in samples)
    control = trained[CONTROL]
    right = {name: _right(outcome, labels) for name, outcome in trained.items()}
    others = [name for name in trained if name != CONTROL]
    drawn = {
        name: drawn_differences(right[name], right[CONTROL], labels, clusters) for name in others
    }
    advice = advise(_of_all_readers(validation))
    recommended = None if advice is None else advice.chosen.name
    decisions = decide_all(drawn, recommended=recommended, seeds=len(setting.seeds))
    paired = tuple(
        Paired(
            arm=name,
            differences=found.differences,
            verdict=found.verdict,
            exploratory=found.exploratory,
            levels=found.levels,
            mcnemar=mcnemar(right[name], right[CONTROL]),
            swapped=swapped_differences(trained[name].swapped, control.swapped, labels, clusters)
            if trained[name].swapped and control.swapped
            else {},
        )
        for name, found in decisions.items()
    )
    groups = [sample.group for sample in samples]
    arms = tuple(
        _arm(
            name,
            outcome,
            _Images(labels, clusters, groups, draws),
            None if setting.split is Split.VALIDATION else validation,
        )
        for name, outcome in trained.items()
    )
    swapped = setting.swapped_by if control.swapped else None
    return Round(
        number=setting.number,
        split=setting.split,
        images=len(samples),
        patients=len(np.unique(clusters)) if known else None,
        seeds=setting.seeds,
        seed_scope=setting.seed_scope,
        majority_rate=majority_rate(labels),
        masked=setting.masked,
        allowed=setting.allowed,
        training_images=setting.training_images,
        test_openings=setting.test_openings,
        arms=arms,
        paired=paired,
        notices=setting.notices,
        swapped_by=swapped,
        mask_only=setting.mask_only,
        advice=advice,
        test_seen=setting.test_seen,
        variants=setting.variants,
        readers=setting.readers,
        pooling=setting.pooling,
    )


def advise(validation: Validation) -> Advice | None:
    """Return the recommended arm; None where nothing was swapped on validation to choose it by."""
    trained, labels, clusters = validation.trained, validation.labels, validation.clusters
    if not all(outcome.swapped and outcome.same for outcome in trained.values()):
        return None
    control = validation.independent(CONTROL)
    candidates = []
    for name, outcome in trained.items():
        pairs = zip(outcome.logits, outcome.swapped, strict=True)
        values = [swapped_values(plain, again, labels) for plain, again in pairs]
        own = validation.independent(name)
        gains = paired_differences(own, control, labels, clusters)
        candidates.append(
            Candidate(
                name,
                accuracy=tuple(map(float, _right(outcome, labels).mean(1))),
                independent=tuple(balanced(one, labels) for one in own),
                gain=gains[Metric.BALANCED_ACCURACY],
                swapped_balanced_accuracy=tuple(
                    value[Robustness.SWAPPED_BALANCED_ACCURACY] for value in values
                ),
                masks=max(outcome.masks, default=0),
            )
        )
    return Advice(recommend(candidates), tuple(candidates))


def clusters_of(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Return (N,) patient numbers; an image of an unknown patient has a number of its own."""
    numbers: dict[str, int] = {}
    clusters = []
    for row, sample in enumerate(samples):
        key = f"image {row}" if sample.patient is None else f"patient {sample.patient}"
        clusters.append(numbers.setdefault(key, len(numbers)))
    return np.array(clusters, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """What is known of the split's images, (N,) each, and how often to draw from them."""

    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]
    groups: Sequence[str | None]
    draws: int


def _of_all_readers(validation: Validation) -> Validation:
    """Return the arms that can be recommended: whose masks are the best is no choice to make."""
    arms = validation.trained.items()
    return replace(validation, trained={n: o for n, o in arms if n.reader is None})


def _right(outcome: Trained, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.stack([logits.argmax(1) == labels for logits in outcome.logits])


def _arm(
    name: Variant, outcome: Trained, images: _Images, validation: Validation | None
) -> ArmFigures:
    labels, clusters = images.labels, images.clusters
    each = [figures(logits, labels) for logits in outcome.logits]
    counts = sum(confusion_matrix(logits, labels) for logits in outcome.logits)
    groups = by_group(outcome.logits, labels, images.groups, clusters)
    pairs = zip(outcome.logits, outcome.swapped, strict=False)
    swapped = [swapped_values(plain, again, labels) for plain, again in pairs]
    return ArmFigures(
        arm=name,
        values={metric: tuple(f[metric] for f in each) for metric in Metric},
        figures=mean_intervals(outcome.logits, labels, clusters, draws=images.draws),
        confusion=tuple(tuple(int(n) for n in row) for row in np.asarray(counts)),
        curves=outcome.curves[0],
        masks=outcome.masks,
        seconds=outcome.seconds,
        swapped_values={kind: tuple(s[kind] for s in swapped) for kind in Robustness if swapped},
        swapped=swapped_figures(outcome.logits, outcome.swapped, labels, clusters)
        if swapped
        else {},
        explanations=_explanations(outcome, clusters),
        classes=by_class(outcome.logits, labels, clusters),
        groups=groups,
        worst_group=worst_group(groups),
        operating_point=_operating_point(name, outcome, images, validation),
    )


def _explanations(outcome: Trained, clusters: NDArray[np.int64]) -> tuple[Explanations, ...]:
    if outcome.explained_places is None:
        return ()
    own = clusters[outcome.explained_places]

    def of(explainer: Explainer, figure: Explanation) -> Explained:
        return explained(np.stack(outcome.explained[explainer, figure]), own)

    return tuple(
        Explanations(
            explainer,
            of(explainer, Explanation.WRONG_REASON_SHARE),
            of(explainer, Explanation.POINTING_GAME),
            {
                figure: tuple(_mean(one) for one in outcome.explained[explainer, figure])
                for figure in Explanation
            },
        )
        for explainer in Explainer
        if (explainer, Explanation.POINTING_GAME) in outcome.explained
    )


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of what is a number; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _operating_point(
    name: Variant, outcome: Trained, images: _Images, validation: Validation | None
) -> OperatingPoint | None:
    if validation is None or outcome.logits[0].shape[1] != BINARY:
        return None
    thresholds = [
        threshold_for_sensitivity(log_odds(logits), validation.labels == 1)
        for logits in validation.trained[name].logits
    ]
    scores = [log_odds(logits) for logits in outcome.logits]
    return at_threshold(scores, images.labels == 1, thresholds, images.clusters)
