"""All studies of this machine: begin one, or find one again."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias

from imil.core.bounds import study_name
from imil.core.disk import full_disk
from imil.core.plans import default_plan
from imil.core.records import Plan
from imil.datasets.archive.inspect import ArchiveSummary
from imil.datasets.choices import Choices
from imil.datasets.deidentify import deidentify_study
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import HubChoice, inspect_hub, read_hub
from imil.datasets.listing import image_set, listing_to_json
from imil.datasets.reading.uploads import IMAGES_FOLDER, ReadUpload
from imil.errors import ImilError, StoreError
from imil.storage.base import is_study_id
from imil.storage.records.acts import ActKind
from imil.storage.records.studies import (
    StudyRecord,
    listing_file,
    load_study,
    save_study,
    unknown_study,
)
from imil.storage.records.tombstones import Tombstone, deleted_study, load_tombstone
from imil.storage.study_store import StudyStore
from imil.study.library.accounts import Accounts
from imil.study.library.demo import draw_beforehand
from imil.study.library.demo_training import TrainedDemo, install_demo_training
from imil.study.library.open_studies import OpenStudies, known_studies
from imil.study.library.presets import Preset, preset_plan
from imil.study.library.removal import Removal
from imil.study.library.study_images import StudyImages
from imil.study.library.visits import Visits
from imil.study.library.zips.importing import ZipImport
from imil.study.library.zips.study_zip import is_study_zip
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FILMS_VERSION, FilmSpec

# The demo: a planted shortcut that agrees with the label in 95 % of the training films, drawn large
# enough to paint on and trained small enough for two CPU cores. Our choice.
DEMO = FilmSpec(images=1000, size=192, shortcut=0.95, seed=0)
DEMO_NAME = "Demo study · synthetic films"
# Seed of the splits that an upload doesn't bring.
SPLIT_SEED = 0
# Of the salt of a study's hashes: as many as nobody guesses.
SALT_BYTES = 16
# Told (done, total) after each image.
_Tell: TypeAlias = Callable[[int, int], None]


class Studies:
    """Every study of this process, by id.

    Args:
        work: folder for images, working copies and checkpoints.
        services: store, pool and what else studies share.
        device: "cpu" or "cuda".
        threads: torch threads of one training.
        demo: what the demo's films are like.
        trained: a finished first training of just these films; None where none is shipped.
    """

    def __init__(
        self,
        work: Path,
        services: Services,
        *,
        device: str = "cpu",
        threads: int = 1,
        demo: FilmSpec = DEMO,
        trained: TrainedDemo | None = None,
    ) -> None:
        self.accounts = Accounts(services.store)
        self._services = services
        self._device = device
        self._threads = threads
        self._demo = demo
        self._images = StudyImages(work, demo)
        self._trained = trained
        self._open = OpenStudies(self._read)
        self._visits = Visits(self._images.folder, services.now)
        self._zips = ZipImport(services, self._images)
        self._removal = Removal(services, self._open, self._images, self._visits)

    def demo(self, *, trained: bool = True) -> Study:
        """Begin a new study of the demo's synthetic films.

        Args:
            trained: begin after the first training, where one is shipped; else before it, so that
                the plan can still be changed.
        """
        source = {"kind": "demo", "films": asdict(self._demo), "version": FILMS_VERSION}
        if self._trained is None or not trained:
            return self._begin(DEMO_NAME, source, self._plan("film_net"), _new_id())
        source |= {"trained": self._trained.digest}
        return self._begin(DEMO_NAME, source, self._trained.plan, _new_id(), started=True)

    def from_archive(
        self,
        archive: Path,
        *,
        name: str | None = None,
        positive: str | None = None,
        choices: Choices | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Study:
        """Begin a study of the images in a zip; nothing is left behind if it can't be used.

        Args:
            archive: an image folder, zipped; or a `study.zip`, which is opened as it was.
            name: for people; no patient data. The day and time if None: a file's name may be one.
            positive: the task is this label against the rest; None tells all classes apart.
            choices: answers, a table; all is told from the data if None.
            on_progress: told (done, total) after each image.

        Raises:
            DataError: what is wrong with the zip or the images, and how to mend it.
        """
        if is_study_zip(archive):
            return self.import_zip(archive)
        name = name and study_name(name)
        name = name or f"Study of {self._services.now():%d %B %Y, %H:%M} UTC"

        def read(work: Path, salt: str) -> tuple[ReadUpload, dict[str, Any]]:
            found = self._services.uploads.read(
                archive,
                work,
                name=name,
                salt=salt,
                seed=SPLIT_SEED,
                positive=positive,
                choices=choices,
                on_progress=on_progress,
            )
            # What is needed to know the same images again, once they are brought again.
            pixels = {} if choices is None else {"pixels": choices.pixels}
            return found, {"kind": "archive", "positive": positive, **pixels}

        return self._listed(name, read)

    def look_into(self, archive: Path, choices: Choices | None = None) -> ArchiveSummary:
        """Return what a zip holds, before its images are read; DataError as `from_archive`."""
        work = self._images.brought / secrets.token_hex(8)
        work.mkdir(parents=True)
        try:
            return self._services.uploads.look(archive, work, choices)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def from_hub(
        self,
        asked: HubRequest,
        *,
        name: str | None = None,
        positive: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Study:
        """Begin a study of a sample of a Hub data set; its images are kept, its token is not.

        Args:
            asked: what to fetch.
            name: for people; the data set's id if None.
            positive: the task is this label against the rest; None tells all classes apart.
            on_progress: told (done, total) after each image.

        Raises:
            DataError: what is wrong with the set, or the way to it, and how to mend it.
        """
        name = name and study_name(name)
        reading, writing = _halves(on_progress)

        def read(work: Path, salt: str) -> tuple[ReadUpload, dict[str, Any]]:
            named, choice = read_hub(
                asked,
                work / "brought",
                name=name,
                positive=positive,
                endpoint=self._services.endpoint,
                on_progress=reading,
            )
            listing = deidentify_study(
                named, work / IMAGES_FOLDER, salt=salt, seed=SPLIT_SEED, on_progress=writing
            )
            return ReadUpload(listing, named.report.skipped), {
                "kind": "hub",
                "positive": positive,
                "repo": asked.repo,
                **asdict(choice),
                # What to fetch again, where the images are lost.
                "asked": {**asdict(replace(asked, token=None)), "revision": choice.commit},
            }

        return self._listed(name or asked.repo, read)

    def import_zip(self, archive: Path) -> Study:
        """Open a study that was exported as a `study.zip`, here or elsewhere, as it was then.

        It is a study of its own here, under a new id that nobody knows: whatever the zip says, it
        replaces nothing, belongs to nobody, and nobody has agreed that its images leave. Raises as
        `ZipImport.bring`.

        Args:
            archive: the zip; its entries are checked as those of any upload.
        """
        study_id = _new_id()
        self._zips.bring(archive, study_id)
        study = self.open(study_id)
        study.audit.note(ActKind.IMPORTED)
        return study

    def delete(self, study_id: str, *, who: str = "") -> Tombstone:
        """Delete a study for good; see `Removal.delete`."""
        return self._removal.delete(study_id, who=who)

    def sweep_idle(self) -> tuple[str, ...]:
        """Let go of studies that nobody has visited for long; see `Removal.sweep_idle`."""
        return self._removal.sweep_idle()

    def when_gone(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called with the id of each study whose images are removed."""
        self._removal.when_gone.append(tell)

    def flush(self) -> None:
        """Wait until every study that is open has written its log."""
        for study in self._open.values():
            study.flush()

    def look_at_hub(self, asked: HubRequest) -> HubChoice:
        """Return what a Hub data set has to choose from; DataError as `from_hub`."""
        return inspect_hub(asked, endpoint=self._services.endpoint)

    def sweep(self) -> None:
        """Remove what a killed process was reading; nothing else reads here when the app starts.

        What it had kept by then of a study that never came to be goes too.
        """
        for reading in (self._images.brought, self._zips.folder):
            begun = [path.name for path in reading.glob("*") if is_study_id(path.name)]
            # Where it can't be told whether a study came to be, it is tried at the next start.
            with suppress(StoreError):
                for study_id in sorted(set(begun) - self.known(begun)):
                    self._services.store.forget(study_id)
                    shutil.rmtree(self._images.folder(study_id), ignore_errors=True)
                shutil.rmtree(reading, ignore_errors=True)

    def draw_demo(self) -> None:
        """Draw the trained demo's films before anybody asks for them; takes seconds, once.

        The app serves without: what fails here is said in the log, and to whoever opens the demo.
        """
        if self._trained is None:
            return
        try:
            with full_disk("The demo's films"):
                draw_beforehand(self._images.demo_films(self._demo), self._trained)
        except ImilError as error:
            sys.stderr.write(f"{error}\n")

    @property
    def endpoint(self) -> str | None:
        """The Hub's address; None for the usual one."""
        return self._services.endpoint

    @property
    def leave_this_machine(self) -> bool:
        """Whether studies are kept on the Hub as well."""
        return self._services.store.saved("").repo is not None

    def busy(self, study_id: str) -> bool:
        """Return whether a study is open, and trains or waits to."""
        study = self._open.get(study_id)
        return study is not None and study.busy

    def knows(self, study_id: str) -> bool:
        """Return whether there is a study of that id, without opening it; StoreError if unread."""
        return self._open.get(study_id) is not None or bool(self.known([study_id]))

    def known(self, study_ids: Sequence[str]) -> frozenset[str]:
        """Return which studies there are, without opening any; StoreError if it can't be told."""
        return known_studies(self._services.store, study_ids)

    def open(self, study_id: str) -> Study:
        """Return the study of that id, with everything saved of it; StoreError if there is none.

        It counts as a visit; see `sweep_idle`.
        """
        study = self._open.open(study_id)
        self._visits.note(study_id)
        return study

    def _read(self, study_id: str) -> Study:
        """Return a study as it is saved; StoreError if there is none."""
        store, known = self._services.store, is_study_id(study_id)
        tombstone = load_tombstone(store, study_id) if known else None
        if tombstone is not None:
            raise deleted_study(tombstone)
        record = load_study(store, study_id) if known else None
        if record is None:
            raise unknown_study(study_id)
        own = StudyStore(store, study_id, record.log_id)
        known_images = self._images.of(record, self._images.folder(study_id), own)
        workspace = replace(known_images.workspace, asks_on=self._services.pool.asks_on)
        # Also where the folder was lost: otherwise it would be trained again.
        if self._trained is not None and is_trained_demo(record, self._trained):
            install_demo_training(self._trained, workspace.first_task(record.plan))
        return replace(known_images, workspace=workspace).study(record, self._services)

    def _listed(
        self, name: str, read: Callable[[Path, str], tuple[ReadUpload, dict[str, Any]]]
    ) -> Study:
        """Begin a study of the images that `read` puts into a folder; all or nothing.

        Names of files and patients end here: only the study's own report of what was skipped, which
        is not saved, has them. `read` is given a folder, which is gone afterwards, and the salt of
        the study's hashes.
        """
        study_id, salt = _new_id(), secrets.token_hex(SALT_BYTES)
        folder, work = self._images.folder(study_id), self._images.brought / study_id
        work.mkdir(parents=True)
        try:
            with full_disk("The images"):
                found, source = read(work, salt)
                images, _ = image_set(found.listing)
                # Whatever is interrupted before leaves its images where the next start sweeps.
                folder.mkdir(parents=True)
                (work / IMAGES_FOLDER).rename(folder / IMAGES_FOLDER)
                listing = listing_to_json(found.listing).encode()
                self._services.store.write(listing_file(study_id), listing)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self._images.reports[study_id] = replace(found.listing.report, skipped=found.skipped)
        plan = preset_plan(Preset.RECOMMENDED, images, self._plan("film_net"))
        return self._begin(name, source, plan, study_id, salt=salt)

    def _begin(
        self,
        name: str,
        source: dict[str, Any],
        plan: Plan,
        study_id: str,
        *,
        started: bool = False,
        salt: str = "",
    ) -> Study:
        created = self._services.now().isoformat()
        record = StudyRecord(study_id, name, created, source, plan, started=started, salt=salt)
        save_study(self._services.store, record)
        return self.open(study_id)

    def _plan(self, name: str) -> Plan:
        return replace(default_plan(name), device=self._device, threads=self._threads)


def is_trained_demo(record: StudyRecord, trained: TrainedDemo) -> bool:
    """Return whether a study began with just this training, of just these films."""
    source = record.source
    return (
        source["kind"] == "demo"
        and source.get("trained") == trained.digest
        and FilmSpec(**source["films"]) == trained.films
        and record.plan == trained.plan
    )


def _halves(on_progress: _Tell | None) -> tuple[_Tell | None, _Tell | None]:
    """Return what to tell while images are read, and while they are written again."""
    if on_progress is None:
        return None, None

    def reading(done: int, total: int) -> None:
        on_progress(done // 2, total)

    def writing(done: int, total: int) -> None:
        on_progress((total + done) // 2, total)

    return reading, writing


def _new_id() -> str:
    """Return an id that nobody can guess: whoever knows it can open the study."""
    return secrets.token_hex(16)
