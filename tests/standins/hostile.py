"""Hostile uploads, made when they are needed, and studies that read them and never train."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from imil.datasets.reading.uploads import UploadReader
from imil.storage.local import LocalStore
from imil.study.batch.progress import IdleTrainer
from imil.study.library.studies import Studies
from imil.study.services import Services
from tests.standins.visitors import no_weights

# Images of each of two classes that lie beside whatever is hostile.
EACH = 6


def studies_at(home: Path, *, uploads: UploadReader | None = None) -> Studies:
    """Return the studies of a home folder; nothing trains there."""
    store = LocalStore(home / "store")
    tools = Services(store, IdleTrainer(), no_weights, uploads=uploads or UploadReader())
    return Studies(home / "work", tools)


def files_in(folder: Path) -> dict[str, int]:
    """Return the files below a folder with their sizes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in found}


def image(number: int, kind: str = "PNG", *, side: int = 12) -> bytes:
    """Return a small grey image unlike that of any other number."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side), np.uint8)
    return encoded(Image.fromarray(pixels), kind)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Return a picture as a file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def good() -> dict[str, bytes]:
    """Return sound images in two class folders."""
    return {f"{'ab'[n % 2]}/{n}.png": image(n) for n in range(2 * EACH)}


def rows(*, count: int = 2 * EACH) -> list[str]:
    """Return the rows of a table that labels images 0.png, 1.png, … in one folder."""
    return [f"{n}.png,{'ab'[n % 2]}" for n in range(count)]


def tabled(table: bytes, name: str = "metadata.csv") -> dict[str, bytes]:
    """Return images in one folder, and a table."""
    return {**{f"{n}.png": image(n) for n in range(2 * EACH)}, name: table}


def written(path: Path, entries: Iterable[tuple[str, bytes]]) -> Path:
    """Write a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def png_that_says(width: int, height: int, *, more: bytes = b"") -> bytes:
    """Return a PNG of a few bytes that says how large it is."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(bytes(99))) + more
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def png_with_text(text: bytes) -> bytes:
    """Return a sound PNG with a compressed text in it."""
    whole = image(3)
    at = whole.index(b"IDAT") - 4
    return whole[:at] + _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(text)) + whole[at:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def overlapping(path: Path, *, files: int, each: int) -> Path:
    """Write a zip of which many files share the bytes of one, which inflate to `each`."""
    written(path, [("a/0.png", image(1) + bytes(each))])
    raw = path.read_bytes()
    listed, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    one = raw[listed:end]
    many = b"".join(one.replace(b"a/0.png", f"a/{n}.png".encode()) for n in range(files))
    # Names of one length, so that the record's own length stays right.
    if files > 10:
        raise ValueError("ten files at most")
    last = struct.pack("<HHLL", files, files, len(many), listed)
    path.write_bytes(raw[:listed] + many + raw[end : end + 8] + last + raw[end + 20 :])
    return path


def listed_only(path: Path, files: int) -> Path:
    """Write a zip that is nothing but a list of so many files, in as few bytes as that takes."""
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", 1, 0, 0) + bytes(12) + b"x"
    many = entry * files
    count = min(files, 2**16 - 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, count, count, len(many), 4, 0)
    path.write_bytes(b"PK\x03\x04" + many + end)
    return path
