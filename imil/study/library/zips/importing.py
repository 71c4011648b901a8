"""A `study.zip` that somebody brings: all of it is checked before anything is kept."""

from __future__ import annotations

import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imil.datasets.reading.uploads import IMAGES_FOLDER
from imil.errors import ImilError
from imil.storage.base import tombstone_file
from imil.storage.codec import damaged
from imil.storage.records.studies import StudyRecord, listing_file, save_study
from imil.storage.records.tombstones import deleted_study, load_tombstone
from imil.study.batch.progress import IdleTrainer
from imil.study.library.open_studies import known_studies
from imil.study.library.study_images import StudyImages
from imil.study.library.zips.checks.images import check_external, checked_listing, sizes_of
from imil.study.library.zips.checks.log import require_unchanged
from imil.study.library.zips.checks.models import check_work
from imil.study.library.zips.checks.refusals import STUDY_ZIP
from imil.study.library.zips.checks.review import check_review
from imil.study.library.zips.checks.rounds import check_rounds
from imil.study.library.zips.study_zip import Unpacked, open_zip, put_state, put_work
from imil.study.services import Services


class ZipImport:
    """Brings studies in that were exported, here or elsewhere.

    Args:
        services: the store that they are kept in.
        images: where their images are to lie.
    """

    def __init__(self, services: Services, images: StudyImages) -> None:
        # What a `study.zip` holds, while it is checked; a folder of the study that it becomes.
        self.folder = images.work / "importing"
        self._services = services
        self._images = images
        self._one = threading.Lock()

    def bring(self, archive: Path, study_id: str) -> None:
        """Keep all that a zip holds as a study of a new id; nothing of it where it can't be used.

        Args:
            archive: the zip; its entries are checked as those of any upload.
            study_id: new, and known to nobody.

        Raises:
            DataError: it is no zip that may be unpacked.
            StoreError: it holds no study, was changed, or that study was deleted here.
            PlanError: its plan or a comparison of it can't be trained.
        """
        store, into = self._services.store, self.folder / study_id
        folder = self._images.folder(study_id)
        try:
            # One at a time: each may take much memory.
            with self._one:
                unpacked = open_zip(archive, into)
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

    def _imported(self, record: StudyRecord, study_id: str) -> StudyRecord:
        """Return the study of a zip under a new id, and a name that tells it from the first one."""
        origin = record.study_id
        here = known_studies(self._services.store, [origin])
        name = f"{record.name} · copy" if here else record.name
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
        known = self._images.of(record, work, state)
        check_external(record, state, work, known.workspace.images.classes)
        images = known.workspace.images
        check_review(state, record, images, sizes_of(record, listing))
        check_rounds(state, record, images)
        check_work(work, record, images)
        services = Services(state, IdleTrainer(), self._services.fetch_weights, self._services.now)
        study = known.study(record, services)
        try:
            _read_whole(study.check_readable)
            require_unchanged(study.audit.check(), unpacked.manifest)
        finally:
            # What it does in the background reads the files here, which are moved next.
            study.flush()


def _read_whole(read: Callable[[], None]) -> None:
    """Read a study as its page does; whatever fails then is a StoreError."""
    try:
        read()
    except ImilError:
        raise
    except Exception as cause:
        # No content: where it failed, for the maintainers.
        last = traceback.extract_tb(cause.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        sys.stderr.write(f"A study.zip was refused: {type(cause).__name__} in {where}.\n")
        raise damaged(STUDY_ZIP) from cause
