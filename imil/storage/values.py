"""Frozen values as JSON and back, by the types of their fields."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

_Value = TypeVar("_Value")


def _time(written: str) -> str:
    datetime.fromisoformat(written)
    return written


def _moment(written: str) -> str:
    if datetime.fromisoformat(written).tzinfo is None:
        raise ValueError("a moment without a time zone")
    return written


# ISO 8601; a moment also says in which time zone.
Time: TypeAlias = Annotated[str, AfterValidator(_time)]
Moment: TypeAlias = Annotated[str, AfterValidator(_moment)]
# A SHA-256.
Digest: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def to_json(value: Any) -> Any:
    """Return dataclasses, mappings, sequences and enums as plain JSON values; NaN becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(to_json(k)): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, Enum):
        return value.value
    return None if isinstance(value, float) and math.isnan(value) else value


def from_json(kind: type[_Value], saved: Any) -> _Value:
    """Return the value of that type that `to_json` was given.

    A field that is missing takes its default, and one that is not known is left out: files of other
    versions stay readable. All else must be of the field's own type, and within its bounds: text is
    no number, 1.0 no whole number, true neither, and no number is infinite. Null is NaN where the
    type is a `Figure`.

    Raises:
        ValueError: what was saved is no such value.
    """
    # As text: only there a list can stand for a tuple, and a word for a member of an enum.
    return from_text(kind, json.dumps(saved))


def from_text(kind: type[_Value], text: str) -> _Value:
    """Return the value of that type in a JSON text; ValueError as `from_json`."""
    of: Any = kind
    value: _Value
    (value,) = _reader(of).validate_json(f"[{text}]")
    return value


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:
    # Dataclasses take the settings of what they are in, and none of their own.
    return TypeAdapter(tuple[kind], config=ConfigDict(strict=True, allow_inf_nan=False))
