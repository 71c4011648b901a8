"""Who read a study, how long that took, and how far readers agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isnan
from statistics import median

from imil.core.images import ImageSet
from imil.core.records import Region
from imil.core.review.agreement import Agreement, ReaderFigures, ReaderSummary, agreement
from imil.storage.sheets import csv_text
from imil.study.review.maskbook import MaskBook, named


def read_by(
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
        masks[named(record)][record.sample_id] = record.irrelevant
    patients = {s.sample_id: s.patient for s in images.samples if s.patient is not None}
    return ReaderSummary(
        tuple(_figures(book, reader, len(skips.get(reader, ()))) for reader in book.readers()),
        agreement(masks, patients),
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
