"""The file formats: masks as Parquet, checkpoints as safetensors, the rest as JSON."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet
from safetensors import SafetensorError
from safetensors.torch import load, save

from imil.core.records import EpochFigures, Origin, Plan, Queue, Region, Selection
from imil.core.training import TrainState
from imil.errors import StoreError

MASK_SCHEMA = 1
CHECKPOINT_SCHEMA = 1
# Masks of one file that are in memory at a time.
ROWS_AT_ONCE = 256

# Column types in the words of the datasets library, so that `load_dataset` gives typed columns.
_MASK_FEATURES = {
    "schema_version": "int32",
    "study": "string",
    "image_name": "string",
    "mask": "image",
    "label": "string",
    "prediction": "string",
    "confidence": "float64",
    "reader": "string",
    "seconds": "float64",
    "round": "int32",
    "time": "string",
    "queue": "string",
    "selection": "string",
    "origin": "string",
    "source": "string",
}

# In place of a queue: the reader chose the image, from a cell of the confusion matrix or a sample.
CHOSEN = "chosen"


@dataclass(frozen=True, slots=True, eq=False)
class MaskRecord:
    """One accepted mask, as it is kept.

    Attributes:
        study: the study's id.
        sample_id: the image's id.
        irrelevant: (H, W), True = hide, at the image's own size.
        label: class name the image carries.
        prediction: class name the model gave when the image was offered; "" where it was not.
        confidence: probability of that prediction, 0-1.
        reader: who painted; "" where unnamed.
        seconds: time spent on the image.
        round: the round whose training will use it.
        time: when it was accepted (UTC).
        queue: the queue from which the image was opened; None where the reader chose it.
        selection: how the mispredicted were found then.
        origin: by hand, from a prediction, or from another image. Files from before this column
            hold painted masks.
        source: the image from which a mask was copied; "" for one that was not.
    """

    study: str
    sample_id: str
    irrelevant: Region
    label: str
    prediction: str
    confidence: float
    reader: str
    seconds: float
    round: int
    time: datetime
    queue: Queue | None = Queue.MISPREDICTED
    selection: Selection = Selection.IN_SAMPLE
    origin: Origin = Origin.PAINTED
    source: str = ""


def encode_mask(record: MaskRecord) -> bytes:
    """Return a Parquet file of one row; its mask is a 1-bit PNG, white = irrelevant."""
    return encode_masks([record])


def encode_masks(records: Sequence[MaskRecord]) -> bytes:
    """Return a Parquet file of a row a mask; each is a 1-bit PNG, white = irrelevant."""
    sink = io.BytesIO()
    parquet.write_table(_mask_table(records), sink)
    return sink.getvalue()


def write_masks(path: Path, records: Iterable[MaskRecord]) -> None:
    """Write a Parquet file of any number of masks, `ROWS_AT_ONCE` of them in memory.

    The file appears under its name only when it is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        with parquet.ParquetWriter(unfinished, _mask_table([]).schema) as writer:
            left = iter(records)
            while part := list(islice(left, ROWS_AT_ONCE)):
                writer.write_table(_mask_table(part))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _mask_table(records: Sequence[MaskRecord]) -> pa.Table:
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    types = {k: image if v == "image" else getattr(pa, v)() for k, v in _MASK_FEATURES.items()}
    table = pa.Table.from_pylist([_mask_row(record) for record in records], pa.schema(types))
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": _hub_features(_MASK_FEATURES)}})}
    )


def _mask_row(record: MaskRecord) -> dict[str, Any]:
    return {
        "schema_version": MASK_SCHEMA,
        "study": record.study,
        "image_name": record.sample_id,
        "mask": {"bytes": encode_region(record.irrelevant), "path": None},
        "label": record.label,
        "prediction": record.prediction,
        "confidence": record.confidence,
        "reader": record.reader,
        "seconds": record.seconds,
        "round": record.round,
        "time": record.time.isoformat(),
        "queue": CHOSEN if record.queue is None else record.queue,
        "selection": record.selection,
        "origin": record.origin.value,
        "source": record.source,
    }


def decode_masks(content: bytes) -> tuple[MaskRecord, ...]:
    """Return the masks of one Parquet file, in row order.

    Raises:
        StoreError: the file is damaged or of a newer version.
    """
    try:
        rows = parquet.read_table(io.BytesIO(content)).to_pylist()
    except (pa.ArrowException, OSError) as cause:
        raise damaged("A file of masks") from cause
    for row in rows:
        check_version("A file of masks", row["schema_version"], MASK_SCHEMA)
    return tuple(
        MaskRecord(
            study=row["study"],
            sample_id=row["image_name"],
            irrelevant=decode_region(row["mask"]["bytes"]),
            label=row["label"],
            prediction=row["prediction"],
            confidence=row["confidence"],
            reader=row["reader"],
            seconds=row["seconds"],
            round=row["round"],
            time=datetime.fromisoformat(row["time"]),
            # Files of older versions lack both: they knew one queue, found in one way.
            queue=_queue(row.get("queue") or Queue.MISPREDICTED),
            selection=Selection(row.get("selection") or Selection.IN_SAMPLE),
            origin=Origin(row.get("origin", Origin.PAINTED)),
            source=row.get("source") or "",
        )
        for row in rows
    )


def _queue(stored: str) -> Queue | None:
    return None if stored == CHOSEN else Queue(stored)


def encode_region(region: Region) -> bytes:
    """Return the (H, W) region as a 1-bit PNG, white = True."""
    sink = io.BytesIO()
    Image.fromarray(region).save(sink, "PNG", optimize=True)
    return sink.getvalue()


def decode_region(content: bytes) -> Region:
    """Return the (H, W) region of a PNG written by `encode_region`."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return np.asarray(image.convert("1"), np.bool_)


def encode_checkpoint(plan: Plan, state: TrainState, figures: tuple[EpochFigures, ...]) -> bytes:
    """Return one checkpoint with its plan and the round's figures so far, as safetensors."""
    about = {
        "schema_version": CHECKPOINT_SCHEMA,
        "plan": asdict(plan),
        "classes": state.classes,
        "channels": state.channels,
        "round": state.round,
        "epoch": state.epoch,
        "figures": [asdict(f) for f in figures],
    }
    return save(dict(state.tensors), {"imil": json.dumps(about)})


def decode_checkpoint(content: bytes) -> tuple[Plan, TrainState, tuple[EpochFigures, ...]]:
    """Return what `encode_checkpoint` was given.

    Raises:
        StoreError: the file is damaged, of a newer version or not a checkpoint of IMIL's.
    """
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"]["imil"])
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as cause:
        raise damaged("A checkpoint") from cause
    check_version("A checkpoint", about["schema_version"], CHECKPOINT_SCHEMA)
    state = TrainState(tensors, about["classes"], about["channels"], about["round"], about["epoch"])
    return plan_from_json(about["plan"]), state, _figures(about)


def read_checkpoint_figures(path: Path) -> tuple[EpochFigures, ...]:
    """Return the figures of a checkpoint file, reading its header alone.

    Raises:
        StoreError: the header is damaged or of a newer version.
    """
    with path.open("rb") as file:
        length = file.read(8)
        header = file.read(int.from_bytes(length, "little"))
    return _figures(_about_checkpoint(length + header))


def _about_checkpoint(content: bytes) -> dict[str, Any]:
    """Return what a checkpoint says of itself; a safetensors header is a length and JSON."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about: dict[str, Any] = json.loads(header["__metadata__"]["imil"])
    except (ValueError, KeyError) as cause:
        raise damaged("A checkpoint") from cause
    check_version("A checkpoint", about["schema_version"], CHECKPOINT_SCHEMA)
    return about


def _figures(about: Mapping[str, Any]) -> tuple[EpochFigures, ...]:
    return tuple(EpochFigures(**f) for f in about["figures"])


def plan_from_json(saved: Mapping[str, Any]) -> Plan:
    """Return the plan saved as JSON; fields that an older version lacked take their default."""
    known = {field.name for field in fields(Plan)}
    return Plan(**{k: v for k, v in saved.items() if k in known})


def check_version(what: str, found: int, known: int) -> None:
    """Raise StoreError if a file was written by a newer version of IMIL."""
    if found > known:
        raise StoreError(
            f"{what} was written by a newer version of IMIL.",
            why=f"It has format {found}, and this version reads up to {known}.",
            fix="Update IMIL and open it again; the file was left as it is.",
        )


def damaged(what: str) -> StoreError:
    """Return the error of a file that can't be decoded."""
    return StoreError(
        f"{what} is damaged.",
        why="Its content can't be decoded, so it was cut short or changed by something else.",
        fix="Restore it from a copy; the other files of the study are not affected.",
    )


def _hub_features(columns: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: {"_type": "Image"} if kind == "image" else {"dtype": kind, "_type": "Value"}
        for name, kind in columns.items()
    }
