"""Endpoints of external sets: another hospital's images, opened together with the test set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from imil.app.api.parameters import API_READER
from imil.core.review.readers import reader_name
from imil.datasets.choices import Choices
from imil.datasets.hub.process import LIMIT, HubRequest
from imil.datasets.hub.read import parse_hub_id
from imil.report.cards.external_card import check_words
from imil.storage.records.studies import ExternalSet
from imil.storage.values import to_json
from imil.study.study import Study


def external_sets(study: Study) -> list[dict[str, Any]]:
    """Return the external sets of a study, each beside the training images; nothing is opened."""
    return [_told(study, each) for each in study.external.sets]


def add_external_set(
    study: Study,
    archive: Path,
    name: str,
    rules: str = "",
    answers: dict[str, str] | None = None,
    reader: str = API_READER,
) -> list[dict[str, Any]]:
    """Add the images of a zip as an external set; return all sets.

    `rules` rename its labels to the study's classes, as in “nv = nevus; mel = melanoma; other =”;
    `answers` are to the questions of `look_at_archive`.
    """
    choices = Choices(answers=tuple((answers or {}).items()))
    who = reader_name(reader)
    study.external.add_archive(archive, name=name, rules=rules, choices=choices, who=who)
    study.comparison.ask_external()
    return external_sets(study)


def add_external_hub(
    study: Study,
    dataset: str,
    name: str,
    rules: str = "",
    label: str | None = None,
    limit: int = LIMIT,
    token: str | None = None,
    reader: str = API_READER,
) -> list[dict[str, Any]]:
    """Add a sample of a Hub data set, owner/name[@revision], as `add_external_set`."""
    repo, revision = parse_hub_id(dataset)
    asked = HubRequest(repo, revision, token=token or None)
    asked = replace(asked, label=label or None, limit=limit)
    study.external.add_hub(asked, name=name, rules=rules, who=reader_name(reader))
    study.comparison.ask_external()
    return external_sets(study)


def remove_external_set(study: Study, name: str, reader: str = API_READER) -> list[dict[str, Any]]:
    """Remove an external set and its images; return those that are left."""
    study.external.remove(name, who=reader_name(reader))
    return external_sets(study)


def _told(study: Study, found: ExternalSet) -> dict[str, Any]:
    return {
        "name": found.name,
        "images": found.images,
        "here": study.external.is_here(found),
        "added": found.added,
        "check": to_json(found.check),
        "told": list(check_words(found.check)),
    }
