"""Which plans can be trained, and which are offered."""

from __future__ import annotations

from dataclasses import replace

from imil.core.bounds import (
    LARGEST_SEED,
    MOST_SEEDS,
    MOST_THREADS,
    MOST_TRAININGS,
    check_above,
    check_flag,
    check_number,
    check_whole,
    is_whole,
    quoted,
)
from imil.core.nets.backbones import backbone, check_input_size
from imil.core.records import Plan, Precision
from imil.core.review.queues import allowed_masks
from imil.errors import PlanError

# What each setting can be, from and to; our choice. Size and budget have checks of their own.
_WHOLE = {
    "epochs": (1, 1000),
    "epochs_after": (1, 1000),
    "batch_size": (2, 1024),
    "seed": (0, LARGEST_SEED),
    "threads": (1, MOST_THREADS),
}
_NUMBERS = {
    "weight_decay": (0.0, 10.0),
    "warmup_share": (0.0, 1.0),
    "shift_share": (0.0, 0.5),
    "scale_share": (0.0, 0.5),
}
_ABOVE_ZERO = {"learning_rate": 1.0, "clip_norm": 1e6}
_FLAGS = ("pretrained", "class_weighted", "channels_last")
_DEVICES = ("cpu", "cuda")
# Side of the working images where nobody asked for another, px: what two CPU cores train in
# minutes. Films have their own. Our choice; the paper's size is not known.
DEFAULT_SIZE = 128
DEFAULT_SIZES = {"film_net": 64}


def default_plan(name: str, *, size: int | None = None) -> Plan:
    """Return the plan offered for a backbone: its own learning rate, size and weights.

    Raises:
        PlanError: unknown backbone, or a size it can't take.
    """
    known = backbone(name)
    plan = Plan(
        backbone=name,
        size=size or min(known.largest, DEFAULT_SIZES.get(name, DEFAULT_SIZE)),
        learning_rate=known.learning_rate,
        pretrained=bool(known.pretrained),
        precision=Precision.AUTO if known.gains_by_bf16 else Precision.FP32,
    )
    return check_plan(plan)


def check_plan(plan: Plan) -> Plan:
    """Return the plan if it can be trained; PlanError says which setting can't, and why.

    Nothing is taken for granted: a setting may have come from a file or a program, of any type.
    """
    backbone(plan.backbone)
    if not is_whole(plan.size):
        raise PlanError(
            f"The plan's size is {quoted(plan.size)}.",
            why="It must be a whole number of pixels.",
            fix="Change size and try again.",
        )
    check_input_size(plan.backbone, plan.size)
    for name, (low, high) in _WHOLE.items():
        check_whole(_words(name), getattr(plan, name), low, high)
    for name, (least, most) in _NUMBERS.items():
        check_number(_words(name), getattr(plan, name), least, most)
    for name, most in _ABOVE_ZERO.items():
        check_above(_words(name), getattr(plan, name), 0, most)
    for name in _FLAGS:
        check_flag(_words(name), getattr(plan, name))
    if plan.device not in _DEVICES:
        raise PlanError(
            f"The plan's device is {quoted(plan.device)}.",
            why=f"A study trains on {' or '.join(_DEVICES)}.",
            fix="Name one of them.",
        )
    precision_of(plan.precision)
    allowed_masks(plan.budget, 1)
    return plan


def check_seeds(seeds: int, *, arms: int) -> int:
    """Return how many seeds a comparison of so many arms asks for; PlanError if that can't be."""
    most = min(MOST_SEEDS, MOST_TRAININGS // max(1, arms))
    if not is_whole(seeds) or not 1 <= seeds <= most:
        raise PlanError(
            f"{quoted(seeds)} seeds can't be compared.",
            why=f"Each arm is trained once a seed; of {arms} arms at most {most} seeds are.",
            fix="Ask for at least one seed; from five on a verdict is given.",
        )
    return seeds


def with_arithmetic(plan: Plan, *, native_bf16: bool) -> Plan:
    """Return the plan with its arithmetic settled; one that names its own stays as it is.

    Our choice: bfloat16 for networks that gain by it, where the processor computes in it, else
    float32; channels last in both. See docs/decisions/0027.

    Args:
        plan: as asked for.
        native_bf16: whether the processor multiplies bfloat16 numbers without emulation.
    """
    if plan.precision is not Precision.AUTO:
        return plan
    if plan.device != "cpu":  # a GPU that computes in bfloat16 is never slower in it
        return replace(plan, precision=Precision.BF16)
    faster = native_bf16 and backbone(plan.backbone).gains_by_bf16
    precision = Precision.BF16 if faster else Precision.FP32
    return replace(plan, precision=precision, channels_last=True)


def precision_of(word: object) -> Precision:
    """Return the arithmetic of that name; PlanError if there is none."""
    try:
        return Precision(word)  # type: ignore[arg-type]  # anything else is no member
    except ValueError:
        raise PlanError(
            f"There is no arithmetic {quoted(word)}.",
            why=f"Training knows {', '.join(Precision)}.",
            fix="Name one of them.",
        ) from None


def _words(name: str) -> str:
    return f"plan's {name.replace('_', ' ')}"
