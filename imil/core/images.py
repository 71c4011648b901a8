"""An image set: who is in it, originals on demand, and a working-size cache on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.core.disk import new_array
from imil.core.records import Pixels, Region, Sample, Split
from imil.core.windows import auto_bounds
from imil.errors import DataError


def to_uint8(pixels: Pixels) -> NDArray[np.uint8]:
    """Return the pixels at 8 bits: unchanged if they are, else in the window `auto`.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.

    Returns:
        The same shape, uint8. A constant 16-bit image becomes all zeros.
    """
    if pixels.dtype == np.uint8:
        return cast("NDArray[np.uint8]", pixels)
    low, high = auto_bounds(pixels)
    scaled = (pixels.astype(np.float32) - low) / max(high - low, 1e-6) * 255
    eight_bit: NDArray[np.uint8] = np.clip(np.round(scaled), 0, 255).astype(np.uint8)
    return eight_bit


def working_image(pixels: Pixels, *, size: int, channels: int) -> NDArray[np.uint8]:
    """Return the image at working size, as the classifier sees it.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
        size: side of the square result, px. The aspect ratio is not kept (our choice: padding
            would show the classifier the original's shape, cropping could lose the finding).
        channels: 1 or 3. Grey is repeated for 3; colour is not accepted for 1.

    Returns:
        (channels, size, size) uint8.
    """
    eight_bit = to_uint8(pixels)
    image = Image.fromarray(eight_bit)
    if image.mode == "RGB" and channels == 1:
        raise ValueError("a colour image in a grey set")
    if image.mode != "RGB" and channels == 3:
        image = image.convert("RGB")
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
    array = np.asarray(image)
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


class ImageSet:
    """The images of a study: samples in a fixed order, pixels read only when asked for.

    Args:
        name: for people; no patient data.
        classes: class names, in label order.
        samples: unique ids; labels index `classes`.
        read: from a sample id to its stored pixels.
        read_relevant: from a sample id to its reference region (True = relevant), or None where it
            has none. Only a simulated clinician may call it.
        read_reference_label: from a sample id to the class that is truly there, or None where
            nobody knows. Only a simulated clinician may call it.
        channels: 1 if every image is grey, else 3.
        mirrored: whether a left-right mirror image is as plausible as the original.
        numbered: whether ids say nothing to people, so that images are called by number.

    Raises:
        ValueError: on doubled ids or labels outside `classes`.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        samples: Sequence[Sample],
        *,
        read: Callable[[str], Pixels],
        read_relevant: Callable[[str], Region | None] | None = None,
        read_reference_label: Callable[[str], int | None] | None = None,
        channels: int = 3,
        mirrored: bool = False,
        numbered: bool = False,
    ) -> None:
        self.name = name
        self.classes = tuple(classes)
        self.samples = tuple(samples)
        self.channels = channels
        self.mirrored = mirrored
        self.numbered = numbered
        self._read = read
        self._read_relevant = read_relevant
        self._read_reference_label = read_reference_label
        self._position = {sample.sample_id: i for i, sample in enumerate(self.samples)}
        if len(self._position) != len(self.samples):
            raise ValueError("sample ids are not unique")
        if any(not 0 <= sample.label < len(self.classes) for sample in self.samples):
            raise ValueError("a label has no class")

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class indices in sample order."""
        return np.array([sample.label for sample in self.samples], np.int64)

    @cached_property
    def _patients(self) -> dict[str, int]:
        """Each patient's number, in the order of their first images."""
        known = dict.fromkeys(s.patient for s in self.samples if s.patient is not None)
        return {patient: number for number, patient in enumerate(known, start=1)}

    @cached_property
    def _rows(self) -> dict[Split, NDArray[np.int64]]:
        rows = {}
        for split in Split:
            rows[split] = np.array(
                [i for i, s in enumerate(self.samples) if s.split is split], np.int64
            )
            rows[split].flags.writeable = False  # one array for all who ask
        return rows

    def position(self, sample_id: str) -> int:
        """Return the row of a sample; DataError if the set has no such image."""
        try:
            return self._position[sample_id]
        except KeyError:
            raise DataError(
                f"There is no image “{sample_id}” in this study.",
                why=f"“{self.name}” has {len(self)} images, and none of that name.",
                fix="Pick an image from the gallery, or check the name's spelling.",
            ) from None

    def title(self, sample_id: str) -> str:
        """Return what people call an image: its number in the set, or its id where that is a name.

        DataError if the set has no such image.
        """
        position = self.position(sample_id)
        return f"Image {position + 1}" if self.numbered else sample_id

    def patient_title(self, sample_id: str) -> str | None:
        """Return what people call an image's patient, as `title`; None where unknown."""
        patient = self.sample(sample_id).patient
        if patient is None or not self.numbered:
            return patient
        return str(self._patients[patient])

    def sample(self, sample_id: str) -> Sample:
        """Return the sample of that id; DataError if the set has none."""
        return self.samples[self.position(sample_id)]

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Return the rows of a split, in sample order."""
        return self._rows[split]

    def original(self, sample_id: str) -> Pixels:
        """Return the stored pixels: (H, W) or (H, W, 3), uint8 or uint16."""
        self.position(sample_id)
        return self._read(sample_id)

    def reference_relevant(self, sample_id: str) -> Region | None:
        """Return the (H, W) reference region, True = relevant; None where the set has none.

        For the simulated clinician alone: no queue, arm or recommendation may call it.
        """
        self.position(sample_id)
        return None if self._read_relevant is None else self._read_relevant(sample_id)

    @property
    def has_reference_labels(self) -> bool:
        """Whether it is known which labels are wrong; see `reference_label`."""
        return self._read_reference_label is not None

    def reference_label(self, sample_id: str) -> int | None:
        """Return the class that is truly there; None where nobody knows.

        For the simulated clinician alone: no queue, arm or recommendation may call it.
        """
        self.position(sample_id)
        known = self._read_reference_label
        return None if known is None else known(sample_id)

    def one_against_rest(self, label: str) -> ImageSet:
        """Return the same images with two classes: not `label` (0) and `label` (1)."""
        if label not in self.classes:
            raise DataError(
                f"There is no class “{label}”.",
                why=f"The classes are {', '.join(self.classes)}.",
                fix="Name one of them as the positive label.",
            )
        positive = self.classes.index(label)
        samples = [replace(s, label=int(s.label == positive)) for s in self.samples]
        known = self._read_reference_label
        return ImageSet(
            self.name,
            (f"not {label}", label),
            samples,
            read=self._read,
            read_relevant=self._read_relevant,
            read_reference_label=None if known is None else partial(_one, known, positive),
            channels=self.channels,
            mirrored=self.mirrored,
            numbered=self.numbered,
        )


def _one(known: Callable[[str], int | None], positive: int, sample_id: str) -> int | None:
    label = known(sample_id)
    return None if label is None else int(label == positive)


def write_cache(images: ImageSet, path: Path, *, size: int) -> Iterator[int]:
    """Write the working-size images to `path` (.npy), yielding how many are done.

    The file appears under its name only when complete; a complete one is kept and nothing is read.
    Its shape is (N, C, size, size) uint8 in sample order.

    Raises:
        ComputeError: the disk has no room for it.
    """
    if path.exists():
        yield len(images)
        return
    shape = (len(images), images.channels, size, size)
    with new_array(path, np.uint8, shape, what="The working images") as cache:
        for row, sample in enumerate(images.samples):
            pixels = images.original(sample.sample_id)
            cache[row] = working_image(pixels, size=size, channels=images.channels)
            yield row + 1


def open_cache(path: Path) -> NDArray[np.uint8]:
    """Return the cached working images, (N, C, S, S) uint8, read from disk as they are used."""
    return cast("NDArray[np.uint8]", np.load(path, mmap_mode="r", allow_pickle=False))


def describe(images: ImageSet) -> dict[str, dict[str, int]]:
    """Return the number of images a split and class: {split: {class: n}}."""
    counts = {split.value: dict.fromkeys(images.classes, 0) for split in Split}
    for sample in images.samples:
        counts[sample.split.value][images.classes[sample.label]] += 1
    return counts
