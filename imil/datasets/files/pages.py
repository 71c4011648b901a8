"""Pages, channels and frames of one picture file: how many there are, and what they are called."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO
from xml.etree import ElementTree as ET

from PIL import Image

from imil.datasets.layout.decisions.frames import Frames

# Pages of a TIFF that are counted; a stack of a microscope has hundreds. Our choice.
MOST_PAGES = 10_000
# Characters of a description in which channels are named, and of a channel's name.
_MOST_DESCRIBED, _MOST_NAME = 2**20, 40

# What Pillow raises on broken files. Warnings are here for callers who make them errors.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    LookupError,
    TypeError,
    ArithmeticError,
    Warning,
)

# Kinds of which one file may hold several. Of a photo of a phone, what comes second is its own.
_SEVERAL = ("TIFF", "GIF", "WEBP", "PNG")
# TIFF 6.0: what a page is, by bits: a smaller copy of another one, or its transparency.
_KIND, _NO_PAGE = 254, 0b101
_DESCRIPTION = 270


def pages_of(image: Image.Image, file: BinaryIO) -> list[int]:
    """Return which pages of an opened image are pictures of their own, counted from 0.

    Thumbnails and transparency in a TIFF are none.

    Args:
        image: at its first page, where it stays.
        file: what it was opened from.
    """
    if image.format not in _SEVERAL or not getattr(image, "is_animated", False):
        return [0]
    if image.format != "TIFF":
        return list(range(getattr(image, "n_frames", 1)))
    found = []
    # Opened once more: after a broken page, Pillow does not go back to the first.
    with Image.open(file, formats=("TIFF",)) as turned:
        for page in range(MOST_PAGES):
            try:
                turned.seek(page)
            except BROKEN:
                break
            if not turned.tag_v2.get(_KIND, 0) & _NO_PAGE:  # type: ignore[attr-defined]
                found.append(page)
    return found or [0]


def frames_of_picture(file: BinaryIO, formats: tuple[str, ...]) -> Frames | None:
    """Return the frames of a picture file that has several; None of one, or where it is broken."""
    try:
        with Image.open(file, formats=formats) as image:
            pages = pages_of(image, file)
            if len(pages) < 2:
                return None
            return Frames(len(pages), _channels(image, len(pages)))
    except (*BROKEN, MemoryError, Image.DecompressionBombError):
        return None


def _channels(image: Image.Image, pages: int) -> tuple[str, ...]:
    """Return the names of an OME-TIFF's channels where each page is one; () where not.

    Source: OME-TIFF, the description of the first page is OME-XML.
    """
    tags = getattr(image, "tag_v2", {})
    text = tags.get(_DESCRIPTION, "")
    if not isinstance(text, str) or "<OME" not in text or len(text) > _MOST_DESCRIBED:
        return ()
    try:
        root = ET.fromstring(text.strip("\0 \n"))  # noqa: S314  # no entities
    except (ET.ParseError, ValueError):
        return ()
    stacks = root.findall(".//{*}Pixels")
    if len(stacks) != 1:
        return ()
    names = [_plain(each.get("Name") or "") for each in stacks[0].findall("{*}Channel")]
    return tuple(names) if len(names) == pages and all(names) else ()


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:_MOST_NAME]
