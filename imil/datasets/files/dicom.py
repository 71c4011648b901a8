"""One DICOM file into pixels as a radiologist would see them, and ids that name nobody."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

from imil.core.records import Pixels
from imil.datasets.files.levels import grey_levels
from imil.datasets.files.pixels import MAX_IMAGE_PIXELS
from imil.datasets.layout.words import is_nobody

# Where the four letters stand that DICOM files carry, after a preamble.
MARK_AT, _MARK = 128, b"DICM"
# Older archives leave both out: such a file begins with its first element, of one of these groups.
_FIRST_GROUPS = {2, 8}
# Tag, kind and length of that element, without a value, and the tag of the next: bytes.
_SHORTEST = 12
# Kinds of values whose length takes two bytes, where kinds are written.
_SHORT_KINDS = {kind.value.encode() for kind in STANDARD_VR - EXPLICIT_VR_LENGTH_32}
# Why a file that begins in neither way is not read.
NO_HEADER = "It does not begin as a DICOM file does."
# How such files are named, if they have a suffix at all.
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
# Of the hashes that patients and studies are known by, bytes.
_ID_BYTES = 8

# What carries pixels or none, and is no picture.
_NO_PICTURE = {
    "SEG": "It is a segmentation, not an image.",
    "RTDOSE": "It is a dose grid, not an image.",
    "RTPLAN": "It is a radiotherapy plan, not an image.",
    "RTSTRUCT": "It is a set of contours, not an image.",
    "SR": "It is a report, not an image.",
    "ECG": "It is an ECG, not an image.",
    "PR": "It says how to show images, and is none itself.",
    "KO": "It is a list of images, and none itself.",
}
# What the functional groups of a file with several frames say of each, by their sequences.
_OF_FRAMES = {
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction"),
}
_GREY = ("MONOCHROME1", "MONOCHROME2")
_DIRECTORY = "1.2.840.10008.1.3.10"
DIRECTORY = "It is the directory of a disc, not an image."
# How pixels are stored that are not compressed, by whether kinds of values are left out, and
# whether the last byte of a number comes first.
_SYNTAXES = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}


class RefusedError(Exception):
    """A file that is not read; its text is the reason, in one sentence, without the file's name."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        patient: a hash of the PatientID; None where it is empty or names nobody, as “unknown”.
        study: a hash of the StudyInstanceUID; None where it is empty.
        uid: the SOPInstanceUID, which a table may name; "" where it is empty.
        annotated: whether it says that text is burnt into its pixels.
        no_picture: why it is no picture, as far as it says so itself; "" for a picture.
        frames: how many pictures it holds.
    """

    patient: str | None
    study: str | None
    uid: str
    annotated: bool
    no_picture: str = ""
    frames: int = 1


def is_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM does, whatever it is called."""
    try:
        with path.open("rb") as file:
            return begins_as_dicom(file.read(MARK_AT + len(_MARK)))
    except OSError:
        return False


def begins_as_dicom(head: bytes) -> bool:
    """Return whether a file's first bytes carry DICOM's mark, or are two elements without it."""
    if head[MARK_AT : MARK_AT + len(_MARK)] == _MARK:
        return True
    return any(_begins_with_elements(head, order) for order in "<>")


def _begins_with_elements(head: bytes, order: str) -> bool:
    """Return whether bytes begin with an element and the tag of the next, in rising order.

    Args:
        head: the bytes.
        order: of those of a number, as in `struct`.
    """
    if len(head) < _SHORTEST:
        return False
    at, number = (6, "H") if head[4:6] in _SHORT_KINDS else (4, "I")
    (length,) = struct.unpack_from(order + number, head, at)
    if length > len(head) - _SHORTEST:
        return False
    first, second = (struct.unpack_from(f"{order}HH", head, at) for at in (0, 8 + length))
    return first < second and {first[0], second[0]} <= _FIRST_GROUPS


def hashed(value: str, salt: str) -> str:
    """Return 16 hex digits in place of an id; equal for equal ids and salts."""
    digest = hashlib.blake2b(value.encode(), key=salt.encode()[:64], digest_size=_ID_BYTES)
    return digest.hexdigest()


def read_header(path: Path, *, salt: str) -> Header:
    """Return what a file says of itself, without its pixels.

    Raises:
        RefusedError: it is no DICOM file.
    """
    return _header(_opened(path, pixels=False), salt)


def read_dicom(path: Path, *, frame: int = 1, preset: int = 1) -> Pixels:
    """Return the pixels of a DICOM image.

    Rescaling (Modality LUT) and then the file's own view (VOI LUT, else its window) are applied at
    full depth; without a view the rescaled levels are kept as they are. MONOCHROME1 is inverted,
    so that bright is bright. Padding is as dark as the darkest of the rest. Overlays that are
    stored apart are not drawn.

    Args:
        path: the file.
        frame: which one of several, counted from 1.
        preset: which of the file's views, counted from 1 (the last one if it has fewer); 0 takes
            none, and so keeps every level.

    Returns:
        (H, W) uint8 for grey of up to 8 bits, uint16 of more (signed levels are raised by 32,768);
        (H, W, 3) uint8 for colour.

    Raises:
        RefusedError: it is no DICOM file or no image, of more than 16 bits, has no such frame, is
            too large, or compressed in a way that is not read. Where a file is damaged, pydicom
            raises almost anything else.

    Source: DICOM PS3.3, C.7.6.3 (pixels), C.7.6.16 (groups of frames), C.11.1 (Modality LUT),
        C.11.2 (VOI LUT), C.7.5.1.1.2 (padding).
    """
    data = _opened(path, pixels=True)
    _require_picture(data)
    index = _index(frame, _frames(data))
    try:
        # Decoded to RGB where it is YBR; one frame of several only.
        raw = pixel_array(data, index=index)
    except RuntimeError as cause:
        name = UID(data.file_meta.TransferSyntaxUID).name
        raise RefusedError(f"Its pixels can't be decoded here ({name}).") from cause
    kind = str(data.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        return _colour(apply_color_lut(raw, _with_tables(data)), 16 if _deep_palette(data) else 8)
    if kind not in _GREY:
        return _colour(raw, int(data.BitsStored))
    return grey_levels(raw, _of_frame(data, index), preset)


def _opened(path: Path, *, pixels: bool) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except InvalidDicomError as cause:
        if not is_dicom(path):
            raise RefusedError(NO_HEADER) from cause
    data = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
    stored = data.get_item("PixelData")
    if "TransferSyntaxUID" not in data.file_meta and (stored is None or not _packed(stored)):
        # What is not compressed says by its elements how it is stored.
        implicit, little = data.original_encoding
        data.file_meta.TransferSyntaxUID = _SYNTAXES[bool(implicit), bool(little)]
    return data


def _packed(pixels: Any) -> bool:
    """Return whether pixels are compressed: only then their length is not written."""
    return (
        bool(pixels.length == 0xFFFFFFFF)
        if isinstance(pixels, RawDataElement)
        else bool(pixels.is_undefined_length)
    )


def _header(data: pydicom.Dataset, salt: str) -> Header:
    def known(name: str) -> str | None:
        value = str(data.get(name) or "").strip()
        return None if is_nobody(value) else hashed(value, salt)

    return Header(
        patient=known("PatientID"),
        study=known("StudyInstanceUID"),
        uid=str(data.get("SOPInstanceUID") or "").strip(),
        annotated=str(data.get("BurnedInAnnotation") or "").strip().upper() == "YES",
        no_picture=_no_picture(data),
        frames=_frames(data),
    )


def _no_picture(data: pydicom.Dataset) -> str:
    """Say why a file is no picture, as far as it says so itself; "" for a picture."""
    if str(data.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
        return DIRECTORY
    return _NO_PICTURE.get(str(data.get("Modality") or ""), "")


def _require_picture(data: pydicom.Dataset) -> None:
    """Refuse what is no picture, or too large or deep for one, before any pixel is decoded."""
    if reason := _no_picture(data):
        raise RefusedError(reason)
    if "FloatPixelData" in data or "DoubleFloatPixelData" in data:
        raise RefusedError("Its pixels are floating-point numbers, not grey levels.")
    if "PixelData" not in data:
        raise RefusedError("It has no pixels.")
    if "TransferSyntaxUID" not in data.file_meta:
        raise RefusedError("It does not say how its pixels are stored (no transfer syntax).")
    if int(data.BitsAllocated) > 16:
        raise RefusedError(f"It has {int(data.BitsAllocated)} bits a pixel, and 8 to 16 are read.")
    if int(data.Rows) * int(data.Columns) > MAX_IMAGE_PIXELS:
        raise RefusedError(
            f"It has {int(data.Columns)} × {int(data.Rows)} pixels, and more than "
            f"{MAX_IMAGE_PIXELS // 10**6} million are not opened."
        )


def _frames(data: pydicom.Dataset) -> int:
    return max(1, int(data.get("NumberOfFrames") or 1))


def _index(frame: int, frames: int) -> int:
    if not 1 <= frame <= frames:
        has = "1 frame" if frames == 1 else f"{frames} frames"
        raise RefusedError(f"It has {has}, and no frame {frame}.")
    return frame - 1


def _of_frame(data: pydicom.Dataset, index: int) -> pydicom.Dataset:
    """Return the file with the rescaling and the window of its frame `index`, from 0.

    Enhanced files keep them in functional groups: those of all frames, and before them the frame's
    own (C.7.6.16.2.9 and C.7.6.16.2.10).
    """
    shared = list(data.get("SharedFunctionalGroupsSequence") or ())
    own = list(data.get("PerFrameFunctionalGroupsSequence") or ())[index : index + 1]
    for group in (*shared, *own):
        for sequence, names in _OF_FRAMES.items():
            for item in group.get(sequence) or ():
                for name in names:
                    if name in item:
                        data[name] = item[name]
    return data


def _colour(raw: NDArray[Any], bits: int) -> Pixels:
    eight: NDArray[np.uint8] = (raw >> max(0, bits - 8)).astype(np.uint8)
    return eight


def _with_tables(data: pydicom.Dataset) -> pydicom.Dataset:
    """Return the file with its palette's tables as pydicom takes them to be (C.7.6.3.1.6).

    It reads words of big-endian files in the other order, and takes the byte that fills up an odd
    number of bytes for an entry.
    """
    little = UID(data.file_meta.TransferSyntaxUID).is_little_endian
    for colour in ("Red", "Green", "Blue"):
        entries = data[f"{colour}PaletteColorLookupTableDescriptor"][0] or 2**16
        table = data.get_item(f"{colour}PaletteColorLookupTableData")
        if table is None:
            continue
        table = data[table.tag]
        if not little and table.VR == "OW":
            table.value = np.frombuffer(table.value, ">u2").astype("<u2").tobytes()
        if len(table.value) == entries + 1:
            table.value = table.value[:entries]
    return data


def _deep_palette(data: pydicom.Dataset) -> bool:
    return int(data.RedPaletteColorLookupTableDescriptor[2]) > 8
