"""The answers behind a round's figures: a Parquet file, a row an image, arm and seed."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from imil.core.arms.variants import parse_variant
from imil.core.evaluation.cases import Cases
from imil.errors import PlanError
from imil.storage.base import Store
from imil.storage.codec import check_version, damaged, read_bounded

CASES_SCHEMA = 1
# Rows of a file of answers: 100 arms and seeds of 100,000 images.
MOST_CASES = 10_000_000


def encode_cases(cases: Cases, classes: Sequence[str]) -> bytes:
    """Return the answers as Parquet, classes by name; rows go by arm, then seed, then image."""
    arms, seeds, images = list(cases.predicted), len(cases.seeds), len(cases.sample_ids)
    names = np.array(classes, object)
    said = np.concatenate([cases.predicted[arm].ravel() for arm in arms])
    table = pa.table(
        {
            "schema_version": pa.array(np.full(len(said), CASES_SCHEMA, np.int32)),
            "arm": pa.array(np.repeat(np.array(arms, object), seeds * images)).dictionary_encode(),
            "seed": pa.array(np.tile(np.repeat(cases.seeds, images), len(arms))),
            "image_name": pa.array(list(cases.sample_ids) * (len(arms) * seeds)),
            "label": pa.array(np.tile(names[cases.labels], len(arms) * seeds)),
            "prediction": pa.array(names[said]),
            "confidence": pa.array(np.concatenate([cases.confidence[arm].ravel() for arm in arms])),
        }
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def decode_cases(content: bytes, classes: Sequence[str]) -> Cases:
    """Return what `encode_cases` was given.

    Raises:
        StoreError: the file is damaged, of other classes or of a newer version.
    """
    try:
        table = read_bounded(content, most=MOST_CASES)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        check_version("A file of answers", max(columns["schema_version"]), CASES_SCHEMA)
        arms = [parse_variant(arm) for arm in dict.fromkeys(columns["arm"])]
        seeds = tuple(dict.fromkeys(columns["seed"]))
        images = len(columns["arm"]) // (len(arms) * len(seeds))
        index = {name: i for i, name in enumerate(classes)}
        said = np.array([index[name] for name in columns["prediction"]], np.int64)
        labels = np.array([index[name] for name in columns["label"][:images]], np.int64)
        shape = (len(arms), len(seeds), images)
        confidence = np.array(columns["confidence"], np.float32).reshape(shape)
        predicted = said.reshape(shape)
    except (
        pa.ArrowException,
        ArithmeticError,
        PlanError,
        OSError,
        LookupError,
        TypeError,
        ValueError,
    ) as cause:
        raise damaged("A file of answers") from cause
    return Cases(
        sample_ids=tuple(columns["image_name"][:images]),
        labels=labels,
        seeds=seeds,
        predicted=dict(zip(arms, predicted, strict=True)),
        confidence=dict(zip(arms, confidence, strict=True)),
    )


def save_cases(
    store: Store, study_id: str, cases: Cases, *, key: str, classes: Sequence[str]
) -> None:
    """Save the answers of a round under the round's key."""
    store.write(cases_file(study_id, key), encode_cases(cases, classes))


def load_cases(store: Store, study_id: str, *, key: str, classes: Sequence[str]) -> Cases | None:
    """Return the answers of a round; None only where there are none."""
    content = store.read(cases_file(study_id, key))
    return None if content is None else decode_cases(content, classes)


def cases_file(study_id: str, key: str) -> str:
    """Return the name in the store of the answers of a round."""
    return f"studies/{study_id}/rounds/{key}-images.parquet"
