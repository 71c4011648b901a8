"""What is irrelevant in every training image: predicted, looked at, confirmed, exported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from imil.core.disk import new_array
from imil.core.images import open_cache
from imil.core.records import Origin, Region, Split
from imil.core.review.irrelevance import (
    IrrelevancePredictor,
    PredictionKind,
    learn_irrelevance,
    mean_confidence,
    predict_in_batches,
    region_at,
)
from imil.core.review.masks import working_region
from imil.core.review.readers import reader_name
from imil.errors import MaskError, PlanError
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import MaskRecord, write_masks
from imil.storage.records.acts import ActKind
from imil.storage.records.studies import Confirmation
from imil.study.audit.trail import AuditTrail
from imil.study.context import StudyContext
from imil.study.review.mask_book import MaskBook, mask_key
from imil.study.review.pooling import pool_records
from imil.study.review.reader_summary import Readers
from imil.study.workspace import Workspace, read_logits, regions_key

# Images that a reader is shown before confirming: few enough to look at each. Our choice.
CONFIRMED_SAMPLE = 8
# Images over which the mean confidence is taken, drawn at random: one batch, so that looking costs
# the same however large the study is.
CONFIDENCE_OVER = 64
# Sets of masks whose predictor is kept: the one being painted, and the one being compared.
_KEPT = 2
# Who is named as the reader of a predicted mask.
MODEL = "model"
EXPORT_FILE = "predicted_masks.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What a set of painted masks says about the other images.

    Attributes:
        key: names the set of masks.
        masks: how many there are.
        predictor: the rule; holds no image.
        confidence: mean over the predicted regions of `over` random training images, 0-1.
        over: how many these are.
        sample: ids of random training images that nobody painted, to be looked at.
    """

    key: str
    masks: int
    predictor: IrrelevancePredictor
    confidence: float
    over: int
    sample: tuple[str, ...]

    @property
    def kind(self) -> PredictionKind:
        """The way that is used."""
        return self.predictor.kind

    @property
    def agreement(self) -> float:
        """Of the way that is used, on painted masks that were left out; a guess reaches 0.5."""
        return self.predictor.agreement[self.kind]


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """What masks predict for every training image, (N, S, S), read from disk as it is used."""

    predictor: IrrelevancePredictor
    regions: NDArray[np.bool_]


class Predictions:
    """One study's predicted irrelevance, always of the masks as they are now; see `now`.

    It learns from masks that were painted or corrected. One that was predicted or copied, and
    accepted as it was, says nothing new: it would only confirm itself, and make the agreement look
    better.

    Args:
        workspace: of the study.
        book: its masks.
        first: gives the finished first training.
        now: gives the names of the masks as they are now, and how several readers' are pooled.
    """

    def __init__(
        self,
        workspace: Workspace,
        book: MaskBook,
        first: Callable[[], TrainingTask],
        now: Callable[[], tuple[tuple[str, ...], str]],
    ) -> None:
        self._workspace = workspace
        self._book = book
        self._first = first
        self._now = now
        self._kept: dict[str, Learned] = {}
        self._learning = threading.Lock()
        # Of the masks as they were last asked about: the key, and how many images they are on.
        self._last: tuple[tuple[str, ...], str, tuple[str, int]] | None = None

    @property
    def masks(self) -> int:
        """How many masked images there are to learn from."""
        return self._named()[1]

    @property
    def key(self) -> str:
        """Names the set of masks to learn from; "" for none."""
        return self._named()[0]

    def _named(self) -> tuple[str, int]:
        """Return the key, and how many images there are to learn from; counted once a mask."""
        names, pooling = self._now()
        last = self._last
        if last is None or last[0] is not names or last[1] != pooling:
            sources = self._sources(names)
            images = {record.sample_id for record in self._book.by_name(sources)}
            last = names, pooling, (mask_key(sources, pooling) or "", len(images))
            self._last = last
        return last[2]

    def known(self) -> Learned | None:
        """Return what was learned from the masks as they are now; None before. Costs nothing."""
        return self._kept.get(self.key)

    def learn(self, asked: tuple[tuple[str, ...], str] | None = None) -> Learned:
        """Learn from the masks as they are now, or as asked for; nothing is learned twice.

        Args:
            asked: names of masks, and how several readers' are pooled.

        Raises:
            MaskError: too few masks, or masks that contradict each other.
        """
        names, pooling = self._now() if asked is None else asked
        sources = self._sources(names)
        key = mask_key(sources, pooling) or ""
        with self._learning:
            if key not in self._kept:
                learned = self._learn(
                    key, pool_records(self._book.by_name(sources), pooling).regions
                )
                last = list(self._kept.items())[-(_KEPT - 1) :]
                self._kept = {**dict(last), key: learned}
            return self._kept[key]

    def region(self, sample_id: str, *, shape: tuple[int, int] | None = None) -> Region:
        """Return the predicted region of a training image, True = hide.

        Args:
            sample_id: the image.
            shape: (H, W) wanted; None for the image's own.

        Raises:
            MaskError: too few masks, or masks that contradict each other; not a training image.
        """
        check_training(self._workspace, sample_id)
        wanted = shape or self._workspace.images.original(sample_id).shape[:2]
        learned = self.learn()
        return region_at(learned.predictor, self._confidence(learned, sample_id), wanted)

    def confidence(self, learned: Learned, sample_id: str) -> float:
        """Return how sure the prediction is on one image: the mean over its region, 0-1."""
        confidence = self._confidence(learned, sample_id)
        return float(mean_confidence(learned.predictor, confidence[None])[0])

    def extended(self, names: tuple[str, ...], pooling: str) -> Extended:
        """Return what the masks of these names predict, pooled in a way, for training."""
        learned, first = self.learn((names, pooling)), self._first()
        path = first.folder.parent / f"predicted-{learned.key}.npy"
        regions = write_regions(self._workspace, first, learned.predictor, path)
        return Extended(learned.predictor, regions)

    def export(self, path: Path, *, study: str, now: datetime) -> None:
        """Write the predicted masks of all training images, in the schema of the painted ones.

        Raises:
            MaskError: too few masks, or masks that contradict each other.
        """
        predictor = self.learn().predictor
        write_masks(path, predicted_records(self._workspace, self._first(), predictor, study, now))

    def _sources(self, names: tuple[str, ...]) -> tuple[str, ...]:
        records = self._book.by_name(names)
        return tuple(
            name
            for name, record in zip(names, records, strict=True)
            if record.origin not in (Origin.PREDICTED, Origin.COPIED)
        )

    def _learn(self, key: str, masks: Mapping[str, Region]) -> Learned:
        workspace, first = self._workspace, self._first()
        predictor = learn_from(workspace, first, masks)
        # The seed follows the masks: other masks, other images to look at.
        rng = np.random.default_rng([first.plan.seed, *key.encode()])
        order = rng.permutation(workspace.rows(Split.TRAIN))
        over = np.sort(order[:CONFIDENCE_OVER])
        confidence = predictor.confidence(open_cache(first.images)[over])
        ids = [workspace.images.samples[row].sample_id for row in order]
        sample = [sample_id for sample_id in ids if sample_id not in self._book][:CONFIRMED_SAMPLE]
        return Learned(
            key=key,
            masks=len(masks),
            predictor=predictor,
            confidence=float(mean_confidence(predictor, confidence).mean()),
            over=len(over),
            sample=tuple(sample),
        )

    def _confidence(self, learned: Learned, sample_id: str) -> NDArray[np.float32]:
        row = self._workspace.images.position(sample_id)
        images = open_cache(self._first().images)[row : row + 1]
        one: NDArray[np.float32] = learned.predictor.confidence(images)[0]
        return one


class PredictedMasks:
    """What the masks of a study predict as irrelevant elsewhere, and who found that right."""

    def __init__(self, context: StudyContext, audit: AuditTrail, readers: Readers) -> None:
        self._context = context
        self._audit = audit
        self._readers = readers
        self._all = self._predictions(lambda: (context.masks.names(), readers.pooling))
        self._own: dict[str, Predictions] = {}

    def of(self, reader: str | None = None) -> Predictions:
        """Return the predictions that a reader may see; those of all readers' masks for None.

        While there are others' masks that are not to be seen, the own masks alone predict.
        """
        if reader is None or not self._readers.blind(reader):
            return self._all
        masks = self._context.masks
        with self._context.state.lock:
            if reader not in self._own:
                self._own[reader] = self._predictions(lambda: (masks.names(reader), ""))
            return self._own[reader]

    def region(self, sample_id: str, reader: str | None = None) -> Region:
        """Return the region of a training image that a reader may begin from, (H, W); MaskError.

        It is predicted from all readers' masks, or from the reader's own; see `of`.
        """
        return self.of(reader).region(sample_id)

    def confirm(self, key: str, *, reader: str) -> None:
        """Keep that a reader found the predicted masks right; a later mask withdraws it.

        Args:
            key: of the masks whose predictions were looked at, `Learned.key`.
            reader: who looked.

        Raises:
            MaskError: the masks are others by now, too few, or contradict each other.
        """
        check_seen(key, self._all.key)
        reader = reader_name(reader)
        self._all.learn()
        with self._context.state.lock:
            now = self._context.now().isoformat()
            self._context.state.update(confirmation=Confirmation(key, reader, now))
            self._audit.note(ActKind.PREDICTIONS_CONFIRMED, who=reader, details={"masks": key})

    @property
    def confirmation(self) -> Confirmation | None:
        """The last confirmation of predicted masks, be it of the masks as they are now or not."""
        return self._context.record.confirmation

    @property
    def confirmed(self) -> bool:
        """Whether a reader has confirmed what the masks predict as they are now."""
        last = self.confirmation
        return last is not None and last.masks == self._all.key

    def export(self, path: Path) -> None:
        """Write the predicted masks of all training images as Parquet; MaskError."""
        self._all.export(path, study=self._context.study_id, now=self._context.now())

    def _predictions(self, now: Callable[[], tuple[tuple[str, ...], str]]) -> Predictions:
        context = self._context
        return Predictions(context.workspace, context.masks, context.with_images, now)


def learn_from(
    workspace: Workspace, first: TrainingTask, masks: Mapping[str, Region]
) -> IrrelevancePredictor:
    """Return what the masks, (H, W) by sample id, say about other images; MaskError if nothing."""
    size = first.plan.size
    painted = {
        workspace.images.position(sample_id): working_region(region, size=size)
        for sample_id, region in masks.items()
    }
    return learn_irrelevance(open_cache(first.images), painted, seed=first.plan.seed)


def write_regions(
    workspace: Workspace, first: TrainingTask, predictor: IrrelevancePredictor, path: Path
) -> NDArray[np.bool_]:
    """Return (N, S, S), True = hide, of every training image, read from disk as it is used.

    Images of the other splits have an empty region. The file appears under its name only when it
    is complete; a complete one is kept.

    Raises:
        ComputeError: the disk has no room for it.
    """
    if not path.exists():
        shape = (len(workspace.images), first.plan.size, first.plan.size)
        with new_array(path, np.bool_, shape, what="The predicted masks") as regions:
            rows = workspace.rows(Split.TRAIN)
            for part, confidence in predict_in_batches(predictor, open_cache(first.images), rows):
                regions[part] = predictor.irrelevant(confidence)
    found: NDArray[np.bool_] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def extend(workspace: Workspace, first: TrainingTask, masks: Mapping[str, Region]) -> Extended:
    """Return what the masks, (H, W) by sample id, predict; MaskError if they tell nothing."""
    predictor = learn_from(workspace, first, masks)
    path = first.folder.parent / f"predicted-{regions_key(masks)}.npy"
    return Extended(predictor, write_regions(workspace, first, predictor, path))


def predicted_records(
    workspace: Workspace,
    first: TrainingTask,
    predictor: IrrelevancePredictor,
    study: str,
    now: datetime,
) -> Iterator[MaskRecord]:
    """Yield the predicted mask of each training image at its own size, marked as predicted.

    A painted image gets one too; its own mask is the better one to use.
    """
    images, scores = workspace.images, read_logits(first)
    rows = workspace.rows(Split.TRAIN)
    for part, confidence in predict_in_batches(predictor, open_cache(first.images), rows):
        shares = softmax(scores[part].astype(np.float64), axis=1)
        for row, own, share in zip(part, confidence, shares, strict=True):
            sample = images.samples[row]
            shape = images.original(sample.sample_id).shape[:2]
            yield MaskRecord(
                study=study,
                sample_id=sample.sample_id,
                irrelevant=region_at(predictor, own, shape),
                label=images.classes[sample.label],
                prediction=images.classes[int(share.argmax())],
                confidence=float(share.max()),
                reader=MODEL,
                seconds=0.0,
                round=1,
                time=now,
                origin=Origin.PREDICTED,
            )


def export_used(
    workspace: Workspace,
    used: Mapping[str, tuple[TrainingTask, IrrelevancePredictor]],
    path: Path,
    *,
    now: datetime,
) -> None:
    """Write what arms without a reader were given; the keys stand in the column `study`."""
    parts = (
        predicted_records(workspace, first, predictor, name, now)
        for name, (first, predictor) in used.items()
    )
    write_masks(path, chain.from_iterable(parts))


def check_training(workspace: Workspace, sample_id: str) -> None:
    """Raise MaskError unless the image is a training image; DataError if there is no such image."""
    split = workspace.images.sample(sample_id).split
    if split is not Split.TRAIN:
        raise MaskError(
            f"“{workspace.images.title(sample_id)}” is a {split} image.",
            why="Only training images are edited; the others must stay as they were taken.",
            fix="Pick an image from the gallery of outliers.",
        )


def check_seen(seen: str, current: str) -> None:
    """Raise MaskError if a reader confirms predictions of other masks than those there are."""
    if seen != current:
        raise MaskError(
            "The painted masks have changed since you looked.",
            why="The predicted masks follow from all painted ones, so they are others now.",
            fix="Look at the predicted masks again, then confirm them.",
        )


def check_confirmed(arm: str, confirmation: Confirmation | None, current: str) -> None:
    """Raise PlanError unless a reader has confirmed what the masks predict as they are now."""
    if confirmation is not None and confirmation.masks == current:
        return
    withdrawn = " The masks have changed since they were confirmed." if confirmation else ""
    raise PlanError(
        f"The arm “{arm}” needs predicted masks that a reader has confirmed.",
        why=f"It hides what is predicted in images that nobody painted.{withdrawn}",
        fix="Look at the predicted masks on the Outliers tab and confirm them, or leave it out.",
    )
