from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from imil.core.arms.registry import (
    ARMS,
    COPIES,
    RIGHT_REASON_WEIGHTS,
    UPWEIGHT,
    ArmBatches,
    ArmInputs,
    batches_of,
    check_triage,
    parse_arms,
    with_readers,
    with_shares,
    with_weights,
)
from imil.core.arms.variants import CONTROL, IMIL, parse_variant
from imil.core.records import Arm, Plan
from imil.core.training.batches import Batches
from imil.errors import PlanError

# No augmentation, so that what comes out can be told apart by its grey value.
PLAN = Plan(size=32, batch_size=4, shift_share=0.0, scale_share=0.0)
BLACK = np.zeros((1, 4, 4), np.uint8)
# The upper half is irrelevant.
UPPER = np.array([[True] * 4] * 2 + [[False] * 4] * 2)
Copies = Mapping[int, NDArray[np.uint8]]


def inputs(edited: Copies | None = None, *, predicted: bool = False) -> ArmInputs:
    """Return 10 training and 2 validation images; image i is of grey value 10 (i + 1)."""
    labels = np.array([0] * 8 + [1] * 4, np.int64)
    greys = np.arange(10, 130, 10).astype(np.uint8)[:, None, None, None]
    edited = edited or {}
    return ArmInputs(
        plan=PLAN,
        images=greys * np.ones((1, 1, 4, 4), np.uint8),
        labels=labels,
        classes=2,
        train=np.arange(10),
        validation=np.array([10, 11]),
        mirrored=False,
        edited=edited,
        masks=dict.fromkeys(edited, UPPER),
        predicted=np.broadcast_to(UPPER, (12, 4, 4)) if predicted else None,
    )


def arm(name: Arm, given: ArmInputs) -> Batches:
    return batches_of(given, parse_variant(name))


def shown(batches: Batches, *, seeds: int) -> list[tuple[int, int]]:
    """Return the grey values of the upper and lower half of every image shown."""
    return [
        (round(float(image[:, :2].mean()) * 255), round(float(image[:, 2:].mean()) * 255))
        for seed in range(seeds)
        for batch in batches.epoch(seed)
        for image in batch.images
    ]


def test_imil_replaces_the_masked_images_by_their_edited_copies() -> None:
    seen = {upper for upper, _ in shown(arm(Arm.IMIL, inputs({0: BLACK, 1: BLACK})), seeds=5)}

    assert seen == {0, 30, 40, 50, 60, 70, 80, 90, 100}


def test_imil_append_shows_the_copies_beside_the_originals() -> None:
    seen = {upper for upper, _ in shown(arm(Arm.IMIL_APPEND, inputs({0: BLACK})), seeds=20)}

    assert seen == {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}


def test_control_ignores_the_masks() -> None:
    masked, plain = arm(Arm.CONTROL, inputs({0: BLACK})), arm(Arm.CONTROL, inputs())

    for a, b in zip(masked.epoch(3), plain.epoch(3), strict=True):
        assert torch.equal(a.images, b.images)


def test_imil_without_masks_equals_control() -> None:
    for a, b in zip(
        arm(Arm.IMIL, inputs()).epoch(3), arm(Arm.CONTROL, inputs()).epoch(3), strict=True
    ):
        assert torch.equal(a.images, b.images)


def test_imil_and_control_see_the_same_order() -> None:
    orders = [
        [b.labels.tolist() for b in arm(name, inputs({0: BLACK})).epoch(1)]
        for name in (Arm.CONTROL, Arm.IMIL)
    ]

    assert orders[0] == orders[1]


@pytest.mark.parametrize("name", list(ARMS))
def test_every_arm_takes_as_many_steps_as_control(name: Arm) -> None:
    # Big enough for torchvision's augmentations.
    plan = replace(PLAN, size=32)
    large = replace(
        inputs({0: np.zeros((1, 32, 32), np.uint8)}, predicted=True),
        plan=plan,
        images=np.full((12, 1, 32, 32), 100, np.uint8),
        masks={0: np.eye(32, dtype=np.bool_)},
        predicted=np.ones((12, 32, 32), np.bool_),
    )

    batches = list(arm(name, large).epoch(0))

    assert len(batches) == arm(Arm.CONTROL, large).steps == 2
    assert {tuple(b.images.shape) for b in batches} == {(4, 1, 32, 32)}


def test_a_counterexample_keeps_what_is_relevant_and_takes_the_rest_from_another_class() -> None:
    seen = shown(arm(Arm.COUNTEREXAMPLE, inputs({0: BLACK})), seeds=40)

    copies = [(upper, lower) for upper, lower in seen if upper != lower]
    assert {lower for _, lower in copies} == {10}
    # Image 0 is of class 0; images 8 and 9 are the training images of class 1.
    assert {upper for upper, _ in copies} == {90, 100}
    originals = sum(1 for upper, lower in seen if upper == lower)
    assert len(copies) / originals == pytest.approx(COPIES / 10, abs=0.15)


def test_the_edge_of_a_swap_is_soft() -> None:
    small = inputs({0: BLACK})
    upper = np.zeros((64, 64), np.bool_)
    upper[:32] = True
    large = replace(
        small, images=small.images.repeat(16, axis=2).repeat(16, axis=3), masks={0: upper}
    )

    greys = {
        round(float(grey) * 255)
        for seed in range(5)
        for batch in arm(Arm.COUNTEREXAMPLE, large).epoch(seed)
        for grey in batch.images.flatten()
    }

    assert greys - set(range(10, 101, 10))


def test_propagated_shows_every_class_in_the_irrelevant_region_alike_whatever_the_label() -> None:
    seen = shown(arm(Arm.PROPAGATED, inputs(predicted=True)), seeds=80)

    for lowers in (range(10, 90, 10), (90, 100)):
        uppers = [upper for upper, lower in seen if lower in lowers]
        share = sum(1 for upper in uppers if upper >= 90) / len(uppers)
        assert share == pytest.approx(0.5, abs=0.1)
    assert {lower for _, lower in seen} == set(range(10, 101, 10))


def test_propagated_uses_a_painted_mask_where_there_is_one() -> None:
    nothing = np.zeros((12, 4, 4), np.bool_)

    seen = shown(arm(Arm.PROPAGATED, replace(inputs({0: BLACK}), predicted=nothing)), seeds=40)

    assert {lower for upper, lower in seen if upper != lower} == {10}


def test_a_donors_finding_is_painted_over_where_its_own_region_is_known() -> None:
    # Of every image the upper half is hidden, but image 8 and 9 have their finding in it.
    given = inputs({0: BLACK}, predicted=True)
    images, predicted = given.images.copy(), np.array(given.predicted)
    images[8:10, :, :2, :2] = 250
    predicted[8:10, :2, :2] = False

    seen = shown(
        arm(Arm.COUNTEREXAMPLE, replace(given, images=images, predicted=predicted)), seeds=40
    )

    assert {upper for upper, lower in seen if lower == 10} == {10, 90, 100}


def test_upweight_shows_the_masked_images_more_often_and_unedited() -> None:
    seen = [upper for upper, _ in shown(arm(Arm.UPWEIGHT, inputs({0: BLACK})), seeds=60)]

    assert 0 not in seen
    assert seen.count(10) / len(seen) == pytest.approx(UPWEIGHT / (UPWEIGHT + 9), abs=0.08)


def test_right_reason_penalises_the_masked_regions_of_masked_images_alone() -> None:
    for batch in arm(Arm.RIGHT_REASON, inputs({0: BLACK})).epoch(0):
        masked_ones = [round(float(image.mean()) * 255) == 10 for image in batch.images]
        assert (batch.penalised is not None) == any(masked_ones) == (batch.penalty_weight > 0)
        penalised = torch.zeros(4, 4, 4) if batch.penalised is None else batch.penalised
        for masked, region in zip(masked_ones, penalised, strict=True):
            assert region.tolist() == (UPPER.tolist() if masked else [[False] * 4] * 4)


def test_mixed_images_have_soft_targets() -> None:
    (first, *_) = arm(Arm.MIXUP, inputs()).epoch(0)

    assert first.labels.shape == (4, 2)
    assert torch.allclose(first.labels.sum(1), torch.ones(4))


def test_an_epoch_of_control_has_no_image_twice() -> None:
    seen = shown(arm(Arm.CONTROL, inputs()), seeds=1)

    assert len(seen) == len(set(seen)) == 8


def test_the_same_seed_shows_the_same_images() -> None:
    for name in (Arm.COUNTEREXAMPLE, Arm.UPWEIGHT):
        batches = arm(name, inputs({0: BLACK}))
        assert shown(batches, seeds=2) == shown(batches, seeds=2)


def test_validation_images_are_never_edited() -> None:
    images, rows, labels = arm(Arm.IMIL, inputs({0: BLACK})).validation()

    assert (images[rows, 0, 0, 0].tolist(), labels.tolist()) == ([110, 120], [1, 1])


def test_rare_classes_weigh_more() -> None:
    # 8 of class 0 and 2 of class 1 among the ten training images.
    assert ArmBatches(inputs(), np.arange(10)).class_weights.tolist() == [0.625, 2.5]


def test_control_is_always_compared() -> None:
    assert parse_arms(("imil", "imil")) == (CONTROL, IMIL)


def test_an_unknown_arm_is_named_with_the_known_ones() -> None:
    with pytest.raises(PlanError, match=r"no arm “magic”.*control, imil"):
        parse_arms(("magic",))


def test_propagated_without_prediction_is_a_callers_bug() -> None:
    with pytest.raises(ValueError, match="predicted irrelevance"):
        arm(Arm.PROPAGATED, inputs({0: BLACK}))


def test_a_variant_fills_otherwise_and_draws_anew_each_epoch() -> None:
    batches = batches_of(inputs({0: BLACK}), parse_variant("imil+swap"))

    uppers = {upper for upper, lower in shown(batches, seeds=8) if lower == 10}

    assert len(uppers) > 1
    assert not uppers & {0, 10}


def test_a_variant_appends_instead_of_replacing() -> None:
    seen = shown(batches_of(inputs({0: BLACK}), parse_variant("imil+append")), seeds=5)

    assert {upper for upper, _ in seen} == {0, *range(10, 101, 10)}


def test_counterexamples_can_be_filled_with_noise() -> None:
    seen = shown(batches_of(inputs({0: BLACK}), parse_variant("counterexample+mean")), seeds=5)

    # An image of one grey is its own mean: nothing is taken from another.
    assert {upper for upper, lower in seen if lower == 10} == {10}


def test_a_setting_that_an_arm_does_not_have_is_refused() -> None:
    with pytest.raises(PlanError, match=r"“upweight” has no setting fill.*Leave it out of"):
        parse_arms(("upweight+noise",))


def test_shares_add_variants_of_the_arms_that_are_given_masks() -> None:
    names = with_shares(
        parse_arms(("imil", "mixup", "upweight+2%", "imil@Ada")),
        [0.01, 0.08],
    )

    added = ("imil+1%", "imil+8%")
    assert names == ("control", "imil", "mixup", "upweight+2%", "imil@Ada", *added)


def test_the_papers_arm_alone_is_followed_by_those_of_each_reader() -> None:
    assert with_readers(parse_arms(("imil", "upweight")), ["Ada", "Bo"]) == (
        "control",
        "imil",
        "upweight",
        "imil@Ada",
        "imil@Bo",
    )
    assert with_readers(parse_arms(("upweight",)), ["Ada"]) == ("control", "upweight")


def test_what_is_predicted_is_not_of_one_reader() -> None:
    with pytest.raises(PlanError, match=r"“propagated” has no setting reader.*Leave it out of"):
        parse_arms(("propagated@Ada",))


def test_a_penalty_without_a_weight_stands_for_every_weight() -> None:
    names = with_weights(parse_arms(("right_reason", "right_reason+grad_cam+5")))

    every = tuple(f"right_reason+{weight:g}" for weight in RIGHT_REASON_WEIGHTS)
    assert names == ("control", *every, "right_reason+grad_cam+5")


def told(batches: Batches, *, seeds: int) -> dict[int, int]:
    """Return the label that each grey value was learned with."""
    return {
        round(float(image.mean()) * 255): int(label)
        for seed in range(seeds)
        for batch in batches.epoch(seed)
        for image, label in zip(batch.images, batch.labels, strict=True)
    }


TRIAGE = {0: 1, 1: 0, 2: None}


def test_relabel_learns_corrected_labels_and_leaves_excluded_images_out() -> None:
    learned = told(arm(Arm.RELABEL, replace(inputs(), triage=TRIAGE)), seeds=10)

    assert learned == {10: 1, 20: 0, 40: 0, 50: 0, 60: 0, 70: 0, 80: 0, 90: 1, 100: 1}


def test_drop_leaves_out_whatever_was_decided_on() -> None:
    learned = told(arm(Arm.DROP, replace(inputs(), triage=TRIAGE)), seeds=10)

    assert learned == {40: 0, 50: 0, 60: 0, 70: 0, 80: 0, 90: 1, 100: 1}


@pytest.mark.parametrize("name", [Arm.RELABEL, Arm.DROP])
def test_arms_of_triage_take_the_steps_and_weights_of_control_and_no_masks(name: Arm) -> None:
    given = replace(inputs({0: BLACK}), triage=TRIAGE | {3: None, 4: None, 5: None})
    triaged, control = arm(name, given), arm(Arm.CONTROL, given)

    assert [len(b.labels) for b in triaged.epoch(0)] == [len(b.labels) for b in control.epoch(0)]
    assert triaged.class_weights.tolist() == control.class_weights.tolist()
    assert 0 not in {upper for upper, _ in shown(triaged, seeds=5)}


@pytest.mark.parametrize("name", [n for n in ARMS if n not in {Arm.RELABEL, Arm.DROP}])
def test_no_other_arm_knows_of_triage(name: Arm) -> None:
    given = inputs({0: BLACK, 1: BLACK}, predicted=True)

    def every(inputs: ArmInputs) -> list[tuple[torch.Tensor, torch.Tensor]]:
        torch.manual_seed(0)  # of the usual augmentations
        return [(b.images, b.labels) for b in arm(name, inputs).epoch(3)]

    plain, triaged = every(given), every(replace(given, triage=TRIAGE))

    for (images, labels), (others, other_labels) in zip(plain, triaged, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, other_labels)


def test_arms_of_triage_without_decisions_or_a_class_are_refused() -> None:
    names = parse_arms(("drop",))

    with pytest.raises(PlanError, match=r"“drop” needs a relabelled.*Decide on label suspects"):
        check_triage(names, 0, left=[5, 5])
    with pytest.raises(PlanError, match=r"class without images.*Take some of these"):
        check_triage(names, 5, left=[5, 0])
    check_triage(names, 1, left=[5, 4])
    check_triage((CONTROL, IMIL), 0, left=[5, 0])


def test_batches_tell_which_rows_they_show_and_which_are_edited() -> None:
    given = inputs({0: BLACK, 1: BLACK})
    rows = [
        r for b in arm(Arm.IMIL, given).epoch(0) for r in (b.rows if b.rows is not None else ())
    ]

    assert -1 in rows
    assert not {0, 1} & set(rows)
    assert set(rows) <= {-1, *range(10)}
