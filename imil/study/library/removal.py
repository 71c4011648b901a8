"""Studies that go: deleted by a person, or let go of after long without a visit."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta

from imil.core.review.readers import reader_name
from imil.errors import ImilError, StoreError
from imil.storage.base import is_study_id, study_of, tombstone_file
from imil.storage.records.accounts import owner_of
from imil.storage.records.acts import PROGRAM, Act, ActKind
from imil.storage.records.studies import load_study
from imil.storage.records.tombstones import IDLE, Tombstone, load_tombstone, save_tombstone
from imil.study.library.open_studies import OpenStudies, known_studies
from imil.study.library.study_images import StudyImages
from imil.study.library.visits import USED, Visits, expiry_failed, untouched
from imil.study.services import Services
from imil.study.study import Study


class Removal:
    """Deletes studies, and lets go of those that nobody visits.

    Args:
        services: store, time and after how many days a study is idle.
        opened: the studies that are open.
        images: where their images lie.
        visits: when each was last visited.
    """

    def __init__(
        self, services: Services, opened: OpenStudies, images: StudyImages, visits: Visits
    ) -> None:
        self._services = services
        self._open = opened
        self._images = images
        self._visits = visits
        # Told the id of each study whose images are removed.
        self.when_gone: list[Callable[[str], None]] = []
        self._deleting: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

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
            study = self._to_delete(study_id)
            # Of two who delete it at once the first one writes how its log ended.
            with self._deleting[study_id]:
                tombstone = load_tombstone(store, study_id) or self._end(study_id, study, who)
        self._open.close(study_id)
        store.forget(study_id)
        if self._services.checkpoints is not None:
            self._services.checkpoints.forget(f"{study_id}/")
        # Last: a folder that is there says that the deletion is to go on.
        self._remove(study_id)
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

    def _to_delete(self, study_id: str) -> Study | None:
        """Return a study; None for one that is there and can't be opened; StoreError for none."""
        try:
            return self._open.open(study_id)
        except Exception as error:
            if not known_studies(self._services.store, [study_id]):
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
            self._open.close(study_id)
        return tombstone

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
        folders = [path.name for path in (self._images.work / "studies").glob("*") if path.is_dir()]
        asked = {tombstone_file(each): each for each in {*known, *folders} if is_study_id(each)}
        try:
            dead = sorted(asked[name] for name in store.there(asked.keys()))
        except ImilError as error:
            sys.stderr.write(f"Deletions could not be looked for: {type(error).__name__}.\n")
            return
        for study_id in dead:
            try:
                left = store.names(f"studies/{study_id}/") != (tombstone_file(study_id),)
                if left or store.of_study(study_id) or self._images.folder(study_id).exists():
                    self.delete(study_id)
            except Exception as error:  # noqa: BLE001  # the other studies are looked at all the same
                expiry_failed(study_id, error)

    def _let_go(self, study_id: str) -> bool:
        """Remove what may be removed of a study; return whether there was anything."""
        already = self._open.get(study_id)
        if already is not None and already.busy:
            return False
        study, folder = self._open.open(study_id), self._images.folder(study_id)
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
        self._open.close(study_id)
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
        self._images.remove(study_id)
        self._visits.forget(study_id)
        for tell in self.when_gone:
            tell(study_id)
