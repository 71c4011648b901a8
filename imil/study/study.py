"""One study: train, review, mask, compare; every step saved before it is shown."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imil.core.images import ImageSet
from imil.core.records import Deployment, Plan
from imil.core.splits import DisjointProof
from imil.datasets.listing import ImportReport
from imil.jobs.training.task import machines
from imil.storage.base import Saved
from imil.storage.records.acts import ActKind
from imil.storage.records.studies import StudyRecord
from imil.storage.study_store import StudyStore
from imil.study.audit.trail import Audit, AuditTrail
from imil.study.backup import RemoteBackup
from imil.study.comparison.comparisons import Comparisons
from imil.study.comparison.external_sets import ExternalSets
from imil.study.comparison.figures import Figures
from imil.study.comparison.results import Results
from imil.study.comparison.saliency_comparison import SaliencyComparisons
from imil.study.comparison.segments import Segments
from imil.study.comparison.usual_arms import UsualArms
from imil.study.context import StudyContext, StudyState
from imil.study.first_model import FirstModel
from imil.study.image_files import ImageFiles
from imil.study.library.zips.study_zip import pack
from imil.study.pictures import Pictures
from imil.study.review.masks import MaskReview
from imil.study.review.predictions import PredictedMasks
from imil.study.review.queueing import Queues
from imil.study.review.reader_summary import Readers
from imil.study.review.triage import Labels
from imil.study.services import Services
from imil.study.training import FirstTraining
from imil.study.workspace import Workspace

# The longest that a batch takes which is still trained when a study is deleted, seconds.
_STOPPING = 30.0
# The longest that anybody waits for figures to be made, s; those that are not are made later.
_SETTLING = 30.0


class Study:
    """A handle on one study; safe to use from several threads. Its state is in the store.

    What is done to it is done by its parts:

    Attributes:
        audit: the log.
        pictures: its images, as they are shown and restored.
        backup: copies of images elsewhere, and the consent to them.
        training: the first training, and the folds.
        model: what the first training says of an image.
        labels: decisions on labels.
        queues: what is offered for review.
        review: the masks that are handed in.
        readers: who hands them in, and how far they agree.
        predictions: what masks predict elsewhere.
        external: other hospitals' images.
        comparison: what is compared.
        results: what came out.
        looks: where the compared models look.
    """

    def __init__(
        self,
        record: StudyRecord,
        workspace: Workspace,
        services: Services,
        *,
        proof: DisjointProof,
        report: ImportReport,
        files: ImageFiles | None = None,
    ) -> None:
        # All that the study reads and writes goes through here, and it is the study's own.
        self._store = StudyStore(services.store, record.study_id, record.log_id)
        state = StudyState(record, self._store)
        context = StudyContext(state, workspace, replace(services, store=self._store))
        self.context = context
        self.proof = proof
        self.report = report
        # What a screen keeps of this study, so that it is not made at each click.
        self.on_screen: dict[object, Any] = {}
        self.audit = AuditTrail(context)
        self.pictures = Pictures(context, files, self._resume)
        self.backup = RemoteBackup(context, self.audit, files)
        self.training = FirstTraining(context, self.audit, self.pictures, self.backup)
        self.model = FirstModel(context)
        self.labels = Labels(context, self.audit)
        self.readers = Readers(context, self.audit)
        self.queues = Queues(context, self.audit, self.labels)
        self.predictions = PredictedMasks(context, self.audit, self.readers)
        segments = Segments(context, self.queues)
        self.external = ExternalSets(context, self.audit, self.pictures)
        figures = Figures(context, self.audit, self.queues, segments, self.external)
        self.results = Results(context, self.readers, segments, figures, proof)
        self.looks = SaliencyComparisons(context, self.pictures, segments, self.results)
        self.comparison = Comparisons(
            context,
            self.audit,
            self.pictures,
            self.labels,
            self.readers,
            self.predictions,
            UsualArms(context, self.labels, self.readers, self.predictions),
            segments,
            figures,
            self.looks,
            self.external,
        )
        self.review = MaskReview(
            context,
            self.audit,
            self.queues,
            self.model,
            self.backup,
            lambda: self.comparison.round_number,
            self.predictions.begin,
        )
        lost = self.pictures.missing > 0 or (self.training.started and not context.first.finished)
        if not (lost and self.backup.bring_back(self._resume)):
            self._resume()
        if record.head is not None and context.goes_to is not None:
            # In the background: nobody waits for it.
            threading.Thread(target=self.audit.compare_published, daemon=True).start()

    @property
    def study_id(self) -> str:
        """The study's random id."""
        return self.context.study_id

    @property
    def name(self) -> str:
        """The study's name, for people."""
        return self.context.record.name

    @property
    def created(self) -> str:
        """When the study was begun, UTC, ISO 8601."""
        return self.context.record.created

    @property
    def source(self) -> Mapping[str, Any]:
        """Where the images come from; its `kind` is demo, archive or hub."""
        return self.context.record.source

    @property
    def positive(self) -> str | None:
        """The label that is told from all others; None where every class is told apart."""
        label: str | None = self.source.get("positive")
        return label

    @property
    def images(self) -> ImageSet:
        """The study's images."""
        return self.context.images

    @property
    def plan(self) -> Plan:
        """How the study trains."""
        return self.context.plan

    @property
    def deployment(self) -> Deployment:
        """Where the model will work, as the person answered."""
        return self.context.record.deployment

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences to show beside every figure."""
        return self.context.record.notices

    @property
    def saved(self) -> Saved:
        """How far the study's state has got beyond this machine."""
        return self._store.saved(self.study_id)

    @property
    def goes_to(self) -> str | None:
        """The Hub repo that masks and results go to; None where all stays on this machine."""
        return self.context.goes_to

    @property
    def idle_days(self) -> int:
        """Days without a visit after which the study's images are deleted here; 0 for never."""
        return self.context.services.idle_days

    @property
    def busy(self) -> bool:
        """Whether anything trains, or waits to."""
        training, comparison = self.training, self.comparison
        every = (training.status(), comparison.status(), training.out_of_fold_status())
        return any(status.active for status in every)

    @property
    def has_news(self) -> bool:
        """Whether this handle knows what is saved nowhere, and a later one would not."""
        told = self.training.failure, self.pictures.restored
        return self.audit.behind or any(each is not None for each in told)

    def stop(self, *, who: str = "") -> None:
        """Stop whatever trains, within one batch; it can be started again and goes on.

        `who` asked for it.
        """
        self.training.stop(who=who)
        self.comparison.stop(who=who)

    def flush(self) -> None:
        """Wait until every act is written, and the figures of a training that has just ended."""
        self.context.services.pool.followed(self._jobs, timeout=_SETTLING)
        self.audit.flush()

    def end(self) -> None:
        """Stop whatever trains, and wait for it: nothing is written to the study's folder then."""
        pool, state = self.context.services.pool, self.context.state
        state.ending.set()
        try:
            self.stop()
            self.training.join(_STOPPING)
            known = [job for job in self._jobs if pool.status(job) is not None]
            pool.wait(known, timeout=_STOPPING)
            pool.followed(self._jobs, timeout=_STOPPING)
            self.predictions.join(_STOPPING)
        finally:
            state.ending.clear()

    def end_for_good(self) -> None:
        """End the study, which is to be deleted: nothing of it is written or begun any more."""
        self.backup.end()
        with self.context.state.lock:
            self.context.state.deleted = True
        self._store.end()
        self.end()

    def export(self, path: Path, *, whole: bool = True) -> Audit:
        """Write the study as one `study.zip`, then say so in its log.

        Args:
            path: of the zip.
            whole: with images and models; without them, what the store has: masks, figures, log.

        Returns:
            The log as it was found, with the first sign of tampering; it is said in the zip too.

        Raises:
            StoreError: something can't be read.
        """
        found, context = self.audit.check(), self.context
        folder = context.workspace.folder
        pack(
            path,
            context.record,
            self.images,
            found,
            store=self._store,
            folder=folder,
            whole=whole,
        )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.audit.note(ActKind.EXPORTED, details={"whole": whole, "sha256": digest})
        return found

    def check_readable(self) -> None:
        """Read what the study's page reads; whatever can't be read is raised."""
        self.readers.reading()
        self.review.budget()
        self.training.status()
        self.comparison.status()
        self.training.out_of_fold_status()
        first = self.context.first
        if first.finished:
            self.queues.answers()
            self.queues.offers()
            self.queues.counts()
            self.training.out_of_fold_cost()
            self.context.services.models.version(first)
            machines(first)
        self.results.check()

    @property
    def _jobs(self) -> tuple[str, ...]:
        return (*self.training.jobs, self.comparison.job)

    def _resume(self) -> None:
        """Take up what a killed process left unfinished, or what was lost with its folder."""
        with self.context.state.lock:
            if self.context.state.deleted or self.pictures.missing:
                return
            self.backup.send()
            takes_up = self.context.services.pool.takes_up(self.plan)
            if takes_up and self.training.resume():
                return
            self.comparison.resume()
