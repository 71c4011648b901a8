"""One study: train, review, mask, compare; every step saved before it is shown."""

from __future__ import annotations

import hashlib
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imil.core.disk import full_disk
from imil.core.images import to_uint8
from imil.core.nets.saliency import SaliencyMap
from imil.core.plans import check_plan, with_arithmetic
from imil.core.records import Budget, Origin, Plan, Precision, Queue, Region, Split
from imil.core.review.counterfactual import Answer
from imil.core.review.masks import check_mask, check_seconds
from imil.core.review.readers import UNNAMED, reader_name
from imil.core.splits import DisjointProof
from imil.datasets.files.pixels import PixelsError
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import read_hub
from imil.datasets.listing import ImportReport
from imil.errors import DataError, ImilError, MaskChangedError, MaskError, PlanError
from imil.jobs.base import JobState, crashed
from imil.jobs.training.machine import has_native_bf16
from imil.jobs.training.task import machines
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import PROGRAM, What
from imil.storage.records.studies import Comparison, Confirmation, Consent, StudyRecord
from imil.study.audit.logged import Audit
from imil.study.comparison.reporting import Reporting
from imil.study.library.demo import Hint, demo_hint
from imil.study.library.keeping import Keeping
from imil.study.library.stock import Brought, Stock
from imil.study.library.studyzip import pack
from imil.study.review.maskbook import mask_key, with_pictures
from imil.study.review.outoffold import fold_tasks
from imil.study.review.predictions import check_seen, check_training
from imil.study.status import TrainingStatus, status_of
from imil.study.tools import Tools
from imil.study.workspace import Workspace

# The longest that a batch takes which is still trained when a study is deleted, seconds.
STOPPING = 30.0
MADE_AGAIN = (
    "The first training was made again from the plan, because its checkpoint was lost. On the same "
    "kind of machine it is the same to the last bit; elsewhere its figures may differ a little."
)


class Study(Reporting):
    """A handle on one study; safe to use from several threads. Its state is in the store."""

    def __init__(
        self,
        record: StudyRecord,
        workspace: Workspace,
        tools: Tools,
        *,
        proof: DisjointProof,
        report: ImportReport,
        stock: Stock | None = None,
    ) -> None:
        super().__init__(record, workspace, tools, proof=proof, stock=stock)
        self.report = report
        # What the last file had that was brought again.
        self.brought: Brought | None = None
        self._keeping = (
            None
            if stock is None
            else Keeping(
                record.study_id, self.images, stock, self._tools, lambda: self.consent is not None
            )
        )
        self._preparing: str | None = None
        self._preparer: threading.Thread | None = None
        # Set once the study is being deleted: nothing begins any more.
        self._deleted = False
        self._stopping = threading.Event()
        self._failure: ImilError | None = None
        self._first_kept = False
        lost = self.missing_images > 0 or (record.started and not self._first.finished)
        if lost and self._keeping is not None and record.consent is not None:
            self._keeping.bring_back(self._first, self._resume)
        else:
            self._go_on()
        if record.head is not None and self.goes_to is not None:
            # In the background: nobody waits for it.
            threading.Thread(target=self.compare_log, daemon=True).start()

    @property
    def images_from(self) -> Mapping[str, Any]:
        """Where the images come from; its `kind` is demo, archive or hub."""
        return self._record.source

    @property
    def positive(self) -> str | None:
        """The label that is told from all others; None where every class is told apart."""
        label: str | None = self._record.source.get("positive")
        return label

    @property
    def started(self) -> bool:
        """Whether training was asked for; the plan is fixed from then on."""
        return self._record.started

    def set_plan(self, plan: Plan, *, who: str = "") -> None:
        """Change how the study will train; `who` asked for it.

        Raises:
            PlanError: a setting is out of range, or training has begun.
        """
        with self._lock:
            if self._record.started and plan != self.plan:
                raise PlanError(
                    "The plan is fixed once training has begun.",
                    why="Arms can be compared only under one plan, from one checkpoint.",
                    fix="Begin a new study to train with other settings.",
                )
            if plan != self.plan:
                self._save(plan=check_plan(plan))
                self._note(What.PLAN_SET, who=who, details={"plan": asdict(plan)})

    # ---- training -------------------------------------------------------------------------------

    def start_training(self, *, who: str = "") -> None:
        """Train round 0, or go on with it; nothing happens while it waits or runs.

        `who` asked for it.
        """
        with self._lock:
            if self.training_status().active or self._first.finished:
                return
            self._require_images()
            plan = self.plan
            if not self._record.started:
                plan = replace(plan, device=self._tools.pool.device_for(plan))
            self._begin(plan, who)

    def _begin(self, plan: Plan, who: str) -> None:
        plan = with_arithmetic(plan, native_bf16=has_native_bf16())
        self._save(started=True, plan=plan)
        self._note(What.TRAINING_STARTED, who=who, details={"plan": asdict(self.plan)})
        self._prepare_then_submit()

    def stop(self, *, who: str = "") -> None:
        """Stop whatever trains, within one batch; it can be started again and goes on.

        `who` asked for it.
        """
        self._stopping.set()
        if self.training_status().active:
            self._note(What.TRAINING_STOPPED, who=who)
        if self.comparison_status().active:
            self._note(What.COMPARISON_STOPPED, who=who)
        for job in (self._training_job, self._comparison_job, self._folds_job):
            self._tools.pool.stop(job)

    def end(self) -> None:
        """Stop whatever trains, and wait for it: nothing is written to the study's folder then."""
        self._ending.set()
        try:
            self.stop()
            if (preparer := self._preparer) is not None:
                preparer.join(STOPPING)
            jobs = (self._training_job, self._comparison_job, self._folds_job)
            known = [job for job in jobs if self._tools.pool.status(job) is not None]
            self._tools.pool.wait(known, timeout=STOPPING)
            self._tools.pool.followed(jobs, timeout=STOPPING)
        finally:
            self._ending.clear()

    def end_for_good(self) -> None:
        """End the study, which is to be deleted: nothing of it is written or begun any more."""
        self.stop_keeping()
        with self._lock:
            self._deleted = True
        self._store.end()
        self.end()

    @property
    def busy(self) -> bool:
        """Whether anything trains, or waits to."""
        return any(
            status.active
            for status in (
                self.training_status(),
                self.comparison_status(),
                self.out_of_fold_status(),
            )
        )

    @property
    def has_news(self) -> bool:
        """Whether this handle knows what is saved nowhere, and a later one would not."""
        return self._failure is not None or self.brought is not None or self._acts.behind

    @property
    def idle_days(self) -> int:
        """Days without a visit after which the study's images are deleted here; 0 for never."""
        return self._tools.idle_days

    def training_status(self) -> TrainingStatus:
        """Return how far round 0 is."""
        with self._lock:
            if self._failure is not None:
                return TrainingStatus(JobState.FAILED, error=self._failure)
            if self._preparing is not None:
                return TrainingStatus(
                    JobState.RUNNING, step=self._preparing, epochs=self.plan.epochs
                )
            self._note_finished()
            status = status_of(self._tools.pool.status(self._training_job), (self._first,))
            if status.state is JobState.DONE:
                self._keep_first()
            if status.state is None and self._record.started:
                # Stopped while its images were prepared, before there was a job.
                return replace(status, state=JobState.STOPPED)
            return status

    @property
    def brings_images(self) -> bool:
        """Whether the images were brought by somebody, not drawn by the app."""
        return self._stock is not None

    @property
    def keeping_trouble(self) -> ImilError | None:
        """Why what was agreed to could not be sent, or fetched back; None where it was."""
        return None if self._keeping is None else self._keeping.trouble

    def give_consent(self, who: str) -> None:
        """Let a copy of the images, and of the first checkpoint, leave this machine.

        Raises:
            PlanError: there is nowhere to send them, or the app draws them itself.
        """
        with self._lock:
            repo = self.goes_to
            if repo is None or self._keeping is None:
                trouble = self.saved.trouble
                nowhere = "No Hub repo is set." if trouble is None else trouble.what
                raise PlanError(
                    "These images can't be kept anywhere else.",
                    why=nowhere if repo is None else "The app draws them itself.",
                    fix="Nothing is to be done: nothing leaves this machine.",
                )
            if self.consent is None:
                self._save(consent=Consent(repo, who, self._tools.now().isoformat()))
                self._note(What.CONSENT_GIVEN, who=who, details={"repo": repo})
            self._keeping.keep(self._first)

    def withdraw_consent(self, *, who: str = "") -> None:
        """Let no further image leave this machine; what is kept elsewhere stays until deleted.

        `who` asked for it.
        """
        with self._lock:
            if self.consent is not None:
                self._save(consent=None)
                self._tools.store.hide(self.study_id)
                self._note(What.CONSENT_WITHDRAWN, who=who)

    def stop_keeping(self) -> None:
        """Withdraw the consent, if there is one, and wait until nothing is on its way."""
        if self._keeping is not None and self.consent is not None:
            self.withdraw_consent()
            self._keeping.settle()

    def bring_images(
        self, archive: Path, *, on_progress: Callable[[int, int], None] | None = None
    ) -> Brought:
        """Take the missing images out of a zip; once all are there, training is made again.

        Args:
            archive: the file that the study was begun with; images are known by their pixels.
            on_progress: told (done, total) after each file.

        Raises:
            DataError: what is wrong with the zip, or that no image of the study is in it.
        """
        stock, uploads = self._refilled(), self._tools.uploads
        return self._bring(stock.bring_archive(archive, uploads, on_progress=on_progress))

    def fetch_images(self, *, on_progress: Callable[[int, int], None] | None = None) -> Brought:
        """Fetch the missing images from the Hub data set that they came from; as `bring_images`.

        Raises:
            DataError: they came from elsewhere, or what is wrong with the way to the data set.
        """
        asked = self._record.source.get("asked")
        if asked is None:
            raise DataError(
                "The images of this study can't be fetched again.",
                why="They came from a file.",
                fix="Bring that file again.",
            )
        request = HubRequest(**{**asked, "splits": tuple(asked["splits"])})
        endpoint = self._tools.endpoint

        def fetch(into: Path) -> int:
            listing, _ = read_hub(request, into, endpoint=endpoint)
            return listing.report.left_out

        return self._bring(self._refilled().bring_folder(fetch, on_progress=on_progress))

    # ---- review ---------------------------------------------------------------------------------

    def review_state(
        self, sample_id: str, reader: str | None = None
    ) -> Literal["masked", "skipped"] | None:
        """Return what a reader, or anybody, decided on an image."""
        if self._masks.has(sample_id, reader):
            return "masked"
        return "skipped" if self._passed_over(sample_id, reader) else None

    def picture(self, sample_id: str) -> NDArray[np.uint8]:
        """Return the image at its own size and 8 bits, (H, W) or (H, W, 3)."""
        return to_uint8(self.images.original(sample_id))

    def thumbnail(self, sample_id: str) -> Path:
        """Return a small JPEG of the image, made once; a blank one where the image is missing."""
        try:
            return self._workspace.thumbnail(sample_id)
        except PixelsError:
            if not self.missing_images:
                raise
            return self._workspace.blank()

    def hint(self, sample_id: str) -> Hint | None:
        """Return what a newcomer may paint on a film of the demo; None in any other study."""
        self.images.position(sample_id)
        return demo_hint(self._record.source, sample_id)

    def irrelevant(self, sample_id: str, reader: str | None = None) -> Region | None:
        """Return the last mask of an image, (H, W), True = hide: a reader's, or anybody's."""
        record = self._masks.last(sample_id, reader)
        return None if record is None else record.irrelevant

    def mask_name(self, sample_id: str, reader: str | None = None) -> str:
        """Return a short name of the mask that `irrelevant` returns; "" where there is none."""
        name = self._masks.name_of(sample_id, reader)
        return (mask_key((name,)) or "") if name else ""

    def origin(self, sample_id: str, reader: str | None = None) -> Origin:
        """Return how that mask came about; `painted` where there is none."""
        record = self._masks.last(sample_id, reader)
        return Origin.PAINTED if record is None else record.origin

    def copied_from(self, sample_id: str, reader: str | None = None) -> str:
        """Return the image that that mask was copied from; "" for none."""
        last = self._masks.last(sample_id, reader)
        return "" if last is None else last.source

    def answer(self, sample_id: str, irrelevant: Region | None) -> Answer:
        """Return what the model says to an image as it is, and with a region blacked out.

        Raises:
            PlanError: nothing is trained yet.
            DataError: no such image.
            MaskError: the mask is not of the image's size.
        """
        self._check_trained()
        return self._tools.models.answer(self._workspace, self._first, sample_id, irrelevant)

    def saliency(self, sample_id: str, irrelevant: Region | None = None) -> SaliencyMap:
        """Return where the model looks in an image, as it is or with a region blacked out.

        Raises:
            PlanError: nothing is trained yet, or the model can't be explained.
            DataError: no such image.
            MaskError: the mask is not of the image's size.
            ComputeError: the model's answer is not a finite number.
        """
        self._check_trained()
        return self._tools.models.saliency(self._workspace, self._first, sample_id, irrelevant)

    def predicted(self, sample_id: str, reader: str | None = None) -> Region:
        """Return the region of a training image that a reader may begin from, (H, W); MaskError.

        It is predicted from all readers' masks, or from the reader's own; see `predictions_for`.
        """
        return self.predictions_for(reader).region(sample_id)

    def confirm_predictions(self, key: str, *, reader: str) -> None:
        """Keep that a reader found the predicted masks right; a later mask withdraws it.

        Args:
            key: of the masks whose predictions were looked at, `Learned.key`.
            reader: who looked.

        Raises:
            MaskError: the masks are others by now, too few, or contradict each other.
        """
        check_seen(key, self.predictions.key)
        reader = reader_name(reader)
        self.predictions.learn()
        with self._lock:
            self._save(confirmation=Confirmation(key, reader, self._tools.now().isoformat()))
            self._note(What.PREDICTIONS_CONFIRMED, who=reader, details={"masks": key})

    def export_predictions(self, path: Path) -> None:
        """Write the predicted masks of all training images as Parquet; MaskError."""
        self.predictions.export(path, study=self.study_id, now=self._tools.now())

    def submit_mask(
        self,
        sample_id: str,
        irrelevant: NDArray[np.bool_],
        *,
        reader: str,
        seconds: float,
        queue: Queue = Queue.MISPREDICTED,
        origin: Origin = Origin.PAINTED,
        replaces: str | None = None,
    ) -> Budget:
        """Keep a mask; when this returns it is on disk. A later one of its reader replaces it.

        A mask that comes twice, as it does when a connection breaks before the answer, is kept
        once: it hides the same, and took the same seconds of the same reader.

        `queue` is the one from which the image was opened. Where that queue does not hold it, the
        reader chose the image, as from a cell of the confusion matrix, and the mask says so: only
        masks of images that are in `mispredicted` and were opened from there are the paper's.
        `replaces` is the `mask_name` of the reader's own mask that was known; None is for those who
        replace whatever is there. Another reader's mask is never replaced.

        Raises:
            MaskChangedError: the image has another mask of that reader by now than `replaces`.
            MaskError: empty, too large, of the wrong size, over the budget, not of a training
                image, or with a time that is none.
        """
        check_training(self._workspace, sample_id)
        region = check_mask(irrelevant, self.images.original(sample_id).shape[:2])
        seconds, reader = check_seconds(seconds), reader_name(reader)
        known = self._known_answer(sample_id, region)
        with self._lock:
            last = self._masks.last(sample_id, reader)
            if last is not None and _came_twice(last, region, seconds):
                return self.budget()
            if replaces is not None and replaces != self.mask_name(sample_id, reader):
                raise _changed(self.images.title(sample_id))
            self._check_budget(sample_id)
            offer, opened_from = self._offer_of(queue, sample_id)
            classes = self.images.classes
            record = MaskRecord(
                study=self._log_id,
                sample_id=sample_id,
                irrelevant=region,
                label=classes[self.images.sample(sample_id).label],
                prediction=classes[offer.predicted],
                confidence=offer.confidence,
                reader=reader,
                seconds=seconds,
                round=self.round_number,
                time=self._tools.now(),
                queue=opened_from,
                selection=self.selection,
                origin=origin,
                source=self.copied_from(sample_id, reader) if origin is Origin.COPIED else "",
            )
            pixels = None if self.consent is None else self.images.original(sample_id)
            shown = None if pixels is None else with_pictures(record, pixels)
            kept = self._masks.add(record, shown=shown)
            self._note_mask(kept, record, known)
            self._save_skips(reader, (s for s in self._own_skips(reader) if s != sample_id))
            self._changed.append(sample_id)
            return self.budget()

    def skip(self, sample_id: str, *, reader: str = UNNAMED) -> None:
        """Pass over an image; its mask, if it has one, stays."""
        self.images.position(sample_id)
        reader = reader_name(reader)
        with self._lock:
            self._save_skips(reader, dict.fromkeys((*self._own_skips(reader), sample_id)))
            self._note(What.SKIPPED, who=reader, sample_id=sample_id)
            self._changed.append(sample_id)

    def seconds_spent(self, reader: str | None = None) -> float:
        """Return the time that went into the masks that count, a reader's or all."""
        return self._masks.seconds(reader)

    def export(self, path: Path, *, whole: bool = True, who: str = "") -> Audit:
        """Write the study as one `study.zip`, then say so in its log.

        Args:
            path: of the zip.
            whole: with images and models; without them, what the store has: masks, figures, log.
            who: for whom.

        Returns:
            The log as it was found, with the first sign of tampering; it is said in the zip too.

        Raises:
            StoreError: something can't be read.
        """
        found = self.audit()
        place = self._workspace
        pack(
            path,
            self._record,
            self.images,
            found,
            store=self._tools.store,
            folder=place.folder,
            whole=whole,
        )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._note(What.EXPORTED, who=who, details={"whole": whole, "sha256": digest})
        return found

    def note_images_removed(self, days: int) -> None:
        """Say in the log that images and models went, since nobody came for so many days."""
        self._note(What.IMAGES_REMOVED, who=PROGRAM, details={"days": days})
        self.settle()

    def note_shared(self, organisation: str, *, shared: bool, who: str) -> None:
        """Say in the log that the study was put on an organisation's list, or taken off it."""
        details = {"organisation": organisation, "shared": shared}
        self._note(What.SHARED, who=who, details=details)

    def note_import(self, who: str = "") -> None:
        """Say in the log that the study came here as a `study.zip`."""
        self._note(What.IMPORTED, who=who)

    def check_readable(self) -> None:
        """Read what the study's page reads; whatever can't be read is raised.

        Figures that were not saved are not made.
        """
        self.reading()
        self.budget()
        self.training_status()
        self.comparison_status()
        self.out_of_fold_status()
        if self._first.finished:
            self.answers()
            self.queue()
            self.queue_counts()
            self.out_of_fold_cost()
            self._check_model()
        for asked in (*self._record.earlier, self._record.comparison):
            if asked is not None and (done := self._done(asked)) is not None:
                self._check_done(done)

    # ---- inside ---------------------------------------------------------------------------------

    def _check_model(self) -> None:
        self._tools.models.version(self._first)
        machines(self._first)

    def _check_done(self, done: Comparison) -> None:
        for split in (Split.VALIDATION, Split.TEST):
            if self._trained_here(done):
                self._outcomes(done, split)
        self._round_key(done, Split.VALIDATION)

    @property
    def _training_job(self) -> str:
        return f"{self.study_id}-training"

    def _keep_first(self) -> None:
        """Send the first checkpoint, where it was agreed to; once, when training has ended."""
        if self.consent is not None and self._keeping is not None and not self._first_kept:
            self._first_kept = True
            self._keeping.keep(self._first)

    def _refilled(self) -> Stock:
        """Return the stock that images are brought to."""
        if self._stock is None:
            raise DataError(
                "This study needs no images from you.",
                why="Its films are drawn by the app.",
                fix="Begin a new study to bring images of your own.",
            )
        return self._stock

    def _bring(self, brought: Brought) -> Brought:
        self.brought = brought
        if not brought.missing:
            self._resume()
        return brought

    def _resume(self) -> None:
        with self._lock:
            self._go_on()

    def _go_on(self) -> None:
        """Take up what a killed process left unfinished, or what was lost with its folder."""
        if self._deleted or self.missing_images:
            return
        if self.consent is not None and self._keeping is not None:
            self._keeping.keep(self._first)
        if self._record.comparison is not None:
            self._finish_when_trained()
        if not self._tools.pool.takes_up(self.plan):
            return  # it would use up somebody's time on a GPU before they ask
        if self._record.started and not self._first.finished:
            self._go_on_training()
            return
        if self._record.folds and self.out_of_fold_status().state is None:
            self._tools.pool.submit(self._folds_job, fold_tasks(self._first))
        asked = self._record.comparison
        if asked is None or self._lost(asked):
            return
        if self.comparison_status().state is None and self.seeds_done() < self.seeds_asked():
            self._submit_comparison()

    def _go_on_training(self) -> None:
        job = self._tools.pool.status(self._training_job)
        # A job that was done has left nothing: its folder was lost since.
        if self.plan.precision is Precision.AUTO:  # an older version was killed early
            self._begin(self.plan, PROGRAM)
        elif job is None or job.state is JobState.DONE:
            self._prepare_then_submit()

    def _prepare_then_submit(self) -> None:
        self._failure = None
        self._stopping.clear()
        self._preparing = "Preparing images"
        # On behalf of whoever asked: a GPU that is lent is lent to the visitor of this request.
        prepare = partial(copy_context().run, self._prepare)
        self._preparer = threading.Thread(target=prepare, daemon=True)
        self._preparer.start()

    def _prepare(self) -> None:
        try:
            with full_disk("What training needs"):
                self._prepare_or_stop()
        except ImilError as error:
            self._failure = error
        except Exception:  # noqa: BLE001  # told to who waits: a thread that dies tells nobody
            text = traceback.format_exc()
            sys.stderr.write(text)
            self._failure = crashed(text)
        finally:
            self._preparing = None

    def _prepare_or_stop(self) -> None:
        total = len(self.images)
        for done in self._workspace.prepare(self.plan):
            self._preparing = f"Preparing image {done} of {total}"
            if self._stopping.is_set():
                return
        notice = self._workspace.keep_pretrained(self.plan, self._tools.fetch_weights)
        with self._lock:
            if self._stopping.is_set():
                return
            again = MADE_AGAIN if self._reviewed_before() else None
            told = (*self._record.notices, notice, again)
            self._save(notices=tuple(dict.fromkeys(each for each in told if each)))
            self._tools.pool.submit(self._training_job, (self._first,))

    def _reviewed_before(self) -> bool:
        """Return whether a first training was reviewed that is not there any more."""
        reviewed = len(self._masks) > 0 or self._record.comparison is not None
        return reviewed and not self._first.checkpoint.exists()

    def _check_trained(self) -> None:
        if not self._first.finished:
            raise PlanError(
                "There is nothing to review yet.",
                why="Outliers are training images that a trained model gets wrong.",
                fix="Train a model first, on the Train tab.",
            )

    def _check_budget(self, sample_id: str) -> None:
        used = self.budget()
        if sample_id not in self._masks and used.painted >= used.allowed:
            several = len(self.readers()) > 1
            by_all = " by all readers together" if several else ""
            raise MaskError(
                f"The budget is used up: {used.painted} of {used.allowed} images are masked"
                f"{by_all}.",
                why=f"The study compares what masks on {used.share:.0%} of the images can do.",
                fix="Go on with the next image of the queue: those that another reader masked are "
                "open to you too."
                if several
                else "Compare with and without masks now, or change a mask you already drew.",
            )


def _came_twice(last: MaskRecord, region: Region, seconds: float) -> bool:
    return last.seconds == seconds and np.array_equal(last.irrelevant, region)


def _changed(title: str) -> MaskChangedError:
    return MaskChangedError(
        f"Another mask of “{title}” was saved meanwhile.",
        why="It was painted in another tab, by a reader of the same name.",
        fix="Yours is kept on the screen; save it again to replace the other one.",
    )
