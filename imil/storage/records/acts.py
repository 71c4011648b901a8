"""A study's acts: one small JSON file each, chained by SHA-256 so that a later change shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from imil.core.records import Deployment
from imil.storage.codec import check_version
from imil.storage.sheets import csv_text
from imil.storage.values import Digest, Time, from_json, from_text, to_json

ACT_SCHEMA = 1
# Who is named where the program itself did it.
PROGRAM = "imil"
# Characters of a name or id in an act, and bytes of its details; far above what any of ours has.
LONGEST_DETAIL = 10_000
Text = Annotated[str, Field(max_length=LONGEST_DETAIL)]
MOST_DETAILS = 2**22


class ActKind(StrEnum):
    """What was done; the values are also what is stored."""

    STUDY_BEGUN = "study_begun"
    PLAN_SET = "plan_set"
    DEPLOYMENT_SET = "deployment_set"
    TRAINING_STARTED = "training_started"
    ARITHMETIC_CHOSEN = "arithmetic_chosen"
    TRAINING_STOPPED = "training_stopped"
    TRAINING_FINISHED = "training_finished"
    MASK_ACCEPTED = "mask_accepted"
    MASK_COPIED = "mask_copied"  # in logs of earlier versions
    # What the model says with an accepted mask, where that was not known when it was accepted.
    ANSWERED = "answered"
    SKIPPED = "skipped"
    RELABELLED = "relabelled"
    EXCLUDED = "excluded"
    LABEL_KEPT = "label_kept"
    SELECTION_SET = "selection_set"
    FOLDS_STARTED = "folds_started"
    PREDICTIONS_CONFIRMED = "predictions_confirmed"
    # The painted masks alone are wanted.
    PREDICTIONS_DECLINED = "predictions_declined"
    COMPARISON_ASKED = "comparison_asked"
    COMPARISON_STOPPED = "comparison_stopped"
    COMPARISON_FINISHED = "comparison_finished"
    TEST_OPENED = "test_opened"
    EXTERNAL_ADDED = "external_added"
    EXTERNAL_REMOVED = "external_removed"
    UNBLINDED = "unblinded"
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    SHARED = "shared"
    EXPORTED = "exported"
    IMPORTED = "imported"
    IMAGES_REMOVED = "images_removed"
    # Digests of files that no act had told of: the log vouches for them from here on.
    FILES_NOTED = "files_noted"
    # Something was done that could not be written down when it was done.
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last act of a log: whoever knows it can tell whether what came before was changed."""

    seq: Annotated[int, Field(ge=0)]
    digest: Digest


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done to a study.

    Attributes:
        what: what was done.
        time: when, UTC, ISO 8601.
        who: the reader's name, "imil" for the program itself, "" where nobody is named.
        sample_id: the image; "" for none.
        details: JSON values; ids and counts, never pixels.
        model: first 12 hex digits of the SHA-256 of the checkpoint that answered; "" for none.
        p_before: probability of the image's label as it is, 0-1; None where nobody asked.
        p_after: the same with the mask blacked out.
        seconds: time spent; None where nobody measured.
        seq: its number in the log, from 0.
        previous: digest of the act before; for the first, a digest of the study's id.
        digest: SHA-256 of all of the above.
    """

    what: ActKind
    time: Time
    who: Text = ""
    sample_id: Text = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    model: Text = ""
    # A whole number stays one: it is written in another way.
    p_before: float | int | None = None
    p_after: float | int | None = None
    seconds: float | int | None = None
    seq: int = -1
    previous: Text = ""
    digest: Text = ""

    @property
    def head(self) -> ChainHead:
        """What a log that ends with this act is known by."""
        return ChainHead(self.seq, self.digest)


class ChainFlaw(StrEnum):
    """How a chain was tampered with."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "cut off"


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first place where a chain does not hold.

    Attributes:
        seq: number of the act.
        flaw: what was done to it.
        told: one sentence for people, with the number.
    """

    seq: int
    flaw: ChainFlaw
    told: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A log as it was found: every act that can be read, and where it is broken."""

    acts: tuple[Act, ...]
    broken: ChainBreak | None = None

    @property
    def head(self) -> ChainHead | None:
        """The last act's number and digest; None for an empty log."""
        return self.acts[-1].head if self.acts else None


def acts_folder(study_id: str) -> str:
    """Return what the names of a study's acts begin with."""
    return f"studies/{study_id}/acts/"


def act_file(study_id: str, seq: int) -> str:
    """Return the name in the store of a study's act of that number."""
    return f"{acts_folder(study_id)}{seq:08d}.json"


def first_link(study_id: str) -> str:
    """Return what stands for the act before the first: the acts of one study fit no other's."""
    return hashlib.sha256(f"imil study {study_id}".encode()).hexdigest()


def chained(act: Act, *, seq: int, previous: str) -> Act:
    """Return the act as the one of that number, after the one with the digest `previous`.

    Raises:
        ValueError: it holds what JSON can't, such as an infinite number, or is too large.
    """
    if len(_canonical(act.details)) > MOST_DETAILS:
        raise ValueError("the details of an act are too large")
    # As it will be read again, so that both have one digest.
    placed = _checked(json.dumps(to_json(replace(act, seq=seq, previous=previous, digest=""))))
    return replace(placed, digest=_digest(_content(placed)))


def encode_act(act: Act) -> bytes:
    """Return a chained act as canonical JSON: sorted keys, no blanks, one way to write each."""
    return _dumped(_content(act) | {"digest": act.digest})


def read_act(content: bytes) -> Act | None:
    """Return the act in a file; None for a file that was changed since, or can't be read.

    Raises:
        StoreError: it was written by a newer version.
    """
    try:
        saved = json.loads(content)
        check_version("A log of acts", saved["schema_version"], ACT_SCHEMA)
        act = _checked(content.decode())
        told = _content(act)
        # In the one way in which acts are written, with these fields and no others.
        whole = _dumped(told | {"digest": act.digest}) == content and act.digest == _digest(told)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return act if whole else None


def check_links(
    study_id: str, found: Sequence[tuple[int, Act | None]], known: ChainHead | None = None
) -> ChainBreak | None:
    """Return the first place where a log does not hold; None for one that is intact.

    Args:
        study_id: whose log.
        found: number by file name, ascending, and the act in that file; None for a file that was
            changed since its act was chained, or can't be read.
        known: a head that was kept elsewhere, such as on the Hub; the log must still contain it.
    """
    broken = _first_break(study_id, found)
    if broken is not None or known is None:
        return broken
    return check_head([act for _, act in found if act is not None], known)


def check_head(acts: Sequence[Act], known: ChainHead) -> ChainBreak | None:
    """Return how a log whose links hold differs from a head that was kept elsewhere; None if not.

    Args:
        acts: all of them, the first one's number is 0.
        known: the log must contain it.
    """
    last = len(acts) - 1
    if last < known.seq:
        return _broken(last + 1, ChainFlaw.CUT, known.seq - last)
    if acts[known.seq].digest != known.digest:
        told = f"Act {known.seq} is not the one that was saved: the log was written anew."
        return ChainBreak(known.seq, ChainFlaw.CHANGED, told)
    return None


def _first_break(study_id: str, found: Sequence[tuple[int, Act | None]]) -> ChainBreak | None:
    previous, said = first_link(study_id), {act.seq for _, act in found if act is not None}
    for place, (number, act) in enumerate(found):
        if number != place:
            return _broken(place, ChainFlaw.MISSING)
        if act is None:
            return _broken(place, ChainFlaw.CHANGED)
        if act.seq < place:  # two acts have its number: one of them is not the log's
            return _broken(act.seq, ChainFlaw.INSERTED)
        if act.seq > place:
            return _broken(place, ChainFlaw.REORDERED if place in said else ChainFlaw.MISSING)
        if act.previous != previous:
            return _unlinked(found, place)
        previous = act.digest
    return None


def _unlinked(found: Sequence[tuple[int, Act | None]], place: int) -> ChainBreak:
    """Return the break of an act that names another one before it than there is."""
    act, after = found[place][1], found[place + 1][1] if place + 1 < len(found) else None
    follows = after is not None and act is not None and after.previous == act.digest
    if place and (follows or after is None):
        # What follows knows this act: so the one before was changed, and given a new digest.
        return _broken(place - 1, ChainFlaw.CHANGED)
    return _broken(place, ChainFlaw.CHANGED)


def _broken(seq: int, flaw: ChainFlaw, count: int = 1) -> ChainBreak:
    told = {
        ChainFlaw.CHANGED: f"Act {seq} was changed after it was written.",
        ChainFlaw.MISSING: f"Act {seq} is missing, and later ones are there.",
        ChainFlaw.INSERTED: f"Act {seq} was inserted: two acts have its number.",
        ChainFlaw.REORDERED: f"Act {seq} stands in another place than it was written in.",
        ChainFlaw.CUT: f"The log is cut off from act {seq} on: {count} that were saved are "
        "missing.",
    }
    return ChainBreak(seq, flaw, told[flaw])


def acts_jsonl(acts: Iterable[Act]) -> bytes:
    """Return the acts as they are stored, a line each."""
    return b"".join(encode_act(act) + b"\n" for act in acts)


def acts_csv(acts: Iterable[Act]) -> bytes:
    """Return the acts as a table, a row each; details are JSON."""
    names = [each.name for each in fields(Act)]
    columns = ["seq", *(name for name in names if name != "seq")]
    rows: list[list[object]] = [list(columns)]
    for act in acts:
        row = _content(act) | {"digest": act.digest, "details": _canonical(act.details).decode()}
        rows.append([row[name] for name in columns])
    return csv_text(rows).encode()


def files_of(act: Act) -> dict[str, str]:
    """Return the files that an act vouches for: names in the store and their SHA-256."""
    files: dict[str, str] = act.details.get("files", {})
    return files


@dataclass(frozen=True, slots=True)
class _Trained:
    segment: str
    model: str
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Details:
    """Those details that the app reads again, as it writes them."""

    files: Mapping[str, str] = field(default_factory=dict)
    mask: str = ""
    not_written: tuple[Any, ...] = ()
    acts: int = 0
    openings: int = 0
    trained: tuple[_Trained, ...] = ()
    triage: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    deployment: Deployment = Deployment.UNSURE


def _checked(text: str) -> Act:
    """Return an act from JSON text; ValueError for one that no log of ours holds."""
    act = from_text(Act, text)
    from_json(_Details, act.details)
    return act


def _content(act: Act) -> dict[str, Any]:
    """Return what the digest is taken of."""
    content: dict[str, Any] = {"schema_version": ACT_SCHEMA, **to_json(act)}
    del content["digest"]
    return content


def _canonical(content: Mapping[str, Any]) -> bytes:
    return _dumped(to_json(content))


def _dumped(content: Any) -> bytes:
    """Return plain JSON values in the one way in which acts are written."""
    return json.dumps(
        content,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_dumped(content)).hexdigest()
