"""Who read a study, how long that took, and how far readers agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isnan
from statistics import median

from imil.core.bounds import quoted
from imil.core.images import ImageSet
from imil.core.records import Region
from imil.core.review.agreement import Agreement, ReaderFigures, ReaderSummary, measure_agreement
from imil.core.review.readers import POOLED, Pooling, usual_pooling
from imil.errors import PlanError
from imil.storage.records.acts import ActKind
from imil.storage.sheets import csv_text
from imil.study.audit.trail import AuditTrail
from imil.study.context import StudyContext
from imil.study.review.mask_book import MaskBook, reader_label
from imil.study.review.pooling import pool_records


class Readers:
    """Who reads a study, whether they see each other's masks, and how far they agree."""

    def __init__(self, context: StudyContext, audit: AuditTrail) -> None:
        self._context = context
        self._audit = audit
        # Of the masks of then: a pass over every pair of masks is too much for each look at a page.
        self._last: tuple[object, ReaderSummary] | None = None

    def names(self) -> tuple[str, ...]:
        """Return who has masked anything, in the order of their first masks."""
        return self._context.masks.readers()

    @property
    def pooling(self) -> str:
        """How several readers' masks become one an image, a `Pooling`; "" for one reader's."""
        readers = len(self.names())
        chosen = self._context.record.pooling
        return (chosen or usual_pooling(readers).value) if readers > 1 else ""

    def set_pooling(self, pooling: str) -> None:
        """Choose how masks are pooled from now on; PlanError for no such way."""
        if pooling not in list(Pooling):
            raise PlanError(
                f"Masks can't be pooled by {quoted(pooling)}.",
                why=f"There are {', '.join(Pooling)}.",
                fix="Send one of these names.",
            )
        self._context.state.update(pooling=pooling)

    @property
    def unblinded(self) -> bool:
        """Whether readers have been shown each other's masks."""
        return bool(self._context.record.unblinded)

    def blind(self, reader: str | None = None) -> bool:
        """Return whether there are masks that a reader must not see yet.

        Args:
            reader: who looks; None for one who may be any of them.
        """
        readers = self.names()
        several = len(readers) > 1 if reader is None else any(each != reader for each in readers)
        return several and not self.unblinded

    def unblind(self, *, who: str = "") -> None:
        """Show readers each other's masks from now on; what was masked blind stays known as that.

        Whoever has masked nothing, and only wants to see or take along what others have, may ask
        for it too: they say, as anybody does, that all have finished.

        Args:
            who: who asked for it; "" for one who may be any of the readers.

        Raises:
            PlanError: nobody else has masked anything.
        """
        with self._context.state.lock:
            if not self.unblinded:
                if not self.blind(who or None):
                    raise PlanError(
                        "There is nobody to be unblinded.",
                        why="It shows readers each other's masks, and nobody else has masked "
                        "anything.",
                        fix="Let another reader mask the same images first.",
                    )
                moment = self._context.masks.moment(self._context.now())
                self._context.state.update(unblinded=moment.isoformat())
                self._audit.note(ActKind.UNBLINDED, who=who)

    def check_unblinded(self, reader: str | None = None) -> None:
        """Raise PlanError where a reader would be shown others' masks before the time."""
        if self.blind(reader):
            raise PlanError(
                "Readers are blind to each other's masks.",
                why="Whoever has seen another reader's mask no longer judges by themselves.",
                fix="Once all have finished, show readers each other's masks: under “Readers” on "
                "the Results tab.",
            )

    def reading(self) -> ReaderSummary:
        """Return who read the study and how far they agree, made once of the same masks."""
        record, masks = self._context.record, self._context.masks
        key = (masks.names(), tuple(record.skips.items()), record.unblinded)
        last = self._last
        if last is None or last[0] != key:
            made = summarise_readers(masks, self._context.images, record.skips, record.unblinded)
            last = self._last = key, made
        return last[1]

    def masks_of(self, sample_id: str) -> dict[str, Region]:
        """Return every reader's mask of an image, (H, W), and under `POOLED` the one that is used.

        Raises:
            PlanError: readers are blind to each other.
        """
        self.check_unblinded()
        found = (self._context.masks.last(sample_id, reader) for reader in self.names())
        records = [record for record in found if record is not None]
        own = {reader_label(record): record.irrelevant for record in records}
        pooled = pool_records(records, self.pooling).regions.get(sample_id)
        return own if pooled is None or len(own) < 2 else {**own, POOLED: pooled}

    def agreement_csv(self) -> bytes:
        """Return how far readers agree on each image, a row a pair; PlanError while blind."""
        self.check_unblinded()
        return agreement_csv(self.reading().agreement).encode()


def summarise_readers(
    book: MaskBook, images: ImageSet, skips: Mapping[str, tuple[str, ...]], unblinded: str
) -> ReaderSummary:
    """Return who read a study, from its masks.

    Args:
        book: the masks.
        images: the study's, for its patients.
        skips: what each reader passed over.
        unblinded: when readers were shown each other's masks, ISO 8601; "" for never.
    """
    until = datetime.fromisoformat(unblinded) if unblinded else None
    blind, now = book.names(until=until), book.names()
    masks: dict[str, dict[str, Region]] = {reader: {} for reader in book.readers()}
    for record in book.by_name(blind):
        masks[reader_label(record)][record.sample_id] = record.irrelevant
    patients = {s.sample_id: s.patient for s in images.samples if s.patient is not None}
    return ReaderSummary(
        tuple(_figures(book, reader, len(skips.get(reader, ()))) for reader in book.readers()),
        measure_agreement(masks, patients),
        until,
        len(set(now) - set(blind)),
    )


def agreement_csv(found: Agreement) -> str:
    """Return a row an image and pair of readers, lowest mean Dice first; empty where undefined."""
    rows: list[tuple[object, ...]] = [("image", "first", "second", "dice", "iou")]
    for image in found.images:
        for (first, second), own in image.overlaps.items():
            figures = ("" if isnan(value) else f"{value:.6f}" for value in (own.dice, own.iou))
            rows.append((image.sample_id, first, second, *figures))
    return csv_text(rows)


def _figures(book: MaskBook, reader: str, skipped: int) -> ReaderFigures:
    seconds = [record.seconds for record in book.by_name(book.names(reader))]
    return ReaderFigures(reader, len(seconds), skipped, sum(seconds), median(seconds))
