"""The file formats: masks as Parquet, checkpoints as safetensors, the rest as JSON."""

from __future__ import annotations

import io
import json
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import compute as pc
from pyarrow import parquet
from safetensors import SafetensorError
from safetensors.torch import load, save

from imil.core.bounds import MOST_SECONDS
from imil.core.records import (
    EpochFigures,
    Origin,
    Pixels,
    Plan,
    Queue,
    Region,
    Selection,
)
from imil.core.review.readers import LONGEST_NAME
from imil.core.training.fit import TrainState
from imil.errors import DamagedError, StoreError
from imil.storage.values import from_json

_Value = TypeVar("_Value")

MASK_SCHEMA = 1
CHECKPOINT_SCHEMA = 1
# Masks of one file that are in memory at a time.
ROWS_AT_ONCE = 256
# Rounds that a mask can belong to: what its column can hold.
_MOST_ROUNDS = 2**31 - 1
# Rows that a table can have, and bytes of a text in it; above what any of ours has.
_MOST_ROWS = 1_000_000
LONGEST_WORD = 10_000
# Pixels of a mask: none is larger than its image, and larger images are not read.
MOST_MASK_PIXELS = 80_000_000

# What Pillow raises for a picture that claims to be huge.
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# Column types in the words of the datasets library, so that `load_dataset` gives typed columns.
MASK_COLUMNS = {
    "schema_version": "int32",
    "study": "string",
    "image_name": "string",
    # Null without the owner's consent to keep the images.
    "image": "image",
    "edited_image": "image",
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
CHOSEN_BY_READER = "chosen"


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
        image: the image's pixels as a file, and `edited_image` with the mask applied; None without
            the owner's consent that they are shown in a data set, and in the study's own records.
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
    image: bytes | None = None
    edited_image: bytes | None = None

    def __post_init__(self) -> None:
        # Whoever adds up times, or writes one into the log, relies on it.
        if not 0 <= self.seconds <= MOST_SECONDS:
            raise ValueError("a mask's seconds are out of range")
        if not 0 <= self.round <= _MOST_ROUNDS or len(self.reader) > LONGEST_NAME:
            raise ValueError("a mask's round or reader is out of range")


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
    return typed_table([_mask_row(record) for record in records], MASK_COLUMNS)


def typed_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """Return rows as a table whose columns the datasets library knows, images among them.

    Args:
        rows: a mapping from column to value each.
        columns: the type of each, in that library's words.
    """
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    types = {k: image if v == "image" else getattr(pa, v)() for k, v in columns.items()}
    table = pa.Table.from_pylist(list(rows), pa.schema(types))
    return table.replace_schema_metadata(_hub_metadata(columns))


def _mask_row(record: MaskRecord) -> dict[str, Any]:
    return {
        "schema_version": MASK_SCHEMA,
        "study": record.study,
        "image_name": record.sample_id,
        "image": _picture(record.image),
        "edited_image": _picture(record.edited_image),
        "mask": _picture(encode_region(record.irrelevant)),
        "label": record.label,
        "prediction": record.prediction,
        "confidence": record.confidence,
        "reader": record.reader,
        "seconds": record.seconds,
        "round": record.round,
        "time": record.time.isoformat(),
        "queue": CHOSEN_BY_READER if record.queue is None else record.queue,
        "selection": record.selection,
        "origin": record.origin.value,
        "source": record.source,
    }


def read_json(what: str, content: bytes) -> dict[str, Any]:
    """Return the object in a JSON file; StoreError if there is none.

    Numbers that are not finite, and values nested too deeply, are damage too.
    """
    try:
        saved = json.loads(content, parse_constant=_not_finite, parse_float=_finite)
    except (ValueError, RecursionError) as cause:
        raise damaged(what) from cause
    if not isinstance(saved, dict):
        raise damaged(what)
    return saved


def read_value(kind: type[_Value], what: str, content: bytes, known: int) -> _Value:
    """Return the value in a JSON file that says its format.

    Args:
        kind: of the value, a dataclass.
        what: what people call the file.
        content: of the file.
        known: the newest format that can be read.

    Raises:
        StoreError: the file is damaged or of a newer version.
    """
    saved = read_json(what, content)
    check_version(what, saved.get("schema_version", 0), known)
    return value_of(kind, what, saved)


def value_of(kind: type[_Value], what: str, saved: Any) -> _Value:
    """Return the value that was saved as JSON; StoreError where it is damaged."""
    try:
        return from_json(kind, saved)
    except ValueError as cause:
        raise damaged(what) from cause


def _finite(written: str) -> float:
    number = float(written)
    return number if math.isfinite(number) else _not_finite(written)


def _not_finite(written: str) -> float:
    raise ValueError(f"not a finite number: {written}")


def read_rows(
    what: str, content: bytes, known: int, *, most: int = _MOST_ROWS
) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file whose format is at most the `known` one.

    Args:
        what: what people call the file.
        content: of the file.
        known: the newest format that can be read.
        most: rows; a file of more is damaged.

    Raises:
        StoreError: the file is damaged or of a newer version.
    """
    try:
        rows: list[dict[str, Any]] = read_bounded(content, most=most).to_pylist()
        versions = [row["schema_version"] for row in rows]
    except (pa.ArrowException, OSError, KeyError, ValueError) as cause:
        raise damaged(what) from cause
    for version in versions:
        check_version(what, version, known)
    return rows


def read_bounded(content: bytes, *, most: int) -> pa.Table:
    """Return the table in a Parquet file that can't fill the memory, whatever it claims.

    A few bytes can stand for any number of rows, and a text that is written once for all of them.

    Raises:
        ValueError: it has more rows, or more text in a row, than any file of ours; or a column of
            a type that none has.
    """
    file = parquet.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows > most:
        raise ValueError("too many rows")
    words = [field.name for field in file.schema_arrow if _is_text(field.type)]
    known = (pa.types.is_primitive, pa.types.is_struct)
    others = (field.type for field in file.schema_arrow if field.name not in words)
    if not all(any(is_known(kind) for is_known in known) for kind in others):
        raise ValueError("a column of an unknown type")
    # Each text once, as it is in the file.
    table = parquet.ParquetFile(io.BytesIO(content), read_dictionary=words).read()
    for name in words:
        lengths = pc.binary_length(table[name].combine_chunks().dictionary)
        if (pc.max(lengths).as_py() or 0) > LONGEST_WORD:
            raise ValueError("too long a text")
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(pa.string()))
    return table


def _is_text(kind: pa.DataType) -> bool:
    # A file of `write_table` may say that its texts are numbered.
    return bool(pa.types.is_string(kind.value_type if pa.types.is_dictionary(kind) else kind))


def decode_masks(content: bytes) -> tuple[MaskRecord, ...]:
    """Return the masks of one Parquet file, in row order.

    Raises:
        StoreError: the file is damaged or of a newer version.
    """
    what = "A file of masks"
    rows = read_rows(what, content, MASK_SCHEMA)
    try:
        return tuple(_mask_of(row) for row in rows)
    except (KeyError, TypeError, ValueError, OSError, SyntaxError, *BOMBS) as cause:
        raise damaged(what) from cause


def _mask_of(row: Mapping[str, Any]) -> MaskRecord:
    return MaskRecord(
        study=row["study"],
        sample_id=row["image_name"],
        irrelevant=decode_region(row["mask"]["bytes"]),
        label=row["label"],
        prediction=row["prediction"],
        confidence=row["confidence"],
        reader=row["reader"][:LONGEST_NAME],
        # Older versions took any number: one that no mask can have taken counts for nothing.
        seconds=row["seconds"] if 0 <= row["seconds"] <= MOST_SECONDS else 0.0,
        round=row["round"],
        time=datetime.fromisoformat(row["time"]),
        # Files of older versions lack both: they knew one queue, found in one way.
        queue=_queue(row.get("queue") or Queue.MISPREDICTED),
        selection=Selection(row.get("selection") or Selection.IN_SAMPLE),
        origin=Origin(row.get("origin", Origin.PAINTED)),
        source=row.get("source") or "",
        image=_bytes_of(row.get("image")),
        edited_image=_bytes_of(row.get("edited_image")),
    )


def _picture(content: bytes | None) -> dict[str, bytes | None] | None:
    """Return a picture as the datasets library keeps it."""
    return None if content is None else {"bytes": content, "path": None}


def _bytes_of(stored: Mapping[str, bytes] | None) -> bytes | None:
    return None if stored is None else stored["bytes"]


def _queue(stored: str) -> Queue | None:
    return None if stored == CHOSEN_BY_READER else Queue(stored)


def encode_region(region: Region) -> bytes:
    """Return the (H, W) region as a 1-bit PNG, white = True."""
    sink = io.BytesIO()
    Image.fromarray(region).save(sink, "PNG", optimize=True)
    return sink.getvalue()


def encode_png(pixels: Pixels) -> bytes:
    """Return (H, W) or (H, W, 3) pixels as a PNG that holds nothing else, at their own depth."""
    sink = io.BytesIO()
    # Level 1: films hardly get smaller by more, and a large one takes seconds.
    Image.fromarray(pixels).save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def decode_region(content: bytes) -> Region:
    """Return the (H, W) region of a PNG written by `encode_region`."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.width * image.height > MOST_MASK_PIXELS:
            raise ValueError("a mask of too many pixels")
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
        tensors = load(content)
    except SafetensorError as cause:
        raise damaged("A checkpoint") from cause
    about = _about_checkpoint(content)
    state = TrainState(tensors, about.classes, about.channels, round=about.round, epoch=about.epoch)
    return about.plan, state, about.figures


def read_checkpoint_figures(path: Path) -> tuple[EpochFigures, ...]:
    """Return the figures of a checkpoint file, reading its header alone.

    Raises:
        StoreError: the header is damaged or of a newer version.
    """
    return _about_checkpoint(_header(path)).figures


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        length = file.read(8)
        # What is no checkpoint may claim any length.
        return length + file.read(min(int.from_bytes(length, "little"), path.stat().st_size))


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """What a checkpoint says of itself."""

    plan: Plan
    classes: int
    channels: int
    round: int
    epoch: int
    figures: tuple[EpochFigures, ...]


def _about_checkpoint(content: bytes) -> _Checkpoint:
    """Return what a checkpoint says of itself; a safetensors header is a length and JSON."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except ValueError as cause:
        raise damaged("A checkpoint") from cause
    try:
        about: dict[str, Any] = json.loads(header["__metadata__"]["imil"])
    except (ValueError, KeyError) as cause:
        raise StoreError(
            "A file of weights is no checkpoint of IMIL's.",
            why="It says neither how it was trained nor how far, as a checkpoint does.",
            fix="Put the study's own checkpoint in its place.",
        ) from cause
    check_version("A checkpoint", about["schema_version"], CHECKPOINT_SCHEMA)
    return value_of(_Checkpoint, "A checkpoint", about)


def plan_from_json(saved: Mapping[str, Any]) -> Plan:
    """Return the plan saved as JSON; ValueError if it is none."""
    return from_json(Plan, saved)


def check_version(what: str, found: int, known: int) -> None:
    """Raise StoreError if a file is of a newer version of IMIL, or doesn't say of which."""
    if type(found) is not int or found < 1:
        raise damaged(what)
    if found > known:
        raise StoreError(
            f"{what} was written by a newer version of IMIL.",
            why=f"It has format {found}, and this version reads up to {known}.",
            fix="Update IMIL and open it again; the file was left as it is.",
        )


def damaged(what: str) -> DamagedError:
    """Return the error of a file that can't be decoded."""
    return DamagedError(
        f"{what} is damaged.",
        why="Its content can't be decoded, so it was cut short or changed by something else.",
        fix="Restore it from a copy; the other files of the study are not affected.",
    )


def _hub_metadata(columns: Mapping[str, str]) -> dict[str, str]:
    """Return what makes `load_dataset` give typed columns; "image" stands for pictures."""
    return {"huggingface": json.dumps({"info": {"features": _hub_features(columns)}})}


def _hub_features(columns: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: {"_type": "Image"} if kind == "image" else {"dtype": kind, "_type": "Value"}
        for name, kind in columns.items()
    }
