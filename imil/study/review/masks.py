"""What readers hand in: masks of training images, within the budget, and images passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imil.core.records import Budget, Origin, Queue, Region, Split
from imil.core.review.masks import check_mask, check_seconds
from imil.core.review.queues import budget
from imil.core.review.readers import UNNAMED, reader_name
from imil.errors import MaskChangedError, MaskError
from imil.storage.codec import MaskRecord
from imil.storage.records.acts import ActKind
from imil.study.audit.trail import AuditTrail
from imil.study.backup import RemoteBackup
from imil.study.context import StudyContext
from imil.study.first_model import FirstModel
from imil.study.review.mask_book import mask_key, with_pictures
from imil.study.review.predicted_regions import check_training
from imil.study.review.queueing import Queues


@dataclass(frozen=True, slots=True, eq=False)
class MaskReview:
    """The masks of a study, as readers hand them in."""

    _context: StudyContext
    _audit: AuditTrail
    _queues: Queues
    _model: FirstModel
    _backup: RemoteBackup
    _round_number: Callable[[], int]
    # Has predicted, for a reader, what the masks say of the other images; in the background.
    _predict: Callable[[str], None]
    # What each reader passed over, as a set; asked for at each click.
    _skips: dict[str, tuple[tuple[str, ...], frozenset[str]]] = field(default_factory=dict)

    def submit(
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
        images, masks = self._context.images, self._context.masks
        check_training(self._context.workspace, sample_id)
        region = check_mask(irrelevant, images.original(sample_id).shape[:2])
        seconds, reader = check_seconds(seconds), reader_name(reader)
        known = self._model.known(sample_id, region)
        with self._context.state.lock:
            last = masks.last(sample_id, reader)
            if last is not None and _came_twice(last, region, seconds):
                return self.budget()
            if replaces is not None and replaces != self.mask_name(sample_id, reader):
                raise _changed(images.title(sample_id))
            self._check_budget(sample_id)
            offer, opened_from = self._queues.offer_of(queue, sample_id)
            record = MaskRecord(
                study=self._context.log_id,
                sample_id=sample_id,
                irrelevant=region,
                label=images.classes[images.sample(sample_id).label],
                prediction=images.classes[offer.predicted],
                confidence=offer.confidence,
                reader=reader,
                seconds=seconds,
                round=self._round_number(),
                time=self._context.now(),
                queue=opened_from,
                selection=self._queues.selection,
                origin=origin,
                source=self.copied_from(sample_id, reader) if origin is Origin.COPIED else "",
            )
            pixels = None if self._backup.consent is None else images.original(sample_id)
            shown = None if pixels is None else with_pictures(record, pixels)
            name = masks.add(record, shown=shown)
            self._audit.note_mask(
                name,
                record,
                known,
                lambda first: self._model.said(first, sample_id, record.irrelevant),
            )
            self._save_skips(reader, (s for s in self._own_skips(reader) if s != sample_id))
            self._context.state.touch((sample_id,))
        self._predict(reader)
        return self.budget()

    def skip(self, sample_id: str, *, reader: str = UNNAMED) -> None:
        """Pass over an image; its mask, if it has one, stays."""
        self._context.images.position(sample_id)
        reader = reader_name(reader)
        with self._context.state.lock:
            self._save_skips(reader, dict.fromkeys((*self._own_skips(reader), sample_id)))
            self._audit.note(ActKind.SKIPPED, who=reader, sample_id=sample_id)
            self._context.state.touch((sample_id,))

    def state(
        self, sample_id: str, reader: str | None = None
    ) -> Literal["masked", "skipped"] | None:
        """Return what a reader, or anybody, decided on an image."""
        if self._context.masks.has(sample_id, reader):
            return "masked"
        readers = self._context.record.skips if reader is None else (reader,)
        return "skipped" if any(sample_id in self._skipped(each) for each in readers) else None

    def changed(self, since: int) -> tuple[int, list[str]]:
        """Return the images on which anything was decided after the first `since` decisions.

        Decisions on labels count too.

        Returns:
            How many decisions there are now, and the images of those after `since`.
        """
        return self._context.state.touched(since)

    def irrelevant(self, sample_id: str, reader: str | None = None) -> Region | None:
        """Return the last mask of an image, (H, W), True = hide: a reader's, or anybody's."""
        record = self._context.masks.last(sample_id, reader)
        return None if record is None else record.irrelevant

    def mask_name(self, sample_id: str, reader: str | None = None) -> str:
        """Return a short name of the mask that `irrelevant` returns; "" where there is none."""
        name = self._context.masks.name_of(sample_id, reader)
        return (mask_key((name,)) or "") if name else ""

    def origin(self, sample_id: str, reader: str | None = None) -> Origin:
        """Return how that mask came about; `painted` where there is none."""
        record = self._context.masks.last(sample_id, reader)
        return Origin.PAINTED if record is None else record.origin

    def copied_from(self, sample_id: str, reader: str | None = None) -> str:
        """Return the image that that mask was copied from; "" for none."""
        last = self._context.masks.last(sample_id, reader)
        return "" if last is None else last.source

    def records(self) -> tuple[MaskRecord, ...]:
        """Return the last mask of each reader and image."""
        return self._context.masks.by_name(self._context.masks.names())

    @property
    def damaged(self) -> tuple[str, ...]:
        """Names in the store of masks whose files are damaged; they count for nothing."""
        return self._context.masks.damaged

    def budget(self, reader: str | None = None) -> Budget:
        """Return how many training images may be, and are, painted: by a reader, or by anybody."""
        training = len(self._context.workspace.rows(Split.TRAIN))
        return budget(self._context.plan.budget, training, self._context.masks.images(reader))

    def seconds_spent(self, reader: str | None = None) -> float:
        """Return the time that went into the masks that count, a reader's or all."""
        return self._context.masks.seconds(reader)

    # ---- inside ---------------------------------------------------------------------------------

    def _skipped(self, reader: str) -> frozenset[str]:
        """Return the images that a reader passed over."""
        own = self._own_skips(reader)
        known = self._skips.get(reader)
        if known is None or known[0] is not own:
            known = self._skips[reader] = own, frozenset(own)
        return known[1]

    def _own_skips(self, reader: str) -> tuple[str, ...]:
        """Return the images that one reader passed over, in the order of that."""
        return self._context.record.skips.get(reader, ())

    def _save_skips(self, reader: str, skipped: Iterable[str]) -> None:
        skips = {**self._context.record.skips, reader: tuple(skipped)}
        self._context.state.update(skips=skips)

    def _check_budget(self, sample_id: str) -> None:
        used, masks = self.budget(), self._context.masks
        if sample_id not in masks and used.painted >= used.allowed:
            several = len(masks.readers()) > 1
            by_all = " by all readers together" if several else ""
            raise MaskError(
                f"The budget is used up: {used.painted} of {used.allowed} images are masked"
                f"{by_all}.",
                why=f"The study compares what masks on {used.share:.0%} of the images can do.",
                fix="Go on with the next image of the queue: those that another reader masked are "
                "open to you too."
                if several
                else "Test your masks now, or change a mask you already drew.",
            )


def _came_twice(last: MaskRecord, region: Region, seconds: float) -> bool:
    return last.seconds == seconds and np.array_equal(last.irrelevant, region)


def _changed(title: str) -> MaskChangedError:
    return MaskChangedError(
        f"Another mask of “{title}” was saved meanwhile.",
        why="It was painted in another tab, by a reader of the same name.",
        fix="Yours is kept on the screen; save it again to replace the other one.",
    )
