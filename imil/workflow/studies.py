"""All studies of this machine: begin one, or open one again."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from imil.core.films import FILMS_VERSION, FilmSpec
from imil.core.plans import default_plan
from imil.core.records import Plan
from imil.core.splits import DisjointProof
from imil.sources.archive import read_archive
from imil.sources.hub import HubChoice, look_at, read_hub
from imil.sources.hub_process import HubRequest
from imil.sources.listing import (
    ImportReport,
    Listing,
    image_set,
    listing_from_json,
    listing_to_json,
    with_splits,
)
from imil.store.local import write_atomic
from imil.store.studies import StudyRecord, load_study, save_study, unknown_study
from imil.workflow.demo import DemoFilms, demo_films, draw_beforehand
from imil.workflow.presets import Preset, preset_plan
from imil.workflow.shipped import TrainedDemo, lay_out
from imil.workflow.study import Study
from imil.workflow.tools import Tools
from imil.workflow.workspace import Workspace

# The demo: a planted shortcut that agrees with the label in 95 % of the training films, drawn large
# enough to paint on and trained small enough for two CPU cores. Our choice.
DEMO = FilmSpec(images=1000, size=192, shortcut=0.95, seed=0)
DEMO_NAME = "Demo study · synthetic films"
# Seed of the splits that an upload doesn't bring.
SPLIT_SEED = 0


class Studies:
    """Every study of this process, by id.

    Args:
        work: folder for images, working copies and checkpoints.
        tools: store, pool and what else studies share.
        device: "cpu" or "cuda".
        threads: torch threads of one training.
        demo: what the demo's films are like.
        trained: a finished first training of just these films; None where none is shipped.
    """

    def __init__(
        self,
        work: Path,
        tools: Tools,
        *,
        device: str = "cpu",
        threads: int = 1,
        demo: FilmSpec = DEMO,
        trained: TrainedDemo | None = None,
    ) -> None:
        self._work = work
        self._tools = tools
        self._device = device
        self._threads = threads
        self._demo = demo
        self._trained = trained
        self._open: dict[str, Study] = {}
        self._opening: dict[str, threading.Event] = {}
        self._films: dict[FilmSpec, DemoFilms] = {}
        self._lock = threading.Lock()

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
        name: str,
        positive: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Study:
        """Begin a study of the images in a zip; nothing is left behind if it can't be used.

        Args:
            archive: an image folder, zipped.
            name: for people; no patient data.
            positive: the task is this label against the rest; None tells all classes apart.
            on_progress: told (done, total) after each image.

        Raises:
            DataError: what is wrong with the zip or the images, and how to mend it.
        """

        def read(into: Path) -> tuple[Listing, dict[str, Any]]:
            listing = read_archive(
                archive, into, name=name, positive=positive, on_progress=on_progress
            )
            return listing, {"kind": "archive", "positive": positive}

        return self._listed(name, read)

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

        def read(into: Path) -> tuple[Listing, dict[str, Any]]:
            listing, choice = read_hub(
                asked,
                into,
                name=name,
                positive=positive,
                endpoint=self._tools.endpoint,
                on_progress=on_progress,
            )
            return listing, {
                "kind": "hub",
                "positive": positive,
                "repo": asked.repo,
                **asdict(choice),
            }

        return self._listed(name or asked.repo, read)

    def look_at_hub(self, asked: HubRequest) -> HubChoice:
        """Return what a Hub data set has to choose from; DataError as `from_hub`."""
        return look_at(asked, endpoint=self._tools.endpoint)

    def draw_demo(self) -> None:
        """Draw the trained demo's films before anybody asks for them; takes seconds, once."""
        if self._trained is not None:
            draw_beforehand(self._demo_films(self._demo), self._trained)

    def knows(self, study_id: str) -> bool:
        """Return whether there is a study of that id, without opening it; StoreError if unread."""
        with self._lock:
            if study_id in self._open:
                return True
        return study_id.isalnum() and load_study(self._tools.store, study_id) is not None

    def open(self, study_id: str) -> Study:
        """Return the study of that id, with everything saved of it; StoreError if there is none."""
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
            # Ids are letters and digits: anything else was not made by us and names no file.
            record = load_study(self._tools.store, study_id) if study_id.isalnum() else None
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

    def _listed(self, name: str, read: Callable[[Path], tuple[Listing, dict[str, Any]]]) -> Study:
        """Begin a study of the images that `read` puts into a folder; all or nothing."""
        study_id = _new_id()
        folder = self._folder(study_id)
        try:
            listing, source = read(folder / "images")
            listing = with_splits(listing, seed=SPLIT_SEED)
            images, _ = image_set(listing)  # refuses what can't be trained, before it is kept
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        root = listing.root.relative_to(folder).as_posix()
        write_atomic(folder / "listing.json", listing_to_json(listing).encode())
        plan = preset_plan(Preset.RECOMMENDED, images, self._plan("film_net"))
        return self._begin(name, {**source, "root": root}, plan, study_id)

    def _begin(
        self,
        name: str,
        source: dict[str, Any],
        plan: Plan,
        study_id: str,
        *,
        started: bool = False,
    ) -> Study:
        created = self._tools.now().isoformat()
        record = StudyRecord(study_id, name, created, source, plan, started=started)
        save_study(self._tools.store, record)
        return self.open(study_id)

    def _handle(self, record: StudyRecord) -> Study:
        workspace, proof, report = self._images(record, self._folder(record.study_id))
        shipped = self._trained
        # Also where the folder was lost: otherwise it would be trained again.
        if shipped is not None and record.source.get("trained") == shipped.digest:
            lay_out(shipped, workspace.first_task(record.plan))
        return Study(record, workspace, self._tools, proof=proof, report=report)

    def _images(
        self, record: StudyRecord, folder: Path
    ) -> tuple[Workspace, DisjointProof, ImportReport]:
        if record.source["kind"] == "demo":
            films = self._demo_films(FilmSpec(**record.source["films"]))
            return films.workspace(folder), films.proof, ImportReport(len(films.images))
        content = (folder / "listing.json").read_text()
        listing = listing_from_json(content, folder / record.source["root"])
        images, proof = image_set(listing)
        return Workspace(folder, images, folder), proof, listing.report

    def _demo_films(self, spec: FilmSpec) -> DemoFilms:
        with self._lock:
            if spec not in self._films:
                self._films[spec] = demo_films(spec, self._work / "demo")
            return self._films[spec]

    def _plan(self, name: str) -> Plan:
        return replace(default_plan(name), device=self._device, threads=self._threads)

    def _folder(self, study_id: str) -> Path:
        return self._work / "studies" / study_id


def _new_id() -> str:
    """Return an id that nobody can guess: whoever knows it can open the study."""
    return secrets.token_hex(16)
