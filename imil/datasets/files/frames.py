"""Frames of files that are not DICOM: pages, channels, and slices of volumes."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from imil.core.records import Pixels
from imil.datasets.files.dicom import RefusedError
from imil.datasets.files.pages import frames_of_picture
from imil.datasets.files.pixels import FORMATS, PixelsError, read_pixels
from imil.datasets.files.volumes import is_volume, read_slice, volume_frames
from imil.datasets.layout.decisions.frames import Frames

# Bytes from which a volume's frames are told.
VOLUME_HEAD = 4096
_SEVERAL = (".tif", ".tiff", ".gif", ".webp")


def may_hold_frames(name: str) -> bool:
    """Return whether a file's name says that it may hold several frames."""
    return name.lower().endswith(_SEVERAL) or is_volume(name)


def frames_of(name: str, file: BinaryIO) -> Frames | None:
    """Return the frames of a volume, or of a picture file with several; None of one with one."""
    if is_volume(name):
        return volume_frames(file.read(VOLUME_HEAD))
    return frames_of_picture(file, FORMATS)


def frame_pixels(file: Path, number: int) -> Pixels:
    """Return a frame's pixels, counted from 1; RefusedError with the reason if it can't be read."""
    if is_volume(file.name):
        return read_slice(file, number)
    try:
        return read_pixels(file, frame=number)
    except PixelsError as error:
        raise RefusedError(error.why) from error
