"""An image folder into a listing: what is taken, what is skipped, and why."""

from __future__ import annotations

import hashlib
import posixpath
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from imil.core.burnt_in import blacked_out, corner_text
from imil.core.duplicates import fingerprint
from imil.core.records import Split
from imil.datasets.blank import shows_nothing, without_blank
from imil.datasets.choices import Choices
from imil.datasets.files.pictures import PictureFiles, look_through, whose
from imil.datasets.files.pixels import HEAD, IMAGE_SUFFIXES, PixelsError, read_pixels
from imil.datasets.files.regions import region_file
from imil.datasets.files.tree import Findings, Tree, Tries, is_image, scan, stray, suffix_of
from imil.datasets.files.volumes import is_volume
from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import ImageFile, Reading, require_answered
from imil.datasets.layout.samples import MAX_BYTES, two_valued, why_blank
from imil.datasets.layout.words import SPLITS
from imil.datasets.listing import (
    BurntIn,
    Entry,
    ImportReport,
    Listing,
    Skipped,
    cut,
    require_disjoint,
    require_learnable,
)
from imil.datasets.reading.dicom import DicomReader
from imil.datasets.tables.sidecars import names_classes, read_sidecars, sidecars_among
from imil.datasets.tables.table import (
    Grid,
    file_of,
    is_other_table,
    is_table,
    is_text_table,
    looked_into,
    read_grids,
)
from imil.errors import DataError

# Where pictures made of DICOM files lie, below the folder's own root: hidden, so never listed.
MADE = Path(".made")

_LABEL_FIX = (
    "Put each class in its own folder, or add a table (CSV or .xlsx) with a column of file names "
    "and one of labels. Or say which column is which, as in --answer file=“column image”."
)


def read_folder(
    root: Path,
    *,
    name: str | None = None,
    positive: str | None = None,
    choices: Choices | None = None,
    made: Path = MADE,
    also_skipped: Sequence[Skipped] = (),
    unread: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Return the images of a folder, understood as `imil.datasets.layout` does.

    What is an image, a label, a split, a patient and a mask is told by folders, file names and
    tables, and may be answered by a person. Each image is decoded once, whole, so that a truncated
    one is met here and not in the middle of a training; one at a time is held in memory. DICOM
    files are decoded by a process of its own into pictures; patients that they name are hashed,
    with a salt that is forgotten.

    Args:
        root: the folder.
        name: for people; the folder's name if None.
        positive: the task is this label against the rest.
        choices: answers, a table; all is told from the data if None.
        made: folder for pictures made of DICOM files; a relative one lies below the root.
        also_skipped: what was skipped before, while unpacking; put first in the report.
        unread: files that belong to the folder and can't be read, by name, with the reason; they
            are not on the disk.
        on_progress: told (done, total) after each image.

    Returns:
        The listing; its `root` is the folder inside a single wrapping one.

    Raises:
        DataError: the folder is missing; a question is open; no image, no label, a single class, a
            class with one image, an unknown positive label, no training image, or a patient in two
            ready splits; an unreadable table that was picked; an answer that can't be.
    """
    if not root.is_dir():
        raise DataError(
            f"There is no folder “{root.name}”.",
            why="Nothing is there by that name, or it is a file.",
            fix="Check the folder's path.",
        )
    choices = choices or Choices()
    findings = Findings()
    for skip in also_skipped:
        findings.skip(skip.name, skip.reason)
    tree = scan(root, findings, unread)
    with DicomReader(salt=secrets.token_hex()) as reader:
        pictures = look_through(tree, reader, tree.root / made)
        found, positive = _found(tree, pictures, choices, findings, positive)
        seen = _Seen()
        entries = tuple(_verified(tree, found, pictures, choices, findings, seen, on_progress))
    entries = _without_blank(entries, seen, findings)
    _require_images(len(found) + sum(map(is_image, tree.unread)), entries, findings)
    _require_ready_splits(tree, found, entries)
    listing = Listing(
        name=name or root.resolve().name,
        root=tree.root,
        classes=tuple(sorted({entry.label for entry in entries})),
        positive=positive,
        entries=entries,
        report=ImportReport(
            len(entries),
            tuple(findings.skipped),
            tuple(findings.notes),
            burnt_in=BurntIn.of(seen.burnt, black=choices.black_corners),
            more_skipped=findings.more_skipped,
        ),
    )
    require_learnable(listing)
    require_disjoint(listing)
    return listing


@dataclass(slots=True)
class _Seen:
    """Files of images with text in a corner, and of those that show nothing."""

    burnt: list[str] = field(default_factory=list)
    blank: set[str] = field(default_factory=set)


def _without_blank(
    entries: tuple[Entry, ...], seen: _Seen, findings: Findings
) -> tuple[Entry, ...]:
    kept, left, told = without_blank(entries, seen.blank)
    for skip in left:
        findings.skip(skip.name, skip.reason)
    for sentence in told:
        findings.note(sentence)
    return kept


def _found(
    tree: Tree, pictures: PictureFiles, choices: Choices, findings: Findings, positive: str | None
) -> tuple[tuple[ImageFile, ...], str | None]:
    """Return the images with a label, by name below the tree's root, and the positive label."""
    listed = list_folder(tree, pictures, choices, findings)
    reading = read_layout(listed, choices.answered)
    several = next((q for q in reading.questions if q.id == "several"), None)
    if several is not None and positive in several.choices:
        # Whichever image has it among its labels is positive.
        reading = read_layout(listed, {**choices.answered, "several": positive})
    require_answered(reading)
    for sentence in reading.evidence:
        findings.note(sentence)
    told = {skip.name for skip in findings.skipped}
    for left in reading.left_out:
        name = left.file.removeprefix(tree.top)
        if name not in told:
            findings.skip(name, left.why)
    if not reading.images and listed.images:
        raise nothing_taken(reading, listed)
    found = tuple(
        replace(
            image,
            file=image.file.removeprefix(tree.top),
            masks=tuple(mask.removeprefix(tree.top) for mask in image.masks),
            # Hashed as those of DICOM files are, so that one patient is one, whoever names it.
            patient=pictures.hashed(image.patient)
            if image.patient is not None
            and listed.owners
            and listed.owners.get(image.file) != image.patient
            else image.patient,
        )
        for image in reading.images
    )
    spelled = {label.casefold(): label for label in reading.classes}
    return found, positive and spelled.get(positive.casefold(), positive)


def list_folder(tree: Tree, pictures: PictureFiles, choices: Choices, findings: Findings) -> Listed:
    """Return what a folder holds, as a layout is told from it."""
    names = {tree.top + name: file for name, file in tree.files.items()}
    here = len(tree.top)
    # What is known not to be an image, whatever it is called, tells nothing of the others.
    images = tuple(
        name
        for name in names
        if name[here:] not in tree.unread
        and (suffix_of(name) in IMAGE_SUFFIXES or is_volume(name) or pictures.is_dicom(name[here:]))
    )
    tables: dict[str, Grid] = {}
    if choices.table_file is not None:
        file = choices.table_file
        if not file.is_file():
            raise _no_table(file.name)
        tables = read_grids(file, tree.top + file.name)
    beside = {} if choices.table_file is not None else sidecars_among(names, images)
    told: dict[str, str] = {}
    if choices.table_file is None:
        for name, file in _tables(tree, names, images, choices):
            try:
                tables |= read_grids(file, name)
            except DataError as error:
                if is_table(name) or choices.answered.get("table") == name:
                    raise
                told[name] = error.why
        sizes = {n: f.stat().st_size for n, f in names.items() if n[here:] not in tree.unread}
        tables |= read_sidecars(beside, sizes, lambda name: names[name].read_bytes())
    known = {*images, *map(file_of, tables), *beside}
    others = {
        name: tree.unread.get(name[here:])
        or pictures.no_pictures.get(name[here:])
        or told.get(name)
        or stray(name)
        for name in names
        if name not in known and not (beside and names_classes(name))
    }
    return Listed(
        images,
        tables,
        {n: names[n].stat().st_size for n in images if n[here:] not in tree.unread},
        partial(_flat, tree, names),
        partial(_blank, tree, names),
        partial(_digest, tree, names),
        {uid: tree.top + name for uid, name in pictures.uids.items()},
        {tree.top + name: owner for name, owner in whose(pictures, findings).items()},
        tuple(tree.top + name for name in tree.unread),
        {tree.top + name: frames for name, frames in pictures.frames.items()},
        others,
    )


def _tables(
    tree: Tree, names: Mapping[str, Path], images: Sequence[str], choices: Choices
) -> Iterator[tuple[str, Path]]:
    """Yield the tables of a folder that are looked into."""
    here = len(tree.top)
    sizes = {}
    for name, file in names.items():
        known = is_table(name) or is_other_table(name)
        if name[here:] not in tree.unread and (known or _begins_like_a_table(name, file)):
            sizes[name] = file.stat().st_size
    picked = choices.answered.get("table")
    for name in sorted(looked_into(sizes, images, picked=picked)):
        yield name, names[name]


def _begins_like_a_table(name: str, file: Path) -> bool:
    if "." in posixpath.basename(name):
        return False
    with file.open("rb") as opened:
        return is_text_table(name, opened.read(HEAD))


def _flat(tree: Tree, names: Mapping[str, Path], name: str) -> bool | None:
    if name[len(tree.top) :] in tree.unread or suffix_of(name) not in IMAGE_SUFFIXES:
        return None
    if names[name].stat().st_size > MAX_BYTES:
        return None
    with names[name].open("rb") as opened:
        return two_valued(opened)


def _blank(tree: Tree, names: Mapping[str, Path], name: str) -> str:
    if name[len(tree.top) :] in tree.unread or suffix_of(name) not in IMAGE_SUFFIXES:
        return ""
    if names[name].stat().st_size > MAX_BYTES:
        return ""
    with names[name].open("rb") as opened:
        return why_blank(opened)


def _digest(tree: Tree, names: Mapping[str, Path], name: str) -> object:
    if name[len(tree.top) :] in tree.unread:
        return name
    with names[name].open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").digest()


def _verified(
    tree: Tree,
    found: Sequence[ImageFile],
    pictures: PictureFiles,
    choices: Choices,
    findings: Findings,
    seen: _Seen,
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[Entry]:
    """Decode each image, and yield those that are whole; `seen` is told what else they show."""
    tries = Tries()
    for done, item in enumerate(found, start=1):
        try:
            file = pictures.file(item.file, tree.files[item.file], choices, item.frame)
            pixels = read_pixels(file)
            text = corner_text(pixels)
            if text or pictures.annotated(item.file):
                seen.burnt.append(item.file)
            if text and choices.black_corners:
                pixels = blacked_out(pixels, text)
                file = pictures.write(file, pixels)
        except PixelsError as error:
            findings.skip(item.file, error.why)
            if item.file not in tree.unread:
                tries.note(item.file, error.why)
        else:
            tries.note(item.file, None)
            if shows_nothing(pixels):
                seen.blank.add(item.file)
            height, width = pixels.shape[:2]
            yield Entry(
                item.file,
                file,
                item.label,
                None if item.split is None else Split(item.split),
                item.patient,
                item.group,
                region_file(tree, item.masks, (width, height), pictures, findings),
                grey=pixels.ndim == 2,
                width=width,
                height=height,
                reference_label=item.reference_label,
                fingerprint=fingerprint(pixels),
            )
        if on_progress is not None:
            on_progress(done, len(found))


def _no_table(name: str) -> DataError:
    return DataError(
        f"There is no table “{name}”.",
        why="Nothing of that name is there.",
        fix="Name a table that lies beside the images, or check its path.",
    )


def nothing_taken(reading: Reading, listed: Listed) -> DataError:
    """Return the error of images of which none is taken: why none can be read, or has a label."""
    frameless = [left for left in reading.left_out if left.file in listed.frames]
    if len(frameless) < len(listed.images):
        return _no_labels(listed.images, listed.tables)
    first = frameless[0]
    return DataError(
        "No image could be read.",
        why=f"All {len(frameless)} were left out, “{cut(first.file)}” among them: {first.why}",
        fix="Leave them out, or save a slice of each as PNG."
        if listed.frames[first.file].refused
        else "Pick a frame under “How the zip is read”, or give --answer “frame=middle”.",
        question="frame",
    )


def _no_labels(images: Sequence[str], tables: Mapping[str, Grid]) -> DataError:
    """Return the error of images that nothing gives a label."""
    count = len(images)
    if tables:
        named = posixpath.basename(min(tables))
        why = f"There are {count} images, and {named} gives none of them a label."
    elif len({posixpath.dirname(name) for name in images}) == 1:
        why = f"There are {count} images in one folder, and no table that names them."
    else:
        why = f"There are {count} images, none in a class folder, and no table that names them."
    return DataError("No labels found.", why=why, fix=_LABEL_FIX, question="file" if tables else "")


def _require_images(found: int, entries: Sequence[Entry], findings: Findings) -> None:
    if entries:
        return
    if (last := findings.last) is not None and found:
        raise DataError(
            "No image could be read.",
            why=f"All {found} were skipped, “{last.name}” among them: {last.reason}",
            fix="Open them in an image viewer and save them again as PNG or JPEG.",
        )
    raise DataError(
        "No images found.",
        why="There is no PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI file.",
        fix="Pick the folder or the zip that has the images.",
    )


def _require_ready_splits(tree: Tree, found: Sequence[ImageFile], entries: Sequence[Entry]) -> None:
    """Refuse a ready split of which no image can be read, and splits without images to train on."""
    taken = {entry.split for entry in entries}
    ready = {Split(image.split) for image in found if image.split}
    # Of a folder that has nothing but damaged images, none was found.
    inside = {SPLITS[f] for n in tree.files for f in n.lower().split("/")[:-1] if f in SPLITS}
    lost = {SPLITS[f] for n in tree.unread for f in n.lower().split("/")[:-1] if f in SPLITS}
    if Split.TRAIN in inside:
        ready |= lost - {Split.TRAIN}
    for split in sorted(ready - taken):
        raise DataError(
            f"The {_SET_NAMES[split]} set is empty.",
            why=f"The data name its images ({split}), and none of them can be read.",
            fix="Put readable images into it, or answer --answer split=none so that the app makes "
            "the splits.",
            question="split",
        )
    if not taken <= {None} and Split.TRAIN not in taken:
        named = ", ".join(sorted(split for split in taken if split is not None))
        raise DataError(
            "There are no training images.",
            why=f"The splits are {named}, and none of them is train.",
            fix="Name one of them train, or answer --answer split=none so that the app makes the "
            "splits.",
            question="split",
        )


_SET_NAMES = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}
