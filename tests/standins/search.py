"""A search for words in everything that lies in a folder, whatever holds it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
from PIL import Image, UnidentifiedImageError
from pyarrow import parquet


def found_in(folder: Path, words: Sequence[str]) -> list[tuple[str, str]]:
    """Return (word, file) for each word that a file's name or content has; zips are looked into."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    texts = [(str(p.relative_to(folder)), text) for p in files for text in texts_of(p)]
    return sorted({(word, name) for name, text in texts for word in words if word in text})


def texts_of(path: Path) -> Iterator[str]:
    """Yield a file's path, and all that can be read in it."""
    yield str(path)
    yield from _texts(path.name, path.read_bytes())


def _texts(name: str, content: bytes) -> Iterator[str]:
    # Also what is written with two bytes a letter, as in some tags of photographs.
    yield content.decode("latin-1")
    yield content.decode("utf-16-le", errors="ignore")
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for inside in archive.namelist():
                yield inside
                yield from _texts(inside, archive.read(inside))
    elif name.endswith(".parquet"):
        table: pa.Table = parquet.read_table(io.BytesIO(content))
        yield repr(table.to_pylist())
        yield repr(table.schema.metadata)
    elif name.endswith((".png", ".jpg")):
        # What only calls itself a picture has been read above.
        with suppress(UnidentifiedImageError), Image.open(io.BytesIO(content)) as image:
            yield repr(image.info)
