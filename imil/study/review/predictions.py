"""What is irrelevant in the other training images: predicted, looked at, confirmed."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imil.core.images import open_cache
from imil.core.records import Origin, Region, Split
from imil.core.review.irrelevance import (
    FEWEST_PAINTED,
    IrrelevancePredictor,
    PredictionKind,
    mean_confidence,
    region_at,
    spread_pages,
)
from imil.core.review.readers import reader_name
from imil.errors import MaskError, PlanError
from imil.storage.codec import write_masks
from imil.storage.records.acts import ActKind
from imil.storage.records.studies import Confirmation
from imil.study.audit.trail import AuditTrail
from imil.study.context import StudyContext
from imil.study.review.mask_book import mask_key
from imil.study.review.pooling import pool_records
from imil.study.review.predicted_regions import (
    Extended,
    check_training,
    learn_from,
    predicted_records,
    write_regions,
)
from imil.study.review.reader_summary import Readers

# Images that a reader is shown before confirming: few enough to look at each. Our choice.
CONFIRMED_SAMPLE = 8
# Images drawn at random that nobody painted: the mean confidence is taken over them, and the sample
# is chosen from them. One batch, so that looking costs the same however large the study is.
CONFIDENCE_OVER = 64
# Seconds without a further mask until it is learned from in the background: whoever paints on
# makes each mask in more. Our choice.
HAND_RESTS = 1.0
# Sets of masks whose predictor is kept: the one being painted, and the one being compared.
_KEPT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What a set of painted masks says about the other images.

    Attributes:
        key: names the set of masks.
        masks: how many there are.
        predictor: the rule; holds no image.
        confidence: mean over the predicted regions of `over` random training images, 0-1.
        over: how many these are; nobody painted them.
        pages: their ids, `CONFIRMED_SAMPLE` a page, to be looked at: each page has its share of
            every class, spread from the least sure to the surest. Empty where all are painted.
    """

    key: str
    masks: int
    predictor: IrrelevancePredictor
    confidence: float
    over: int
    pages: tuple[tuple[str, ...], ...]

    @property
    def sample(self) -> tuple[str, ...]:
        """The images that are shown first."""
        return self.pages[0] if self.pages else ()

    @property
    def kind(self) -> PredictionKind:
        """The way that is used."""
        return self.predictor.kind

    @property
    def agreement(self) -> float:
        """Of the way that is used, on painted masks that were left out; a guess reaches 0.5."""
        return self.predictor.agreement[self.kind]


class Predictions:
    """One study's predicted irrelevance, always of the masks as they are now; see `now`.

    It learns from masks that were painted or corrected. One that was predicted or copied, and
    accepted as it was, says nothing new: it would only confirm itself, and make the agreement look
    better.

    Args:
        context: of the study.
        now: gives the names of the masks as they are now, and how several readers' are pooled.
    """

    def __init__(
        self, context: StudyContext, now: Callable[[], tuple[tuple[str, ...], str]]
    ) -> None:
        self._context = context
        self._workspace = context.workspace
        self._book = context.masks
        self._now = now
        self._kept: dict[str, Learned] = {}
        # Masks from which nothing can be learned: their key, and why.
        self._refused: tuple[str, MaskError] | None = None
        self._learning = threading.Lock()
        self._learner: threading.Thread | None = None
        self._beginning = threading.Lock()
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

    @property
    def refused(self) -> MaskError | None:
        """Why the masks as they are now predict nothing; None where they do, or were not tried."""
        refused = self._refused
        return refused[1] if refused is not None and refused[0] == self.key else None

    def begin(self) -> None:
        """Learn in the background, once no mask has come for a moment; of the newest masks."""
        if self.masks < FEWEST_PAINTED or self._is_settled:
            return
        with self._beginning:
            if self._learner is None:
                self._learner = threading.Thread(target=self._keep_up, daemon=True)
                self._learner.start()

    def join(self, timeout: float) -> None:
        """Wait until nothing is learned in the background, `timeout` seconds at most."""
        learner = self._learner
        if learner is not None:
            learner.join(timeout)

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
            if self._refused is not None and self._refused[0] == key:
                raise self._refused[1]
            if key not in self._kept:
                try:
                    learned = self._learn(
                        key, pool_records(self._book.by_name(sources), pooling).regions
                    )
                except MaskError as error:
                    self._refused = key, error
                    raise
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

    def suggests(self, sample_id: str) -> Region | None:
        """Return the predicted region of an image at working size, (S, S), True = hide.

        None as long as nothing was learned from the masks as they are now: it waits for nothing.
        """
        learned = self.known()
        if learned is None:
            return None
        return learned.predictor.irrelevant(self._confidence(learned, sample_id))

    def confidence(self, learned: Learned, sample_id: str) -> float:
        """Return how sure the prediction is on one image: the mean over its region, 0-1."""
        confidence = self._confidence(learned, sample_id)
        return float(mean_confidence(learned.predictor, confidence[None])[0])

    def extended(self, names: tuple[str, ...], pooling: str) -> Extended:
        """Return what the masks of these names predict, pooled in a way, for training."""
        learned, first = self.learn((names, pooling)), self._context.with_images()
        path = first.folder.parent / f"predicted-{learned.key}.npy"
        regions = write_regions(self._workspace, first, learned.predictor, path)
        return Extended(learned.predictor, regions)

    def export(self, path: Path, *, study: str, now: datetime) -> None:
        """Write the predicted masks of all training images, in the schema of the painted ones.

        Raises:
            MaskError: too few masks, or masks that contradict each other.
        """
        predictor = self.learn().predictor
        write_masks(
            path,
            predicted_records(self._workspace, self._context.with_images(), predictor, study, now),
        )

    @property
    def _is_settled(self) -> bool:
        return self.known() is not None or self.refused is not None

    def _keep_up(self) -> None:
        """Learn from the newest masks until there are no newer ones, or the study ends."""
        try:
            while not self._is_kept_up():
                pass
        except Exception:  # noqa: BLE001  # nobody waits for it; whoever asks tries again
            sys.stderr.write(f"Masks were not learned from.\n{traceback.format_exc()}")
            self._learner = None

    def _is_kept_up(self) -> bool:
        """Wait for a moment without a mask, learn, and return whether there is nothing newer."""
        ending, key = self._context.state.ending, self.key
        if not ending.wait(HAND_RESTS) and key == self.key and not self._is_settled:
            # One study at a time: others train or paint meanwhile.
            with self._context.services.learning, suppress(MaskError):  # it is kept as `refused`
                self.learn()
        with self._beginning:
            done = ending.is_set() or key == self.key
            if done:
                self._learner = None
            return done

    def _sources(self, names: tuple[str, ...]) -> tuple[str, ...]:
        records = self._book.by_name(names)
        return tuple(
            name
            for name, record in zip(names, records, strict=True)
            if record.origin not in (Origin.PREDICTED, Origin.COPIED)
        )

    def _learn(self, key: str, masks: Mapping[str, Region]) -> Learned:
        workspace, first = self._workspace, self._context.with_images()
        predictor = learn_from(workspace, first, masks)
        # The seed follows the masks: other masks, other images to look at.
        rng = np.random.default_rng([first.plan.seed, *key.encode()])
        samples = workspace.images.samples
        order = rng.permutation(workspace.rows(Split.TRAIN))
        unpainted = [row for row in order if samples[row].sample_id not in self._book]
        rows = np.array(unpainted[:CONFIDENCE_OVER], np.int64)
        confidence = np.zeros(0)
        if len(rows):
            seen = predictor.confidence(open_cache(first.images)[rows])
            confidence = mean_confidence(predictor, seen)
        pages = spread_pages(confidence, [samples[row].label for row in rows], CONFIRMED_SAMPLE)
        return Learned(
            key=key,
            masks=len(masks),
            predictor=predictor,
            confidence=float(confidence.mean()) if len(rows) else 0.0,
            over=len(rows),
            pages=tuple(tuple(samples[rows[at]].sample_id for at in page) for page in pages),
        )

    def _confidence(self, learned: Learned, sample_id: str) -> NDArray[np.float32]:
        row = self._workspace.images.position(sample_id)
        images = open_cache(self._context.with_images().images)[row : row + 1]
        one: NDArray[np.float32] = learned.predictor.confidence(images)[0]
        return one


class PredictedMasks:
    """What the masks of a study predict as irrelevant elsewhere, and who found that right."""

    def __init__(self, context: StudyContext, audit: AuditTrail, readers: Readers) -> None:
        self._context = context
        self._audit = audit
        self._readers = readers
        self._all = Predictions(context, lambda: (context.masks.names(), readers.pooling))
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
                self._own[reader] = Predictions(self._context, lambda: (masks.names(reader), ""))
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

    def decline(self, *, reader: str) -> None:
        """Keep that a reader wants the painted masks alone; it withdraws a confirmation."""
        reader, key = reader_name(reader), self._all.key
        with self._context.state.lock:
            self._context.state.update(confirmation=None)
            self._audit.note(ActKind.PREDICTIONS_DECLINED, who=reader, details={"masks": key})

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

    def begin(self, reader: str) -> None:
        """Predict in the background what this reader may see, of the masks as they are now."""
        self.of(reader).begin()

    def join(self, timeout: float) -> None:
        """Wait until nothing is predicted in the background, `timeout` seconds at most."""
        for each in (self._all, *self._own.values()):
            each.join(timeout)


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
        fix="Look at the predicted masks and confirm them, or leave that arm out.",
    )
