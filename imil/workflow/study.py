"""One study: train, review, mask, compare; every step saved before it is shown."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.compute.pool import JobState, WorkerPool
from imil.compute.task import TrainingTask
from imil.core.arms import ARMS, check_masks, parse_arms
from imil.core.images import ImageSet, to_uint8
from imil.core.masks import check_mask
from imil.core.plans import check_plan
from imil.core.queues import budget
from imil.core.records import Arm, Budget, Outlier, Plan, Region, Split
from imil.core.rounds import Round, Setting, Trained, compare
from imil.core.splits import DisjointProof
from imil.errors import ImilError, MaskError, PlanError
from imil.sources.listing import ImportReport
from imil.store.base import Store
from imil.store.codec import MaskRecord
from imil.store.studies import Comparison, StudyRecord, load_round, save_round, save_study
from imil.workflow.maskbook import MaskBook, key_of
from imil.workflow.masksets import Review
from imil.workflow.results import About, results_json
from imil.workflow.status import TrainingStatus, status_of
from imil.workflow.workspace import Workspace

# Side of the gallery's pictures, px: sharp on a phone at three a row.
THUMBNAIL = 192
# Seeds vary only what follows the one checkpoint that the clinician reviewed.
SEED_SCOPE = "train_on"


@dataclass(frozen=True, slots=True)
class Tools:
    """What every study of a process shares.

    Attributes:
        store: where state is kept.
        pool: where training runs.
        fetch_weights: from a backbone's name to pretrained safetensors; WeightsError.
        now: the time.
    """

    store: Store
    pool: WorkerPool
    fetch_weights: Callable[[str], bytes]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Study:
    """A handle on one study; safe to use from several threads. Its state is in the store."""

    def __init__(
        self,
        record: StudyRecord,
        workspace: Workspace,
        tools: Tools,
        *,
        proof: DisjointProof,
        report: ImportReport,
    ) -> None:
        self.proof = proof
        self.report = report
        self._record = record
        self._workspace = workspace
        self._tools = tools
        self._lock = threading.RLock()
        self._masks = MaskBook(tools.store, record.study_id)
        self._preparing: str | None = None
        self._stopping = threading.Event()
        self._failure: ImilError | None = None
        self._queue: tuple[Outlier, ...] | None = None
        self._go_on()

    @property
    def study_id(self) -> str:
        """The study's random id."""
        return self._record.study_id

    @property
    def name(self) -> str:
        """The study's name, for people."""
        return self._record.name

    @property
    def images(self) -> ImageSet:
        """The study's images."""
        return self._workspace.images

    @property
    def plan(self) -> Plan:
        """How the study trains."""
        return self._record.plan

    @property
    def started(self) -> bool:
        """Whether training was asked for; the plan is fixed from then on."""
        return self._record.started

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences to show beside every figure."""
        return self._record.notices

    def set_plan(self, plan: Plan) -> None:
        """Change how the study will train.

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
            self._save(plan=check_plan(plan))

    # ---- training -------------------------------------------------------------------------------

    def start_training(self) -> None:
        """Train round 0, or go on with it; nothing happens while it waits or runs."""
        with self._lock:
            if self.training_status().active or self._first.finished:
                return
            self._save(started=True)
            self._prepare_then_submit()

    def stop(self) -> None:
        """Stop whatever trains, within one batch; it can be started again and goes on."""
        self._stopping.set()
        for job in (self._training_job, self._comparison_job):
            self._tools.pool.stop(job)

    def training_status(self) -> TrainingStatus:
        """Return how far round 0 is."""
        with self._lock:
            if self._failure is not None:
                return TrainingStatus(JobState.FAILED, error=self._failure)
            if self._preparing is not None:
                return TrainingStatus(
                    JobState.RUNNING, step=self._preparing, epochs=self.plan.epochs
                )
            status = status_of(self._tools.pool.status(self._training_job), (self._first,))
            if status.state is None and self._record.started:
                # Stopped while its images were prepared, before there was a job.
                return replace(status, state=JobState.STOPPED)
            return status

    # ---- review ---------------------------------------------------------------------------------

    def queue(self) -> tuple[Outlier, ...]:
        """Return the mispredicted training images, worst first.

        Raises:
            PlanError: nothing is trained yet.
        """
        with self._lock:
            if not self._first.finished:
                raise PlanError(
                    "There is nothing to review yet.",
                    why="Outliers are training images that a trained model gets wrong.",
                    fix="Train a model first, on the Train tab.",
                )
            if self._queue is None:
                self._queue = self._workspace.outliers(self._first)
            return self._queue

    def review_state(self, sample_id: str) -> Literal["masked", "skipped"] | None:
        """Return what the reader decided on an image."""
        if sample_id in self._masks:
            return "masked"
        return "skipped" if sample_id in self._record.skipped else None

    def picture(self, sample_id: str) -> NDArray[np.uint8]:
        """Return the image at its own size and 8 bits, (H, W) or (H, W, 3)."""
        return to_uint8(self.images.original(sample_id))

    def thumbnail(self, sample_id: str) -> Path:
        """Return a small JPEG of the image, made once."""
        row = self.images.position(sample_id)
        path = self._workspace.cache / "thumbnails" / f"{row:06d}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(self.picture(sample_id))
            image.thumbnail((THUMBNAIL, THUMBNAIL))
            unfinished = path.with_suffix(f".{secrets.token_hex(4)}.part")
            image.save(unfinished, "JPEG", quality=88)
            unfinished.replace(path)
        return path

    def irrelevant(self, sample_id: str) -> Region | None:
        """Return the mask that was accepted for an image, (H, W), True = hide."""
        record = self._masks.last(sample_id)
        return None if record is None else record.irrelevant

    def submit_mask(
        self, sample_id: str, irrelevant: NDArray[np.bool_], *, reader: str, seconds: float
    ) -> Budget:
        """Keep a mask; when this returns it is on disk. A later one replaces it.

        Raises:
            MaskError: empty, too large, of the wrong size, over the budget, or not of a training
                image.
        """
        sample = self.images.sample(sample_id)
        if sample.split is not Split.TRAIN:
            raise MaskError(
                f"“{sample_id}” is a {sample.split} image.",
                why="Only training images are edited; the others must stay as they were taken.",
                fix="Pick an image from the gallery of outliers.",
            )
        region = check_mask(irrelevant, self.images.original(sample_id).shape[:2])
        with self._lock:
            self._check_budget(sample_id)
            outlier = next((o for o in self.queue() if o.sample_id == sample_id), None)
            record = MaskRecord(
                study=self.study_id,
                sample_id=sample_id,
                irrelevant=region,
                label=self.images.classes[sample.label],
                prediction="" if outlier is None else self.images.classes[outlier.predicted],
                confidence=0.0 if outlier is None else outlier.confidence,
                reader=reader,
                seconds=seconds,
                round=1,
                time=self._tools.now(),
            )
            self._masks.add(record)
            self._save(skipped=tuple(s for s in self._record.skipped if s != sample_id))
            return self.budget()

    def skip(self, sample_id: str) -> None:
        """Pass over an image; its mask, if it has one, stays."""
        self.images.position(sample_id)
        with self._lock:
            self._save(skipped=tuple(dict.fromkeys((*self._record.skipped, sample_id))))

    def budget(self) -> Budget:
        """Return how many training images may be, and are, painted."""
        training = len(self._workspace.rows(Split.TRAIN))
        return budget(self.plan.budget, training, len(self._masks))

    def seconds_spent(self) -> float:
        """Return the time that went into the masks that count."""
        return self._masks.seconds()

    # ---- results --------------------------------------------------------------------------------

    def start_comparison(
        self, *, arms: Sequence[str] = (Arm.CONTROL, Arm.IMIL), seeds: int = 1
    ) -> None:
        """Train on with and without masks, from the same checkpoint; nothing while that runs.

        Segments that are finished for the same masks and seeds are not trained again.

        Raises:
            PlanError: nothing is trained yet, an unknown arm, or fewer than one seed.
        """
        with self._lock:
            self.queue()
            if self.comparison_status().active:
                return
            if seeds < 1:
                raise PlanError(
                    f"{seeds} seeds can't be compared.",
                    why="Each arm is trained once a seed.",
                    fix="Ask for at least one seed; from five on a verdict is given.",
                )
            compared = parse_arms(tuple(arms))
            check_masks(compared, len(self._masks))
            _check_painted(compared)
            numbers = tuple(range(self.plan.seed, self.plan.seed + seeds))
            asked = Comparison(compared, numbers, self._masks.names())
            self._save(comparison=asked)
            self._submit_comparison()

    def comparison_status(self) -> TrainingStatus:
        """Return how far the comparison is."""
        with self._lock:
            asked = self._record.comparison
            if asked is None:
                return TrainingStatus(None)
            return status_of(
                self._tools.pool.status(self._comparison_job), self._tasks_of_comparison()
            )

    def results(self) -> Round | None:
        """Return the finished comparison on validation; None before."""
        return self._finished_round(Split.VALIDATION)

    def final_comparison(self) -> Round:
        """Open the test set and return the comparison on it; each opening is counted.

        Raises:
            PlanError: no comparison is finished.
        """
        with self._lock:
            if self.results() is None:
                raise PlanError(
                    "There is no comparison to open the test set for.",
                    why="The test set is looked at once, when everything else is decided.",
                    fix="Compare with and without masks first.",
                )
            self._save(test_openings=self._record.test_openings + 1)
            finished = self._finished_round(Split.TEST)
            if finished is None:
                raise ValueError("a finished comparison has no figures")
            return finished

    def final_results(self) -> Round | None:
        """Return the last final comparison without opening the test set again; None before."""
        asked = self._record.comparison
        if asked is None or not self._record.test_openings:
            return None
        key = f"{self._key(asked)}-{Split.TEST}-{self._record.test_openings}"
        return load_round(self._tools.store, self.study_id, key=key)

    def results_json(self) -> bytes | None:
        """Return the last finished comparison as `results.json`; None before."""
        finished = self.final_results() or self.results()
        if finished is None:
            return None
        about = About(self.images, self.plan, self.proof, {"masks": self._masks.seconds()})
        return results_json(finished, about)

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def _training_job(self) -> str:
        return f"{self.study_id}-training"

    @property
    def _comparison_job(self) -> str:
        return f"{self.study_id}-comparison"

    @property
    def _first(self) -> TrainingTask:
        return self._workspace.first_task(self.plan)

    def _save(self, **changes: object) -> None:
        record = replace(self._record, **changes)  # type: ignore[arg-type]  # names of its fields
        save_study(self._tools.store, record)
        self._record = record

    def _go_on(self) -> None:
        """Take up what a killed process left unfinished."""
        if self._record.started and not self._first.finished:
            if self._tools.pool.status(self._training_job) is None:
                self._prepare_then_submit()
        elif self._record.comparison is not None and self.comparison_status().state is None:
            self._submit_comparison()

    def _prepare_then_submit(self) -> None:
        self._failure = None
        self._stopping.clear()
        self._preparing = "Preparing images"
        threading.Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        try:
            total = len(self.images)
            for done in self._workspace.prepare(self.plan):
                self._preparing = f"Preparing image {done} of {total}"
                if self._stopping.is_set():
                    return
            notice = self._workspace.keep_pretrained(self.plan, self._tools.fetch_weights)
            with self._lock:
                if notice is not None:
                    self._save(notices=(notice,))
                if self._stopping.is_set():
                    return
                self._tools.pool.submit(self._training_job, (self._first,))
        except ImilError as error:
            self._failure = error
        finally:
            self._preparing = None

    def _submit_comparison(self) -> None:
        asked = self._record.comparison
        if asked is None:
            raise ValueError("no comparison was asked for")
        records = self._masks.by_name(asked.masks)
        painted = {record.sample_id: record.irrelevant for record in records}
        allowed = self.budget().allowed
        review = Review(
            self._workspace, self._first, self.queue(), painted.get, allowed, simulated=False
        )
        sets = review.masks(ARMS[arm].masks for arm in asked.arms)
        tasks = self._tasks_of_comparison()
        for task in tasks:
            given = sets[ARMS[task.arm].masks]
            predicted = given.predicted if ARMS[task.arm].predicted else None
            self._workspace.write_masked(task, given.masks, predicted=predicted)
        self._tools.pool.submit(self._comparison_job, tasks)

    def _tasks_of_comparison(self) -> tuple[TrainingTask, ...]:
        """Return the segments to train, each once, seed by seed: a first pair is there early."""
        asked = self._record.comparison
        if asked is None:
            return ()
        by_arm = [self._tasks(asked, arm) for arm in asked.arms]
        tasks = [task for of_seed in zip(*by_arm, strict=True) for task in of_seed]
        return tuple({task.folder: task for task in tasks}.values())

    def _tasks(self, asked: Comparison, arm: Arm) -> tuple[TrainingTask, ...]:
        first, key = self._first, key_of(asked.masks)
        return tuple(
            self._workspace.arm_task(first, arm, seed=seed, masks_key=key) for seed in asked.seeds
        )

    def _finished_round(self, split: Split) -> Round | None:
        with self._lock:
            asked = self._record.comparison
            if asked is None or self.comparison_status().state is not JobState.DONE:
                return None
            openings = self._record.test_openings
            key = f"{self._key(asked)}-{split}"
            key = f"{key}-{openings}" if split is Split.TEST else key
            saved = load_round(self._tools.store, self.study_id, key=key)
            if saved is not None:
                return saved
            trained: dict[Arm, Trained] = {
                arm: self._workspace.trained(self._tasks(asked, arm), split) for arm in asked.arms
            }
            setting = Setting(
                number=1,
                split=split,
                seeds=asked.seeds,
                seed_scope=SEED_SCOPE,
                masked=(len(asked.masks),) * len(asked.seeds),
                allowed=self.budget().allowed,
                training_images=len(self._workspace.rows(Split.TRAIN)),
                test_openings=openings,
                notices=(*self.notices, *_without_masks(asked)),
            )
            finished = compare(trained, self._workspace.samples(split), setting)
            save_round(self._tools.store, self.study_id, finished, key=key)
            return finished

    def _key(self, asked: Comparison) -> str:
        """Name a comparison by what it compares, so that a saved one is never another's."""
        folders = [task.folder.name for arm in asked.arms for task in self._tasks(asked, arm)]
        return hashlib.sha256("\n".join(folders).encode()).hexdigest()[:16]

    def _check_budget(self, sample_id: str) -> None:
        used = self.budget()
        if sample_id not in self._masks and used.painted >= used.allowed:
            raise MaskError(
                f"The budget is used up: {used.painted} of {used.allowed} images are masked.",
                why=f"The study compares what masks on {used.share:.0%} of the images can do.",
                fix="Compare with and without masks now, or change a mask you already drew.",
            )


def _check_painted(arms: Sequence[Arm]) -> None:
    if Arm.RANDOM_SAMPLE in arms:
        raise PlanError(
            "The arm “random_sample” can't be compared in this study.",
            why="It needs masks on random images, and clinicians paint those the model gets wrong.",
            fix="Leave it out, or run it with reference masks on the command line.",
        )


def _without_masks(asked: Comparison) -> tuple[str, ...]:
    if asked.masks or Arm.IMIL not in asked.arms:
        return ()
    return ("No image is masked, so imil trains on exactly what control trains on.",)
