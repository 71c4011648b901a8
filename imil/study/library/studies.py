"""All studies of this machine: begin one, or open one again."""

from __future__ import annotations

import secrets
import shutil
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from imil.core.bounds import study_name
from imil.core.disk import full_disk
from imil.core.plans import default_plan
from imil.core.records import Plan
from imil.core.review.readers import reader_name
from imil.core.splits import DisjointProof
from imil.datasets.archive.entries import Limits
from imil.datasets.archive.inspect import ArchiveSummary
from imil.datasets.choices import Choices
from imil.datasets.deidentify import deidentify_study
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import HubChoice, inspect_hub, read_hub
from imil.datasets.listing import (
    ImportReport,
    Listing,
    image_set,
    listing_from_json,
    listing_to_json,
)
from imil.datasets.reading.uploads import IMAGES_FOLDER, ReadUpload
from imil.errors import ImilError, StoreError
from imil.storage.base import Store, is_study_id, study_of, tombstone_file
from imil.storage.records.accounts import owner_of
from imil.storage.records.acts import PROGRAM, Act, ActKind
from imil.storage.records.studies import (
    StudyRecord,
    listing_file,
    load_study,
    lost_listing,
    save_study,
    study_file,
    unknown_study,
)
from imil.storage.records.tombstones import (
    IDLE,
    Tombstone,
    deleted_study,
    load_tombstone,
    save_tombstone,
)
from imil.storage.study_store import StudyStore
from imil.study.batch.progress import IdleTrainer
from imil.study.image_files import ImageFiles
from imil.study.library.accounts import Accounts
from imil.study.library.demo import DemoFilms, demo_films, draw_beforehand
from imil.study.library.demo_training import TrainedDemo, install_demo_training
from imil.study.library.handles import Handles
from imil.study.library.presets import Preset, preset_plan
from imil.study.library.study_zip import (
    Unpacked,
    is_study_zip,
    open_zip,
    put_state,
    put_work,
)
from imil.study.library.study_zip_check import (
    check_review,
    check_rounds,
    check_work,
    checked_listing,
    read_whole,
    require_unchanged,
    sizes_of,
)
from imil.study.library.visits import USED, Visits, expiry_failed, untouched
from imil.study.services import Services
from imil.study.study import Study
from imil.study.workspace import Workspace
from imil.synthetic.films import FILMS_VERSION, FilmSpec

# The demo: a planted shortcut that agrees with the label in 95 % of the training films, drawn large
# enough to paint on and trained small enough for two CPU cores. Our choice.
DEMO = FilmSpec(images=1000, size=192, shortcut=0.95, seed=0)
DEMO_NAME = "Demo study · synthetic films"
# Seed of the splits that an upload doesn't bring.
SPLIT_SEED = 0
# Of the salt of a study's hashes: as many as nobody guesses.
SALT_BYTES = 16
# What a visitor brought, while it is read.
_BROUGHT = "brought"
# What a `study.zip` holds, while it is checked; a folder of the study that it becomes.
IMPORTING = "importing"
# Sets of films that are in memory besides the app's own.
OTHER_FILMS = 4
# Studies kept open that nobody holds, 0.5 MB each or more. Our choice.
MOST_OPEN = 256
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
        self._work = work
        self._services = services
        self._device = device
        self._threads = threads
        self._demo = demo
        self._trained = trained
        self._open = Handles(MOST_OPEN)
        self._opening: dict[str, threading.Event] = {}
        self._films: dict[FilmSpec, DemoFilms] = {}
        # Of studies that this process read: what was skipped by name, which is saved nowhere.
        self._reports: dict[str, ImportReport] = {}
        self._visits = Visits(self._folder, services.now)
        self._when_gone: list[Callable[[str], None]] = []
        self._lock = threading.Lock()
        self._importing = threading.Lock()
        self._deleting: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

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
            choices: answers, a table, frames; all is told from the data if None.
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
        work = self._brought / secrets.token_hex(8)
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
                work / _BROUGHT,
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

    def import_zip(self, archive: Path, *, who: str = "", limits: Limits | None = None) -> Study:
        """Open a study that was exported as a `study.zip`, here or elsewhere, as it was then.

        It is a study of its own here, under a new id that nobody knows: whatever the zip says, it
        replaces nothing, belongs to nobody, and nobody has agreed that its images leave. All of it
        is read before anything is kept.

        Args:
            archive: the zip; its entries are checked as those of any upload.
            who: who brings it.
            limits: of files and bytes; the usual ones if None.

        Raises:
            DataError: it is no zip that may be unpacked.
            StoreError: it holds no study, was changed, or that study was deleted here.
            PlanError: its plan or a comparison of it can't be trained.
        """
        store, study_id = self._services.store, _new_id()
        folder, into = self._folder(study_id), self._work / IMPORTING / study_id
        try:
            # One at a time: each may take much memory.
            with self._importing:
                unpacked = open_zip(archive, into, limits=limits)
                self._require_not_deleted(unpacked.record.study_id)
                self._check(unpacked)
                record = self._imported(unpacked.record, study_id)
                try:
                    put_state(unpacked, store, study_id)
                    put_work(unpacked, folder)
                    save_study(store, record)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    store.forget(study_id)
                    raise
        finally:
            shutil.rmtree(into, ignore_errors=True)
        study = self.open(study_id)
        study.audit.note(ActKind.IMPORTED, who=who)
        return study

    def _imported(self, record: StudyRecord, study_id: str) -> StudyRecord:
        """Return the study of a zip under a new id, and a name that tells it from the first one."""
        origin = record.study_id
        name = f"{record.name} · copy" if self.known([origin]) else record.name
        return replace(record, study_id=study_id, origin_id=origin, name=name)

    def _require_not_deleted(self, study_id: str) -> None:
        """Raise a StoreError if a study was deleted here: its zip does not bring it back."""
        store = self._services.store
        if store.there([tombstone_file(study_id)]):
            tombstone = load_tombstone(store, study_id)
            if tombstone is not None:
                raise deleted_study(tombstone)

    def _check(self, unpacked: Unpacked) -> None:
        """Raise an ImilError unless all of an unpacked study can be used, and read as a page does.

        It is opened where it lies; nothing of it is kept, trained or sent.
        """
        record, state, work = unpacked.record, unpacked.state, unpacked.work
        listing = None
        if record.source["kind"] != "demo":
            content = state.read(listing_file(record.study_id))
            listing = checked_listing(record, content, work / IMAGES_FOLDER)
        workspace, proof, report, files = self._images(record, work, state)
        check_review(state, record, workspace.images, sizes_of(record, listing))
        check_rounds(state, record, workspace.images)
        check_work(work, record, workspace.images)
        services = Services(state, IdleTrainer(), self._services.fetch_weights, self._services.now)
        study = Study(record, workspace, services, proof=proof, report=report, files=files)
        try:
            read_whole(study.check_readable)
            require_unchanged(study.audit.check(), unpacked.manifest)
        finally:
            # What it does in the background reads the files here, which are moved next.
            study.flush()

    def delete(self, study_id: str, *, who: str = "") -> Tombstone:
        """Delete a study: its state, images and models. How its log ended is kept, without content.

        From its tombstone on the study is deleted, whatever interrupts what follows: it can't be
        opened, nor written to. Called again, and by `sweep_idle`, the deletion goes on.

        Raises:
            StoreError: there is no such study, or something could not be removed.
        """
        store = self._services.store
        who = who and reader_name(who)
        tombstone = load_tombstone(store, study_id) if is_study_id(study_id) else None
        if tombstone is None:
            study = self._opened_to_delete(study_id)
            # Of two who delete it at once the first one writes how its log ended.
            with self._deleting[study_id]:
                tombstone = load_tombstone(store, study_id) or self._end(study_id, study, who)
        with self._lock:
            self._open.pop(study_id, None)
        store.forget(study_id)
        if self._services.checkpoints is not None:
            self._services.checkpoints.forget(f"{study_id}/")
        # Last: a folder that is there says that the deletion is to go on.
        self._remove(study_id)
        return tombstone

    def when_gone(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called with the id of each study whose images are removed."""
        self._when_gone.append(tell)

    def _opened_to_delete(self, study_id: str) -> Study | None:
        """Return a study; None for one that is there and can't be opened; StoreError for none."""
        try:
            return self._opened(study_id)
        except Exception as error:
            if not self.known([study_id]):
                raise
            # What can't be read any more can be deleted all the same: it may hold images.
            expiry_failed(study_id, error)
            return None

    def _end(self, study_id: str, study: Study | None, who: str) -> Tombstone:
        """End a study for good and return its tombstone, which is kept then."""
        acts: tuple[Act, ...] = ()
        try:
            if study is not None:
                study.end_for_good()
                acts = study.audit.check().acts
            now = self._services.now().isoformat()
            last = acts[-1].head if acts else None
            tombstone = Tombstone(study_id, now, who, len(acts), last)
            self._bury(tombstone)
        finally:
            # Where it could not be deleted it is opened anew, and can be written to again.
            with self._lock:
                self._open.pop(study_id, None)
        return tombstone

    def sweep_idle(self) -> tuple[str, ...]:
        """Let go of studies that nobody has visited for `idle_days`; return their ids.

        Of a study in which something was drawn or decided, images, working copies and models go,
        and only once the Hub has all the rest, where there is one: masks, log and results stay, and
        the study opens again as after a lost disk. One without any work is deleted whole. Studies
        of accounts stay as they are, and so does what trains.

        Deletions that were interrupted go on. Whatever is wrong with one study is said on stderr,
        by its id and without content, and the next one is looked at.
        """
        names = self._services.store.names("studies/")
        known = sorted({found for name in names if (found := study_of(name)) is not None})
        self._delete_on(known)
        gone = []
        for study_id in known if self._services.idle_days else ():
            try:
                if self._is_idle(study_id) and self._let_go(study_id):
                    gone.append(study_id)
            except Exception as error:  # noqa: BLE001  # the other studies are looked at all the same
                expiry_failed(study_id, error)
        return tuple(gone)

    def _is_idle(self, study_id: str) -> bool:
        """Return whether nobody has visited a study for long, which belongs to no account."""
        store = self._services.store
        record = load_study(store, study_id)
        if record is None or owner_of(store, study_id):
            return False
        last = self._visits.last(study_id, record.created)
        return self._services.now() - last >= timedelta(days=self._services.idle_days)

    def _delete_on(self, known: Sequence[str]) -> None:
        """Go on with deletions that were interrupted: of studies in the store, or with a folder."""
        store = self._services.store
        folders = [path.name for path in (self._work / "studies").glob("*") if path.is_dir()]
        asked = {tombstone_file(each): each for each in {*known, *folders} if is_study_id(each)}
        try:
            dead = sorted(asked[name] for name in store.there(asked.keys()))
        except ImilError as error:
            sys.stderr.write(f"Deletions could not be looked for: {type(error).__name__}.\n")
            return
        for study_id in dead:
            try:
                left = store.names(f"studies/{study_id}/") != (tombstone_file(study_id),)
                if left or store.of_study(study_id) or self._folder(study_id).exists():
                    self.delete(study_id)
            except Exception as error:  # noqa: BLE001  # the other studies are looked at all the same
                expiry_failed(study_id, error)

    def _let_go(self, study_id: str) -> bool:
        """Remove what may be removed of a study; return whether there was anything."""
        with self._lock:
            already = self._open.get(study_id)
        if already is not None and already.busy:
            return False
        study, folder = self._opened(study_id), self._folder(study_id)
        study.end()
        if untouched(study.audit.check().acts):
            self.delete(study_id, who=IDLE)
            return True
        there = folder.is_dir() and any(path.name != USED for path in folder.iterdir())
        if not there or (study.goes_to is not None and study.saved.waiting):
            return False
        study.backup.end()
        details = {"days": self._services.idle_days}
        study.audit.note(ActKind.IMAGES_REMOVED, who=PROGRAM, details=details)
        study.flush()
        with self._lock:
            self._open.pop(study_id, None)
        self._remove(study_id)
        return True

    def _bury(self, tombstone: Tombstone) -> None:
        """Save a tombstone; on a full disk the images, which go anyway, make room for it."""
        try:
            save_tombstone(self._services.store, tombstone)
        except StoreError:
            self._remove(tombstone.study)
            save_tombstone(self._services.store, tombstone)

    def _remove(self, study_id: str) -> None:
        shutil.rmtree(self._folder(study_id), ignore_errors=True)
        self._visits.forget(study_id)
        for tell in self._when_gone:
            tell(study_id)
        self._reports.pop(study_id, None)

    def flush(self) -> None:
        """Wait until every study that is open has written its log."""
        with self._lock:
            studies = tuple(self._open.values())
        for study in studies:
            study.flush()

    def look_at_hub(self, asked: HubRequest) -> HubChoice:
        """Return what a Hub data set has to choose from; DataError as `from_hub`."""
        return inspect_hub(asked, endpoint=self._services.endpoint)

    def sweep(self) -> None:
        """Remove what a killed process was reading; nothing else reads here when the app starts.

        What it had kept by then of a study that never came to be goes too.
        """
        for reading in (self._brought, self._work / IMPORTING):
            begun = [path.name for path in reading.glob("*") if is_study_id(path.name)]
            # Where it can't be told whether a study came to be, it is tried at the next start.
            with suppress(StoreError):
                for study_id in sorted(set(begun) - self.known(begun)):
                    self._services.store.forget(study_id)
                    shutil.rmtree(self._folder(study_id), ignore_errors=True)
                shutil.rmtree(reading, ignore_errors=True)

    def draw_demo(self) -> None:
        """Draw the trained demo's films before anybody asks for them; takes seconds, once.

        The app serves without: what fails here is said in the log, and to whoever opens the demo.
        """
        if self._trained is None:
            return
        try:
            with full_disk("The demo's films"):
                draw_beforehand(self._demo_films(self._demo), self._trained)
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
        with self._lock:
            study = self._open.get(study_id)
        return study is not None and study.busy

    def knows(self, study_id: str) -> bool:
        """Return whether there is a study of that id, without opening it; StoreError if unread."""
        with self._lock:
            if study_id in self._open:
                return True
        return bool(self.known([study_id]))

    def known(self, study_ids: Sequence[str]) -> frozenset[str]:
        """Return which studies there are, without opening any; StoreError if it can't be told."""
        files = {study_file(each): each for each in study_ids if is_study_id(each)}
        dead = {tombstone_file(each): each for each in files.values()}
        found = self._services.store.there([*files, *dead])
        deleted = {dead[name] for name in found & dead.keys()}
        return frozenset(files[name] for name in found & files.keys()) - deleted

    def open(self, study_id: str) -> Study:
        """Return the study of that id, with everything saved of it; StoreError if there is none.

        It counts as a visit; see `sweep_idle`.
        """
        study = self._opened(study_id)
        self._visits.note(study_id)
        return study

    def _opened(self, study_id: str) -> Study:
        while True:
            with self._lock:
                if study_id in self._open:
                    return self._open[study_id]
                # Whoever comes while another opens this study waits; other studies don't.
                opening = self._opening.get(study_id)
                if opening is None:
                    opening = self._opening[study_id] = threading.Event()
                    break
            opening.wait()
        try:
            known = is_study_id(study_id)
            tombstone = load_tombstone(self._services.store, study_id) if known else None
            if tombstone is not None:
                raise deleted_study(tombstone)
            record = load_study(self._services.store, study_id) if known else None
            if record is None:
                raise unknown_study(study_id)
            study = self._handle(record)
            with self._lock:
                self._open[study_id] = study
            return study
        finally:
            with self._lock:
                del self._opening[study_id]
            opening.set()

    def _listed(
        self, name: str, read: Callable[[Path, str], tuple[ReadUpload, dict[str, Any]]]
    ) -> Study:
        """Begin a study of the images that `read` puts into a folder; all or nothing.

        Names of files and patients end here: only the study's own report of what was skipped, which
        is not saved, has them. `read` is given a folder, which is gone afterwards, and the salt of
        the study's hashes.
        """
        study_id, salt = _new_id(), secrets.token_hex(SALT_BYTES)
        folder, work = self._folder(study_id), self._brought / study_id
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
        self._reports[study_id] = replace(found.listing.report, skipped=found.skipped)
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

    def _handle(self, record: StudyRecord) -> Study:
        store = StudyStore(self._services.store, record.study_id, record.log_id)
        folder = self._folder(record.study_id)
        workspace, proof, report, files = self._images(record, folder, store)
        workspace = replace(workspace, asks_on=self._services.pool.asks_on)
        # Also where the folder was lost: otherwise it would be trained again.
        if self._trained is not None and is_trained_demo(record, self._trained):
            install_demo_training(self._trained, workspace.first_task(record.plan))
        return Study(record, workspace, self._services, proof=proof, report=report, files=files)

    def _images(
        self, record: StudyRecord, folder: Path, store: Store
    ) -> tuple[Workspace, DisjointProof, ImportReport, ImageFiles | None]:
        if record.source["kind"] == "demo":
            films = self._demo_films(FilmSpec(**record.source["films"]))
            report = ImportReport(len(films.images))
            return films.workspace(folder), films.proof, report, None
        listing = _listing(record, folder, store)
        images, proof = image_set(listing)
        report = self._reports.get(record.study_id, listing.report)
        choices = Choices(**record.source.get("pixels", {}))
        files = ImageFiles(listing, record.salt, self._brought, choices)
        return Workspace(folder, images, folder), proof, report, files

    def _demo_films(self, spec: FilmSpec) -> DemoFilms:
        with self._lock:
            found = self._films.pop(spec, None) or demo_films(spec, self._work / "demo")
            # Others than the app's own come with a study.zip: any number of kinds, each of many.
            for oldest in [each for each in self._films if each != self._demo][:-OTHER_FILMS]:
                del self._films[oldest]
            self._films[spec] = found
            return found

    def _plan(self, name: str) -> Plan:
        return replace(default_plan(name), device=self._device, threads=self._threads)

    def _folder(self, study_id: str) -> Path:
        return self._work / "studies" / study_id

    @property
    def _brought(self) -> Path:
        return self._work / _BROUGHT


def is_trained_demo(record: StudyRecord, trained: TrainedDemo) -> bool:
    """Return whether a study began with just this training, of just these films."""
    source = record.source
    return (
        source["kind"] == "demo"
        and source.get("trained") == trained.digest
        and FilmSpec(**source["films"]) == trained.films
        and record.plan == trained.plan
    )


def _listing(record: StudyRecord, folder: Path, store: Store) -> Listing:
    """Return the list of a study's images, whether or not those are there."""
    content = store.read(listing_file(record.study_id))
    if content is not None:
        return listing_from_json(content.decode(), folder / IMAGES_FOLDER)
    # Older versions kept it beside the images, with their names.
    older = folder / "listing.json"
    if not older.exists():
        raise lost_listing(record.name)
    return listing_from_json(older.read_text(), folder / record.source["root"])


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
