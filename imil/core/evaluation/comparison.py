"""The figures of trained arms on one split: each arm's own, and every arm against control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.differences import (
    drawn_differences,
    paired_differences,
)
from imil.core.evaluation.groups import by_class, by_group
from imil.core.evaluation.metrics import (
    FIGURE_DRAWS,
    Explanation,
    Metric,
    Robustness,
    clustered_mean,
    confusion_matrix,
    figures,
    majority_rate,
    mean_intervals,
)
from imil.core.evaluation.recommendation import Candidate, recommend
from imil.core.evaluation.robustness import (
    MaskOnly,
    balanced,
    independent_right,
    swapped_differences,
    swapped_figures,
    swapped_values,
)
from imil.core.evaluation.rounds import (
    BINARY,
    Advice,
    ArmFigures,
    Explanations,
    Paired,
    Round,
)
from imil.core.evaluation.thresholds import (
    OperatingPoint,
    at_threshold,
    log_odds,
    threshold_for_sensitivity,
)
from imil.core.evaluation.verdict import (
    DrawnChanges,
    decide_all,
    mcnemar,
)
from imil.core.nets.saliency import Explained, Explainer, explained
from imil.core.records import (
    Deployment,
    EpochFigures,
    Sample,
    Split,
)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """An arm's answers on one split; everything a value a seed.

    Attributes:
        logits: (N, C) scores of the split's images.
        curves: finished epochs.
        swapped: (M, N, C) scores of copies whose irrelevant region is another image's; empty where
            not every image has a region.
        same: (K, N, C) scores of copies with donors of the same class; empty as `swapped` is, and
            in trainings of an older version on test images.
        other: (K, N, C) scores of copies with donors of another class.
        explained: (E,) figures of the images whose saliency was taken.
        explained_places: (E,) places of these images in the split.
        masks: images masked for it.
        seconds: what they cost a clinician; None where nobody measured.
        left_raw: of a model that hides regions: in how many images it was not sure of any, and hid
            nothing; empty for other models.
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
    left_raw: tuple[int, ...] = ()

    def independent(self, labels: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return (S, N): what each image counts towards the accuracy without the shortcut.

        None where not every seed was asked; see `independent_right`.
        """
        if len(self.same) < len(self.logits):
            return None
        each = zip(self.logits, self.same, self.other, strict=True)
        return np.stack([independent_right(*scores, labels) for scores in each])


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
    deployment: Deployment = Deployment.UNSURE


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """The same arms on validation: the recommendation and thresholds are chosen there."""

    trained: Mapping[Variant, Trained]
    labels: NDArray[np.int64]
    clusters: NDArray[np.int64]


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
    advice = advise(_of_all_readers(validation), setting.deployment)
    paired = _against_control(
        trained,
        labels,
        clusters,
        recommended=None if advice is None else advice.chosen.name,
        seeds=len(setting.seeds),
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
        deployment=setting.deployment,
    )


def advise(validation: Validation, deployment: Deployment = Deployment.UNSURE) -> Advice | None:
    """Return the recommended arm; None where nothing was swapped on validation to choose it by.

    Args:
        validation: the arms to choose from, control among them.
        deployment: where the model is to work.
    """
    trained, labels, clusters = validation.trained, validation.labels, validation.clusters
    independent = {name: outcome.independent(labels) for name, outcome in trained.items()}
    control = independent[CONTROL]
    candidates = []
    for name, outcome in trained.items():
        own = independent[name]
        if own is None or control is None or not outcome.swapped:
            return None
        pairs = zip(outcome.logits, outcome.swapped, strict=True)
        values = [swapped_values(plain, again, labels) for plain, again in pairs]
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
    return Advice(recommend(candidates, deployment), tuple(candidates))


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


def _against_control(
    trained: Mapping[Variant, Trained],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    *,
    recommended: Variant | None,
    seeds: int,
) -> tuple[Paired, ...]:
    """Return every other arm against control."""
    control = trained[CONTROL]
    right = {name: _right(outcome, labels) for name, outcome in trained.items()}
    alone = control.independent(labels)
    drawn = {}
    for name, outcome in trained.items():
        if name == CONTROL:
            continue
        own, without = outcome.independent(labels), None
        if own is not None and alone is not None:
            found = drawn_differences(own, alone, labels, clusters)
            without = found[Metric.BALANCED_ACCURACY]
        alike = drawn_differences(right[name], right[CONTROL], labels, clusters)
        drawn[name] = DrawnChanges(without, alike)
    decisions = decide_all(drawn, recommended=recommended, seeds=seeds)
    return tuple(
        Paired(
            arm=name,
            differences=found.on_images_like_these,
            verdict=found.verdict,
            exploratory=found.exploratory,
            independent=found.without_the_shortcut,
            mcnemar=mcnemar(right[name], right[CONTROL]),
            swapped=swapped_differences(trained[name].swapped, control.swapped, labels, clusters)
            if trained[name].swapped and control.swapped
            else {},
        )
        for name, found in decisions.items()
    )


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
    robust = {kind: tuple(s[kind] for s in swapped) for kind in swapped[0]} if swapped else {}
    intervals = (
        swapped_figures(outcome.logits, outcome.swapped, labels, clusters) if swapped else {}
    )
    independent = outcome.independent(labels)
    if independent is not None:
        kind = Robustness.INDEPENDENT_BALANCED_ACCURACY
        robust[kind] = tuple(balanced(one, labels) for one in independent)
        intervals[kind] = clustered_mean(independent, clusters, strata=labels)
    return ArmFigures(
        arm=name,
        values={metric: tuple(f[metric] for f in each) for metric in Metric},
        figures=mean_intervals(outcome.logits, labels, clusters, draws=images.draws),
        confusion=tuple(tuple(int(n) for n in row) for row in np.asarray(counts)),
        curves=outcome.curves[0],
        masks=outcome.masks,
        seconds=outcome.seconds,
        swapped_values=robust,
        swapped=intervals,
        explanations=_explanations(outcome, clusters),
        classes=by_class(outcome.logits, labels, clusters),
        groups=groups,
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
