"""Where the images of studies lie on this machine, and what is known of each study's."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from imil.core.splits import DisjointProof
from imil.datasets.choices import Choices
from imil.datasets.listing import ImportReport, Listing, image_set, listing_from_json
from imil.datasets.reading.uploads import IMAGES_FOLDER
from imil.storage.base import Store
from imil.storage.records.studies import StudyRecord, listing_file, lost_listing
from imil.study.image_files import ImageFiles
from imil.study.library.demo import DemoFilms, demo_films
from imil.study.services import Services
from imil.study.study import Study
from imil.study.workspace import Workspace
from imil.synthetic.films import FilmSpec

# Sets of films that are in memory besides the app's own.
OTHER_FILMS = 4


@dataclass(frozen=True, slots=True, eq=False)
class KnownImages:
    """A study's images, and what is known of them; `files` is None for films that are drawn."""

    workspace: Workspace
    proof: DisjointProof
    report: ImportReport
    files: ImageFiles | None = None

    def study(self, record: StudyRecord, services: Services) -> Study:
        """Return the study of these images."""
        return Study(
            record,
            self.workspace,
            services,
            proof=self.proof,
            report=self.report,
            files=self.files,
        )


class StudyImages:
    """The images of every study; films are shared by the demos that show them.

    Args:
        work: folder for images, working copies and checkpoints.
        demo: what the demo's films are like.
    """

    def __init__(self, work: Path, demo: FilmSpec) -> None:
        self.work = work
        # What a visitor brought, while it is read.
        self.brought = work / "brought"
        self._demo = demo
        self._films: dict[FilmSpec, DemoFilms] = {}
        # Of studies that this process read: what was skipped by name, which is saved nowhere.
        self.reports: dict[str, ImportReport] = {}
        self._lock = threading.Lock()

    def folder(self, study_id: str) -> Path:
        """Return a study's own folder."""
        return self.work / "studies" / study_id

    def of(self, record: StudyRecord, folder: Path, store: Store) -> KnownImages:
        """Return a study's images, whether or not they are there; StoreError without their list.

        Args:
            record: the study.
            folder: where its images lie.
            store: where their list is.
        """
        if record.source["kind"] == "demo":
            films = self.demo_films(FilmSpec(**record.source["films"]))
            return KnownImages(
                films.workspace(folder), films.proof, ImportReport(len(films.images))
            )
        listing = _listing(record, folder, store)
        images, proof = image_set(listing)
        report = self.reports.get(record.study_id, listing.report)
        choices = Choices.of_pixels(record.source.get("pixels", {}))
        files = ImageFiles(listing, record.salt, self.brought, choices)
        return KnownImages(Workspace(folder, images, folder), proof, report, files)

    def demo_films(self, spec: FilmSpec) -> DemoFilms:
        """Return the films of a demo; those asked for last are kept in memory."""
        with self._lock:
            found = self._films.pop(spec, None) or demo_films(spec, self.work / "demo")
            # Others than the app's own come with a study.zip: any number of kinds, each of many.
            for oldest in [each for each in self._films if each != self._demo][:-OTHER_FILMS]:
                del self._films[oldest]
            self._films[spec] = found
            return found

    def remove(self, study_id: str) -> None:
        """Remove a study's folder, and what is known of its images alone."""
        shutil.rmtree(self.folder(study_id), ignore_errors=True)
        self.reports.pop(study_id, None)


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
