"""The images in a `study.zip`: the list of them, and each that is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from imil.core.bounds import LONGEST_TEXT
from imil.core.records import Split
from imil.datasets.deidentify import numbered, pixel_id
from imil.datasets.files.pixels import MAX_IMAGE_PIXELS, PixelsError, read_pixels
from imil.datasets.listing import Entry, Listing, listing_from_json
from imil.datasets.reading.uploads import IMAGES_FOLDER
from imil.errors import StoreError
from imil.storage.base import Store
from imil.storage.records.studies import (
    StudyRecord,
    external_file,
    lost_listing,
)
from imil.study.comparison.external_sets import EXTERNAL_FOLDER
from imil.study.library.zips.checks.refusals import damage_told, require
from imil.synthetic.films import FilmSpec


def checked_listing(
    record: StudyRecord, content: bytes | None, folder: Path, *, salt: str | None = None
) -> Listing:
    """Return the list of a study's images, each of them looked at where it is there.

    Args:
        record: of the study.
        content: of the list; None where the zip has none.
        folder: of the images.
        salt: of their hashes; the study's if None.

    Raises:
        StoreError: there is no list, or it, or an image, is not what it can be.
    """
    if content is None:
        raise lost_listing(record.name)
    with damage_told():
        listing = listing_from_json(content.decode(), folder)
    _check_listing(listing)
    _check_images(listing, record.salt if salt is None else salt)
    return listing


def check_external(record: StudyRecord, state: Store, work: Path, classes: Sequence[str]) -> None:
    """Raise a StoreError if an external set's list, or an image of it, is not what it can be."""
    for each in record.external:
        folder = work / EXTERNAL_FOLDER / each.key / IMAGES_FOLDER
        content = state.read(external_file(record.study_id, each.key))
        listing = checked_listing(record, content, folder, salt=record.external_salt)
        with damage_told():
            require(listing.classes == tuple(classes) and listing.positive is None)
            require(len(listing.entries) == each.images)
            require(each.check.classes == tuple(classes))
            require(all(entry.split is Split.TEST for entry in listing.entries))


def sizes_of(record: StudyRecord, listing: Listing | None) -> Callable[[str], tuple[int, int]]:
    """Return what tells the (height, width) of an image; KeyError for one that is not listed."""
    if listing is None:
        side = FilmSpec(**record.source["films"]).size
        return lambda _: (side, side)
    return {entry.sample_id: (entry.height, entry.width) for entry in listing.entries}.__getitem__


def _check_listing(listing: Listing) -> None:
    ids = [entry.sample_id for entry in listing.entries]
    with damage_told():
        require(len(set(ids)) == len(ids) and all(ids))
        require(len(set(listing.classes)) == len(listing.classes))
        require(listing.positive is None or listing.positive in listing.classes)
        for entry in listing.entries:
            _check_entry(entry, listing.classes)


def _check_entry(entry: Entry, classes: Sequence[str]) -> None:
    require(entry.label in classes and entry.relevant_file is None)
    require(entry.width > 0 and entry.height > 0 and entry.width * entry.height <= MAX_IMAGE_PIXELS)
    texts = (entry.sample_id, entry.label, entry.patient or "", entry.group or "")
    require(all(len(each) <= LONGEST_TEXT for each in texts))


def _check_images(listing: Listing, salt: str) -> None:
    seen: Counter[str] = Counter()
    for entry in listing.entries:
        if not entry.file.exists():
            continue
        try:
            pixels = read_pixels(entry.file)
        except PixelsError as cause:
            raise _unreadable(entry.sample_id) from cause
        size, grey = pixels.shape[:2], pixels.ndim == 2  # (H, W) has no colour
        known = not salt or numbered(pixel_id(pixels, salt), seen) == entry.sample_id
        if size != (entry.height, entry.width) or grey != entry.grey or not known:
            raise _unreadable(entry.sample_id)


def _unreadable(sample_id: str) -> StoreError:
    """Return the error of an image in the zip that is not the listed one."""
    return StoreError(
        f"The image “{sample_id}” in this study.zip can't be used.",
        why="It can't be read, or is another image than the study's list names.",
        fix="Use an untouched copy of the zip, or export the study again.",
    )
