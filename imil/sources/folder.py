"""An image folder into a listing: what is taken, what is skipped, and why."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imil.core.duplicates import fingerprint
from imil.core.records import Split
from imil.errors import DataError
from imil.sources.listing import (
    Entry,
    ImportReport,
    Listing,
    Skipped,
    require_learnable,
)
from imil.sources.pixels import SUFFIXES, PixelsError, read_pixels, shown_size
from imil.sources.table import Row, Table, read_table
from imil.sources.tree import Findings, Tree, is_data, is_table, scan, stray

_LABEL_FIX = "Put each class in its own folder, or add a metadata.csv with file_name and label."


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


def read_folder(
    root: Path,
    *,
    name: str | None = None,
    positive: str | None = None,
    also_skipped: Sequence[Skipped] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Return the images of a folder in the Hugging Face ImageFolder convention.

    Split folders (train, validation, test, or `ALIASES`) or none; in them class folders, at any
    depth below which images lie, or a metadata.csv with file_name, label, and optional patient_id,
    group, relevant_file_name, reference_label. A single folder around it all is looked through.
    Each image is decoded once, whole, so that a truncated one is met here and not in the middle of
    a training; one at a time is held in memory.

    Args:
        root: the folder.
        name: for people; the folder's name if None.
        positive: the task is this label against the rest.
        also_skipped: what was skipped before, while unpacking; put first in the report.
        on_progress: told (done, total) after each image.

    Returns:
        The listing; its `root` is the folder inside a single wrapping one.

    Raises:
        DataError: the folder is missing; no image, no label, a single class, a class with one
            image, an unknown positive label, a ready split without an image; an unreadable table.
    """
    if not root.is_dir():
        raise DataError(
            f"There is no folder “{root.name}”.",
            why="Nothing is there by that name, or it is a file.",
            fix="Check the folder's path.",
        )
    findings = Findings(list(also_skipped))
    tree = scan(root, findings)
    found = _find(tree, findings)
    entries = tuple(_verified(tree, found, findings, on_progress))
    _require_images(len(found), entries, findings)
    _require_ready_splits(tree, entries)
    listing = Listing(
        name=name or root.resolve().name,
        root=tree.root,
        classes=tuple(sorted({entry.label for entry in entries})),
        positive=positive,
        entries=entries,
        report=ImportReport(len(entries), tuple(findings.skipped), tuple(findings.notes)),
    )
    require_learnable(listing)
    return listing


def _find(tree: Tree, findings: Findings) -> list[_Found]:
    """Return the images with a label, by name; tables come before class folders."""
    tables = {name: read_table(file, name) for name, file in tree.files.items() if is_table(name)}
    claims, masks = _claims(tree, tables, findings)
    found = [item for name in claims if (item := _claimed(tree, name, claims[name], findings))]
    covered = tuple(_beside(table, "") for table in tables)
    unlabelled = len(claims) - len(found)
    for name in tree.files:
        if name in claims or name in masks or name in tables:
            continue
        if Path(name).suffix.lower() not in SUFFIXES:
            findings.skip(name, stray(name))
        elif name.startswith(covered):
            findings.skip(name, "The metadata.csv above it does not name it.")
            unlabelled += 1
        elif tree.splits and tree.split(name) is None:
            findings.skip(name, "It lies outside of the split folders.")
        elif (label := tree.folder_label(name)) is None:
            findings.skip(name, "It lies in no class folder, and no metadata.csv names it.")
            unlabelled += 1
        else:
            found.append(_Found(name, label, tree.split(name)))
    if unlabelled and not found:
        raise _no_labels(unlabelled, tree, tables)
    return sorted(found, key=lambda item: item.name)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A table's row that names an image which is there."""

    where: str
    row: Row
    split: Split | None
    mask: str | None
    has_label: bool


def _claims(
    tree: Tree, tables: Mapping[str, Table], findings: Findings
) -> tuple[dict[str, list[_Claim]], set[str]]:
    """Return the rows of each image that is there, and the names of all reference masks."""
    claims: dict[str, list[_Claim]] = {}
    masks: set[str] = set()
    for name, table in tables.items():
        for row in table.rows:
            where = f"{name}, line {row.line}"
            target = _named(tree, name, row.file_name)
            mask = _named(tree, name, row.relevant_file_name)
            if mask is not None:
                masks.add(mask)
            elif row.relevant_file_name is not None:
                findings.skip(where, f"The mask “{row.relevant_file_name}” is not there.")
            if target is None:
                missing = row.file_name
                findings.skip(where, f"“{missing}” is not there." if missing else "No file_name.")
                continue
            split = tree.split(name) or tree.split(target)
            claim = _Claim(where, row, split, mask, table.has_label)
            claims.setdefault(target, []).append(claim)
    return claims, masks


def _named(tree: Tree, table: str, written: str | None) -> str | None:
    """Return the listed file that a table means; None where it lists none, or leads elsewhere."""
    if written is None:
        return None
    for spelling in (written, written.replace("\\", "/")):
        name = _beside(table, posixpath.normpath(spelling))
        if (name := posixpath.normpath(name)) in tree.files:
            return name
    return None


def _beside(table: str, name: str) -> str:
    return posixpath.join(posixpath.dirname(table), name)


def _claimed(tree: Tree, name: str, claims: Sequence[_Claim], findings: Findings) -> _Found | None:
    """Return the image that one or more rows name; None, and the reason told, without a label."""
    first = claims[0]
    for other in claims[1:]:
        findings.skip(other.where, f"“{name}” was named before; the first row counts.")
    if len({claim.row.label for claim in claims}) > 1:
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
    return _Found(name, label, first.split, row.patient, row.group, first.mask, row.reference_label)


def _verified(
    tree: Tree,
    found: Sequence[_Found],
    findings: Findings,
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[Entry]:
    """Decode each image, and yield those that are whole."""
    for done, item in enumerate(found, start=1):
        file = tree.files[item.name]
        try:
            pixels = read_pixels(file)
        except PixelsError as error:
            findings.skip(item.name, error.why)
        else:
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
    one_folder = len({posixpath.dirname(n) for n in tree.files if is_data(n)}) == 1
    if tables:
        why = f"There are {images} images, and metadata.csv gives none of them a label."
    elif one_folder:
        why = f"There are {images} images in one folder, and no metadata.csv."
    else:
        why = f"There are {images} images, none in a class folder, and no metadata.csv."
    return DataError("No labels found.", why=why, fix=_LABEL_FIX)


def _require_images(found: int, entries: Sequence[Entry], findings: Findings) -> None:
    if entries:
        return
    if found:
        last = findings.skipped[-1]
        raise DataError(
            "No image could be read.",
            why=f"All {found} were skipped, “{last.name}” among them: {last.reason}",
            fix="Open them in an image viewer and save them again as PNG or JPEG.",
        )
    raise DataError(
        "No images found.",
        why="There is no PNG, JPEG, TIFF, BMP, WebP or GIF file.",
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


_SET_NAMES = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}
