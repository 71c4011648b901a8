"""What an app keeps, as it lies on its disk."""

from __future__ import annotations

from pathlib import Path

from imil.storage.codec import MaskRecord, decode_masks
from imil.storage.local import LocalStore


def stored(home: Path, study: str) -> list[MaskRecord]:
    """Return the masks that an app keeps of a study, the first handed in first."""
    store = LocalStore(home / "store")
    names = [n for n in store.names("data/masks/") if n.endswith(f"-{study}.parquet")]
    in_time = sorted(names, key=lambda name: name.rpartition("/")[2])
    return [record for name in in_time for record in decode_masks(store.read(name) or b"")]
