"""One image file into pixels: every kind that clinics save, at the depth it was saved."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from imil.core.records import Pixels, Region
from imil.datasets.files.pages import BROKEN, pages_of
from imil.datasets.layout.decisions.frames import Frames
from imil.errors import DataError

# The only decoders that run on a stranger's file: what cameras, microscopes and PACS exports write.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")

# How such files are named; any other name is not opened.
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".gif"}
)

# The most pixels of one image, told from the header before any is decoded. Twice the largest
# mammogram, and below the size at which Pillow itself starts to warn (89.5 million).
MAX_IMAGE_PIXELS = 80_000_000

# A grey level above this is white, and so relevant, in a reference mask: the middle of 8 bits, so
# that masks blurred by JPEG or resizing keep their outline. Our choice.
WHITE_ABOVE = 127

_FIX = "Open it in an image viewer and save it again as PNG or JPEG, or leave it out."

_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)

_ORIENTATION = 0x0112
_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")

# The first bytes of files that often carry an image's name and are none, and what they are.
_OTHER_KINDS = (
    (b"<svg", "It is an SVG drawing, not pixels."),
    (b"<!doctype", "It is a web page, not an image."),
    (b"<html", "It is a web page, not an image."),
    (b"<?xml", "It is an XML or SVG document, not pixels."),
    (b"%pdf", "It is a PDF document, not an image."),
    (b"pk\x03\x04", "It is a zip archive, not an image."),
)


_DAMAGED = "The file is damaged or ends too early."
_UNKNOWN = "It is not a PNG, JPEG, TIFF, BMP, WebP or GIF image, or its first bytes are damaged."

# Bytes from which `kind_of` tells what a file is.
HEAD = 256


class PixelsError(DataError):
    """One file can't be read as an image; `why` is the reason in one sentence."""

    def __init__(self, name: str, *, why: str) -> None:
        super().__init__(f"“{name}” can't be read as an image.", why=why, fix=_FIX)


def read_pixels(path: Path, *, frame: int | None = None) -> Pixels:
    """Return the pixels of an image file, turned the way a viewer shows it.

    Args:
        path: a PNG, JPEG, TIFF, BMP, WebP or GIF file.
        frame: which page, channel or frame of several, counted from 1; a file with several needs
            it.

    Returns:
        (H, W) for grey or (H, W, 3) for colour, uint8; (H, W) uint16 for grey of more than 8 bits.
        A palette of greys and a 1-bit image (0, 255) are grey. The EXIF orientation is applied,
        since a mask is drawn on the picture as shown. Transparency is composited on black, the
        colour of "no signal" (our choice).

    Raises:
        PixelsError: the file is missing, empty, truncated, no image, of more than
            `MAX_IMAGE_PIXELS`, of several frames with none picked, or its grey values don't fit
            16 bits.
    """
    with _opened(path, frame) as image:
        image.load()
        pixels = _to_array(image, path.name)
        # A copy, since Pillow's memory is read-only and torch wants its own.
        return _upright(pixels, _orientation(image)).copy()


def read_region(path: Path) -> Region:
    """Return the (H, W) region that a reference mask marks: True where it is white.

    Colours count by their mean, 16-bit greys by their upper 8 bits; white is above `WHITE_ABOVE`.

    Raises:
        PixelsError: as `read_pixels`.
    """
    pixels = read_pixels(path)
    levels = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    if pixels.dtype == np.uint16:
        levels = levels >> 8
    return levels > WHITE_ABOVE


def shown_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in px as shown, from the header alone; PixelsError as above."""
    with _opened(path) as image:
        width, height = image.size
        # From 5 on, rows and columns are exchanged; of a TIFF, Pillow gives the size as turned.
        swapped = image.format != "TIFF" and _orientation(image) > 4
    return (height, width) if swapped else (width, height)


@contextmanager
def _opened(path: Path, frame: int | None = None) -> Iterator[Image.Image]:
    """Open an image whose header is sound and small enough; any failure inside is a PixelsError."""
    try:
        # Opened here and not by name: Pillow (12.3) maps an uncompressed TIFF that it knows by name
        # into memory with width and height exchanged if it lies on its side, and scrambles it.
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            _require_bounded(image, path.name)
            _turn_to(image, file, path.name, frame)
            yield image
    except PixelsError:
        raise
    except FileNotFoundError as cause:
        raise PixelsError(path.name, why="The file is not there any more.") from cause
    except PermissionError as cause:
        raise PixelsError(path.name, why="This program may not open the file.") from cause
    except _BOMB as cause:
        raise PixelsError(path.name, why=_too_large("far too many")) from cause
    except UnidentifiedImageError as cause:
        raise PixelsError(path.name, why=_kind_of(path)) from cause
    except MemoryError as cause:
        raise PixelsError(path.name, why="It needs more memory than one image may.") from cause
    except BROKEN as cause:
        raise PixelsError(path.name, why=_DAMAGED) from cause


def _turn_to(image: Image.Image, file: BinaryIO, name: str, frame: int | None) -> None:
    """Turn to the page that was picked of several."""
    pages = pages_of(image, file)
    frames = Frames(len(pages))
    if why := frames.why_not(frame):
        raise PixelsError(name, why=why)
    image.seek(pages[frames.number(frame) - 1])
    _require_bounded(image, name)


def _require_bounded(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_IMAGE_PIXELS:
        raise PixelsError(name, why=_too_large(f"{width} × {height}"))


def _too_large(size: str) -> str:
    return (
        f"It has {size} pixels, and more than {MAX_IMAGE_PIXELS // 10**6} million are not opened."
    )


def why_not_opened(content: bytes) -> str | None:
    """Say in one sentence why a file's content can't be opened as an image; None where it can."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _require_bounded(image, "")
    except PixelsError as error:
        return error.why
    except _BOMB:
        return _too_large("far too many")
    except UnidentifiedImageError:
        return kind_of(content) or _UNKNOWN
    except (*BROKEN, MemoryError):
        return _DAMAGED
    return None


def kind_of(head: bytes) -> str | None:
    """Say in one sentence what a file is that no decoder opens; None where one does.

    Args:
        head: the first bytes of the file, `HEAD` where it has so many.
    """
    if not head:
        return "The file is empty."
    Image.init()
    if any(
        accepts is None or accepts(head[:16])
        for _, accepts in (Image.OPEN[each] for each in FORMATS)
    ):
        return None
    if head[128:132] == b"DICM":
        return "It is a DICOM file, not a picture file."
    text = head[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, reason in _OTHER_KINDS:
        if text.startswith(start):
            return reason
    return _UNKNOWN


def _kind_of(path: Path) -> str:
    with path.open("rb") as file:
        return kind_of(file.read(HEAD)) or _UNKNOWN


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1-8; 1 where there is none or it can't be read."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except BROKEN:
        return 1
    return found if found in range(1, 9) else 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo how the camera was held; the eight cases of the EXIF standard."""
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "I", *_GREY_16)


def _to_array(image: Image.Image, name: str) -> Pixels:
    """Return a loaded image's pixels as `read_pixels` promises, not yet turned."""
    if image.mode in (*_GREY_16, "I"):
        return _deep_grey(np.asarray(image), name)
    if image.mode == "F":
        raise PixelsError(name, why="Its pixels are floating-point numbers, not grey levels.")
    grey = _is_grey(image)
    if not image.has_transparency_data:
        return np.asarray(image.convert("L" if grey else "RGB"))
    colour = np.asarray(image.convert("RGBA"))
    alpha = colour[..., 3:].astype(np.uint16)
    on_black = ((colour[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return on_black[..., 0] if grey else on_black


def _deep_grey(levels: NDArray[np.generic], name: str) -> Pixels:
    """Return grey of up to 32 bits as uint16, its values unchanged."""
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise PixelsError(name, why=f"Its grey levels ({low} to {high}) do not fit 16 bits.")
    return levels.astype(np.uint16)
