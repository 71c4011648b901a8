"""Stored levels of a grey DICOM image as a radiologist would see them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from imil.core.records import Pixels

# Grey levels of 8 and of more bits.
TOP_8, TOP_16 = 255, 65_535


def grey_levels(raw: NDArray[Any], data: pydicom.Dataset, preset: int) -> Pixels:
    """Return levels as seen: rescaled, through a window, and bright where they are bright.

    Args:
        raw: (H, W) stored levels, whole numbers.
        data: the file, with the rescaling and the window of the frame.
        preset: which of its views, counted from 1 (the last one if it has fewer); 0 takes none.

    Returns:
        (H, W) uint8 of up to 8 bits, uint16 of more (signed levels are raised by 32,768).
    """
    levels = _without_padding(apply_modality_lut(raw, data), raw, data)
    top = TOP_8 if int(data.BitsStored) <= 8 else TOP_16
    seen = _view(levels, data, preset)
    shown = whole_levels(levels, top) if seen is None else np.round(seen * top)
    fits = TOP_8 if top == TOP_8 and shown.max(initial=0) <= TOP_8 else TOP_16
    if str(data.PhotometricInterpretation) == "MONOCHROME1":
        # Without a view, levels of 12 bits turn about the largest of 12.
        largest = 2 ** int(data.BitsStored) - 1 if seen is None and _plain(data) else fits
        shown = np.clip(largest - shown, 0, None)
    return shown.astype(np.uint8) if fits == TOP_8 else shown.astype(np.uint16)


def _without_padding(
    levels: NDArray[Any], raw: NDArray[Any], data: pydicom.Dataset
) -> NDArray[Any]:
    """Return levels with those of padding as dark as the darkest of the image itself.

    Padding fills what the scanner did not see, with a level that is no measurement: of a CT often
    far below air, so that all tissue would be of one grey (C.7.5.1.1.2).
    """
    value = data.get("PixelPaddingValue")
    if value is None or value == "":
        return levels
    other = data.get("PixelPaddingRangeLimit")
    ends = [int(value), int(value if other in (None, "") else other)]
    # Some programs write a negative one as the unsigned number of the same bits.
    low, high = sorted(int(np.array(end).astype(raw.dtype)) for end in ends)
    padded = (raw >= low) & (raw <= high)
    if not padded.any() or padded.all():
        return levels
    seen = levels[~padded]
    bright = str(data.PhotometricInterpretation) == "MONOCHROME1"
    return np.where(padded, seen.max() if bright else seen.min(), levels)


def _plain(data: pydicom.Dataset) -> bool:
    """Return whether levels are as stored: unsigned and not rescaled."""
    slope, intercept = data.get("RescaleSlope") or 1, data.get("RescaleIntercept") or 0
    rescaled = "ModalityLUTSequence" in data or (float(slope), float(intercept)) != (1, 0)
    return not rescaled and not int(data.PixelRepresentation)


def whole_levels(levels: NDArray[Any], top: int) -> NDArray[np.float64]:
    """Return levels in 0 to 65,535: as they are, raised by 32,768, or spread over the range.

    Args:
        levels: finite numbers, one or more.
        top: the highest level that stays as it is: `TOP_8` or `TOP_16`.
    """
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
