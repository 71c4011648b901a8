"""DICOM files made for tests: tiny, and with just the tags that a test is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def write_dicom(
    file: Path,
    pixels: NDArray[Any],
    *,
    bits: int | None = None,
    syntax: UID = ExplicitVRLittleEndian,
    **tags: Any,
) -> Path:
    """Write pixels, (H, W), (N, H, W) frames or (H, W, 3), uncompressed; `tags` by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = tags.get("SOPInstanceUID", generate_uid())
    meta.TransferSyntaxUID = syntax
    data = FileDataset(
        str(file),
        {},
        file_meta=meta,
        preamble=bytes(128),
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
    )
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Modality = "OT"
    data.Rows, data.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    if pixels.ndim == 3 and not colour:
        data.NumberOfFrames = len(pixels)
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    data.BitsAllocated = pixels.dtype.itemsize * 8
    data.BitsStored = bits or data.BitsAllocated
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    content = pixels.tobytes() + bytes(pixels.nbytes % 2)
    data.PixelData = content if syntax.is_little_endian else swapped(content)
    data["PixelData"].VR = "OW"
    for name, value in tags.items():
        setattr(data, name, value)
    file.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(file, enforce_file_format=True)
    return file


def swapped(content: bytes) -> bytes:
    """Return bytes as words of big-endian files, the two of each exchanged."""
    return np.frombuffer(content, "<u2").astype(">u2").tobytes()


def without_preamble(file: Path, *, meta: bool = False) -> Path:
    """Take the preamble and the mark off a file, and its file meta information unless `meta`."""
    content = file.read_bytes()[132:]
    # The first element is the length of the others.
    rest = 12 + int.from_bytes(content[8:12], "little")
    file.write_bytes(content if meta else content[rest:])
    return file


def lookup(table: list[int], *, first: int = 0, bits: int = 16) -> Dataset:
    """Return an item of a VOI or Modality LUT sequence."""
    item = Dataset()
    item.LUTDescriptor = [len(table), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = table
    item["LUTData"].VR = "US"
    return item
