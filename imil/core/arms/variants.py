"""An arm with settings of its own, as one word: `imil+noise`, `right_reason+100`, `imil@Ada`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Self, TypeAlias

from pydantic_core import CoreSchema, core_schema

from imil.core.bounds import LARGEST_WEIGHT, quoted
from imil.core.records import Arm, Queue
from imil.core.review.edits import Fill, Mode
from imil.errors import PlanError


class Penalty(StrEnum):
    """What is penalised inside a mask; the values are settings of `right_reason`."""

    INPUT_GRADIENTS = "input_gradients"  # RRR
    GRAD_CAM = "grad_cam"  # RRR-G


class RegionSource(StrEnum):
    """What an arm that hides regions at prediction too hides; the values are its settings."""

    PREDICTED = "predicted"  # in each image what the painted masks predict there
    DISC = "disc"  # all but a central disc; of the painted masks their mean area alone
    TEMPLATE = "template"  # in every image the painted masks' mean shape
    SHUFFLED = "shuffled"  # in each image a painted mask that has nothing to do with it


class Setting(StrEnum):
    """What a variant may change of its arm."""

    QUEUE = "queue"
    FILL = "fill"
    MODE = "mode"
    PENALTY = "penalty"
    WEIGHT = "weight"
    SHARE = "share"
    READER = "reader"
    REGION = "region"
    MARGIN = "margin"
    RAW = "raw"


# What stands before a number and “%” in the name of a variant, and the largest number there.
_MARGIN, _MOST_MARGIN = "margin", 50
_RAW, _MOST_RAW = "raw", 100


class Variant(str):
    """An arm, and those of its settings that differ from the usual ones (None = as usual).

    Like a member of a `StrEnum` it is the word that is stored and shown, such as `imil+noise`, and
    equals it; `parse_variant` makes it of that word.

    Attributes:
        arm: what it is a variant of.
        queue: from which images its masks are painted.
        fill: what hides a region.
        mode: whether edited images replace their originals.
        penalty: what is penalised inside a mask.
        weight: of that penalty in the loss.
        share: largest share of the training images to paint, 0-1, instead of the plan's budget.
        reader: whose masks alone are used; None for those of all readers, pooled.
        region: what is hidden at prediction too.
        margin: by how much the relevant region is widened there, share of the side, 0-0.5.
        raw: weight of the answer to the raw image, 0-1.
    """

    __slots__ = (
        "arm",
        "fill",
        "margin",
        "mode",
        "penalty",
        "queue",
        "raw",
        "reader",
        "region",
        "share",
        "weight",
    )
    arm: Arm
    queue: Queue | None
    fill: Fill | None
    mode: Mode | None
    penalty: Penalty | None
    weight: float | None
    share: float | None
    reader: str | None
    region: RegionSource | None
    margin: float | None
    raw: float | None

    def __new__(
        cls,
        arm: Arm,
        *,
        queue: Queue | None = None,
        fill: Fill | None = None,
        mode: Mode | None = None,
        penalty: Penalty | None = None,
        weight: float | None = None,
        share: float | None = None,
        reader: str | None = None,
        region: RegionSource | None = None,
        margin: float | None = None,
        raw: float | None = None,
    ) -> Self:
        """Return the arm with these settings."""
        words: list[str | None] = [arm, queue, fill, mode, penalty, region]
        if weight is not None:
            words.append(f"{weight:g}")
            weight = float(f"{weight:g}")  # what the word says
        if share is not None:
            words.append(f"{100 * share:g}%")
            share = float(f"{100 * share:g}") / 100
        if margin is not None:
            words.append(f"{_MARGIN}{100 * margin:g}%")
            margin = float(f"{100 * margin:g}") / 100
        if raw is not None:
            words.append(f"{_RAW}{100 * raw:g}%")
            raw = float(f"{100 * raw:g}") / 100
        name = "+".join(word for word in words if word is not None)
        made = super().__new__(cls, name if reader is None else f"{name}@{reader}")
        fields = (
            arm,
            fill,
            margin,
            mode,
            penalty,
            queue,
            raw,
            reader,
            region,
            share,
            weight,
        )
        for field, value in zip(cls.__slots__, fields, strict=True):
            object.__setattr__(made, field, value)
        return made

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"a variant is frozen: {name}")

    def __reduce__(self) -> tuple[Callable[[str], Variant], tuple[str]]:
        return parse_variant, (str(self),)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_saved, core_schema.str_schema())

    @property
    def changed(self) -> frozenset[Setting]:
        """What differs from the arm's usual settings."""
        return frozenset(setting for setting in Setting if getattr(self, setting) is not None)

    def evolve(self, **changes: Any) -> Variant:
        """Return the variant with other settings; None sets one back to its usual value."""
        settings = {setting.value: getattr(self, setting) for setting in Setting}
        return Variant(self.arm, **(settings | changes))


# What a setting in the name of a variant may be.
_Value: TypeAlias = Queue | Fill | Mode | Penalty | RegionSource | float

# What every other arm is compared with.
CONTROL = Variant(Arm.CONTROL)
# The paper's.
IMIL = Variant(Arm.IMIL)


def _saved(word: str) -> Variant:
    try:
        return parse_variant(word)
    except PlanError as cause:
        raise ValueError("an arm that is not known") from cause


def parse_variant(name: str) -> Variant:
    """Return the variant of that name.

    Args:
        name: an arm, then its settings in any order, joined by “+”: a queue, a fill, a mode, a
            penalty, a weight (a number), a share of the training images (a number and “%”), a
            region to hide at prediction too, its margin (“margin4%”), the weight of the raw image's
            answer (“raw50%”); last, after “@”, a reader's name, which may hold any sign.

    Raises:
        PlanError: an unknown arm or setting, one setting twice, or a reader without a name.
    """
    settings, at, reader = name.partition("@")
    arm, *words = settings.split("+")
    if arm not in set(Arm):
        raise PlanError(
            f"There is no arm {quoted(arm)}.",
            why="A comparison is made of known training conditions only.",
            fix=f"Use one of: {', '.join(Arm)}.",
        )
    if at and not reader:
        raise PlanError(
            f"“{name}” names no reader.",
            why="After “@” comes the name of the reader whose masks alone are used.",
            fix=f"Add the name, or use “{settings}” for the masks of all readers.",
        )
    found: dict[str, _Value] = {}
    for word in words:
        setting, value = _setting(word, name)
        if setting in found:
            raise PlanError(
                f"“{name}” gives the {setting} twice.",
                why="A variant is trained once, in one way.",
                fix="Name two variants, separated by a comma.",
            )
        found[setting] = value
    return Variant(Arm(arm), reader=reader or None, **found)  # type: ignore[arg-type]  # its fields


def _setting(word: str, name: str) -> tuple[Setting, _Value]:
    kinds = ((Setting.QUEUE, Queue), (Setting.FILL, Fill), (Setting.MODE, Mode))
    for setting, kind in (*kinds, (Setting.PENALTY, Penalty), (Setting.REGION, RegionSource)):
        if word in set(kind):
            return setting, kind(word)
    for setting, start, most in (
        (Setting.MARGIN, _MARGIN, _MOST_MARGIN),
        (Setting.RAW, _RAW, _MOST_RAW),
    ):
        number = _number(word.removeprefix(start)) if word.startswith(start) else -1.0
        if word.endswith("%") and 0 <= number <= most:
            return setting, number / 100
    number = _number(word)
    if word.endswith("%") and 0 < number <= 100:  # the whole
        return Setting.SHARE, number / 100
    if not word.endswith("%") and 0 < number <= LARGEST_WEIGHT:
        return Setting.WEIGHT, number
    known = [*Queue, *Fill, *Mode, *Penalty, *RegionSource]
    raise PlanError(
        f"{quoted(word)} in {quoted(name)} is no setting of an arm.",
        why="After the arm come settings, joined by “+”, such as imil+noise+append.",
        fix=f"Use {', '.join(known)}, a weight such as 100, a share such as 2%, margin4%, raw50%.",
    )


def _number(word: str) -> float:
    """Return the number that a word is, with or without “%”; -1 where it is none."""
    try:
        return float(word.removesuffix("%"))
    except ValueError:
        return -1.0
