"""Endpoints of studies: begin one, see what it is, bring its images again, delete it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from imil.app.api.parameters import API_READER
from imil.core.review.readers import reader_name
from imil.datasets.choices import Choices, parse_columns
from imil.datasets.hub.process import LIMIT, HubRequest
from imil.datasets.hub.read import parse_hub_id
from imil.datasets.public_sets import PUBLIC_SETS, public_set
from imil.report.parts import text
from imil.study.library.studies import Studies
from imil.study.study import Study


def open_demo(studies: Studies, trained: bool = True) -> dict[str, Any]:
    """Begin a study of the demo's synthetic films, after or before its first training."""
    return _about(studies.demo(trained=trained))


def look_at_archive(studies: Studies, archive: Path) -> dict[str, Any]:
    """Return what a zip holds: how it is understood, and what is asked about it."""
    return asdict(studies.look_into(archive))


def open_archive(
    studies: Studies,
    archive: Path,
    name: str | None = None,
    positive: str | None = None,
    columns: str | None = None,
    patient_pattern: str | None = None,
    view: int = 1,
    black_corners: bool = False,
    answers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Begin a study of the images in a zip; `positive` makes it that label against the rest.

    `answers` are to the questions of `look_at_archive`, by their ids; `columns` is as in
    “file=image,label=dx”; `view` is which window of DICOM files, 0 for none.
    """
    choices = Choices(
        answers=(
            *(parse_columns(columns) if columns else ()),
            *((("patient", patient_pattern),) if patient_pattern else ()),
            *(answers or {}).items(),
        ),
        preset=view,
        black_corners=black_corners,
    )
    named = (name or "").strip() or None
    return _about(
        studies.from_archive(archive, name=named, positive=positive or None, choices=choices)
    )


def public_sets() -> list[dict[str, Any]]:
    """Return the public data sets on offer, with licence and citation."""
    return [asdict(known) for known in PUBLIC_SETS]


def open_public_set(studies: Studies, repo: str) -> dict[str, Any]:
    """Begin a study of a sample of a public data set, by its id."""
    known = public_set(repo)
    return _about(studies.from_hub(known.request, name=known.name))


def look_at_hub(studies: Studies, dataset: str, token: str | None = None) -> dict[str, Any]:
    """Return what a Hub data set has: configurations, splits, columns, licence."""
    return asdict(studies.look_at_hub(_of_hub(dataset, token)))


def open_hub(
    studies: Studies,
    dataset: str,
    config: str | None = None,
    splits: list[str] | None = None,
    label: str | None = None,
    positive: str | None = None,
    limit: int = LIMIT,
    token: str | None = None,
    black_corners: bool = False,
    frame: str = "",
) -> dict[str, Any]:
    """Begin a study of a sample of a Hub data set: owner/name, or owner/name@revision.

    `frame` of images with several is a number from 1, “middle”, or “column” and its name.
    """
    asked = replace(
        _of_hub(dataset, token),
        config=config or None,
        splits=tuple(splits or ()),
        label=label or None,
        limit=limit,
        black_corners=black_corners,
        frame=frame,
    )
    return _about(studies.from_hub(asked, positive=positive or None))


def open_study(study: Study) -> dict[str, Any]:
    """Return a study's images, splits and plan."""
    return _about(study)


def set_consent(study: Study, agreed: bool, reader: str = API_READER) -> dict[str, Any]:
    """Let a copy of a study's images leave this machine, or no further one."""
    if agreed:
        study.backup.give_consent(reader_name(reader))
    else:
        study.backup.withdraw_consent(who=reader_name(reader))
    return _about(study)


def bring_images(study: Study, archive: Path) -> dict[str, Any]:
    """Bring the images of a study again that lost them: found, missing, and others in it."""
    return asdict(study.pictures.restore(archive))


def fetch_images(study: Study) -> dict[str, Any]:
    """Fetch the images again of a study of a Hub data set that lost them."""
    return asdict(study.pictures.fetch())


def audit(study: Study) -> dict[str, Any]:
    """Return every act in the study's log, and whether the chain of them is intact.

    `uncovered` says in sentences what the log does not vouch for, `waiting` how many acts are
    not in it yet.
    """
    found = study.audit.check()
    return {
        "intact": found.broken is None,
        "broken": found.broken and asdict(found.broken),
        "head": found.head and asdict(found.head),
        "uncovered": list(found.uncovered),
        "waiting": found.waiting,
        "acts": [asdict(act) for act in found.acts],
    }


def delete_study(studies: Studies, study: str, who: str = "") -> dict[str, Any]:
    """Delete a study for good; return what is kept: when, by whom, and how its log ended."""
    # Nobody signs in here: a study that belongs to an account is deleted on the screen.
    studies.accounts.require_owner(None, study)
    return asdict(studies.delete(study, who=who))


def _of_hub(dataset: str, token: str | None) -> HubRequest:
    repo, revision = parse_hub_id(dataset)
    return HubRequest(repo, revision, token=token or None)


def _about(study: Study) -> dict[str, Any]:
    report = study.report
    return {
        "study": study.study_id,
        "name": study.name,
        "classes": list(study.images.classes),
        "images": len(study.images),
        "missing_images": study.pictures.missing,
        "goes_to": study.goes_to,
        "consent": None if study.backup.consent is None else asdict(study.backup.consent),
        "splits": {split.value: len(study.images.rows(split)) for split in text.SPLIT_NAMES},
        "disjoint": study.proof.sentence,
        "taken": report.taken,
        "skipped": [asdict(skip) for skip in report.skipped],
        "more_skipped": report.more_skipped,
        "notes": list(report.notes),
        "near_duplicates": None if report.twins is None else asdict(report.twins),
        "notices": list(study.notices),
        "plan": asdict(study.plan),
        "deployment": study.deployment.value,
    }
