"""One DICOM file into pixels as a radiologist would see them, and ids that name nobody."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from imil.core.records import Pixels
from imil.datasets.files.pixels import MAX_IMAGE_PIXELS

# Where the four letters stand that every DICOM file carries.
MARK_AT, _MARK = 128, b"DICM"
# Why a file without them is not read.
NO_HEADER = "It has no DICOM file header, which says how its pixels are stored."
# How such files are named, if they have a suffix at all.
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
# Of the hashes that patients and studies are known by, bytes.
_ID_BYTES = 8
# Grey levels of 8 and of more bits.
TOP_8, TOP_16 = 255, 65_535

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


class RefusedError(Exception):
    """A file that is not read; its text is the reason, in one sentence, without the file's name."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        patient: a hash of the PatientID; None where it is empty.
        study: a hash of the StudyInstanceUID; None where it is empty.
        uid: the SOPInstanceUID, which a table may name; "" where it is empty.
        annotated: whether it says that text is burnt into its pixels.
    """

    patient: str | None
    study: str | None
    uid: str
    annotated: bool


def is_dicom(path: Path) -> bool:
    """Return whether a file carries DICOM's mark, whatever it is called."""
    try:
        with path.open("rb") as file:
            return is_marked(file.read(MARK_AT + len(_MARK)))
    except OSError:
        return False


def is_marked(head: bytes) -> bool:
    """Return whether a file's first bytes carry DICOM's mark."""
    return head[MARK_AT : MARK_AT + len(_MARK)] == _MARK


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


def read_dicom(path: Path, *, frame: int | None = None, preset: int = 1) -> Pixels:
    """Return the pixels of a DICOM image.

    Rescaling (Modality LUT) and then the file's own view (VOI LUT, else its window) are applied at
    full depth; without a view the rescaled levels are kept as they are. MONOCHROME1 is inverted,
    so that bright is bright. Overlays that are stored apart are not drawn.

    Args:
        path: the file.
        frame: which one of several, counted from 1; a file with several needs it.
        preset: which of the file's views, counted from 1 (the last one if it has fewer); 0 takes
            none, and so keeps every level.

    Returns:
        (H, W) uint8 for grey of up to 8 bits, uint16 of more (signed levels are raised by 32,768);
        (H, W, 3) uint8 for colour.

    Raises:
        RefusedError: it is no DICOM file or no image, of more than 16 bits, of several frames with
            none picked, too large, or compressed in a way that is not read. Where a file is
            damaged, pydicom raises almost anything else.

    Source: DICOM PS3.3, C.7.6.3 (pixels), C.7.6.16 (groups of frames), C.11.1 (Modality LUT),
        C.11.2 (VOI LUT).
    """
    data = _opened(path, pixels=True)
    _require_picture(data)
    frames = int(data.get("NumberOfFrames") or 1)
    index = _index(frame, frames)
    try:
        # Decoded to RGB where it is YBR; one frame of several only.
        raw = pixel_array(data, index=index)
    except RuntimeError as cause:
        name = UID(data.file_meta.TransferSyntaxUID).name
        raise RefusedError(f"Its pixels can't be decoded here ({name}).") from cause
    kind = str(data.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        return _colour(apply_color_lut(raw, data), 16 if _deep_palette(data) else 8)
    if kind not in _GREY:
        return _colour(raw, int(data.BitsStored))
    return _grey(raw, _of_frame(data, index), preset)


def _opened(path: Path, *, pixels: bool) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except InvalidDicomError as cause:
        raise RefusedError(NO_HEADER) from cause


def _header(data: pydicom.Dataset, salt: str) -> Header:
    def known(name: str) -> str | None:
        value = str(data.get(name) or "").strip()
        return hashed(value, salt) if value else None

    return Header(
        patient=known("PatientID"),
        study=known("StudyInstanceUID"),
        uid=str(data.get("SOPInstanceUID") or "").strip(),
        annotated=str(data.get("BurnedInAnnotation") or "").strip().upper() == "YES",
    )


def _require_picture(data: pydicom.Dataset) -> None:
    """Refuse what is no picture, or too large or deep for one, before any pixel is decoded."""
    reason = _NO_PICTURE.get(str(data.get("Modality") or ""))
    if str(data.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
        reason = "It is the directory of a disc, not an image."
    if reason is not None:
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


def _index(frame: int | None, frames: int) -> int:
    if frames > 1 and frame is None:
        raise RefusedError(
            f"It has {frames} frames: pick one, counted from 1, or name it in a column “frame”."
        )
    picked = 1 if frame is None else frame
    if not 1 <= picked <= frames:
        has = "1 frame" if frames == 1 else f"{frames} frames"
        raise RefusedError(f"It has {has}, and no frame {frame}.")
    return picked - 1


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


def _deep_palette(data: pydicom.Dataset) -> bool:
    return int(data.RedPaletteColorLookupTableDescriptor[2]) > 8


def _grey(raw: NDArray[Any], data: pydicom.Dataset, preset: int) -> Pixels:
    """Return levels as seen; `raw` is (H, W) of whole numbers."""
    levels = apply_modality_lut(raw, data)
    top = TOP_8 if int(data.BitsStored) <= 8 else TOP_16
    seen = _view(levels, data, preset)
    shown = _whole(levels, top) if seen is None else np.round(seen * top)
    fits = TOP_8 if top == TOP_8 and shown.max(initial=0) <= TOP_8 else TOP_16
    if str(data.PhotometricInterpretation) == "MONOCHROME1":
        # Without a view, levels of 12 bits turn about the largest of 12.
        largest = 2 ** int(data.BitsStored) - 1 if seen is None and _plain(data) else fits
        shown = np.clip(largest - shown, 0, None)
    return shown.astype(np.uint8) if fits == TOP_8 else shown.astype(np.uint16)


def _plain(data: pydicom.Dataset) -> bool:
    """Return whether levels are as stored: unsigned and not rescaled."""
    slope, intercept = data.get("RescaleSlope") or 1, data.get("RescaleIntercept") or 0
    rescaled = "ModalityLUTSequence" in data or (float(slope), float(intercept)) != (1, 0)
    return not rescaled and not int(data.PixelRepresentation)


def _whole(levels: NDArray[Any], top: int) -> NDArray[np.float64]:
    """Return levels in 0 to 65,535: as they are, raised by 32,768, or spread over the range."""
    exact = levels.astype(np.float64)
    low, high = float(exact.min()), float(exact.max())
    if bool((exact == np.round(exact)).all()):
        if low >= 0 and high <= top:
            return exact
        if low >= -(2**15) and high < 2**15:
            return exact + 2**15
        if low >= 0 and high <= TOP_16:
            return exact
    return np.round((exact - low) / max(high - low, 1e-12) * TOP_16)


def _view(levels: NDArray[Any], data: pydicom.Dataset, preset: int) -> NDArray[np.float64] | None:
    """Return the levels as the file wants them seen, 0-1; None where it says nothing."""
    tables = data.get("VOILUTSequence")
    if preset and tables:
        number = min(preset, len(tables)) - 1
        bits = int(tables[number].LUTDescriptor[2])
        # A table's rows are stored levels, so those are what it is given.
        looked_up = apply_voi(levels.astype(np.int64), data, index=number)
        return np.asarray(np.clip(looked_up.astype(np.float64) / (2**bits - 1), 0, 1))
    centres, widths = _numbers(data, "WindowCenter"), _numbers(data, "WindowWidth")
    if not preset or not centres or len(centres) != len(widths):
        return None
    number = min(preset, len(centres)) - 1
    kind = str(data.get("VOILUTFunction") or "LINEAR").strip()
    return _windowed(levels.astype(np.float64), centres[number], widths[number], kind)


def _numbers(data: pydicom.Dataset, name: str) -> list[float]:
    value = data.get(name)
    if value is None or value == "":
        return []
    return [float(each) for each in (value if isinstance(value, list | tuple) else _several(value))]


def _several(value: Any) -> list[Any]:
    # pydicom's own kind of list is no `list`.
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]


def _windowed(
    levels: NDArray[np.float64], centre: float, width: float, kind: str
) -> NDArray[np.float64] | None:
    """Return levels through a window, 0-1; None where the window has no width (C.11.2.1.2)."""
    if kind == "SIGMOID" and width > 0:
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (levels - centre) / width, -500, 500))))
    if kind == "LINEAR_EXACT" and width > 0:
        return np.asarray(np.clip((levels - centre) / width + 0.5, 0, 1))
    if width < 1:
        return None
    if width == 1:
        return np.asarray((levels > centre - 0.5).astype(np.float64))
    return np.asarray(np.clip((levels - (centre - 0.5)) / (width - 1) + 0.5, 0, 1))
