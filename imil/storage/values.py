"""Frozen values as JSON and back, by the types of their fields."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from imil.core.arms.variants import Variant, parse_variant
from imil.errors import PlanError

Value = TypeVar("Value")


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


def from_json(kind: type[Value], saved: Any) -> Value:
    """Return the value of that type that `to_json` was given.

    A field that is missing takes its default, and one that is not known is left out: files of other
    versions stay readable. A null where a float is meant is NaN. All else must be of the field's
    own type: text is no number, 1.0 no whole number, and true neither.

    Raises:
        KeyError, TypeError, ValueError: what was saved is no such value.
    """
    value: Value = _read(kind, saved)
    return value


def _read(kind: Any, saved: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (known,) = (each for each in inner if each is not types.NoneType)
        return None if saved is None else _read(known, saved)
    if origin is not None:
        return _read_many(origin, inner, saved)
    if is_dataclass(kind):
        _check(saved, dict)
        hints = _hints(typing.cast("type", kind))
        known_fields = [field.name for field in fields(kind) if field.name in saved]
        make: Any = kind
        hints = _hints(make)
        return make(**{name: _read(hints[name], saved[name]) for name in known_fields})
    return saved if kind is Any else _read_one(kind, saved)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read_many(origin: Any, inner: tuple[Any, ...], saved: Any) -> Any:
    if issubclass(origin, Mapping):
        _check(saved, dict)
        return {_read(inner[0], k): _read(inner[1], v) for k, v in saved.items()}
    _check(saved, list)
    if inner[-1] is Ellipsis:
        return tuple(_read(inner[0], each) for each in saved)
    return tuple(_read(of, each) for of, each in zip(inner, saved, strict=True))


def _read_one(kind: Any, saved: Any) -> Any:
    if kind is float:
        _check(saved, float, int, types.NoneType)
        number = math.nan if saved is None else float(saved)
        if math.isinf(number):
            raise ValueError("a number that is not finite")
        return number
    if issubclass(kind, Variant):
        _check(saved, str)
        return _variant(saved)
    if not issubclass(kind, Enum):
        _check(saved, kind)
    return kind(saved)


def _variant(saved: str) -> Variant:
    try:
        return parse_variant(saved)
    except PlanError as cause:
        raise ValueError("an arm that is not known") from cause


def _check(saved: Any, *kinds: type) -> None:
    """Raise TypeError unless a value is of just one of these types: a bool is no int."""
    if type(saved) not in kinds:
        raise TypeError(f"{type(saved).__name__} where {kinds[0].__name__} is meant")
