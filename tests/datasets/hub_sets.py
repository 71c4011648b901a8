"""Small data sets as the Hub has them: an image folder, and Parquet as `datasets` writes it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CARD = "---\nlicense: cc-by-4.0\n---\n# Films\n"


def picture(seed: int, *, size: int = 24, kind: str = "PNG") -> bytes:
    """Return an encoded grey image unlike that of any other seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    out = io.BytesIO()
    image = Image.fromarray(pixels).resize((2 * size, 2 * size))
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe"
    image.save(out, kind, exif=exif)
    return out.getvalue()


def image_folder(
    images: int = 12, *, splits: Sequence[str] = ("train",), classes: Sequence[str] = ("a", "b")
) -> dict[str, bytes]:
    """Return the files of an image folder: so many images of each class in each split."""
    files = {"README.md": CARD.encode()}
    for i, split in enumerate(splits):
        for j, label in enumerate(classes):
            for n in range(images):
                seed = (i * len(classes) + j) * images + n
                files[f"{split}/{label}/doe_jane_{n}.png"] = picture(seed)
    return files


def parquet(
    rows: Sequence[dict[str, Any]],
    *,
    names: Sequence[str] | None = None,
    row_group_size: int = 8,
    image: str = "image",
    empty_path: str | None = None,
) -> bytes:
    """Return a Parquet file with the schema of `datasets`: an Image, and a ClassLabel or text.

    Args:
        rows: "image" is the encoded bytes; other columns are as given.
        names: of the classes, where the label is a ClassLabel.
        row_group_size: rows a group.
        image: the name of the image column.
        empty_path: if given, the rows have no bytes and name this file instead.
    """
    columns: dict[str, Any] = {
        image: pa.array(
            [
                {"bytes": row["image"], "path": "doe_jane.png"}
                if empty_path is None
                else {"bytes": None, "path": empty_path}
                for row in rows
            ],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
    }
    features: dict[str, Any] = {image: {"_type": "Image"}}
    for name in rows[0]:
        if name == "image":
            continue
        columns[name] = pa.array([row[name] for row in rows])
        dtype = str(columns[name].type)
        features[name] = {"dtype": dtype, "_type": "Value"}
    if names is not None:
        features["label"] = {"names": list(names), "_type": "ClassLabel"}
    table = pa.table(columns)
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(told), out, row_group_size=row_group_size)
    return out.getvalue()


def stored(root: Path) -> list[str]:
    """Return the names of all files below a folder."""
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
