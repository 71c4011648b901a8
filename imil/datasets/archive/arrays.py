"""Image sets in arrays of numpy: a row is an image, and another array has its label.

Such a file (.npz) is a zip of arrays (.npy), of which those with a word for a split and one for
images or labels belong together: train_images and train_labels, x_test and y_test.
"""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image

from imil.core.records import Pixels, Split
from imil.datasets.archive.entries import (
    BROKEN_ENTRY,
    MAX_FILES,
    MAX_UNPACKED_BYTES,
    EntryError,
    Limits,
    checked,
    find_moved,
    pieces,
    require_listed,
    too_large,
)
from imil.datasets.archive.preview import small_picture
from imil.datasets.files.pixels import MAX_IMAGE_PIXELS
from imil.datasets.files.tree import is_image, suffix_of
from imil.datasets.layout.words import SPLITS, split_word, words
from imil.datasets.listing import Skipped
from imil.datasets.tables.table import TABLE_NAME, Grid
from imil.errors import DataError

# Bytes of a file of arrays inside a zip: it is copied out of it before it can be looked into.
MAX_INNER_BYTES = 2 * 2**30
# Bytes of images that a look holds to show some of them.
MOST_HELD = 256 * 2**20

_IMAGES = frozenset({"images", "image", "imgs", "img", "x"})
_LABELS = frozenset({"labels", "label", "targets", "target", "y"})
# What numpy raises on the header of an array that is damaged or made to harm.
_BROKEN_HEADER = (
    ValueError,
    TypeError,
    EOFError,
    RecursionError,
    MemoryError,
    OverflowError,
    SyntaxError,
    TokenError,
)
_FIX = (
    "Save images as (N, H, W) or (N, H, W, 3) in uint8, and labels as (N,) or (N, 1) in whole "
    "numbers. Or bring the images as files."
)


@dataclass(frozen=True, slots=True)
class _Array:
    """What an array's header says: entry, shape, type, and bytes before the values."""

    entry: zipfile.ZipInfo
    shape: tuple[int, ...]
    kind: np.dtype[Any]
    start: int


@dataclass(frozen=True, slots=True)
class _Pair:
    """The images of one split and their labels; `word` is what the arrays call the split."""

    word: str
    images: _Array
    labels: tuple[str, ...]

    def file(self, row: int) -> str:
        """Return what the image of a row, counted from 0, is called."""
        return f"{self.word}/{row:06}.png"


@dataclass(slots=True, eq=False)
class Arrays:
    """An image set in arrays; it can be read while its zip is open."""

    zipped: zipfile.ZipFile
    pairs: tuple[_Pair, ...]
    _held: dict[str, Pixels] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What the images are called: split and row, counted from 0."""
        return tuple(pair.file(row) for pair in self.pairs for row in range(len(pair.labels)))

    def table(self) -> Grid:
        """Return the labels as a table of the images has them; their folders say the split."""
        lines = (
            (pair.file(row), label) for pair in self.pairs for row, label in enumerate(pair.labels)
        )
        return Grid(("file_name", "label"), tuple(enumerate(lines, start=2)))

    def write(self, into: Path, on_progress: Callable[[int, int], None] | None) -> tuple[str, ...]:
        """Write each image as a PNG, and the table; return the names of all files."""
        for pair in self.pairs:
            (into / pair.word).mkdir()
            for row, pixels in enumerate(_rows(self.zipped, pair.images)):
                Image.fromarray(pixels).save(into / pair.file(row), "PNG", compress_level=1)
                if on_progress is not None:
                    on_progress(0, 0)
        with (into / TABLE_NAME).open("x", encoding="utf-8", newline="") as file:
            table = self.table()
            csv.writer(file).writerows([table.names, *(cells for _, cells in table.rows)])
        return (*self.names, TABLE_NAME)

    def hold(self) -> None:
        """Take the images into memory, where they are few, so that `picture` has them."""
        if sum(pair.images.entry.file_size for pair in self.pairs) > MOST_HELD:
            return
        for pair in self.pairs:
            for row, pixels in enumerate(_rows(self.zipped, pair.images)):
                self._held[pair.file(row)] = pixels

    def picture(self, name: str) -> bytes | None:
        """Return a small JPEG of an image that is held."""
        if name not in self._held:
            return None
        made = io.BytesIO()
        Image.fromarray(self._held[name]).save(made, "PNG", compress_level=1)
        made.seek(0)
        return small_picture(made)


@contextmanager
def arrays_in(
    zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], archive: str
) -> Iterator[Arrays | None]:
    """Give the image set in a zip's arrays, or in the one file of arrays of it; None without any.

    Headers are checked before anything is unpacked.

    Args:
        zipped: the zip.
        entries: its entries, by name.
        archive: its name.

    Raises:
        DataError: arrays that are called as those of an image set, and are of another shape or
            type, too large, damaged, or hold objects of Python, which are never read.
    """
    inner = [name for name in entries if suffix_of(name) == ".npz"]
    if len(inner) != 1 or any(map(is_image, entries)):
        pairs = _pairs(zipped, entries, archive)
        yield Arrays(zipped, pairs) if pairs else None
        return
    with tempfile.TemporaryDirectory(prefix="imil-arrays-") as folder:
        name, file = inner[0], Path(folder) / "arrays.npz"
        _copy(zipped, entries[name], file, name)
        try:
            require_listed(file)
            own = zipfile.ZipFile(file)
        except BROKEN_ENTRY as cause:
            raise _damaged(name) from cause
        with own:
            find_moved(own)
            skipped: list[Skipped] = []
            pairs = _pairs(own, checked(own, name, Limits(), skipped), name)
            if not pairs:
                raise DataError(
                    f"“{name}” is no image set.",
                    why="None of its arrays are called as images and labels of a split, such as "
                    "train_images and train_labels.",
                    fix=_FIX,
                )
            yield Arrays(own, pairs)


def _copy(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, file: Path, name: str) -> None:
    if entry.file_size > MAX_INNER_BYTES:
        raise too_large(
            name, f"In a zip, {MAX_INNER_BYTES // 2**30} GB of arrays at most are read."
        )
    try:
        with file.open("xb") as target:
            target.writelines(pieces(zipped, entry))
    except EntryError as cause:
        raise _damaged(name) from cause


def _pairs(
    zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], archive: str
) -> tuple[_Pair, ...]:
    """Return the arrays that belong together, their headers checked; none where none do."""
    named: dict[Split, dict[str, list[str]]] = defaultdict(lambda: {"images": [], "labels": []})
    for name in sorted(entries):
        own = set(words(name.removesuffix(".npy")))
        split = split_word(name.removesuffix(".npy"))
        for role, known in (("images", _IMAGES), ("labels", _LABELS)):
            if suffix_of(name) == ".npy" and split is not None and own & known:
                named[split][role].append(name)
    whole = {s: p for s, p in named.items() if len(p["images"]) == len(p["labels"]) == 1}
    found: dict[Split, tuple[_Array, _Array]] = {}
    for split, ((first,), (second,)) in ((s, p.values()) for s, p in whole.items()):
        images, labels = (_header(zipped, entries[name], name) for name in (first, second))
        _require_images(images, first)
        _require_labels(labels, second, images.shape[0])
        found[split] = (images, labels)
    count = sum(images.shape[0] for images, _ in found.values())
    if count > MAX_FILES // 2:
        raise too_large(archive, f"It has {count} images, and {MAX_FILES // 2} are read.")
    if sum(images.entry.file_size for images, _ in found.values()) > MAX_UNPACKED_BYTES:
        raise too_large(archive, f"It has more than {MAX_UNPACKED_BYTES // 2**30} GB of images.")
    return tuple(
        _Pair(_word(whole[split]["images"][0]), images, _texts(zipped, labels))
        for split, (images, labels) in found.items()
    )


def _word(name: str) -> str:
    return next(word for word in words(name) if word in SPLITS)


def _header(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> _Array:
    """Return what the first bytes of an array say; DataError where they don't fit its size."""
    try:
        head = io.BytesIO(next(pieces(zipped, entry), b""))
        version = npy.read_magic(head)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, kind = read(head)
    except (EntryError, KeyError, *_BROKEN_HEADER) as cause:
        raise _damaged(name) from cause
    if kind.hasobject:
        raise _other(name, "It holds objects of Python, which could run code and are never read.")
    if fortran and len(shape) > 1:
        raise _other(name, "Its values are not stored image by image.")
    if min(shape, default=0) < 0 or prod(shape) * kind.itemsize + head.tell() != entry.file_size:
        raise _other(name, "It says another size than it has: it is damaged, or was cut off.")
    return _Array(entry, tuple(shape), kind, head.tell())


def _require_images(array: _Array, name: str) -> None:
    shape = array.shape
    told = f"Its shape is {shape} and its type {array.kind}."
    if len(shape) not in (3, 4) or shape[3:] not in ((), (3,)) or array.kind != np.uint8:
        raise _other(name, told)
    if 0 in shape:
        raise _other(name, f"{told} No image is empty.")
    if shape[1] * shape[2] > MAX_IMAGE_PIXELS:
        raise _other(
            name, f"{told} Images of more than {MAX_IMAGE_PIXELS // 10**6} million pixels are not "
            "opened."
        )  # fmt: skip


def _require_labels(array: _Array, name: str, images: int) -> None:
    shape = array.shape
    told = f"Its shape is {shape} and its type {array.kind}"
    if shape not in ((images,), (images, 1)):
        raise _other(name, f"{told}, and there are {images} images: each has one label.")
    if array.kind.kind not in "iub":
        raise _other(name, f"{told}: labels are whole numbers.")


def _texts(zipped: zipfile.ZipFile, labels: _Array) -> tuple[str, ...]:
    raw = _content(zipped, labels)
    return tuple(str(int(label)) for label in np.frombuffer(raw, labels.kind))


def _content(zipped: zipfile.ZipFile, array: _Array) -> bytes:
    try:
        return b"".join(pieces(zipped, array.entry))[array.start :]
    except EntryError as cause:
        raise _damaged(array.entry.filename) from cause


def _rows(zipped: zipfile.ZipFile, images: _Array) -> Iterator[Pixels]:
    """Yield the images of an array; one at a time is in memory."""
    size = prod(images.shape[1:])
    left = bytearray()
    skip = images.start
    try:
        for piece in pieces(zipped, images.entry):
            left += piece
            if skip:
                del left[:skip]
                skip = 0
            whole = len(left) // size
            for row in range(whole):
                yield _image(left[row * size : (row + 1) * size], images.shape[1:])
            del left[: whole * size]
    except EntryError as cause:
        raise _damaged(images.entry.filename) from cause


def _image(raw: bytearray, shape: tuple[int, ...]) -> Pixels:
    pixels: NDArray[np.uint8] = np.frombuffer(raw, np.uint8).reshape(shape)
    return pixels


def _damaged(name: str) -> DataError:
    return DataError(
        f"“{name}” can't be read.",
        why="It is damaged, was cut off, or is no file of numpy.",
        fix="Save it again with numpy's savez_compressed, or bring it again.",
    )


def _other(name: str, why: str) -> DataError:
    return DataError(f"“{name}” can't be read as images or labels.", why=why, fix=_FIX)
