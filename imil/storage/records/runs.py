"""How trainings went: rows an epoch, arm and seed; a Parquet file for what a round has trained."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType

from pyarrow import parquet

from imil.core.records import Figure
from imil.storage.base import RECORDS, Store, new_record
from imil.storage.codec import read_rows, typed_table, value_of

RUN_SCHEMA = 1
# The arm of the first training.
FIRST_TRAINING = "first"
_KIND = "runs"
# Column types in the words of the datasets library.
RUN_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "schema_version": "int32",
        "study": "string",
        "round": "int32",
        "arm": "string",
        "seed": "int64",
        "epoch": "int32",
        "train_loss": "float64",
        "train_accuracy": "float64",
        "validation_loss": "float64",
        "validation_accuracy": "float64",
        "backbone": "string",
        "masks": "int32",
        "time": "string",
    }
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One epoch of one arm and seed.

    Attributes:
        study: the study's id.
        round: 0 for the first training.
        arm: which; "first" for the first training.
        seed: of this training.
        epoch: from 1 within the round.
        train_loss: nats, over augmented batches while the weights still moved.
        train_accuracy: 0-1, the same.
        validation_loss: nats, at the epoch's end on un-edited images.
        validation_accuracy: 0-1, the same.
        backbone: of the plan.
        masks: how many masks the arm trained on.
        time: when this was saved (UTC).
    """

    study: str
    round: int
    arm: str
    seed: int
    epoch: int
    train_loss: Figure
    train_accuracy: Figure
    validation_loss: Figure
    validation_accuracy: Figure
    backbone: str
    masks: int
    time: datetime

    @property
    def training(self) -> tuple[int, str, int]:
        """Return which training it is of: round, arm and seed."""
        return self.round, self.arm, self.seed


def save_runs(store: Store, study_id: str, rows: Sequence[RunRow]) -> tuple[str, ...]:
    """Keep the rows of those trainings of a study that are not kept yet, as one new record.

    Returns:
        The record's name in the store; nothing where all were kept before.

    Raises:
        StoreError: what is kept can't be read, or the rows can't be kept.
    """
    names = [n for n in store.of_study(study_id) if n.startswith(f"{RECORDS}{_KIND}/")]
    kept = {row.training for name in names for row in decode_run_rows(store.read(name) or b"")}
    new = [row for row in rows if row.training not in kept]
    if not new:
        return ()
    name = new_record(_KIND, study_id, new[0].time)
    store.add(name, encode_run_rows(new))
    return (name,)


def encode_run_rows(rows: Sequence[RunRow]) -> bytes:
    """Return a Parquet file of the rows."""
    sink = io.BytesIO()
    parquet.write_table(typed_table([_stored(row) for row in rows], RUN_COLUMNS), sink)
    return sink.getvalue()


def decode_run_rows(content: bytes) -> tuple[RunRow, ...]:
    """Return what `encode_run_rows` was given; StoreError if it is damaged or too new."""
    what = "A file of trainings"
    return value_of(tuple[RunRow, ...], what, read_rows(what, content, RUN_SCHEMA))


def _stored(row: RunRow) -> dict[str, object]:
    return {**asdict(row), "schema_version": RUN_SCHEMA, "time": row.time.isoformat()}
