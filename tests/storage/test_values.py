from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from imil.core.records import Figure
from imil.storage.values import from_json, to_json


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    share: Figure
    count: int = 0


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    inner: Inner | None
    each: Mapping[Colour, tuple[Inner, ...]]
    words: tuple[str, ...] = ()
    later: Mapping[str, float] = field(default_factory=dict)


def test_nested_values_come_back_as_they_were() -> None:
    value = Outer("a", Inner(0.5, 2), {Colour.RED: (Inner(1.0), Inner(2.0, 1))}, ("x",), {"y": 1.5})

    assert from_json(Outer, json.loads(json.dumps(to_json(value)))) == value


def test_what_is_not_a_number_travels_as_null() -> None:
    saved = to_json(Inner(math.nan))

    assert saved == {"share": None, "count": 0}
    assert math.isnan(from_json(Inner, saved).share)


def test_a_field_that_an_older_file_lacks_takes_its_default() -> None:
    assert from_json(Outer, {"name": "a", "inner": None, "each": {}}) == Outer("a", None, {})


@pytest.mark.parametrize(
    "changed",
    [
        {"name": 1},
        {"name": None},
        {"words": "x"},
        {"words": [1]},
        {"inner": []},
        {"inner": {"count": 1}},
        {"inner": {"share": "0.5"}},
        {"inner": {"share": True}},
        {"inner": {"share": math.inf}},
        {"inner": {"share": 10**400}},
        {"inner": {"share": 0.5, "count": 1.0}},
        {"inner": {"share": 0.5, "count": True}},
        {"later": {"y": None}},
        {"later": {"y": math.nan}},
        {"each": {"blue": []}},
    ],
)
def test_what_is_of_another_type_than_its_field_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        from_json(Outer, {"name": "a", "inner": None, "each": {}} | changed)
