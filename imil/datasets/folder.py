"""An image folder into a listing: what is taken, what is skipped, and why."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imil.core.burnt_in import blacked_out, corner_text
from imil.core.duplicates import fingerprint
from imil.core.records import Split
from imil.datasets.choices import Choices
from imil.datasets.files.pictures import Pictures, look_through, whose
from imil.datasets.files.pixels import SUFFIXES, PixelsError, read_pixels, shown_size
from imil.datasets.files.tree import Findings, Tree, Tries, is_image, scan, stray, suffix_of
from imil.datasets.listing import (
    BurntIn,
    Entry,
    ImportReport,
    Listing,
    Skipped,
    require_disjoint,
    require_learnable,
)
from imil.datasets.reading.dicom import DicomReader
from imil.datasets.tables.claims import Claim, claims_of, labels_agree, read_tables
from imil.datasets.tables.names import FileNames
from imil.datasets.tables.patients import guess_pattern, parse_pattern
from imil.datasets.tables.table import Table, is_other_table, is_table
from imil.errors import DataError

# Where pictures made of DICOM files lie, below the folder's own root: hidden, so never listed.
MADE = Path(".made")

_LABEL_FIX = (
    "Put each class in its own folder, or add a table (CSV or .xlsx) with a column of file names "
    "and one of labels."
)


@dataclass(frozen=True, slots=True)
class _Found:
    """An image to be taken if it can be read."""

    name: str
    label: str
    split: Split | None
    patient: str | None = None
    group: str | None = None
    mask: str | None = None
    reference_label: str | None = None
    frame: str | None = None


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
    """Return the images of a folder in the Hugging Face ImageFolder convention, or like it.

    Split folders (train, validation, test, or `ALIASES`) or none; in them class folders, at any
    depth below which images lie, or a metadata.csv with file_name, label, and optional patient_id,
    group, split, frame, relevant_file_name, reference_label. Without a metadata.csv, the CSV or
    .xlsx whose cells name most images is read, its columns guessed. A single folder around it all
    is looked through. Each image is decoded once, whole, so that a truncated one is met here and
    not in the middle of a training; one at a time is held in memory. DICOM files are decoded by a
    process of its own into pictures; patients that they name are hashed, with a salt that is
    forgotten.

    Args:
        root: the folder.
        name: for people; the folder's name if None.
        positive: the task is this label against the rest.
        choices: which table, columns, patients and frames; all guessed if None.
        made: folder for pictures made of DICOM files; a relative one lies below the root.
        also_skipped: what was skipped before, while unpacking; put first in the report.
        unread: files that belong to the folder and can't be read, by name, with the reason; they
            are not on the disk.
        on_progress: told (done, total) after each image.

    Returns:
        The listing; its `root` is the folder inside a single wrapping one.

    Raises:
        DataError: the folder is missing; no image, no label, a single class, a class with one
            image, an unknown positive label, a ready split without an image, or with a patient of
            another; an unreadable table; a table, column or pattern of `choices` that can't be.
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
        found = _owned(_find(tree, pictures, choices, findings), pictures, choices, findings)
        burnt: list[str] = []
        entries = tuple(_verified(tree, found, pictures, choices, findings, burnt, on_progress))
    _require_images(len(found), entries, findings)
    _require_ready_splits(tree, entries)
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
            burnt_in=BurntIn.of(burnt, black=choices.black_corners),
            more_skipped=findings.more_skipped,
        ),
    )
    require_learnable(listing)
    require_disjoint(listing)
    return listing


def _find(tree: Tree, pictures: Pictures, choices: Choices, findings: Findings) -> list[_Found]:
    """Return the images with a label, by name; tables come before class folders."""
    # What tables may call files is worked out only where there is a table.
    inside = any(is_table(name) or is_other_table(name) for name in tree.files)
    tabled = inside or choices.table_file is not None
    files = FileNames.of(tree.files if tabled else (), pictures.uids)
    tables = read_tables(tree, files, choices, findings)
    claims, spoken = claims_of(tree, tables, files, findings)
    found = [item for name in claims if (item := _claimed(tree, name, claims[name], findings))]
    covered = {posixpath.dirname(table): table for table in tables}
    told = {skip.name for skip in findings.skipped if is_other_table(skip.name)}
    unlabelled = len(claims) - len(found)
    for name in tree.files:
        if name in claims or name in spoken or name in tables:
            continue
        if suffix_of(name) not in SUFFIXES and not pictures.is_dicom(name):
            if name not in told:
                findings.skip(name, stray(name))
        elif (table := _above(name, covered)) is not None:
            findings.skip(name, f"The table “{table}” above it does not name it.")
            unlabelled += 1
        elif tree.splits and tree.split(name) is None:
            findings.skip(name, "It lies outside of the split folders.")
        elif (label := tree.folder_label(name)) is None:
            findings.skip(name, "It lies in no class folder, and no table names it.")
            unlabelled += 1
        else:
            found.append(_Found(name, label, tree.split(name)))
    if unlabelled and not found:
        raise _no_labels(unlabelled, tree, tables)
    return sorted(found, key=lambda item: item.name)


def _above(name: str, covered: Mapping[str, str]) -> str | None:
    """Return the file name of a table whose folder a file lies in."""
    folder = posixpath.dirname(name)
    while folder and folder not in covered:
        folder = posixpath.dirname(folder)
    return posixpath.basename(covered[folder]) if folder in covered else None


def _claimed(tree: Tree, name: str, claims: Sequence[Claim], findings: Findings) -> _Found | None:
    """Return the image that one or more rows name; None, and the reason told, without a label."""
    first = claims[0]
    for other in claims[1:]:
        findings.skip(other.where, f"“{name}” was named before; the first row counts.")
    if not labels_agree(claims):
        findings.skip(name, "It is named more than once, with different labels.")
        return None
    label = first.row.label if first.has_label else tree.folder_label(name)
    if label is None:
        findings.skip(first.where, f"“{name}” has an empty label.")
        return None
    if tree.splits and first.split is None:
        findings.skip(name, "It lies outside of the split folders.")
        return None
    row = first.row
    return _Found(
        name,
        label,
        first.split,
        row.patient,
        row.group,
        first.mask,
        row.reference_label,
        row.frame,
    )


def _owned(
    found: Sequence[_Found], pictures: Pictures, choices: Choices, findings: Findings
) -> list[_Found]:
    """Return the images with their patients: of a table, else of their name, else of DICOM."""
    by_tag = whose(pictures, findings)
    written = choices.patient_pattern
    pattern = None if written is None else parse_pattern(written)
    owned = []
    for item in found:
        patient = item.patient
        if patient is None and pattern is not None:
            patient = pattern.patient(item.name)
        if by_tag:
            # Hashed as those of DICOM files are, so that one patient is one, whoever names it.
            patient = by_tag.get(item.name) if patient is None else pictures.hashed(patient)
        owned.append(item if patient == item.patient else replace(item, patient=patient))
    guess = guess_pattern([item.name for item in owned])
    if pattern is None and guess is not None and all(item.patient is None for item in owned):
        findings.note(
            f"File names look as if they named patients: “{guess.pattern}” sorts the {len(owned)} "
            f"images into {guess.groups} groups. Give that pattern to keep each group in one split."
        )
    if pattern is not None:
        unnamed = sum(item.patient is None for item in owned)
        groups = len({item.patient for item in owned if item.patient is not None})
        findings.note(
            f"Patients were read from file names by “{pattern.written}”: {groups} of them"
            + ("." if not unnamed else f"; {_unfit(unnamed)} not fit it.")
        )
    return owned


def _unfit(images: int) -> str:
    return "1 image does" if images == 1 else f"{images} images do"


def _verified(
    tree: Tree,
    found: Sequence[_Found],
    pictures: Pictures,
    choices: Choices,
    findings: Findings,
    burnt: list[str],
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[Entry]:
    """Decode each image, and yield those that are whole; `burnt` is told those with text."""
    tries = Tries()
    for done, item in enumerate(found, start=1):
        try:
            file = pictures.file(item.name, tree.files[item.name], choices, item.frame)
            pixels = read_pixels(file)
            text = corner_text(pixels)
            if text or pictures.annotated(item.name):
                burnt.append(item.name)
            if text and choices.black_corners:
                pixels = blacked_out(pixels, text)
                file = pictures.write(file, pixels)
        except PixelsError as error:
            findings.skip(item.name, error.why)
            if item.name not in tree.unread:
                tries.note(item.name, error.why)
        else:
            tries.note(item.name, None)
            height, width = pixels.shape[:2]
            yield Entry(
                item.name,
                file,
                item.label,
                item.split,
                item.patient,
                item.group,
                _fitting_mask(tree, item, (width, height), findings),
                grey=pixels.ndim == 2,
                width=width,
                height=height,
                reference_label=item.reference_label,
                fingerprint=fingerprint(pixels),
            )
        if on_progress is not None:
            on_progress(done, len(found))


def _fitting_mask(
    tree: Tree, item: _Found, size: tuple[int, int], findings: Findings
) -> Path | None:
    """Return the image's reference mask if it can be opened and has the image's (width, height)."""
    if item.mask is None:
        return None
    if item.mask in tree.unread:
        findings.skip(item.mask, tree.unread[item.mask])
        return None
    try:
        mask_size = shown_size(tree.files[item.mask])
    except PixelsError as error:
        findings.skip(item.mask, error.why)
        return None
    if mask_size != size:
        findings.skip(
            item.mask,
            f"The mask has {mask_size[0]} × {mask_size[1]} pixels, "
            f"its image {size[0]} × {size[1]}.",
        )
        return None
    return tree.files[item.mask]


def _no_labels(images: int, tree: Tree, tables: Mapping[str, Table]) -> DataError:
    one_folder = len({posixpath.dirname(n) for n in tree.files if is_image(n)}) == 1
    if tables:
        named = posixpath.basename(next(iter(tables)))
        why = f"There are {images} images, and {named} gives none of them a label."
    elif one_folder:
        why = f"There are {images} images in one folder, and no table that names them."
    else:
        why = f"There are {images} images, none in a class folder, and no table that names them."
    return DataError("No labels found.", why=why, fix=_LABEL_FIX)


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
        why="There is no PNG, JPEG, TIFF, BMP, WebP, GIF or DICOM file.",
        fix="Pick the folder or the zip that has the images.",
    )


def _require_ready_splits(tree: Tree, entries: Sequence[Entry]) -> None:
    """Refuse a split folder of which nothing can be used, and splits without train."""
    taken = {entry.split for entry in entries}
    for name, split in tree.splits.items():
        if split not in taken:
            raise DataError(
                f"The {_SET_NAMES[split]} set is empty.",
                why=f"The folder “{name}” is there, but it has no readable image with a label.",
                fix="Put labelled images into it, or remove the folder so that the app makes the "
                "split itself.",
            )
    if tree.splits and Split.TRAIN not in taken:
        raise DataError(
            "There are no training images.",
            why=f"The folders are {', '.join(sorted(tree.splits))}, and none of them is train.",
            fix="Add a folder train, or remove the split folders so that the app makes the splits.",
        )
    if not taken <= {None} and Split.TRAIN not in taken:
        named = ", ".join(sorted(split for split in taken if split is not None))
        raise DataError(
            "There are no training images.",
            why=f"The table's splits are {named}, and none of them is train.",
            fix="Name train in it, or leave the column out so that the app makes the splits.",
        )


_SET_NAMES = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}
