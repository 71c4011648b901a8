"""Copies of a study's images, kept where its visitor agreed: Parquet, a row an image."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyarrow import parquet

from imil.core.records import Split
from imil.storage.base import Store
from imil.storage.codec import read_rows, read_value, typed_table

IMAGES_SCHEMA = 1
IMAGE_COLUMNS = {
    "schema_version": "int32",
    "study": "string",
    "image_name": "string",
    "image": "image",
    "label": "string",
    "split": "string",
    "time": "string",
}


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """A copy of one image.

    Attributes:
        study: the study's id.
        sample_id: the image's id, a hash.
        content: a PNG that was written from pixels, and holds nothing else.
        label: class name the image carries.
        split: what it is used for.
        time: when it was copied (UTC).
    """

    study: str
    sample_id: str
    content: bytes
    label: str
    split: Split
    time: datetime


@dataclass(frozen=True, slots=True)
class Shard:
    """A record in the store, and how many images it holds."""

    name: str
    images: int


@dataclass(frozen=True, slots=True)
class _Shards:
    shards: tuple[tuple[str, int], ...]


def encode_images(records: Sequence[ImageRecord]) -> bytes:
    """Return a Parquet file of a row an image, in order."""
    rows = [
        {
            "schema_version": IMAGES_SCHEMA,
            "study": record.study,
            "image_name": record.sample_id,
            "image": {"bytes": record.content, "path": None},
            "label": record.label,
            "split": record.split.value,
            "time": record.time.isoformat(),
        }
        for record in records
    ]
    sink = io.BytesIO()
    parquet.write_table(typed_table(rows, IMAGE_COLUMNS), sink)
    return sink.getvalue()


def decode_images(content: bytes) -> tuple[ImageRecord, ...]:
    """Return what `encode_images` was given.

    Raises:
        StoreError: the file is damaged or of a newer version.
    """
    rows = read_rows("A file of images", content, IMAGES_SCHEMA)
    return tuple(
        ImageRecord(
            study=row["study"],
            sample_id=row["image_name"],
            content=row["image"]["bytes"],
            label=row["label"],
            split=Split(row["split"]),
            time=datetime.fromisoformat(row["time"]),
        )
        for row in rows
    )


def save_shards(store: Store, study_id: str, shards: Sequence[Shard]) -> None:
    """Save which records hold a study's images, in the order of the images."""
    content = {"schema_version": IMAGES_SCHEMA, "shards": [[s.name, s.images] for s in shards]}
    store.write(_file(study_id), json.dumps(content).encode())


def load_shards(store: Store, study_id: str) -> tuple[Shard, ...]:
    """Return which records hold a study's images; StoreError where the list is damaged."""
    content = store.read(_file(study_id))
    if content is None:
        return ()
    saved = read_value(_Shards, "A list of copied images", content, IMAGES_SCHEMA)
    return tuple(Shard(*each) for each in saved.shards)


def _file(study_id: str) -> str:
    return f"studies/{study_id}/images.json"
