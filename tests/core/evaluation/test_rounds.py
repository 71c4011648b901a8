from __future__ import annotations

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL, IMIL, Variant, parse_variant
from imil.core.evaluation.comparison import (
    RoundContext,
    Trained,
    Validation,
    clusters_of,
    evaluate_round,
)
from imil.core.evaluation.metrics import Explanation, Metric, Robustness
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import Verdict
from imil.core.nets.saliency import Explainer
from imil.core.records import Arm, Deployment, EpochFigures, Sample, Split

# Of the intervals of single figures, which nothing here is about: a tenth of the usual.
FEW_DRAWS = 50
CURVES = ((EpochFigures(1, 0.5, 0.8, 0.4, 0.9),),) * 5
SAMPLES = [Sample(str(i), i % 2, Split.TEST, patient=f"p{i // 2}") for i in range(200)]
LABELS = np.array([sample.label for sample in SAMPLES])


def trained(accuracy: float, *, seed: int) -> Trained:
    """Return five seeds of an arm that is right on about that share of the images."""
    rng = np.random.default_rng(seed)
    sides = (2 * np.eye(2)[LABELS] - 1)[None] * np.where(rng.random((5, 200, 1)) < accuracy, 1, -1)
    return Trained(tuple(sides), CURVES)


def found(**arms: float) -> Round:
    named = [(parse_variant(name), accuracy) for name, accuracy in arms.items()]
    outcomes = {name: trained(accuracy, seed=i) for i, (name, accuracy) in enumerate(named)}
    setting = RoundContext(1, Split.TEST, (0, 1, 2, 3, 4), "replication", (4,) * 5, 8, 100, 1)
    validation = Validation(outcomes, LABELS, clusters_of(SAMPLES))
    return evaluate_round(outcomes, SAMPLES, setting, validation, draws=FEW_DRAWS)


def test_the_papers_arm_is_named_beforehand_and_the_others_are_exploratory() -> None:
    paired = {p.arm: p for p in found(control=0.7, imil=0.9, upweight=0.9, mixup=0.7).paired}

    assert not paired[IMIL].exploratory
    assert paired[IMIL].differences[Metric.ACCURACY].level == pytest.approx(0.975)
    assert paired[Variant(Arm.UPWEIGHT)].exploratory
    # The second of four figures; the first is its balanced accuracy, shown as what guards it.
    upweight = paired[Variant(Arm.UPWEIGHT)].differences
    assert upweight[Metric.ACCURACY].level == pytest.approx(1 - 0.05 / 3)
    assert upweight[Metric.BALANCED_ACCURACY].level == pytest.approx(0.95)


def test_each_arm_gets_its_verdict_against_control() -> None:
    paired = {p.arm: p.verdict for p in found(control=0.8, imil=0.6, upweight=0.95).paired}

    assert paired == {IMIL: Verdict.HARMFUL, Variant(Arm.UPWEIGHT): Verdict.HELPS}


def test_without_draws_figures_have_no_interval_and_differences_still_do() -> None:
    outcomes = {CONTROL: trained(0.7, seed=0), IMIL: trained(0.9, seed=1)}
    setting = RoundContext(1, Split.TEST, (0, 1, 2, 3, 4), "replication", (4,) * 5, 8, 100, 1)

    quick = evaluate_round(
        outcomes, SAMPLES, setting, Validation(outcomes, LABELS, clusters_of(SAMPLES)), draws=0
    )

    figure = quick.arms[0].figures[Metric.ACCURACY]
    assert figure.value == pytest.approx(np.mean(quick.arms[0].values[Metric.ACCURACY]))
    assert np.isnan([figure.low, figure.high]).all()
    assert quick.paired == found(control=0.7, imil=0.9).paired


def test_figures_are_means_over_seeds_with_counts_summed() -> None:
    control = found(control=0.8, imil=0.8).arms[0]

    values = control.values[Metric.ACCURACY]
    assert len(values) == 5
    assert control.figures[Metric.ACCURACY].value == pytest.approx(np.mean(values))
    assert sum(map(sum, control.confusion)) == 5 * 200


def test_patients_are_counted_only_where_all_are_known() -> None:
    one_unknown = [*SAMPLES[:-1], Sample("199", 1, Split.TEST)]
    outcomes = {CONTROL: trained(0.8, seed=0), IMIL: trained(0.8, seed=1)}
    setting = RoundContext(1, Split.TEST, (0,) * 5, "replication", (4,) * 5, 8, 100, 1)

    assert found(control=0.8, imil=0.8).patients == 100
    assert (
        evaluate_round(
            outcomes, one_unknown, setting, Validation(outcomes, LABELS, clusters_of(SAMPLES))
        ).patients
        is None
    )


def test_an_image_of_an_unknown_patient_stands_alone() -> None:
    samples = [
        Sample("a", 0, Split.TEST, patient="p"),
        Sample("b", 0, Split.TEST),
        Sample("c", 0, Split.TEST, patient="p"),
        Sample("d", 0, Split.TEST),
    ]

    assert clusters_of(samples).tolist() == [0, 1, 0, 2]


def asked(accuracy: float, swapped: float, *, seed: int, masks: int = 4) -> Trained:
    """Return an arm that is also right on that share of the copies with a swapped region."""
    plain, copies = trained(accuracy, seed=0), trained(swapped, seed=seed + 100)
    again = tuple(logits[None] for logits in copies.logits)
    values = np.linspace(0.2, 0.4, 20)
    values[0] = np.nan
    explained = {(by, figure): (values,) * 5 for by in Explainer for figure in Explanation}
    # On validation the region of another class does to it what any swap does, and its own nothing.
    same = tuple(logits[None] for logits in plain.logits)
    return Trained(
        plain.logits, CURVES, again, same, again, explained, np.arange(20), (masks,) * 5, 30.0
    )


def probed(deployment: Deployment = Deployment.UNSURE, /, **arms: tuple[float, float]) -> Round:
    outcomes = {
        parse_variant(name): asked(*shares, seed=i) for i, (name, shares) in enumerate(arms.items())
    }
    setting = RoundContext(
        1,
        Split.TEST,
        (0, 1, 2, 3, 4),
        "replication",
        (4,) * 5,
        8,
        100,
        1,
        swapped_by="reference",
        deployment=deployment,
    )
    validation = Validation(outcomes, LABELS, clusters_of(SAMPLES))
    return evaluate_round(outcomes, SAMPLES, setting, validation, draws=FEW_DRAWS)


def test_the_arm_that_swaps_cannot_fool_is_recommended_and_named_beforehand() -> None:
    found = probed(control=(0.9, 0.6), imil=(0.9, 0.7), propagated=(0.9, 0.95))
    paired = {p.arm: p for p in found.paired}

    assert found.recommended == "propagated"
    assert not paired[parse_variant("propagated")].exploratory
    assert not paired[IMIL].exploratory


def test_the_masks_of_one_reader_are_compared_and_never_recommended() -> None:
    arms = {CONTROL: (0.8, 0.5), IMIL: (0.8, 0.5), "imil@Ada": (0.8, 0.8)}

    found = probed(**arms)

    assert [paired.arm for paired in found.paired] == ["imil", "imil@Ada"]
    assert found.recommended == "control"


def test_an_arm_that_loses_on_ordinary_images_is_not_recommended() -> None:
    assert probed(control=(0.9, 0.6), propagated=(0.8, 0.95)).recommended == "control"


def test_without_swapped_validation_images_nothing_is_recommended() -> None:
    plain = found(control=0.8, imil=0.9)

    assert plain.advice is None
    assert plain.recommended is None
    assert plain.swapped_by is None


def test_without_the_shortcut_is_asked_before_images_like_these() -> None:
    found = probed(control=(0.9, 0.6), imil=(0.9, 0.8))
    (imil,) = found.paired
    control, arm = (
        each.swapped[Robustness.INDEPENDENT_BALANCED_ACCURACY].value for each in found.arms
    )

    assert imil.independent is not None
    assert imil.independent.low > 0
    # Half of what swapping with another class takes, of the .9 that is right as it is.
    assert (control, arm) == pytest.approx((0.75, 0.85), abs=0.05)
    assert imil.independent.points == pytest.approx(100 * (arm - control))
    assert imil.verdict is Verdict.HELPS


def test_an_arm_that_pays_for_its_gain_on_ordinary_images_is_a_trade_off() -> None:
    found = probed(control=(0.95, 0.5), imil=(0.8, 0.8))

    assert found.paired[0].verdict is Verdict.TRADE_OFF


def test_for_elsewhere_a_trade_off_is_recommended() -> None:
    arms = {"control": (0.95, 0.5), "propagated": (0.8, 0.8)}

    assert probed(**arms).recommended == "control"
    elsewhere = probed(Deployment.ELSEWHERE, **arms)
    assert elsewhere.recommended == "propagated"
    assert elsewhere.deployment is Deployment.ELSEWHERE


def test_figures_on_swapped_images_stand_beside_the_two_questions() -> None:
    found = probed(control=(0.9, 0.6), imil=(0.9, 0.8))
    (imil,) = found.paired

    assert found.swapped_by == "reference"
    assert found.arms[1].swapped[Robustness.SWAPPED_ACCURACY].value == pytest.approx(0.8, abs=0.05)
    assert imil.swapped[Robustness.SWAPPED_BALANCED_ACCURACY].low > 0
    assert set(imil.differences) == {Metric.ACCURACY, Metric.BALANCED_ACCURACY}


def test_maps_that_are_zero_everywhere_are_counted_and_left_out() -> None:
    (one, two) = probed(control=(0.9, 0.6), imil=(0.9, 0.8)).arms[0].explanations

    assert {one.explainer, two.explainer} == set(Explainer)
    assert one.pointing_game.zero_maps == 5
    assert one.values[Explanation.POINTING_GAME][0] == pytest.approx(
        np.linspace(0.2, 0.4, 20)[1:].mean()
    )


def test_mcnemar_is_given_a_seed() -> None:
    (imil,) = found(control=0.7, imil=0.9).paired

    assert len(imil.mcnemar) == 5
    assert all(test.gained > test.lost for test in imil.mcnemar)


def test_the_threshold_is_chosen_on_validation_and_never_judged_there() -> None:
    outcomes = {CONTROL: trained(0.9, seed=0), IMIL: trained(0.9, seed=1)}
    setting = RoundContext(1, Split.VALIDATION, (0,) * 5, "train_on", (4,) * 5, 8, 100, 0)
    judged = evaluate_round(
        outcomes, SAMPLES, setting, Validation(outcomes, LABELS, clusters_of(SAMPLES))
    )

    point = found(control=0.9, imil=0.9).arms[0].operating_point
    assert point is not None
    assert point.sensitivity.value >= 0.9
    assert judged.arms[0].operating_point is None


def test_groups_and_the_worst_of_them_are_given_for_each_arm() -> None:
    samples = [
        Sample(str(i), i % 2, Split.TEST, group="north" if i < 150 else "south") for i in range(200)
    ]
    logits = np.eye(2)[LABELS]
    logits[150:] = logits[150:, ::-1]
    others = 1 - logits  # right where control is wrong, and the other way round
    outcomes = {CONTROL: Trained((logits,), CURVES[:1]), IMIL: Trained((others,), CURVES[:1])}
    setting = RoundContext(1, Split.TEST, (0,), "replication", (4,), 8, 100, 1)

    found = evaluate_round(
        outcomes, samples, setting, Validation(outcomes, LABELS, clusters_of(SAMPLES))
    )

    arm = found.arms[0]
    assert (arm.groups["north"].accuracy.value, arm.groups["south"].accuracy.value) == (1, 0)
    assert found.worst_group == "south"  # control's, for every arm
    assert [each.images for each in arm.classes] == [100, 100]
