"""Other hospitals' images in a study: added, looked at, asked about, opened with the test set."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from imil.core.arms.variants import Variant
from imil.core.disk import full_disk
from imil.core.evaluation.comparison import Trained
from imil.core.external.distribution import check_distribution
from imil.core.external.figures import ExternalAnswers
from imil.datasets.choices import Choices
from imil.datasets.deidentify import deidentify
from imil.datasets.external import (
    MOST_EXTERNAL,
    Target,
    as_external,
    external_choices,
    external_images,
    set_name,
)
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import read_hub
from imil.datasets.listing import Listing, listing_from_json, listing_to_json
from imil.datasets.reading.uploads import IMAGES_FOLDER
from imil.errors import DataError, ImilError, PlanError, StoreError
from imil.jobs.training.task import TrainingTask
from imil.storage.records.acts import ActKind
from imil.storage.records.studies import ExternalSet, external_file
from imil.study.audit.trail import AuditTrail
from imil.study.comparison.external import ExternalImages, ask_external, external_logits
from imil.study.context import StudyContext
from imil.study.pictures import Pictures

# Below a study's folder: images of each set; what models are asked with; what is being read.
EXTERNAL_FOLDER, _WORKING, _READING = "external", "external-working", "external-reading"
# Bytes of a set's key.
_KEY_BYTES = 6
_Tell = Callable[[int, int], None]


class ExternalSets:
    """The external sets of one study; safe to use from several threads.

    Args:
        context: of the study.
        audit: its log.
        pictures: its own images.
    """

    def __init__(self, context: StudyContext, audit: AuditTrail, pictures: Pictures) -> None:
        self._context = context
        self._audit = audit
        self._pictures = pictures
        # Held while models are asked: two would do the same work twice.
        self._asking = threading.Lock()

    @property
    def sets(self) -> tuple[ExternalSet, ...]:
        """The sets, in the order in which they were added."""
        return self._context.record.external

    def is_here(self, found: ExternalSet) -> bool:
        """Return whether a set's images are on this machine."""
        return self._images(found.key).is_dir()

    def add_archive(
        self,
        archive: Path,
        *,
        name: str,
        rules: str = "",
        choices: Choices | None = None,
        who: str = "",
        on_progress: _Tell | None = None,
    ) -> ExternalSet:
        """Add the images of a zip, all of them to test on; nothing is kept where that fails.

        Args:
            archive: the zip.
            name: for people; no patient data.
            rules: how its labels are called here; see `imil.datasets.layout.relabel`.
            choices: answers, a table.
            who: who asked for it.
            on_progress: told (done, total) after each image.

        Raises:
            PlanError: the name can't be, or is taken; or there are too many sets.
            DataError: what is wrong with the zip or its labels, and how to mend it.
            StoreError: the disk is full, or the study was deleted.
        """
        asked = external_choices(choices, rules)

        def read(work: Path, tell: _Tell) -> tuple[Listing, dict[str, Any]]:
            found = self._context.services.uploads.read(
                archive,
                work,
                name=set_name(name),
                salt=self._context.record.external_salt,
                seed=0,
                choices=asked,
                external=self._target(),
                on_progress=tell,
            )
            return found.listing, {"kind": "archive", "pixels": asked.pixels}

        return self._add(name, who, read, on_progress)

    def add_hub(
        self,
        asked: HubRequest,
        *,
        name: str,
        rules: str = "",
        who: str = "",
        on_progress: _Tell | None = None,
    ) -> ExternalSet:
        """Add a sample of a Hub data set; as `add_archive`. Its token is not kept."""

        def read(work: Path, tell: _Tell) -> tuple[Listing, dict[str, Any]]:
            endpoint = self._context.services.endpoint
            named, choice = read_hub(asked, work / "brought", endpoint=endpoint, on_progress=tell)
            named = as_external(named, replace(self._target(), rules=rules))
            listing = deidentify(
                named,
                external_images(named, channels=3),
                work / IMAGES_FOLDER,
                salt=self._context.record.external_salt,
            )
            return listing, {"kind": "hub", "repo": asked.repo, "commit": choice.commit}

        return self._add(name, who, read, on_progress)

    def remove(self, name: str, *, who: str = "") -> None:
        """Remove a set and its images; what the arms did on it stays in rounds that have it.

        Raises:
            PlanError: there is no such set.
        """
        context = self._context
        with context.state.lock:
            found = next((each for each in self.sets if each.name == name), None)
            if found is None:
                raise PlanError(
                    f"There is no external set “{name}”.",
                    why=f"The sets are {', '.join(each.name for each in self.sets) or 'none'}.",
                    fix="Pick one of them.",
                )
            context.state.update(external=tuple(each for each in self.sets if each != found))
            self._audit.note(ActKind.EXTERNAL_REMOVED, who=who, details={"key": found.key})
        for folder in (self._images(found.key).parent, self._working(found.key)):
            shutil.rmtree(folder, ignore_errors=True)

    def require(self) -> None:
        """Raise DataError while a set's images are not on this machine."""
        for found in self.sets:
            if not self.is_here(found):
                raise DataError(
                    f"The images of the external set “{found.name}” are not on this machine.",
                    why="They were lost with the machine's disk, or were not exported.",
                    fix="Remove the set, then add it again; or open the test set without it.",
                )

    def ask(self, tasks: Iterable[TrainingTask]) -> None:
        """Have trained models asked about every set that is here; what is known is not asked again.

        Nothing of the answers is shown before the test set is opened. A model or an image that is
        lost meanwhile is told there.
        """
        for task in tasks:
            for found in self.sets:
                if self._context.state.ending.is_set() or self._context.state.deleted:
                    return
                if self.is_here(found) and task.checkpoint.exists() and task.finished:
                    try:
                        with self._asking:
                            external_logits(self.images(found), task, device=self._device(task))
                    except ImilError:
                        return

    def answers(
        self,
        tasks: Mapping[Variant, Sequence[TrainingTask]],
        trained: Mapping[Variant, Trained],
    ) -> tuple[ExternalAnswers, ...]:
        """Return what every arm answers to every set; as `ask_external`."""
        device = self._device(next(iter(tasks.values()))[0])
        with self._asking:
            return tuple(
                ask_external(self.images(found), tasks, trained, device=device)
                for found in self.sets
            )

    def images(self, found: ExternalSet) -> ExternalImages:
        """Return a set's images, whether or not they are here; StoreError without their list."""
        context = self._context
        content = context.store.read(external_file(context.log_id, found.key))
        if content is None:
            raise StoreError(
                f"The list of images of “{found.name}” is gone.",
                why="It was removed from the place where the study is kept.",
                fix="Remove the external set, then add it again.",
            )
        listing = listing_from_json(content.decode(), self._images(found.key))
        return ExternalImages(
            found.name,
            found.key,
            external_images(listing, channels=context.images.channels),
            self._working(found.key),
            found.check,
        )

    # ---- inside ---------------------------------------------------------------------------------

    def _target(self) -> Target:
        source = self._context.record.source
        return Target(self._context.images.classes, source.get("positive"))

    def _add(
        self,
        name: str,
        who: str,
        read: Callable[[Path, _Tell], tuple[Listing, dict[str, Any]]],
        on_progress: _Tell | None,
    ) -> ExternalSet:
        """Add what `read` puts into a folder; all or nothing."""
        context, name = self._context, set_name(name)
        self._require_new(name)
        self._pictures.require()
        key = secrets.token_hex(_KEY_BYTES)
        with self._reading(key) as work:
            listing, source = read(work, _part(on_progress, 0))
            images = external_images(listing, channels=context.images.channels)
            check = check_distribution(images, context.images, on_progress=_part(on_progress, 1))
            now = context.now().isoformat()
            found = ExternalSet(key, name, source, now, len(images), check)
            with context.state.lock, full_disk("The external set"):
                self._require_new(name)
                if context.state.deleted:
                    raise StoreError(
                        "This study was deleted.",
                        why="It was deleted while the external set was read.",
                        fix="Begin a new study on the Train tab.",
                    )
                self._keep(found, listing, work, who)
        return found

    def _keep(self, found: ExternalSet, listing: Listing, work: Path, who: str) -> None:
        context, images = self._context, self._images(found.key)
        file = external_file(context.log_id, found.key)
        try:
            images.parent.mkdir(parents=True)
            (work / IMAGES_FOLDER).rename(images)
            context.store.write(file, listing_to_json(listing).encode())
            context.state.update(external=(*self.sets, found))
        except BaseException:
            shutil.rmtree(images.parent, ignore_errors=True)
            raise
        check = asdict(found.check)
        details = {
            "name": found.name,
            "key": found.key,
            "images": found.images,
            "source": dict(found.source),
            "near_duplicates": check["near_duplicates"],
            "files": self._audit.digests((file,)),
        }
        self._audit.note(ActKind.EXTERNAL_ADDED, who=who, details=details)

    def _require_new(self, name: str) -> None:
        names = [each.name for each in self.sets]
        if name in names:
            raise PlanError(
                f"There is an external set “{name}” already.",
                why="Figures are called by the set's name.",
                fix="Give it another name, or remove the set that is there.",
            )
        if len(names) >= MOST_EXTERNAL:
            raise PlanError(
                f"There are {len(names)} external sets already.",
                why="A study can have no more.",
                fix="Remove one first.",
            )

    @contextmanager
    def _reading(self, key: str) -> Iterator[Path]:
        """Give a folder to read into, which is gone afterwards."""
        work = self._context.workspace.folder / _READING / key
        work.mkdir(parents=True)
        try:
            with full_disk("The external set"):
                yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _images(self, key: str) -> Path:
        return self._context.workspace.folder / EXTERNAL_FOLDER / key / IMAGES_FOLDER

    def _working(self, key: str) -> Path:
        return self._context.workspace.folder / _WORKING / key

    def _device(self, task: TrainingTask) -> str:
        return self._context.workspace.asks_on or task.plan.device


def _part(on_progress: _Tell | None, which: int) -> _Tell:
    """Return what to tell while images are read, and while they are looked at."""

    def tell(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress((which * total + done) // 2, total)

    return tell
