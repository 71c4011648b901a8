"""The masks of one study: every one ever accepted, and the last of each image."""

from __future__ import annotations

import hashlib
import secrets

from imil.store.base import Store
from imil.store.codec import MaskRecord, decode_masks, encode_mask


class MaskBook:
    """Reads a study's masks once; adds to the store before it adds to itself."""

    def __init__(self, store: Store, study_id: str) -> None:
        self._store = store
        self._ending = f"-{study_id}.parquet"
        self._records: dict[str, MaskRecord] = {}
        # File names begin with the time of saving.
        for name in sorted(store.names("data/masks/"), key=lambda n: n.rpartition("/")[2]):
            if name.endswith(self._ending):
                for record in decode_masks(store.read(name) or b""):
                    self._records[name] = record
        self._last = {record.sample_id: name for name, record in self._records.items()}

    def __len__(self) -> int:
        return len(self._last)

    def __contains__(self, sample_id: str) -> bool:
        return sample_id in self._last

    def add(self, record: MaskRecord) -> None:
        """Keep a mask; when this returns it is in the store. StoreError if it can't be kept."""
        moment = f"{record.time:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
        name = f"data/masks/{record.time:%Y%m}/{moment}{self._ending}"
        self._store.add(name, encode_mask(record))
        self._records[name] = record
        self._last[record.sample_id] = name

    def last(self, sample_id: str) -> MaskRecord | None:
        """Return the last mask of an image; None where it has none."""
        name = self._last.get(sample_id)
        return None if name is None else self._records[name]

    def name_of(self, sample_id: str) -> str:
        """Return the store's name of the last mask of an image; "" where it has none."""
        return self._last.get(sample_id, "")

    def names(self) -> tuple[str, ...]:
        """Return the store's names of the last mask of each image, sorted."""
        return tuple(sorted(self._last.values()))

    def by_name(self, names: tuple[str, ...]) -> tuple[MaskRecord, ...]:
        """Return the masks that the store has under these names."""
        return tuple(self._records[name] for name in names)

    def seconds(self) -> float:
        """Return the time that went into the masks that count."""
        return sum(self._records[name].seconds for name in self._last.values())


def key_of(names: tuple[str, ...]) -> str | None:
    """Return a short name for a set of saved masks; None for none."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12] if names else None
