"""Endpoints of where images come from, and of plans by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from imil.sources.hub import parse_hub_id
from imil.sources.hub_process import LIMIT, HubRequest
from imil.sources.public_sets import PUBLIC_SETS, public_set
from imil.ui.errors import errors_shown
from imil.ui.given import choice, whole
from imil.workflow.presets import Preset, preset_plan
from imil.workflow.studies import Studies
from imil.workflow.study import Study


def source_endpoints(
    studies: Studies, about: Callable[[Study], dict[str, Any]]
) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints; `about` says what a study consists of."""

    def public_sets() -> list[dict[str, Any]]:
        """Return the public data sets on offer, with licence and citation."""
        return [asdict(known) for known in PUBLIC_SETS]

    def open_public_set(repo: str) -> dict[str, Any]:
        """Begin a study of a sample of a public data set, by its id."""
        with errors_shown():
            known = public_set(str(repo))
            return about(studies.from_hub(known.request, name=known.name))

    def look_at_hub(dataset: str, token: str | None = None) -> dict[str, Any]:
        """Return what a Hub data set has: configurations, splits, columns, licence."""
        with errors_shown():
            return asdict(studies.look_at_hub(_asked(dataset, token)))

    def open_hub(
        dataset: str,
        config: str | None = None,
        splits: list[str] | None = None,
        label: str | None = None,
        positive: str | None = None,
        limit: int = LIMIT,
        token: str | None = None,
    ) -> dict[str, Any]:
        """Begin a study of a sample of a Hub data set: owner/name, or owner/name@revision."""
        with errors_shown():
            asked = _asked(dataset, token, config, splits, label, limit)
            return about(studies.from_hub(asked, positive=positive or None))

    def set_preset(study: str, preset: str) -> dict[str, Any]:
        """Plan a study as a preset has it: recommended, or paper."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.set_plan(preset_plan(choice(Preset, preset), opened.images, opened.plan))
            return asdict(opened.plan)

    return public_sets, open_public_set, look_at_hub, open_hub, set_preset


def _asked(
    dataset: Any,
    token: Any,
    config: Any = None,
    splits: Any = None,
    label: Any = None,
    limit: Any = LIMIT,
) -> HubRequest:
    repo, revision = parse_hub_id(str(dataset or ""))
    return HubRequest(
        repo,
        revision,
        config=None if not config else str(config),
        splits=tuple(str(split) for split in splits or ()),
        label=None if not label else str(label),
        limit=whole("limit", limit),
        token=None if not token else str(token),
    )
