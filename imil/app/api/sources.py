"""Endpoints of where images come from, and of plans by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from imil.app.api.given import READER, choice, whole
from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.core.review.readers import reader_name
from imil.datasets.hub.process import LIMIT, HubRequest
from imil.datasets.hub.read import parse_hub_id
from imil.datasets.public_sets import PUBLIC_SETS, public_set
from imil.study.library.presets import Preset, preset_plan
from imil.study.library.studies import Studies
from imil.study.study import Study


def source_endpoints(
    studies: Studies, about: Callable[[Study], dict[str, Any]]
) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints; `about` says what a study consists of."""

    def public_sets() -> list[dict[str, Any]]:
        """Return the public data sets on offer, with licence and citation."""
        return [asdict(known) for known in PUBLIC_SETS]

    @costs(Cost.BEGIN)
    def open_public_set(repo: str) -> dict[str, Any]:
        """Begin a study of a sample of a public data set, by its id."""
        with errors_shown():
            known = public_set(str(repo))
            return about(studies.from_hub(known.request, name=known.name))

    @costs(Cost.BEGIN)
    def look_at_hub(dataset: str, token: str | None = None) -> dict[str, Any]:
        """Return what a Hub data set has: configurations, splits, columns, licence."""
        with errors_shown():
            return asdict(studies.look_at_hub(_asked(dataset, token)))

    @costs(Cost.BEGIN)
    def open_hub(
        dataset: str,
        config: str | None = None,
        splits: list[str] | None = None,
        label: str | None = None,
        positive: str | None = None,
        limit: int = LIMIT,
        token: str | None = None,
        black_corners: bool = False,
    ) -> dict[str, Any]:
        """Begin a study of a sample of a Hub data set: owner/name, or owner/name@revision."""
        with errors_shown():
            asked = _asked(dataset, token, config, splits, label, limit)
            asked = replace(asked, black_corners=bool(black_corners))
            return about(studies.from_hub(asked, positive=positive or None))

    def set_preset(study: str, preset: str, reader: str = READER) -> dict[str, Any]:
        """Plan a study as a preset has it: recommended, or paper."""
        with errors_shown():
            opened = studies.open(str(study))
            plan = preset_plan(choice(Preset, preset), opened.images, opened.plan)
            opened.set_plan(plan, who=reader_name(reader))
            return asdict(opened.plan)

    def set_consent(study: str, agreed: bool, reader: str = READER) -> dict[str, Any]:
        """Let a copy of a study's images leave this machine, or no further one."""
        with errors_shown():
            opened = studies.open(str(study))
            if agreed is True:
                opened.give_consent(reader_name(reader))
            else:
                opened.withdraw_consent(who=reader_name(reader))
            return about(opened)

    @costs(Cost.BEGIN)
    def fetch_images(study: str) -> dict[str, Any]:
        """Fetch the images again of a study of a Hub data set that lost them."""
        with errors_shown():
            return asdict(studies.open(str(study)).fetch_images())

    return (
        public_sets,
        open_public_set,
        look_at_hub,
        open_hub,
        set_preset,
        set_consent,
        fetch_images,
    )


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
