"""What is kept of a study besides its masks: one JSON file, and one a finished comparison."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from imil.core.metrics import Interval, Metric
from imil.core.records import Arm, EpochFigures, Plan, Split
from imil.core.rounds import ArmFigures, Paired, Round
from imil.core.verdict import Difference, Verdict
from imil.errors import StoreError
from imil.store.base import Store
from imil.store.codec import check_version, damaged, plan_from_json

STUDY_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison that was asked for: arms, seeds, and the saved masks as they were then.

    `masks` are names in the store: a mask drawn anew later doesn't change what was compared.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    masks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study as it is kept.

    Attributes:
        study_id: random, unguessable.
        name: for people; no patient data.
        created: when, UTC, ISO 8601.
        source: where the images come from, such as `{"kind": "demo"}`.
        plan: how it trains.
        started: whether training was asked for; the plan is fixed from then on.
        skipped: images the reader passed over.
        comparison: the last one asked for.
        test_openings: how often the test set was opened.
        notices: sentences to show beside every figure.
    """

    study_id: str
    name: str
    created: str
    source: Mapping[str, Any]
    plan: Plan
    started: bool = False
    skipped: tuple[str, ...] = ()
    comparison: Comparison | None = None
    test_openings: int = 0
    notices: tuple[str, ...] = ()


def study_file(study_id: str) -> str:
    """Return the name of a study's file in the store."""
    return f"studies/{study_id}/study.json"


def save_study(store: Store, record: StudyRecord) -> None:
    """Save the study, replacing what was saved before."""
    content = {"schema_version": STUDY_SCHEMA, **asdict(record)}
    store.write(study_file(record.study_id), json.dumps(content, indent=1).encode())


def load_study(store: Store, study_id: str) -> StudyRecord | None:
    """Return the saved study; None only where there is none."""
    content = store.read(study_file(study_id))
    if content is None:
        return None
    saved = _parse("A study", content)
    comparison = saved["comparison"]
    return StudyRecord(
        study_id=saved["study_id"],
        name=saved["name"],
        created=saved["created"],
        source=saved["source"],
        plan=plan_from_json(saved["plan"]),
        started=saved["started"],
        skipped=tuple(saved["skipped"]),
        comparison=None
        if comparison is None
        else Comparison(
            arms=tuple(Arm(name) for name in comparison["arms"]),
            seeds=tuple(comparison["seeds"]),
            masks=tuple(comparison["masks"]),
        ),
        test_openings=saved["test_openings"],
        notices=tuple(saved["notices"]),
    )


def round_to_json(finished: Round) -> dict[str, Any]:
    """Return the round as JSON values; a figure that can't be given becomes null."""
    content: dict[str, Any] = _without_nan({"schema_version": STUDY_SCHEMA, **asdict(finished)})
    return content


def save_round(store: Store, study_id: str, finished: Round, *, key: str) -> None:
    """Save a finished comparison under its own key."""
    content = json.dumps(round_to_json(finished), indent=1).encode()
    store.write(f"studies/{study_id}/rounds/{key}.json", content)


def load_round(store: Store, study_id: str, *, key: str) -> Round | None:
    """Return a finished comparison; None only where there is none."""
    content = store.read(f"studies/{study_id}/rounds/{key}.json")
    return None if content is None else round_from_json(_parse("A comparison", content))


def round_from_json(saved: Mapping[str, Any]) -> Round:
    """Return the round that `round_to_json` was given."""
    plain = {k: v for k, v in saved.items() if k != "schema_version"}
    lists = {k: tuple(saved[k]) for k in ("seeds", "masked", "notices")}
    arms = tuple(_arm(arm) for arm in saved["arms"])
    paired = tuple(
        Paired(
            Arm(p["arm"]),
            {Metric(m): Difference(**d) for m, d in p["differences"].items()},
            Verdict(p["verdict"]),
            p["exploratory"],
            {Metric(m): level for m, level in p["levels"].items()},
        )
        for p in saved["paired"]
    )
    split = Split(saved["split"])
    return Round(**(plain | lists | {"arms": arms, "paired": paired, "split": split}))


def _arm(saved: Mapping[str, Any]) -> ArmFigures:
    return ArmFigures(
        arm=Arm(saved["arm"]),
        values={Metric(m): tuple(v) for m, v in saved["values"].items()},
        figures={
            Metric(m): Interval(**{k: math.nan if v is None else v for k, v in f.items()})
            for m, f in saved["figures"].items()
        },
        confusion=tuple(tuple(row) for row in saved["confusion"]),
        curves=tuple(EpochFigures(**c) for c in saved["curves"]),
    )


def _parse(what: str, content: bytes) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = json.loads(content)
        version = saved["schema_version"]
    except (ValueError, KeyError) as cause:
        raise damaged(what) from cause
    check_version(what, version, STUDY_SCHEMA)
    return saved


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def unknown_study(study_id: str) -> StoreError:
    """Return the error of opening a study that isn't there."""
    return StoreError(
        f"There is no study “{study_id}” here.",
        why="Nothing is saved under that id on this machine.",
        fix="Check the link, or begin a new study on the Train tab.",
    )
