"""The copying half of a study: images that look alike, and one mask for several of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from imil.core.records import Budget, Origin, Queue, Region
from imil.core.review.masks import apply_blackout, check_mask, check_seconds, fitted_region
from imil.core.review.readers import reader_name
from imil.core.splits import DisjointProof
from imil.errors import MaskError, PlanError
from imil.storage.codec import MaskRecord, encode_pixels
from imil.storage.records.acts import What
from imil.storage.records.studies import StudyRecord
from imil.study.comparison.reporting import Reporting
from imil.study.library.stock import Stock
from imil.study.review.predictions import check_training
from imil.study.review.queueing import Offer
from imil.study.review.similar import (
    SIMILAR,
    Features,
    already_masked,
    check_room,
    most_similar,
    no_target,
    too_small,
)
from imil.study.tools import Tools
from imil.study.workspace import Workspace


class Copying(Reporting):
    """What a study copies from one image to others; `Study` adds training and painting to it."""

    def __init__(
        self,
        record: StudyRecord,
        workspace: Workspace,
        tools: Tools,
        *,
        proof: DisjointProof,
        stock: Stock | None,
    ) -> None:
        super().__init__(record, workspace, tools, proof=proof, stock=stock)
        self._features = Features(workspace, tools.models)

    def similar(
        self,
        sample_id: str,
        k: int = SIMILAR,
        *,
        queue: Queue = Queue.MISPREDICTED,
        reader: str | None = None,
    ) -> tuple[Offer, ...]:
        """Return the images of a queue that look most like an image to the model, nearest first.

        Only those that the reader, or nobody, masked or skipped, because a mask is to be copied to
        them; and only of one queue, because arms are told apart by the queue from which an image
        was opened.

        Raises:
            PlanError: nothing is trained yet, or the queue can't be made.
            DataError: no such image.
        """
        self.images.position(sample_id)
        left = {offer.sample_id: offer for offer in self._left(sample_id, queue, reader)}
        first = self._reviewed()
        found = most_similar(self._features, self._workspace, first, sample_id, tuple(left), k)
        return tuple(left[name] for name in found)

    def copy_count(
        self, sample_id: str, queue: Queue = Queue.MISPREDICTED, *, reader: str | None = None
    ) -> int:
        """Return to how many similar images a mask could be copied now; costs no pass.

        A queue that can't be made offers none.
        """
        most = min(SIMILAR, self.copy_room(sample_id, reader))
        try:
            # What is left stands mostly at the end, where one has not come to yet.
            left = islice(self._left(sample_id, queue, reader, last_first=True), most)
            return sum(1 for _ in left)
        except (PlanError, MaskError):
            return 0

    def copy_room(self, sample_id: str, reader: str | None = None) -> int:
        """Return for how many copies the budget has room; a place stays for the image itself.

        Of a reader's own masks: how many images others have masked is not told.
        """
        used = self.budget(reader)
        return max(0, used.allowed - used.painted - (not self._masks.has(sample_id, reader)))

    def copy_mask(
        self,
        sample_id: str,
        irrelevant: NDArray[np.bool_],
        targets: Sequence[str],
        *,
        reader: str,
        seconds: float,
        queue: Queue = Queue.MISPREDICTED,
    ) -> Budget:
        """Keep the mask of one image for others too; when this returns all are on disk.

        The mask is brought to each image's own size. All copies are kept, or none.

        Args:
            sample_id: the image that the mask was painted on; its own mask is left as it is.
            irrelevant: the mask, (H, W) of that image, True = hide.
            targets: the training images that get a copy; none of them masked yet.
            reader: who looked at the copies.
            seconds: how long that took, in all.
            queue: from which the images are.

        Raises:
            MaskError: no target; one that is masked already, or no training image; more than the
                budget has room for; a mask that is empty, too large or of the wrong size; or a time
                that is none.
            DataError: no such image.
        """
        check_training(self._workspace, sample_id)
        region = check_mask(irrelevant, self.images.original(sample_id).shape[:2])
        seconds = check_seconds(seconds)
        names = tuple(dict.fromkeys(targets))
        if not names:
            raise no_target()
        fitted = {name: self._fitted(region, name) for name in names}
        reader = reader_name(reader)
        known = {name: self._known_answer(name, fitted[name]) for name in names}
        with self._lock:
            for name in names:
                if self._masks.has(name, reader) or name == sample_id:
                    raise already_masked(self.images.title(name))
            check_room(len(names), self.copy_room(sample_id, reader), self.budget(reader))
            new = [name for name in names if name not in self._masks]
            check_room(len(new), self.copy_room(sample_id), self.budget())
            for name in names:
                offer, opened_from = self._offer_of(queue, name)
                record = self._mask_record(
                    name,
                    fitted[name],
                    offer,
                    reader=reader,
                    seconds=seconds / len(names),
                    queue=opened_from,
                    origin=Origin.COPIED,
                    source=sample_id,
                )
                kept = self._masks.add(record, shown=self._shown_with(record))
                self._note_mask(kept, record, known[name], What.MASK_COPIED)
            self._save_skips(reader, (s for s in self._own_skips(reader) if s not in names))
            self._changed.extend(names)
            return self.budget()

    # ---- inside ---------------------------------------------------------------------------------

    def _mask_record(
        self,
        sample_id: str,
        irrelevant: Region,
        offer: Offer,
        *,
        reader: str,
        seconds: float,
        queue: Queue | None,
        origin: Origin,
        source: str = "",
    ) -> MaskRecord:
        """Return an accepted mask as it is kept, with what the model said of the image."""
        classes = self.images.classes
        return MaskRecord(
            study=self._log_id,
            sample_id=sample_id,
            irrelevant=irrelevant,
            label=classes[self.images.sample(sample_id).label],
            prediction=classes[offer.predicted],
            confidence=offer.confidence,
            reader=reader,
            seconds=seconds,
            round=self.round_number,
            time=self._tools.now(),
            queue=queue,
            selection=self.selection,
            origin=origin,
            source=source,
        )

    def _shown_with(self, record: MaskRecord) -> MaskRecord | None:
        """Return the mask with its image, and that blacked out; None without consent to show it."""
        if self.consent is None:
            return None
        pixels = self.images.original(record.sample_id)
        edited = encode_pixels(apply_blackout(pixels, record.irrelevant))
        return replace(record, image=encode_pixels(pixels), edited_image=edited)

    def _fitted(self, region: Region, target: str) -> Region:
        """Return the region at another training image's size."""
        check_training(self._workspace, target)
        shape = self.images.original(target).shape[:2]
        fitted = fitted_region(region, shape)
        if not fitted.any():
            raise too_small(self.images.title(target))
        return check_mask(fitted, shape)

    def _left(
        self, sample_id: str, queue: Queue, reader: str | None, *, last_first: bool = False
    ) -> Iterator[Offer]:
        """Yield the other images of a queue that the reader, or nobody, masked or skipped."""
        if not self.begin_queue(queue):
            return
        offers, masks = self.queue(queue), self._masks
        for offer in reversed(offers) if last_first else offers:
            name = offer.sample_id
            decided = masks.has(name, reader) or self._passed_over(name, reader)
            if name != sample_id and not decided:
                yield offer
