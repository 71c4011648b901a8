"""A listing without names: images told apart by a salted hash of their pixels, patients by one too.

What a hospital calls its files and patients often names a person. From here on nothing knows it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from imil.core.duplicates import NearDuplicates
from imil.core.images import ImageSet
from imil.core.records import Pixels
from imil.datasets.listing import (
    BurntIn,
    Entry,
    ImportReport,
    Listing,
    Skipped,
    image_set,
    with_splits,
)

# Bytes of an image's hash: nobody finds two images of one hash, nor tries out all images.
_ID_BYTES = 16
# Bytes of a patient's hash: shown on the screen, and unique among millions.
PATIENT_BYTES = 6
# Of an image's file, whatever it was before.
SUFFIX = ".png"


# Evidence that quotes columns and patterns alone; any other note may quote a file's name.
_NAMELESS_NOTES = ("label: column", "patients: by column", "split: by column")


def pixel_id(pixels: Pixels, salt: str) -> str:
    """Return 32 hex digits: equal for equal pixels and salt, whatever file they came in.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16, as they are stored.
        salt: of the study; without it a list of ids can't be searched for a known image.
    """
    digest = hashlib.blake2b(digest_size=_ID_BYTES, key=salt.encode())
    digest.update(f"{pixels.dtype.name} {pixels.shape} ".encode())
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    digest.update(little.tobytes())
    return digest.hexdigest()


def patient_id(patient: str, salt: str) -> str:
    """Return 12 hex digits in place of a patient's id; equal for equal ids of a study."""
    key = salt.encode()
    return hashlib.blake2b(patient.encode(), digest_size=PATIENT_BYTES, key=key).hexdigest()


def deidentify_study(
    named: Listing,
    into: Path,
    *,
    salt: str,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Split the images of a study and write them again without names; see `deidentify`.

    Args:
        named: what was read.
        into: the folder for the images.
        salt: of the study.
        seed: of the splits that the data doesn't bring.
        on_progress: told (done, total) after each image.

    Raises:
        DataError: a class is too small or missing in a split, or ready splits share a patient.
    """
    named = with_splits(named, seed=seed)
    images, _ = image_set(named)
    return deidentify(named, images, into, salt=salt, on_progress=on_progress)


def deidentify(
    listing: Listing,
    images: ImageSet,
    into: Path,
    *,
    salt: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Write each image again from its pixels, and return the listing of what was written.

    One image at a time is in memory. Order, labels, splits and groups stay; patients are hashed.
    Reference masks and labels are left behind: they are for the simulated clinician, and a study
    without names has a real one.

    Args:
        listing: of named files, its splits made.
        images: the same images, to be read.
        into: the folder for the images; made if it isn't there.
        salt: of the study.
        on_progress: told (done, total) after each image.

    Returns:
        The listing, rooted at `into`. Images of equal pixels get "-2", "-3" and so on, in order.
    """
    into.mkdir(parents=True, exist_ok=True)
    seen: Counter[str] = Counter()
    ids: dict[str, str] = {}
    entries = []
    for done, entry in enumerate(listing.entries, start=1):
        pixels = images.original(entry.sample_id)
        sample_id = numbered(pixel_id(pixels, salt), seen)
        file = into / f"{sample_id}{SUFFIX}"
        write_pixels(file, pixels)
        ids[entry.sample_id] = sample_id
        entries.append(_renamed(entry, sample_id, file, salt))
        if on_progress is not None:
            on_progress(done, len(listing.entries))
    return replace(
        listing,
        root=into,
        entries=tuple(entries),
        report=_report(listing.report, ids),
        named=False,
    )


def write_pixels(file: Path, pixels: Pixels) -> None:
    """Write pixels as a PNG that holds nothing else, at their own depth.

    The file appears under its name only when it is complete.
    """
    unfinished = file.with_suffix(".part")
    # Level 1: films hardly get smaller by more, and a large one takes seconds.
    Image.fromarray(pixels).save(unfinished, "PNG", compress_level=1)
    unfinished.replace(file)


def numbered(own: str, seen: Counter[str]) -> str:
    """Return a hash as an id: the second image of equal pixels gets "-2"; `seen` is counted up."""
    seen[own] += 1
    return own if seen[own] == 1 else f"{own}-{seen[own]}"


def _renamed(entry: Entry, sample_id: str, file: Path, salt: str) -> Entry:
    return replace(
        entry,
        sample_id=sample_id,
        file=file,
        patient=None if entry.patient is None else patient_id(entry.patient, salt),
        relevant_file=None,
        reference_label=None,
        fingerprint=None,
    )


def _report(report: ImportReport, ids: dict[str, str]) -> ImportReport:
    """Return a report that names no file: what was skipped keeps its reason alone."""
    return replace(
        report,
        skipped=tuple(Skipped("", _unquoted(skip.reason)) for skip in report.skipped),
        notes=tuple(_unnamed(note) for note in report.notes),
        twins=None if report.twins is None else _renamed_twins(report.twins, ids),
        burnt_in=None if report.burnt_in is None else _renamed_burnt(report.burnt_in, ids),
    )


def _unquoted(sentence: str) -> str:
    """Return a sentence whose quoted words, which may be a file's name, are left out."""
    # A name may hold quotation marks itself, and a sentence that was cut has lost the last one.
    quoted = r"“.*$" if sentence.endswith("…") else r"“.*”"
    return re.sub(quoted, "“…”", sentence, flags=re.DOTALL)


def _unnamed(note: str) -> str:
    """Return a note without the names of files and folders that it quotes; columns stay."""
    return note if note.startswith(_NAMELESS_NOTES) else _unquoted(note)


def _renamed_burnt(found: BurntIn, ids: dict[str, str]) -> BurntIn:
    return replace(found, named=tuple(ids[name] for name in found.named))


def _renamed_twins(twins: NearDuplicates, ids: dict[str, str]) -> NearDuplicates:
    named = tuple((ids[one], ids[other]) for one, other in twins.named)
    return replace(twins, named=named)
