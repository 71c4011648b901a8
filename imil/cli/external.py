"""External test sets of a run: read, and looked at beside the training images."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from imil.core.external.distribution import check_distribution
from imil.core.images import ImageSet
from imil.datasets.archive.read import read_archive
from imil.datasets.choices import Choices, parse_answers
from imil.datasets.external import (
    MOST_EXTERNAL,
    Target,
    as_external,
    external_choices,
    external_images,
    set_name,
)
from imil.datasets.folder import read_folder
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import PREFIX, parse_hub_id, read_hub
from imil.datasets.listing import Listing
from imil.errors import PlanError
from imil.report.cards.external_card import check_words
from imil.settings import Settings
from imil.study.comparison.external import ExternalImages, set_key

Show = Callable[[str, float, float | None], None]


def parse_external(
    sets: Sequence[str], answers: Sequence[str]
) -> dict[str, tuple[str, tuple[tuple[str, str], ...]]]:
    """Return where each external set lies, and the answers to how it is read, by its name.

    Args:
        sets: as “name=path”.
        answers: as “name:question=answer”; the question “values” renames labels.

    Raises:
        PlanError: a part is written otherwise, a name comes twice, or an answer names no set.
        DataError: an answer is none.
    """
    found: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {}
    for written in sets:
        name, sign, where = written.partition("=")
        if not sign or not where.strip():
            raise PlanError(
                f"“{written}” names no external set.",
                why="A set is a name and where it lies, with “=” between them.",
                fix='Write it as in --external "Graz=graz.zip".',
            )
        name = set_name(name)
        if name in found or len(found) >= MOST_EXTERNAL:
            raise PlanError(
                f"There can't be another external set “{name}”.",
                why=f"Each has a name of its own, and there may be {MOST_EXTERNAL}.",
                fix="Give it another name, or leave it out.",
            )
        found[name] = (where.strip(), ())
    for written in answers:
        name, sign, answer = written.partition(":")
        if not sign or set_name(name) not in found:
            raise PlanError(
                f"“{written}” answers for no external set.",
                why=f"The sets are {', '.join(found) or 'none'}.",
                fix='Write it as in --external-answer "Graz:values=nv = nevus; mel = melanoma".',
            )
        where, before = found[set_name(name)]
        found[set_name(name)] = (where, (*before, *parse_answers([answer])))
    return found


def read_external(
    asked: dict[str, tuple[str, tuple[tuple[str, str], ...]]],
    study: ImageSet,
    positive: str | None,
    folder: Path,
    settings: Settings,
    show: Show,
) -> tuple[ExternalImages, ...]:
    """Return the external sets, each looked at beside the training images.

    Args:
        asked: as `parse_external` gives them.
        study: the study's images.
        positive: its one label against the rest.
        folder: for what is unpacked and made.
        settings: for the Hub.
        show: told of the progress.

    Raises:
        DataError: a set can't be read, or has other labels.
    """
    found = []
    for place, (name, (where, answers)) in enumerate(asked.items()):
        target = Target(study.classes, positive)
        listing = _listing(where, answers, target, folder / str(place), settings, show)
        images = external_images(listing, channels=study.channels)
        key = set_key(images)
        check = check_distribution(images, study, on_progress=_telling(show, f"looking at {name}"))
        external = ExternalImages(name, key, images, folder / key, check)
        console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        console.print(f"External set {name}: {listing.report.taken} images taken.")
        for sentence in (*listing.report.notes, *check_words(check)):
            console.print(f"  {sentence}")
        found.append(external)
    return tuple(found)


def _listing(
    where: str,
    answers: Iterable[tuple[str, str]],
    target: Target,
    folder: Path,
    settings: Settings,
    show: Show,
) -> Listing:
    told = _telling(show, "reading an external set")
    if where.startswith(PREFIX):
        given = dict(answers)
        repo, revision = parse_hub_id(where)
        asked = HubRequest(
            repo,
            revision,
            label=given.get("label"),
            token=settings.token,
            frame=given.get("frame", ""),
        )
        shutil.rmtree(folder, ignore_errors=True)  # what an earlier run has fetched
        named, _ = read_hub(asked, folder, endpoint=settings.endpoint, on_progress=told)
        return as_external(named, replace(target, rules=given.get("values", "")))
    source, made = Path(where), folder.with_name(f"{folder.name}-pictures").resolve()
    choices = external_choices(Choices(answers=tuple(answers)))
    if source.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        named = read_archive(source, folder, choices=choices, made=made, on_progress=told)
    else:
        named = read_folder(source, choices=choices, made=made, on_progress=told)
    return as_external(named, target)


def _telling(show: Show, step: str) -> Callable[[int, int], None]:
    return lambda done, total: show(step, done / max(total, 1), None)
