"""The files that a segment is trained on and asked with, as they lie beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imil.core.disk import full_disk, new_array
from imil.core.evaluation.probe import Probe
from imil.core.records import Region, Split
from imil.storage.local import write_atomic

SPLIT_CODES = (Split.TRAIN, Split.VALIDATION, Split.TEST)
# Written for a label where an image is left out.
_EXCLUDED = -1
# Arrays of a saved probe, and those of what it was answered that have no name of an explainer.
PROBE_ARRAYS = ("rows", "donors", "regions", "explained", "contrasted", "same", "other")
ANSWER_ARRAYS = ("swapped", "same", "other")


def write_samples(path: Path, labels: NDArray[np.int64], splits: tuple[Split, ...]) -> None:
    """Save every image's label and split, in the order of the cache."""
    codes = [SPLIT_CODES.index(split) for split in splits]
    write_array(path, np.stack([labels, np.array(codes, np.int64)]))


@dataclass(frozen=True, slots=True, eq=False)
class MaskedImages:
    """The masks of one arm at working size.

    Attributes:
        edited: from the row of a masked image to its blacked-out copy, (C, S, S) uint8.
        masks: from the same rows to the irrelevant region, (S, S).
        predicted: (N, S, S), the predicted irrelevant region of every image; None without.
    """

    edited: Mapping[int, NDArray[np.uint8]]
    masks: Mapping[int, Region]
    predicted: NDArray[np.bool_] | None = None


def write_masked(path: Path, masked: MaskedImages) -> None:
    """Save the masks of one arm; complete once `rows.npy` is there."""
    rows = sorted(masked.edited)
    # An arm may be given none of the masks that were painted: those of another queue.
    edited = [masked.edited[row] for row in rows] or np.zeros((0, 1, 1, 1), np.uint8)
    masks = [masked.masks[row] for row in rows] or np.zeros((0, 1, 1), np.bool_)
    write_array(path / "images.npy", np.asarray(edited))
    write_array(path / "masks.npy", np.asarray(masks))
    if masked.predicted is not None:
        write_array(path / "predicted.npy", masked.predicted)
    write_array(path / "rows.npy", np.array(rows, np.int64))


def read_masked(path: Path) -> MaskedImages:
    """Return what `write_masked` saved; the predicted regions are read from disk as used."""
    rows, images, masks = (
        np.load(path / f"{name}.npy", allow_pickle=False) for name in ("rows", "images", "masks")
    )
    predicted = path / "predicted.npy"
    return MaskedImages(
        dict(zip(rows.tolist(), images, strict=True)),
        dict(zip(rows.tolist(), masks, strict=True)),
        np.load(predicted, mmap_mode="r", allow_pickle=False) if predicted.exists() else None,
    )


def write_triage(path: Path, triage: Mapping[int, int | None]) -> None:
    """Save which rows carry another label, or are left out (None)."""
    labels = [_EXCLUDED if label is None else label for label in triage.values()]
    write_array(path, np.array([list(triage), labels], np.int64))


def read_triage(path: Path) -> dict[int, int | None]:
    """Return what `write_triage` saved."""
    rows, labels = np.load(path, allow_pickle=False).tolist()
    return {
        row: None if label == _EXCLUDED else label for row, label in zip(rows, labels, strict=True)
    }


def write_probe(path: Path, probe: Probe) -> None:
    """Save what every arm of a comparison is asked, as an `.npz` file."""
    write_arrays(path, {name: getattr(probe, name) for name in PROBE_ARRAYS})


def read_probe(path: Path) -> Probe:
    """Return what `write_probe` saved."""
    with np.load(path, allow_pickle=False) as saved:
        return Probe(**{name: saved[name] for name in PROBE_ARRAYS})


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Save arrays by name as an `.npz` file, whole or not at all.

    Raises:
        ComputeError: the disk is full, or can't be written to.
    """
    sink = io.BytesIO()
    np.savez_compressed(sink, **arrays)  # type: ignore[arg-type]  # arrays by name
    with full_disk(f"“{path.name}”"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, sink.getvalue())


def write_array(path: Path, array: NDArray[np.generic], *, what: str | None = None) -> None:
    """Save an array so that a kill leaves the old or the new file, whole.

    Args:
        path: of the file.
        array: what to save.
        what: names it for people; the file's name if None.

    Raises:
        ComputeError: the disk is full, or can't be written to.
    """
    with new_array(path, array.dtype, array.shape, what=what or f"“{path.name}”") as kept:
        kept[...] = array
