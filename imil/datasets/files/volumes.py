"""Slices of NIfTI volumes: the header first, then one slice alone."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imil.core.records import Pixels
from imil.datasets.files.dicom import RefusedError
from imil.datasets.files.levels import TOP_8, TOP_16, whole_levels
from imil.datasets.files.pixels import MAX_IMAGE_PIXELS
from imil.datasets.layout.decisions.frames import Frames
from imil.errors import how_to_install

# Bytes of a volume's voxels, unpacked: a whole body of 512 × 512 × 1,500 in 16 bits has 0.75 GB.
MAX_VOLUME_BYTES = 2**30
# Bytes between the header and the voxels; notes of programs lie there, and are not read.
_MOST_NOTES = 2**24
# Bytes of the headers of NIfTI-1 and NIfTI-2, which are also their first number.
_SIZES = {1: 348, 2: 540}
_GZIPPED = b"\x1f\x8b"
_DAMAGED = "The file is damaged or ends too early."


@dataclass(frozen=True, slots=True, eq=False)
class _Volume:
    """What a header says.

    Attributes:
        shape: voxels along each axis of the file.
        axes: which axis of the file goes to the right, forward and up, and 1 or -1 where it goes
            there or back.
        stored: type, offset in bytes, slope and intercept of the voxels.
    """

    shape: tuple[int, int, int]
    axes: tuple[tuple[int, int], ...]
    stored: tuple[np.dtype[Any], int, float, float]

    @property
    def slices(self) -> int:
        """How many axial slices there are."""
        return self.shape[self.axes[2][0]]


def is_volume(name: str) -> bool:
    """Return whether a file is a NIfTI volume by its name."""
    return name.lower().endswith((".nii", ".nii.gz"))


def volume_frames(head: bytes) -> Frames:
    """Return the axial slices of a volume as frames, or why it can't be read.

    Args:
        head: the first bytes of the file, 4,096 where it has so many.
    """
    try:
        return Frames(_header(head).slices)
    except RefusedError as reason:
        return Frames(0, refused=str(reason))


def read_slice(path: Path, number: int) -> Pixels:
    """Return an axial slice of a NIfTI volume, as a radiologist sees it.

    Front is above, and the patient's right on the left. Levels are scaled as those of a DICOM file
    without a window, see `imil.datasets.files.levels`; what is no number is as dark as the darkest
    of the rest. The file is unpacked up to the slice, a piece at a time.

    Args:
        path: the file.
        number: of the slice, counted from 1 at the feet.

    Returns:
        (H, W) uint8 or uint16.

    Raises:
        RefusedError: nibabel is not installed; the file is no single volume, too large, damaged, or
            has no such slice.

    Source: NIfTI-1, https://nifti.nimh.nih.gov/nifti-1.
    """
    with path.open("rb") as file:
        volume = _header(file.read(4096))
    if not 1 <= number <= volume.slices:
        raise RefusedError(f"It has {volume.slices} slices, and no slice {number}.")
    try:
        levels = _seen(_plane(path, volume, number), volume)
    except (MemoryError, RefusedError):
        raise
    except Exception as cause:  # a damaged file makes nibabel raise almost anything
        raise RefusedError(_DAMAGED) from cause
    kind, _, *scale = volume.stored
    top = TOP_8 if kind == np.uint8 and scale == [1, 0] else TOP_16
    whole = whole_levels(levels, top)
    return whole.astype(np.uint8) if top == TOP_8 else whole.astype(np.uint16)


def _header(head: bytes) -> _Volume:
    """Return what the first bytes of a file say; RefusedError where it can't be read."""
    try:
        import nibabel  # noqa: PLC0415  # an extra, see pyproject.toml
    except ImportError as cause:
        raise RefusedError(
            f"Reading NIfTI needs nibabel, which is not installed. {how_to_install('nifti')}"
        ) from cause
    try:
        if head.startswith(_GZIPPED):
            head = zlib.decompressobj(wbits=31).decompress(head, _SIZES[2])
        kind = _kind(head)
        if kind is None:
            found = None
        else:
            parsed = getattr(nibabel, f"Nifti{kind}Header")(head[: _SIZES[kind]], check=False)
            found = _checked(parsed, nibabel.io_orientation)
    except RefusedError:
        raise
    except Exception as cause:  # a damaged header makes nibabel raise almost anything
        raise RefusedError(_DAMAGED) from cause
    if found is None:
        raise RefusedError(
            "It does not begin as a NIfTI file does, or its voxels lie in another file (.img)."
        )
    return found


def _kind(head: bytes) -> int | None:
    """Return whether a header is of NIfTI-1 or 2, by its first number and mark; None of others."""
    sizes = {int.from_bytes(head[:4], order) for order in ("little", "big")}
    if _SIZES[1] in sizes and head[344:348] == b"n+1\0":
        return 1
    return 2 if _SIZES[2] in sizes and head[4:8] == b"n+2\0" else None


def _checked(header: Any, orientation: Any) -> _Volume:
    """Return what a header says, where that is one volume within bounds."""
    shape = tuple(int(side) for side in header.get_data_shape())
    kind = header.get_data_dtype()
    if not shape or min(shape) < 1:
        raise RefusedError(_DAMAGED)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    told = " × ".join(map(str, shape))
    if len(shape) > 3:
        raise RefusedError(
            f"It is a series of volumes ({told}), and one volume is read: save the one that you "
            "mean as a file of its own."
        )
    if kind.names is not None or kind.kind not in "iuf":
        raise RefusedError(
            "Its voxels are colours or complex numbers, and grey levels are read: save it with "
            "one number a voxel."
        )
    if prod(shape) * kind.itemsize > MAX_VOLUME_BYTES:
        raise RefusedError(
            f"It has {told} voxels, and more than {MAX_VOLUME_BYTES // 2**30} GB are not opened: "
            "cut it, or save it with fewer voxels."
        )
    first, second, third = (*shape, 1, 1, 1)[:3]
    sides = (first, second, third)
    axes = _axes(orientation(header.get_best_affine()))
    if prod(sides) // sides[axes[2][0]] > MAX_IMAGE_PIXELS:
        raise RefusedError(
            f"It has {told} voxels, and a slice of more than {MAX_IMAGE_PIXELS // 10**6} million "
            "is not opened: save it with fewer voxels."
        )
    offset = float(header["vox_offset"]) or _SIZES[1] + 4
    if not _SIZES[1] <= offset <= _MOST_NOTES:
        raise RefusedError(_DAMAGED)
    slope, intercept = header.get_slope_inter()
    scale = (1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))
    return _Volume(sides, axes, (kind, int(offset), *scale))


def _axes(found: NDArray[Any]) -> tuple[tuple[int, int], ...]:
    """Return the file's axis to the right, forward and up, and its sense; as it lies if unknown."""
    if not np.isfinite(found).all():
        return ((0, 1), (1, 1), (2, 1))
    by_target = {int(target): (axis, int(sense)) for axis, (target, sense) in enumerate(found)}
    return tuple(by_target[target] for target in range(3))


def _plane(path: Path, volume: _Volume, number: int) -> NDArray[np.float64]:
    """Return the rescaled levels of a slice, its two axes in the order of the file."""
    from nibabel.arrayproxy import ArrayProxy  # noqa: PLC0415  # an extra, see pyproject.toml

    axis, sense = volume.axes[2]
    at = number - 1 if sense == 1 else volume.slices - number
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIPPED
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) if packed else raw as file:
            proxied: Any = ArrayProxy  # which has no types
            proxy = proxied(file, (volume.shape, *volume.stored), mmap=False)
            index = tuple(at if each == axis else slice(None) for each in range(3))
            return np.asarray(proxy[index], np.float64)


def _seen(plane: NDArray[np.float64], volume: _Volume) -> NDArray[np.float64]:
    """Return a slice with the front above and the patient's right on the left, all finite."""
    (across, to_right), (along, to_front), _ = volume.axes
    if across < along:
        plane = plane.T
    if to_front == 1:
        plane = plane[::-1]
    if to_right == 1:
        plane = plane[:, ::-1]
    known = np.isfinite(plane)
    if not known.any():
        raise RefusedError("None of the slice's voxels is a number.")
    return np.where(known, plane, plane[known].min())
