"""Which plans can be trained, and which are offered."""

from __future__ import annotations

from dataclasses import replace

from imil.core.backbones import backbone, check_size
from imil.core.queues import allowed_masks
from imil.core.records import Plan, Precision
from imil.errors import PlanError

# Bounds that keep a mistyped number from filling the memory or a night; our choice.
_WHOLE = {"epochs": (1, 1000), "epochs_after": (1, 1000), "batch_size": (2, 1024)}
_SHARES = {"warmup_share": 1.0, "shift_share": 0.5, "scale_share": 0.5}
_SEED_MAX = 2**31 - 1
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
    """Return the plan if it can be trained; PlanError says which setting can't, and why."""
    check_size(plan.backbone, plan.size)
    for name, (low, high) in _WHOLE.items():
        value = getattr(plan, name)
        if not low <= value <= high:
            raise _out_of_range(name, value, f"{low} to {high}")
    for name, highest in _SHARES.items():
        value = getattr(plan, name)
        if not 0 <= value <= highest:
            raise _out_of_range(name, value, f"0 to {highest:g}")
    if not 0 < plan.learning_rate <= 1:
        raise _out_of_range("learning_rate", plan.learning_rate, "above 0 to 1")
    if not 0 <= plan.seed <= _SEED_MAX:
        raise _out_of_range("seed", plan.seed, f"0 to {_SEED_MAX}")
    allowed_masks(plan.budget, 1)
    return plan


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


def precision_of(word: str) -> Precision:
    """Return the arithmetic of that name; PlanError if there is none."""
    try:
        return Precision(word)
    except ValueError:
        raise PlanError(
            f"There is no arithmetic “{word}”.",
            why=f"Training knows {', '.join(Precision)}.",
            fix="Name one of them.",
        ) from None


def _out_of_range(name: str, value: float, allowed: str) -> PlanError:
    words = name.replace("_", " ")
    return PlanError(
        f"The plan's {words} is {value:g}.",
        why=f"It can be {allowed}.",
        fix=f"Change {words} and try again.",
    )
