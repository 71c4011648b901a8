"""What a program gives an endpoint, checked."""

from __future__ import annotations

from typing import Any, TypeVar

from imil.core.records import Queue, Selection
from imil.errors import PlanError
from imil.workflow.presets import Preset

Choice = TypeVar("Choice", Queue, Selection, Preset)

# Names the reader of masks sent by a program that gives none.
READER = "api"


def choice(kind: type[Choice], value: Any) -> Choice:
    """Return the choice of that name; PlanError if there is none."""
    if value not in list(kind):
        raise PlanError(
            f"There is no {kind.__name__.lower()} “{value}”.",
            why=f"There are {', '.join(kind)}.",
            fix="Send one of these names.",
        )
    return kind(value)


def whole(name: str, value: Any, *, fix: str = "Send 1, or 5.") -> int:
    """Return the whole number that was given under a name; PlanError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise PlanError(f"{name} is {value!r}.", why="It must be a whole number.", fix=fix)
    return value
