from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from imil.core.records import EpochFigures, Origin, Plan, Queue, Selection
from imil.core.training.fit import TrainState
from imil.errors import StoreError
from imil.storage.codec import (
    MaskRecord,
    decode_checkpoint,
    decode_masks,
    decode_region,
    encode_checkpoint,
    encode_mask,
    encode_region,
    plan_from_json,
    read_checkpoint_figures,
    write_masks,
)

IRRELEVANT = np.random.default_rng(0).random((37, 53)) < 0.3
RECORD = MaskRecord(
    study="abc",
    sample_id="train/film_0019.png",
    irrelevant=IRRELEVANT,
    label="no finding",
    prediction="finding",
    confidence=0.88,
    reader="reader 1",
    seconds=12.5,
    round=1,
    time=datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
    queue=Queue.MISPREDICTED,
    selection=Selection.OUT_OF_FOLD,
    origin=Origin.CORRECTED,
)
STATE = TrainState(
    {"model.a": torch.arange(4.0), "optimiser.a.step": torch.tensor(3.0)}, 2, 1, 1, 4
)
FIGURES = (EpochFigures(1, 0.7, 0.5, 0.6, 0.55),)


def test_a_mask_comes_back_to_the_pixel_with_all_that_belongs_to_it() -> None:
    (found,) = decode_masks(encode_mask(RECORD))

    assert np.array_equal(found.irrelevant, IRRELEVANT)
    for field in fields(MaskRecord):
        if field.name != "irrelevant":
            assert getattr(found, field.name) == getattr(RECORD, field.name)


def test_a_mask_from_before_there_were_predicted_ones_is_a_painted_one() -> None:
    table = parquet.read_table(io.BytesIO(encode_mask(RECORD))).drop_columns(["origin"])
    sink = io.BytesIO()
    parquet.write_table(table, sink)

    (found,) = decode_masks(sink.getvalue())

    assert found.origin is Origin.PAINTED


@pytest.mark.parametrize("number", [0, 600])
def test_any_number_of_masks_is_written_a_few_at_a_time(tmp_path: Path, number: int) -> None:
    made = []

    def records() -> Iterator[MaskRecord]:
        for i in range(number):
            made.append(i)
            yield replace(RECORD, sample_id=f"film_{i}")

    write_masks(tmp_path / "new" / "masks.parquet", records())

    content = (tmp_path / "new" / "masks.parquet").read_bytes()
    found = decode_masks(content)
    assert [r.sample_id for r in found] == [f"film_{i}" for i in made]
    assert len(found) == number
    assert parquet.ParquetFile(io.BytesIO(content)).num_row_groups == (3 if number else 0)


def test_masks_that_can_not_all_be_written_leave_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[MaskRecord]:
        yield RECORD
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_masks(tmp_path / "masks.parquet", broken())
    assert not list(tmp_path.iterdir())


def test_the_datasets_library_reads_a_mask_as_an_image(tmp_path: Path) -> None:
    (tmp_path / "mask.parquet").write_bytes(encode_mask(RECORD))

    row = datasets.Dataset.from_parquet(
        str(tmp_path / "mask.parquet"), cache_dir=str(tmp_path / "cache")
    )[0]

    assert np.array_equal(np.asarray(row["mask"]), IRRELEVANT)
    assert (row["label"], row["prediction"], row["image_name"]) == (
        "no finding",
        "finding",
        "train/film_0019.png",
    )


def test_a_mask_of_an_older_version_was_painted_on_a_mispredicted_image() -> None:
    table = parquet.read_table(io.BytesIO(encode_mask(RECORD)))
    older = io.BytesIO()
    parquet.write_table(table.drop_columns(["queue", "selection"]), older)

    (found,) = decode_masks(older.getvalue())

    assert (found.queue, found.selection) == (Queue.MISPREDICTED, Selection.IN_SAMPLE)


def test_a_mask_of_an_image_that_the_reader_chose_comes_back_without_a_queue() -> None:
    (found,) = decode_masks(encode_mask(replace(RECORD, queue=None)))

    assert found.queue is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (64, 64), (5, 3000)])
def test_a_region_comes_back_to_the_pixel(shape: tuple[int, int]) -> None:
    region = np.random.default_rng(1).random(shape) < 0.5

    assert np.array_equal(decode_region(encode_region(region)), region)


def test_a_corrupted_mask_file_is_named_as_damaged() -> None:
    with pytest.raises(StoreError, match=r"file of masks is damaged.*Restore it"):
        decode_masks(encode_mask(RECORD)[:-20])


def test_a_mask_file_of_a_newer_version_is_refused() -> None:
    table = parquet.read_table(io.BytesIO(encode_mask(RECORD)))
    newer = table.set_column(0, "schema_version", pa.array([99], pa.int32()))
    sink = io.BytesIO()
    parquet.write_table(newer, sink)

    with pytest.raises(StoreError, match=r"newer version.*reads up to 1.*Update IMIL"):
        decode_masks(sink.getvalue())


def test_a_checkpoint_comes_back_bit_by_bit() -> None:
    plan, state, figures = decode_checkpoint(encode_checkpoint(Plan(seed=7), STATE, FIGURES))

    assert (plan, figures) == (Plan(seed=7), FIGURES)
    assert (state.classes, state.channels, state.round, state.epoch) == (2, 1, 1, 4)
    assert all(torch.equal(t, STATE.tensors[name]) for name, t in state.tensors.items())


def test_a_checkpoints_figures_are_had_without_its_weights(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    content = encode_checkpoint(Plan(), STATE, FIGURES)
    # Cut off all weights: they are not needed.
    path.write_bytes(content[: 8 + int.from_bytes(content[:8], "little")])

    assert read_checkpoint_figures(path) == FIGURES


@pytest.mark.parametrize("kept", [0, 5, 60])
def test_a_half_written_checkpoint_is_named_as_damaged(kept: int) -> None:
    with pytest.raises(StoreError, match="checkpoint is damaged"):
        decode_checkpoint(encode_checkpoint(Plan(), STATE, FIGURES)[:kept])


def test_a_foreign_safetensors_file_is_no_checkpoint() -> None:
    header = json.dumps({}).encode()

    with pytest.raises(StoreError, match=r"no checkpoint of IMIL's.*Put the study's own"):
        decode_checkpoint(len(header).to_bytes(8, "little") + header)


def test_a_plan_of_an_older_version_takes_todays_defaults() -> None:
    assert plan_from_json({"backbone": "resnet18", "gone": 1}) == Plan(backbone="resnet18")
