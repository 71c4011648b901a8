"""The masks of one study: every one ever accepted, and the last of each reader and image."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from imil.core.records import Pixels
from imil.core.review.masks import apply_blackout
from imil.core.review.readers import UNNAMED
from imil.errors import DamagedError
from imil.storage.base import Store, by_file_name, new_record
from imil.storage.codec import MaskRecord, decode_masks, encode_mask, encode_png

_MASKS = "data/masks/"
_TICK = timedelta(microseconds=1)
_STAMP = "%Y%m%dT%H%M%S%f"


class MaskBook:
    """Reads a study's masks once; adds to the store before it adds to itself.

    What counts is the last mask of each reader and image. Where no reader is named, a method speaks
    of all: an image is masked if anybody masked it.

    A mask whose file is damaged is named and left out, so that the others can be worked with.

    Raises:
        StoreError: what the store has can't be had, or was written by a newer version.
    """

    def __init__(self, store: Store, study_id: str) -> None:
        self._store = store
        self._study_id = study_id
        self._records: dict[str, MaskRecord] = {}
        # The names of the last masks: of each reader and image, and of each image.
        self._last: dict[tuple[str, str], str] = {}
        self._latest: dict[str, str] = {}
        # What is asked for at each click, whatever the number of masks: of each reader, and of all.
        self._images: dict[str, int] = {}
        self._spent: dict[str | None, Fraction] = {}
        self._names: dict[str | None, tuple[str, ...]] = {}
        damaged, others = [], []
        for name in store.of_study(study_id):
            if not name.startswith(_MASKS):
                others.append(name)
            else:
                try:
                    records = decode_masks(store.read(name) or b"")
                except DamagedError:
                    damaged.append(name)
                    continue
                for record in records:
                    self._keep(name, record)
        # The names of those that can't be read, and of the study's records that are no masks.
        self.damaged = tuple(damaged)
        self.others = tuple(others)

    def __len__(self) -> int:
        return self.images()

    def __contains__(self, sample_id: str) -> bool:
        return sample_id in self._latest

    def has(self, sample_id: str, reader: str | None = None) -> bool:
        """Return whether an image is masked."""
        return self.name_of(sample_id, reader) != ""

    def images(self, reader: str | None = None) -> int:
        """Return how many distinct images are masked."""
        return len(self._latest) if reader is None else self._images.get(reader, 0)

    def readers(self) -> tuple[str, ...]:
        """Return who has masked anything, in the order of their first masks."""
        return tuple(self._images)

    def add(self, record: MaskRecord, *, shown: MaskRecord | None = None) -> str:
        """Keep a mask and return its name; it is in the store then. StoreError if not kept.

        `shown` is the same mask with its pictures, where a data set may show them.
        """
        name = new_record("masks", self._study_id, self.moment(record.time))
        pictures = None if shown is None else encode_mask(shown)
        self._store.add(name, encode_mask(record), shown=pictures)
        self._keep(name, record)
        return name

    def every(self) -> tuple[str, ...]:
        """Return the store's names of all masks ever accepted, those replaced since too."""
        return tuple(self._records)

    def moment(self, now: datetime) -> datetime:
        """Return when the next mask counts as saved: after all before it, also by a clock set back.

        Which mask of an image is its last is told by names, and names by the clock.
        """
        if not self._records:
            return now
        latest = _stamp(next(reversed(self._records)))
        before = datetime.strptime(latest, _STAMP).replace(tzinfo=now.tzinfo)
        return max(now, before + _TICK)

    def last(self, sample_id: str, reader: str | None = None) -> MaskRecord | None:
        """Return the last mask of an image; None where it has none."""
        name = self.name_of(sample_id, reader)
        return self._records[name] if name else None

    def name_of(self, sample_id: str, reader: str | None = None) -> str:
        """Return the store's name of the last mask of an image; "" where it has none."""
        if reader is None:
            return self._latest.get(sample_id, "")
        return self._last.get((reader, sample_id), "")

    def names(self, reader: str | None = None, *, until: datetime | None = None) -> tuple[str, ...]:
        """Return the store's names of the last mask of each reader and image, sorted.

        Args:
            reader: only those of this reader.
            until: as it was then, by a `moment`: later masks don't count.
        """
        if until is not None:
            end = f"{until:{_STAMP}}"
            early = {n: r for n, r in self._records.items() if _stamp(n) <= end}
            return _of({(reader_label(r), r.sample_id): n for n, r in early.items()}, reader)
        # Whoever adds a mask meanwhile puts another one in its place.
        kept = self._names
        known = kept.get(reader)
        if known is None:
            known = kept[reader] = _of(dict(self._last), reader)
        return known

    def by_name(self, names: tuple[str, ...]) -> tuple[MaskRecord, ...]:
        """Return the masks that the store has under these names, without the damaged ones."""
        return tuple(self._records[name] for name in names if name not in self.damaged)

    def seconds(self, reader: str | None = None) -> float:
        """Return the time that went into the masks that count."""
        return float(self._spent.get(reader, 0))

    def _keep(self, name: str, record: MaskRecord) -> None:
        own, sample_id = reader_label(record), record.sample_id
        before = self._last.get((own, sample_id))
        spent = Fraction(record.seconds)
        if before is None:
            self._images[own] = self._images.get(own, 0) + 1
        else:
            spent -= Fraction(self._records[before].seconds)
        for reader in (own, None):
            self._spent[reader] = self._spent.get(reader, Fraction()) + spent
        self._records[name] = record
        self._last[own, sample_id] = name
        self._latest[sample_id] = name
        self._names = {}


def with_pictures(record: MaskRecord, pixels: Pixels) -> MaskRecord:
    """Return a mask with its image, and that blacked out, as a data set may show them."""
    edited = encode_png(apply_blackout(pixels, record.irrelevant))
    return replace(record, image=encode_png(pixels), edited_image=edited)


def reader_label(record: MaskRecord) -> str:
    """Return the reader of a mask; one without a name is `UNNAMED`."""
    return record.reader or UNNAMED


def mask_key(names: tuple[str, ...], pooling: str = "") -> str | None:
    """Return a short name for saved masks, as they are or pooled in a way; None for none."""
    lines = (*names, f"pooled by {pooling}") if pooling else names
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12] if names else None


def _of(last: Mapping[tuple[str, str], str], reader: str | None) -> tuple[str, ...]:
    return tuple(sorted(name for (own, _), name in last.items() if reader in {None, own}))


def _stamp(name: str) -> str:
    """Return when a mask counts as saved, as its name says it."""
    return by_file_name(name).partition("-")[0]
