"""From what a program sends to what the function of an endpoint takes."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from inspect import Parameter, Signature, signature
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import gradio as gr

from imil.app.painter.painter import read_mask_png
from imil.app.server.served_files import Uploads
from imil.core.records import Region
from imil.errors import PlanError
from imil.storage.values import to_json
from imil.study.library.studies import Studies
from imil.study.study import Study

# Names the reader of masks sent by a program that gives none.
API_READER = "api"


def as_sent(function: Callable[..., Any], studies: Studies, uploads: Uploads) -> Callable[..., Any]:
    """Return an endpoint's function as Gradio calls it.

    A `Study` is sent as its id, a choice as its value, a `Region` as an image file, and a `Path`
    as a file that is deleted once it was read; `Studies` is not sent. Whether values are of their
    types is checked before, by `imil.app.server.input_checks`. What it answers is told as plain
    JSON.
    """
    hints = get_type_hints(function)
    result = hints.pop("return")
    usual = {each.name: each.default for each in signature(function).parameters.values()}
    names = [name for name, hint in hints.items() if hint is not Studies]

    def called(*values: Any) -> Any:
        sent = dict(zip(names, values, strict=True))
        read = [value for name, value in sent.items() if Path in _kinds(hints[name])]
        with uploads.reading(*read):
            taken = {name: _taken(hints[name], value, studies) for name, value in sent.items()}
            own = {name: studies for name, hint in hints.items() if hint is Studies}
            return to_json(function(**own, **taken))

    asked = {name: _sent(hints[name]) for name in names}
    described: Any = called
    described.__name__, described.__doc__ = function.__name__, function.__doc__
    described.__annotations__ = {**asked, "return": result}
    described.__signature__ = Signature(
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=usual[name], annotation=hint)
            for name, hint in asked.items()
        ],
        return_annotation=result,
    )
    return called


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is UnionType else (hint,)


def _sent(hint: Any) -> Any:
    """Return the type of what is sent for a parameter of a type."""
    kind, *_ = _kinds(hint)
    if kind is Study:
        return str
    if kind is Path or kind == Region:
        return gr.FileData
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Literal[tuple(each.value for each in kind)]
    return hint


def _taken(hint: Any, value: Any, studies: Studies) -> Any:
    kind, *others = _kinds(hint)
    if kind is Study:
        return studies.open(value)
    if kind is Path or kind == Region:
        if value is None and others:
            return None
        path = _uploaded(value)
        return path if kind is Path else read_mask_png(path)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    return value


def _uploaded(path: str | None) -> Path:
    if not path:
        raise PlanError(
            "There is no file.",
            why="This step needs one.",
            fix="Send it with gradio_client's handle_file().",
        )
    if not Path(path).exists():
        raise PlanError(
            "The file is not there any more.",
            why="An upload is deleted as soon as it was read, or when nobody reads it for long.",
            fix="Send it again with gradio_client's handle_file().",
        )
    return Path(path)
