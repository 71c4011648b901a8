"""A finished comparison as one value: screen, command line and report all render this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imil.core.arms.variants import Variant
from imil.core.evaluation.differences import (
    Difference,
)
from imil.core.evaluation.groups import ClassFigures, GroupFigures, worst_group
from imil.core.evaluation.metrics import (
    Explanation,
    Interval,
    Metric,
    Robustness,
)
from imil.core.evaluation.recommendation import Candidate, Recommendation
from imil.core.evaluation.robustness import (
    MaskOnly,
)
from imil.core.evaluation.thresholds import (
    OperatingPoint,
)
from imil.core.evaluation.verdict import Change, McNemar, Verdict
from imil.core.external.distribution import DistributionCheck
from imil.core.nets.saliency import Explained, Explainer
from imil.core.records import (
    Deployment,
    EpochFigures,
    Figure,
    Notice,
    Openings,
    RoundNumber,
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
        swapped_values: what swapping the irrelevant region tells, a value a seed; empty where
            nothing was swapped.
        swapped: the same with intervals over patients.
        explanations: of each explainer that can explain it.
        classes: figures a class, in label order.
        groups: figures a group; empty where images have no groups.
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
    operating_point: OperatingPoint | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """One arm against control: two questions, and what they say together.

    Attributes:
        arm: which arm or variant.
        differences: on images like these: accuracy and balanced accuracy.
        verdict: the word of both questions.
        exploratory: not named beforehand.
        independent: without the shortcut: balanced accuracy with what the irrelevant region tells
            taken off; None where too few images are masked to ask.
        mcnemar: one test a seed; never what decides.
        swapped: the pair on swapped images, 95 % intervals; beside the two questions, no part of
            them.
    """

    arm: Variant
    differences: Mapping[Metric, Change]
    verdict: Verdict
    exploratory: bool
    independent: Change | None = None
    mcnemar: tuple[McNemar, ...] = ()
    swapped: Mapping[Robustness, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """Which arm to go on with, chosen on validation, and what it was chosen from."""

    chosen: Recommendation
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class ThresholdFigures:
    """An arm at the threshold of the greatest balanced accuracy on validation.

    Attributes:
        arm: which arm or variant.
        thresholds: log-odds from which on an image is called positive, one a seed.
        values: accuracy and balanced accuracy, a value a seed.
        figures: their means over seeds with 95 % intervals over patients.
        differences: to control at its own thresholds; empty for control.
    """

    arm: Variant
    thresholds: tuple[Figure, ...]
    values: Mapping[Metric, tuple[Figure, ...]]
    figures: Mapping[Metric, Interval]
    differences: Mapping[Metric, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExternalFigures:
    """What the arms do on another hospital's images, opened together with the test set.

    Attributes:
        name: what the person calls the set.
        images: how many.
        patients: among them; None where patients are unknown.
        majority_rate: accuracy of always answering the commonest class.
        arms: control first; at arg-max.
        paired: every other arm against control. Nothing is swapped here, so the second question
            alone is asked.
        auroc: each arm's AUROC less control's.
        at_threshold: the arms at thresholds that were chosen on validation; empty where there are
            more than two classes.
        check: what the set was like beside the training images; None where nobody looked.
    """

    name: Notice
    images: int
    patients: int | None
    majority_rate: Figure
    arms: tuple[ArmFigures, ...]
    paired: tuple[Paired, ...]
    auroc: Mapping[Variant, Difference] = field(default_factory=dict)
    at_threshold: tuple[ThresholdFigures, ...] = ()
    check: DistributionCheck | None = None


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
        deployment: where the model is to work, by which an arm is recommended.
        external: what the arms do on other hospitals' images; in a final comparison alone.
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
    deployment: Deployment = Deployment.UNSURE
    external: tuple[ExternalFigures, ...] = ()

    @property
    def recommended(self) -> Variant | None:
        """The recommended arm; None where none could be chosen."""
        return None if self.advice is None else self.advice.chosen.name

    @property
    def worst_group(self) -> str | None:
        """Control's worst group, in which every arm is looked at; None where there is none.

        One group for all: the worst of each would compare an arm in one group with another's.
        """
        return worst_group(self.arms[0].groups)
