"""What a `study.zip` says of itself, and whether its log agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from imil.errors import StoreError
from imil.storage.base import Store
from imil.storage.records.acts import ActKind, ChainHead
from imil.storage.records.studies import StudyRecord
from imil.study.audit.act_log import ActLog
from imil.study.audit.trail import Audit, audit_chain


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a `study.zip` says of itself.

    Attributes:
        study: the id that its files use.
        images: whether the images can be had: they are inside, or drawn anew.
        files: SHA-256 by name in the zip.
        head: the last act of its log; None for an empty log.
        broken: how the log was broken when it was exported; None where it was intact.
    """

    study: str
    images: bool
    files: Mapping[str, str]
    head: ChainHead | None = None
    broken: str | None = None


def check_log(state: Store, record: StudyRecord, manifest: Manifest) -> Audit:
    """Return the study's log; StoreError where it was changed after the zip was written."""
    heads = [head for head in (record.head, manifest.head) if head is not None]
    found = audit_chain(state, ActLog(state, record.study_id).read(heads))
    require_unchanged(found, manifest)
    return found


def require_unchanged(found: Audit, manifest: Manifest) -> None:
    """Raise a StoreError if an audit finds what was changed after the zip was written.

    A study that was broken before that is let through: the zip says so, and so does its audit.
    """
    if found.broken is not None and manifest.broken is None:
        raise StoreError(
            f"This study.zip was changed: {found.broken.told}",
            why="Each entry of the log carries a digest of the one before, and of the files that "
            "it tells of. So a later change shows.",
            fix="Use an untouched copy of the zip, or export the study again.",
        )


def with_openings(record: StudyRecord, log: Audit) -> StudyRecord:
    """Return the study with its test set opened at least as often as its log tells."""
    told = sum(act.what is ActKind.TEST_OPENED for act in log.acts)
    return replace(record, test_openings=max(record.test_openings, told))
