"""All studies of this machine: begin one, or open one again."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from imil.core.films import FILMS_VERSION, FilmSpec, film_set
from imil.core.images import ImageSet
from imil.core.plans import default_plan
from imil.core.records import Plan
from imil.core.splits import DisjointProof, prove_disjoint
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
from imil.workflow.presets import Preset, preset_plan
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
    """

    def __init__(
        self,
        work: Path,
        tools: Tools,
        *,
        device: str = "cpu",
        threads: int = 1,
        demo: FilmSpec = DEMO,
    ) -> None:
        self._work = work
        self._tools = tools
        self._device = device
        self._threads = threads
        self._demo = demo
        self._open: dict[str, Study] = {}
        self._opening: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def demo(self) -> Study:
        """Begin a new study of the demo's synthetic films."""
        source = {"kind": "demo", "films": asdict(self._demo), "version": FILMS_VERSION}
        return self._begin(DEMO_NAME, source, self._plan("film_net"), secrets.token_hex(8))

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
        study_id = secrets.token_hex(8)
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

    def _begin(self, name: str, source: dict[str, Any], plan: Plan, study_id: str) -> Study:
        created = self._tools.now().isoformat()
        save_study(self._tools.store, StudyRecord(study_id, name, created, source, plan))
        return self.open(study_id)

    def _handle(self, record: StudyRecord) -> Study:
        folder = self._folder(record.study_id)
        images, cache, proof, report = self._images(record, folder)
        workspace = Workspace(folder, images, cache)
        return Study(record, workspace, self._tools, proof=proof, report=report)

    def _images(
        self, record: StudyRecord, folder: Path
    ) -> tuple[ImageSet, Path, DisjointProof, ImportReport]:
        if record.source["kind"] == "demo":
            spec = FilmSpec(**record.source["films"])
            images = film_set(spec)
            # Every visitor's demo shows the same films: one set of working images serves all.
            drawn = "-".join(f"{value:g}" for value in asdict(spec).values())
            cache = self._work / "demo" / f"films-{FILMS_VERSION}-{drawn}"
            return images, cache, prove_disjoint(images.samples), ImportReport(len(images))
        content = (folder / "listing.json").read_text()
        listing = listing_from_json(content, folder / record.source["root"])
        images, proof = image_set(listing)
        return images, folder, proof, listing.report

    def _plan(self, name: str) -> Plan:
        return replace(default_plan(name), device=self._device, threads=self._threads)

    def _folder(self, study_id: str) -> Path:
        return self._work / "studies" / study_id
