"""The study in a `study.zip`: fields that are known, each of them checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from imil.core.arms.registry import parse_arms
from imil.core.bounds import (
    LARGEST_SEED,
    LONGEST_LINE,
    LONGEST_TEXT,
    MOST_FILMS,
    MOST_SEEDS,
    MOST_TRAININGS,
    one_line,
)
from imil.core.plans import check_plan
from imil.core.records import MOST_ROUNDS
from imil.core.review.readers import reader_name
from imil.datasets.choices import PickedFrame
from imil.datasets.external import MOST_EXTERNAL, set_name
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import HubChoice
from imil.storage.base import Store
from imil.storage.codec import damaged
from imil.storage.records.studies import (
    Comparison,
    StudyRecord,
    load_study,
)
from imil.storage.values import from_json
from imil.study.library.zips.checks.refusals import STUDY_ZIP, damage_told, require
from imil.synthetic.films import FilmSpec

_MOST_NOTICES = 1000


def checked_record(state: Store, study_id: str) -> StudyRecord:
    """Return the study of a zip as it may be kept: fields that are known, each of them checked.

    What is a right and no fact is left out: nobody has agreed here that its images leave.

    Raises:
        StoreError: there is none, or a field is not what it can be.
    """
    record = load_study(state, study_id)
    if record is None or record.study_id != study_id:
        raise damaged(STUDY_ZIP)
    with damage_told():
        checked = replace(
            record,
            name=one_line(record.name)[:LONGEST_LINE] or "Study",
            source=_source(record.source),
            plan=check_plan(record.plan),
            consent=None,
            origin_id="",
        )
        require(len(record.notices) <= _MOST_NOTICES)
        require(all(reader_name(who) == who for who in record.skips))
        require(len(record.earlier) <= MOST_ROUNDS)
        for asked in asked_of(record):
            _check_comparison(asked)
        if record.confirmation is not None:
            require(len(record.confirmation.masks) <= LONGEST_TEXT)
            require(reader_name(record.confirmation.reader) == record.confirmation.reader)
        _check_external(record)
    return checked


def asked_of(record: StudyRecord) -> tuple[Comparison, ...]:
    """Return every comparison that was asked for, the earlier rounds' first."""
    return tuple(each for each in (*record.earlier, record.comparison) if each is not None)


def _check_external(record: StudyRecord) -> None:
    sets = record.external
    require(len(sets) <= MOST_EXTERNAL)
    for kept in ({each.name for each in sets}, {each.key for each in sets}):
        require(len(kept) == len(sets))
    for each in sets:
        require(set_name(each.name) == each.name)
        shares = (each.check.external.shares, each.check.training.shares)
        require(all(len(share) == len(each.check.classes) for share in shares))
        from_json(_ExternalSource, each.source)


def _check_comparison(asked: Comparison) -> None:
    require(parse_arms(asked.arms) == asked.arms)
    require(1 <= len(asked.seeds) <= MOST_SEEDS and len(set(asked.seeds)) == len(asked.seeds))
    require(all(0 <= seed <= LARGEST_SEED + MOST_SEEDS for seed in asked.seeds))
    require(len(asked.arms) * len(asked.seeds) <= MOST_TRAININGS)
    require(all(reader_name(who) == who for who in asked.readers))


Word = Annotated[str, Field(max_length=LONGEST_TEXT)]


@dataclass(frozen=True, slots=True)
class _Demo:
    kind: Literal["demo"]
    films: FilmSpec
    version: int = 1
    trained: Word = ""


@dataclass(frozen=True, slots=True)
class _Pixels:
    frame: PickedFrame | None = None
    preset: int = 1
    black_corners: bool = False


@dataclass(frozen=True, slots=True)
class _Archive:
    kind: Literal["archive"]
    positive: Word | None = None
    pixels: _Pixels | None = None


@dataclass(frozen=True, slots=True)
class _Hub:
    kind: Literal["hub"]
    repo: Word
    positive: Word | None = None
    asked: HubRequest | None = None


@dataclass(frozen=True, slots=True)
class _ExternalSource:
    kind: Literal["archive", "hub"]
    repo: Word = ""
    commit: Word = ""
    pixels: _Pixels | None = None


_SOURCES = {"demo": _Demo, "archive": _Archive, "hub": _Hub}


def _source(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return where images come from, as far as it is known what it means."""
    kind: type[_Demo | _Archive | _Hub] = _SOURCES[saved["kind"]]
    source = from_json(kind, saved)
    told = asdict(source)
    match source:
        case _Demo():
            require(source.films.images <= MOST_FILMS)
        case _Hub():
            told |= asdict(from_json(HubChoice, saved))
            if source.asked is not None:
                require(1 <= source.asked.limit <= MOST_FILMS)
                told["asked"] = asdict(replace(source.asked, token=None))
    return {name: each for name, each in told.items() if name in saved or name == "positive"}
