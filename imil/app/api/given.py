"""What a program gives an endpoint, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from imil.core.bounds import check_text, is_number, is_whole, quoted
from imil.core.records import Queue, Selection
from imil.errors import PlanError
from imil.study.library.presets import Preset

Choice = TypeVar("Choice", Queue, Selection, Preset)
Value = TypeVar("Value", str, int, float, bool, list[str], dict[str, Any])

# Names the reader of masks sent by a program that gives none.
READER = "api"


def choice(kind: type[Choice], value: Any) -> Choice:
    """Return the choice of that name; PlanError if there is none."""
    if not isinstance(value, str) or value not in list(kind):
        raise PlanError(
            f"There is no {kind.__name__.lower()} {quoted(value)}.",
            why=f"There are {', '.join(kind)}.",
            fix="Send one of these names.",
        )
    return kind(value)


def whole(name: str, value: Any) -> int:
    """Return the whole number that was given under a name; PlanError if it is none."""
    if not is_whole(value):
        raise PlanError(
            f"{name} is {quoted(value)}.", why="It must be a whole number.", fix="Send 1, or 5."
        )
    return value


def event_value(
    event: gr.EventData, name: str, kind: type[Value], usual: Value | None = None
) -> Value:
    """Return what an event of a page carries under a name.

    Args:
        event: what the browser sent.
        name: of the value.
        kind: text, whole number, number, bool, list of texts, or dict.
        usual: what counts where there is no such value; None where one is needed.

    Raises:
        PlanError: there is none, or it is of another kind.
    """
    # Gradio's own access fails where there is no such value, and there may be no event.
    data = getattr(event, "_data", None)
    value = data.get(name, usual) if isinstance(data, dict) else usual
    fits: dict[Any, Callable[[], bool]] = {
        str: lambda: isinstance(value, str) and check_text(name, value) == value,
        int: lambda: is_whole(value),
        float: lambda: is_number(value),
        list: lambda: isinstance(value, list) and all(check_text(name, v) == v for v in value),
    }
    if not fits.get(kind, lambda: isinstance(value, kind))():
        raise PlanError(
            f"What the page sent as {name} is {quoted(value)}.",
            why="The page does not send that by itself.",
            fix="Reload the page, and try again.",
        )
    return value  # type: ignore[return-value]  # it was looked at
