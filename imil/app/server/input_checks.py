"""What a browser or a program sends to an event, checked before any callback sees it.

Gradio passes on whatever JSON comes: an endpoint's text may be a list, a number infinite, a file
the address of another server. Here each value is held to its endpoint's types, or to its component,
so that a new endpoint is covered without a line of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import signature
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.components.api_component import Api
from gradio.utils import get_upload_folder
from gradio_client.utils import is_file_obj_with_meta

from imil.core.bounds import (
    LARGEST_SENT,
    LONGEST_LINE,
    LONGEST_TEXT,
    MOST_AT_ONCE,
    check_flag,
    check_number,
    check_text,
    check_whole,
    is_number,
    is_whole,
    quoted,
)
from imil.core.records import Deployment, Queue, Selection
from imil.errors import PlanError
from imil.study.library.presets import Preset

Choice = TypeVar("Choice", Queue, Preset, Selection, Deployment)
_Value = TypeVar("_Value", str, int, float, bool, list[str], dict[str, Any])

# Lists in lists, as no value of ours has them.
DEEPEST = 20
# Signs of all that a page keeps in the browser under one name.
LONGEST_KEPT = 100_000
# Values of a component with a script of its own: a mask has as many as its outline has edges.
MOST_VALUES = 1_000_000
# Settings in one object.
MOST_SETTINGS = 100


def check_sent(event: BlockFunction, values: Sequence[Any]) -> list[Any]:
    """Return what was sent to an event; PlanError names the first value that can't be.

    A value left empty is the endpoint's usual one, where it has one.
    """
    if len(values) != len(event.inputs):
        raise PlanError(
            f"{len(values)} values were sent.",
            why=f"This step takes {len(event.inputs)}.",
            fix="Send each of them, in their order.",
        )
    hints = _hints(event.fn) if event.fn is not None else ()
    checked = []
    for place, (block, value) in enumerate(zip(event.inputs, values, strict=True)):
        name, hint, usual = hints[place] if place < len(hints) else ("value", Any, None)
        if isinstance(block, Api):
            checked.append(_typed(name, usual if value is None else value, hint))
        else:
            checked.append(_of_component(name.replace("_", " ").strip(), block, value))
    return checked


def study_among(event: BlockFunction, values: Sequence[Any]) -> str | None:
    """Return the id of the study that an event is about; None where it is about none."""
    names = [name for name, _, _ in _hints(event.fn)] if event.fn is not None else []
    found = (
        value
        for name, value in zip(names, values, strict=False)
        if name in {"study", "study_id"} and isinstance(value, str)
    )
    return next(found, None)


def choice(kind: type[Choice], value: Any) -> Choice:
    """Return the choice of that name; PlanError if there is none."""
    return kind(_one_of(kind.__name__.lower(), value, list(kind)))


def event_value(
    event: gr.EventData, name: str, kind: type[_Value], usual: _Value | None = None
) -> _Value:
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


def check_json(name: str, value: Any, *, files: bool = False) -> None:
    """Raise PlanError for what is too deep, too long, not finite, or a file.

    Gradio fetches a file wherever one is named in a value, even from another server, though only
    `gr.File` takes any. What an event says of itself (`files`) may name one: it is not fetched.
    """
    level, count = [value], 0
    for _ in range(DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                if not files and is_file_obj_with_meta(each):
                    raise _unfit(name, each, "without files")
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
            elif isinstance(each, float) and not math.isfinite(each):
                raise _unfit(name, each, "made of finite numbers")
        count += len(below)
        if count > MOST_VALUES:
            raise _unfit(name, value, f"made of at most {MOST_VALUES} values")
        if not below:
            return
        level = below
    raise _unfit(name, value, f"nested at most {DEEPEST} deep")


@cache
def _hints(fn: Callable[..., Any]) -> tuple[tuple[str, Any, Any], ...]:
    """Return name, type and usual value of each parameter."""
    types = get_type_hints(fn)
    return tuple(
        (each.name, types.get(each.name, Any), None if each.default is each.empty else each.default)
        for each in signature(fn).parameters.values()
    )


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Return a value of an endpoint's parameter if it is of the parameter's type."""
    if get_origin(hint) in {Union, UnionType}:
        if value is None:
            return None
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if get_origin(hint) is Literal:
        return _one_of(name, value, get_args(hint))
    return _TYPES[get_origin(hint) or hint](name, value)


def _one_of(name: str, value: Any, known: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise PlanError(
            f"There is no {name} {quoted(value)}.",
            why=f"There are {', '.join(known)}.",
            fix="Send one of these names.",
        )
    return value


def _number(name: str, value: Any) -> float:
    return check_number(name, value, -LARGEST_SENT, LARGEST_SENT)


def _whole(name: str, value: Any) -> int:
    return check_whole(name, value, -LARGEST_SENT, LARGEST_SENT)


def _texts(name: str, value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or len(texts) > MOST_AT_ONCE:
        raise _unfit(name, value, f"a list of at most {MOST_AT_ONCE} texts")
    return [check_text(name, text) for text in texts]


def _settings(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MOST_SETTINGS:
        raise _unfit(name, value, f"an object of at most {MOST_SETTINGS} settings")
    check_json(name, value)
    return {check_text(f"name in {name}", key, longest=LONGEST_LINE): value[key] for key in value}


def _of_component(name: str, block: Any, value: Any) -> Any:
    """Return a value of a component if the component could have sent it."""
    if isinstance(block, gr.State):
        return value  # never taken from the browser
    if isinstance(block, gr.Radio | gr.Dropdown | gr.CheckboxGroup):
        return _chosen(name, block, value)
    if value is None:
        return None
    for kinds, check in _COMPONENTS:
        if isinstance(block, kinds):
            return check(name, value)
    check_json(name, value)
    return value


def _kept(name: str, value: Any) -> str:
    # All that our pages keep in the browser is text.
    return check_text(name, value, longest=LONGEST_KEPT)


def _chosen(name: str, block: Any, value: Any) -> Any:
    """Return what was picked from a list; whether that is on it, Gradio looks."""
    if isinstance(block, gr.CheckboxGroup) or getattr(block, "multiselect", None):
        return _texts(name, [] if value is None else value)
    if value is None:
        if block.value is not None:
            raise _unfit(name, value, "one of the choices")
        return None
    return check_text(name, value)


def _file(name: str, value: Any) -> Any:
    known = isinstance(value, dict) and value.get("meta") == {"_type": "gradio.FileData"}
    path = value.get("path") if known else None
    if not isinstance(path, str) or not _uploaded(path):
        raise _unfit(name, value, "a file that was uploaded here")
    check_json(name, list(value.values()))
    return value


def _uploaded(path: str) -> bool:
    """Return whether a path is in the folder of uploads; an address of another server is not."""
    try:
        folder = Path(get_upload_folder()).resolve()
        return len(path) <= LONGEST_TEXT and Path(path).resolve().is_relative_to(folder)
    except (OSError, ValueError):  # a NUL, or more than a path can have
        return False


def _unfit(name: str, value: Any, allowed: str) -> PlanError:
    return PlanError(
        f"The {name} is {quoted(value)}.",
        why=f"It must be {allowed}.",
        fix=f"Change the {name} and try again.",
    )


# Of each type of an endpoint's parameters.
_TYPES: Mapping[Any, Callable[[str, Any], Any]] = MappingProxyType(
    {
        str: check_text,
        bool: check_flag,
        int: _whole,
        float: _number,
        list: _texts,
        dict: _settings,
    }
)
# Of each component that sends something simple; the first that one is of counts.
_COMPONENTS: tuple[tuple[Any, Callable[[str, Any], Any]], ...] = (
    (gr.BrowserState, _kept),
    (gr.Textbox, check_text),
    ((gr.Number, gr.Slider, gr.Timer), _number),
    (gr.Checkbox, check_flag),
    (gr.File, _file),
)
