"""What is kept of a study besides its masks: one JSON file, and one a finished comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from imil.core.arms.variants import Variant
from imil.core.bounds import LONGEST_LINE, quoted
from imil.core.evaluation.rounds import Round
from imil.core.external.distribution import DistributionCheck
from imil.core.records import (
    Deployment,
    Notice,
    Openings,
    Plan,
    RoundNumber,
    Selection,
    Triage,
)
from imil.core.review.readers import UNNAMED, PoolingName
from imil.errors import StoreError
from imil.storage.base import Store
from imil.storage.codec import check_version, read_json, value_of
from imil.storage.records.acts import ChainHead
from imil.storage.values import Moment, to_json

# 2: passed-over images a reader.
STUDY_SCHEMA = 2
SetKey: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
SetName: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_LINE)]
Salt: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison that was asked for: arms, seeds, and the saved masks as they were then.

    `masks` are names in the store: a mask drawn anew later doesn't change what was compared, nor
    does a later decision on a label: `triage` are those of then. `number` is the round's, from 1;
    `test_seen` whether the test set had been opened when it was asked for. `readers` are those who
    painted the masks; `pooling` is how several readers' masks became one an image, "" for one
    reader's.
    """

    arms: tuple[Variant, ...]
    seeds: tuple[int, ...]
    masks: tuple[str, ...]
    triage: tuple[Triage, ...] = ()
    number: RoundNumber = 1
    test_seen: bool = False
    readers: tuple[str, ...] = ()
    pooling: PoolingName = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A reader has looked at the predicted masks and said that they are right.

    `masks` names the set of masks that they were predicted from; `time` is UTC, ISO 8601.
    """

    masks: str
    reader: str
    time: Moment


@dataclass(frozen=True, slots=True)
class Consent:
    """Somebody has agreed that a copy of a study's images leaves this machine.

    `repo` is where to, as it was told; `time` is UTC, ISO 8601.
    """

    repo: str
    who: str
    time: Moment


@dataclass(frozen=True, slots=True)
class ExternalSet:
    """Another hospital's images, which are opened together with the test set.

    Attributes:
        key: names its files: 12 random hex digits.
        name: for people; no patient data.
        source: where the images come from, as `StudyRecord.source`.
        added: when, UTC, ISO 8601.
        images: how many.
        check: what they are like beside the training images.
    """

    key: SetKey
    name: SetName
    source: Mapping[str, Any]
    added: Moment
    images: Annotated[int, Field(ge=1)]
    check: DistributionCheck


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
        skips: the images that each reader passed over, by the reader's name.
        comparison: the last one asked for.
        test_openings: how often the test set was opened.
        notices: sentences to show beside every figure.
        selection: how the mispredicted are found: a choice of the review, not of the plan.
        folds: whether out-of-fold answers were asked for.
        triage: what the reader decided on labels, in order of time.
        confirmation: the last one of predicted masks.
        earlier: the comparisons of earlier rounds, one a round.
        head: the last act of its log when it was saved; None before any, or without a log.
        salt: of the hashes that images and patients are known by; "" where ids are names.
        consent: that images may leave this machine; None without.
        pooling: how several readers' masks become one an image, a `Pooling`; "" as is usual.
        unblinded: when readers were first shown each other's masks, UTC, ISO 8601; "" for never.
        deployment: where the model will work, as the person answered before any comparison.
        external: other hospitals' images, to be opened together with the test set.
        origin_id: the id that it was exported with; "" for a study that was begun here. Its log and
            records are named by that id, see `imil.storage.study_store`.
    """

    study_id: str
    name: str
    created: Moment
    source: Mapping[str, Any]
    plan: Plan
    started: bool = False
    skips: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    comparison: Comparison | None = None
    test_openings: Openings = 0
    notices: tuple[Notice, ...] = ()
    selection: Selection = Selection.IN_SAMPLE
    folds: bool = False
    triage: tuple[Triage, ...] = ()
    confirmation: Confirmation | None = None
    earlier: tuple[Comparison, ...] = ()
    head: ChainHead | None = None
    salt: Salt = ""
    consent: Consent | None = None
    pooling: PoolingName = ""
    unblinded: Moment | Literal[""] = ""
    deployment: Deployment = Deployment.UNSURE
    external: tuple[ExternalSet, ...] = ()
    origin_id: str = ""

    @property
    def log_id(self) -> str:
        """The id that the study's log and records use."""
        return self.origin_id or self.study_id

    @property
    def external_salt(self) -> str:
        """Salt of the hashes that images of external sets are known by; never empty."""
        return self.salt or self.log_id


def listing_file(study_id: str) -> str:
    """Return the name in the store of the list of a study's images."""
    return f"studies/{study_id}/listing.json"


def external_file(study_id: str, key: str) -> str:
    """Return the name in the store of the list of an external set's images."""
    return f"studies/{study_id}/external/{key}.json"


def study_file(study_id: str) -> str:
    """Return the name of a study's file in the store."""
    return f"studies/{study_id}/study.json"


def save_study(store: Store, record: StudyRecord) -> None:
    """Save the study, replacing what was saved before."""
    store.write(study_file(record.study_id), study_json(record))


def study_json(record: StudyRecord) -> bytes:
    """Return a study's file."""
    # Saved at each decision: not copied deeply before, nor indented, which would be far slower.
    content = {"schema_version": STUDY_SCHEMA, **_as_dict(record)}
    return json.dumps(content, default=_as_dict).encode()


def _as_dict(value: Any) -> dict[str, Any]:
    """Return a frozen value, or another mapping, as JSON knows it; what is inside stays."""
    if isinstance(value, Mapping):
        return dict(value)
    return {each.name: getattr(value, each.name) for each in fields(value)}


def load_study(store: Store, study_id: str) -> StudyRecord | None:
    """Return the saved study; None only where there is none.

    Raises:
        StoreError: it is damaged: a field is missing or of another type; or of a newer version.
    """
    content = store.read(study_file(study_id))
    if content is None:
        return None
    saved = read_json("A study", content)
    check_version("A study", saved.get("schema_version", 0), STUDY_SCHEMA)
    # Studies of version 1 knew one reader.
    if "skips" not in saved and "skipped" in saved:
        saved["skips"] = {UNNAMED: saved["skipped"]}
    record = value_of(StudyRecord, "A study", saved)
    return replace(record, skips={who: images for who, images in record.skips.items() if images})


def round_to_json(finished: Round) -> dict[str, Any]:
    """Return the round as JSON values; a figure that can't be given becomes null."""
    return {"schema_version": STUDY_SCHEMA, **to_json(finished)}


def round_file(study_id: str, key: str) -> str:
    """Return the name in the store of a finished comparison."""
    return f"studies/{study_id}/rounds/{key}.json"


def save_round(store: Store, study_id: str, finished: Round, *, key: str) -> None:
    """Save a finished comparison under its own key."""
    content = json.dumps(round_to_json(finished), indent=1).encode()
    store.write(round_file(study_id, key), content)


def load_round(store: Store, study_id: str, *, key: str) -> Round | None:
    """Return a finished comparison; None only where there is none."""
    content = store.read(round_file(study_id, key))
    if content is None:
        return None
    saved = read_json("A comparison", content)
    check_version("A comparison", saved.get("schema_version", 0), STUDY_SCHEMA)
    return value_of(Round, "A comparison", _with_levels(saved))


def _with_levels(saved: dict[str, Any]) -> dict[str, Any]:
    """Return a round with each interval's level in its difference; once it was kept beside them."""
    pairs = saved.get("paired")
    for paired in pairs if isinstance(pairs, list) else ():
        levels = paired.get("levels") if isinstance(paired, dict) else None
        if not isinstance(levels, dict) or not isinstance(paired.get("differences"), dict):
            continue
        for metric, difference in paired["differences"].items():
            if isinstance(difference, dict) and metric in levels:
                difference["level"] = levels[metric]
    return saved


def lost_listing(name: str) -> StoreError:
    """Return the error of a study whose list of images is gone."""
    return StoreError(
        f"The list of images of “{name}” is gone.",
        why="An older version kept it beside the images, in a folder that is not there any more.",
        fix="Begin a new study with the same images; the masks are kept.",
    )


def unknown_study(study_id: str) -> StoreError:
    """Return the error of opening a study that isn't there."""
    return StoreError(
        f"There is no study {quoted(study_id)} here.",
        why="Nothing is saved under that id on this machine.",
        fix="Check the link, or begin a new study on the Train tab.",
    )
