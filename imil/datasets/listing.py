"""What an import found: entries, what was skipped and why; and the image set made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from imil.core.duplicates import (
    NearDuplicates,
    find_near_duplicates,
    group_duplicates,
    labelled_apart,
    near_duplicate_pairs,
    separate_duplicates,
)
from imil.core.images import ImageSet
from imil.core.records import Pixels, Region, Sample, Split
from imil.core.splits import (
    DisjointProof,
    carve,
    make_splits,
    prove_disjoint,
    require_every_class,
)
from imil.datasets.files.pixels import read_pixels, read_region
from imil.errors import DataError, StoreError
from imil.storage.values import from_text, to_json

SCHEMA_VERSION = 1
# What each field of a saved entry is; None where it may be unknown, or missing in older lists.
# Images with text in their corners that a report names; all are counted.
MAX_BURNT = 12
# Skipped files and rows that a report names; all are counted.
MAX_SKIPPED = 1000
# Characters of a name or a reason that are kept of what was skipped.
MAX_TOLD = 400
# Patients in two splits that an error names; the rest are counted.
SHARED_NAMED = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One image that was taken.

    Attributes:
        sample_id: its path below the listing's root, with "/" and in Unicode NFC, or a hash of its
            pixels; unique, stable.
        file: where it lies.
        label: as named in the data; see `Listing.task_label`.
        split: None where the data has no ready splits.
        patient: None where unknown.
        group: a site, or a shortcut's presence; None where unknown.
        relevant_file: a reference mask of the image's size; for the simulated clinician alone.
        grey: whether its pixels are (H, W).
        width: px, as shown.
        height: px, as shown.
        reference_label: what is truly there, as named in the data; None where unknown. For the
            simulated clinician alone.
        fingerprint: see `imil.core.duplicates`; None where nobody took it. It is not saved: what
            was found with it is.
    """

    sample_id: str
    file: Path
    label: str
    split: Split | None
    patient: str | None
    group: str | None
    relevant_file: Path | None
    grey: bool
    width: int
    height: int
    reference_label: str | None = None
    fingerprint: bytes | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or a table's row that was not taken, and why, in one sentence."""

    name: str
    reason: str

    def short(self) -> Skipped:
        """Return the same with a name and reason of at most `MAX_TOLD` characters."""
        if len(self.name) <= MAX_TOLD and len(self.reason) <= MAX_TOLD:
            return self
        return Skipped(cut(self.name), cut(self.reason))


def cut(text: str) -> str:
    """Return a text of at most `MAX_TOLD` characters."""
    return text if len(text) <= MAX_TOLD else f"{text[: MAX_TOLD - 1]}…"


@dataclass(frozen=True, slots=True)
class BurntIn:
    """Text that seems to be burnt into the corners of images, or that DICOM files say is.

    Attributes:
        images: how many have any.
        blacked_out: whether the corners that were found were blacked out.
        named: up to `MAX_BURNT` of their sample ids.
    """

    images: int
    blacked_out: bool = False
    named: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Sequence[str], *, black: bool) -> BurntIn:
        """Return what is told of the images that have any; `black` where that was asked for."""
        return cls(len(found), black and bool(found), tuple(found[:MAX_BURNT]))


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How many images were taken, what was skipped, and what else a person should know.

    Attributes:
        taken: images.
        skipped: the first `MAX_SKIPPED` files and rows that were not taken.
        notes: sentences.
        twins: near duplicates; None where nobody looked.
        burnt_in: text in the pixels; None where nobody looked.
        more_skipped: how many more were not taken than `skipped` names.
    """

    taken: int
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    twins: NearDuplicates | None = None
    burnt_in: BurntIn | None = None
    more_skipped: int = 0

    @property
    def left_out(self) -> int:
        """How many files and rows were not taken."""
        return len(self.skipped) + self.more_skipped


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a folder, by name.

    Attributes:
        name: for people.
        root: the folder that the sample ids are relative to.
        classes: the labels that the data names, sorted.
        positive: if given, the task is this label against all others.
        entries: in the order of their paths.
        report: what was taken and skipped.
        named: whether ids are paths; see `imil.datasets.deidentify`.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    positive: str | None
    entries: tuple[Entry, ...]
    report: ImportReport
    named: bool = True

    @property
    def task_classes(self) -> tuple[str, ...]:
        """The classes to be told apart, in label order: those of the data, or not X and X."""
        return self.classes if self.positive is None else (f"not {self.positive}", self.positive)

    def task_label(self, entry: Entry) -> str:
        """Return which of `task_classes` an entry belongs to."""
        return self._of_task(entry.label)

    def reference_labels(self) -> dict[str, int]:
        """Return which of `task_classes` is truly there, by sample id, where the data says so."""
        number = {label: i for i, label in enumerate(self.task_classes)}
        known = {e.sample_id: e.reference_label for e in self.entries if e.reference_label}
        return {
            sample_id: number[self._of_task(label)]
            for sample_id, label in known.items()
            if label in self.classes
        }

    def _of_task(self, label: str) -> str:
        if self.positive is None or label == self.positive:
            return label
        return f"not {self.positive}"


def require_learnable(listing: Listing) -> None:
    """Check that there are two classes or more, of two images or more each; DataError if not."""
    if listing.positive is not None and listing.positive not in listing.classes:
        raise DataError(
            f"There is no class “{listing.positive}”.",
            why=f"The classes are {', '.join(listing.classes)}.",
            fix="Name one of them as the positive label.",
        )
    counts = Counter(listing.task_label(entry) for entry in listing.entries)
    if len(counts) == 1:
        (label,) = counts
        raise DataError(
            f"There is a single class: “{label}”.",
            why="A classifier needs images of two classes or more to tell them apart.",
            fix="Add images of another class, or check the labels.",
            question="label",
        )
    for label, count in sorted(counts.items()):
        if count == 1:
            raise DataError(
                f"The class “{label}” has one image.",
                why="Each of train, validation and test needs images of every class.",
                fix="Add images of that class, leave it out, or compare one positive label "
                "with the rest.",
                question="values",
            )


def require_disjoint(listing: Listing) -> None:
    """Check that no patient is in two ready splits; DataError names patients and images if not."""
    seen: dict[str, dict[Split, str]] = {}
    for entry in listing.entries:
        if entry.patient is not None and entry.split is not None:
            seen.setdefault(entry.patient, {}).setdefault(entry.split, entry.sample_id)
    shared = {patient: where for patient, where in seen.items() if len(where) > 1}
    if not shared:
        return
    named = "; ".join(
        f"“{patient}” ({', '.join(f'{split}: {name}' for split, name in where.items())})"
        for patient, where in sorted(shared.items())[:SHARED_NAMED]
    )
    more = f"; and {len(shared) - SHARED_NAMED} more" if len(shared) > SHARED_NAMED else ""
    count = "1 patient is" if len(shared) == 1 else f"{len(shared)} patients are"
    raise DataError(
        f"{count} in more than one split.",
        why=f"These are {named}{more}. A model that is tested on people it was trained on looks "
        "better than it is.",
        fix="Put all images of a patient into one split, or remove the splits so that the app "
        "splits the images by patient.",
        question="split",
    )


def with_splits(listing: Listing, *, seed: int = 0) -> Listing:
    """Return the listing with a split for each entry: ready ones kept, missing ones made.

    Without any ready split, train, validation and test are made; with training images alone, too.
    A missing validation or test set is taken out of train. Where the app makes a split, near
    duplicates stay together in it as images of one patient do; in ready splits of unknown patients
    they are moved, see `imil.core.duplicates.separate_duplicates`, and told where patients are
    known. Equal listings and seeds give equal splits; another positive label may give others, since
    classes are shared out evenly.

    Raises:
        DataError: a class is too small, or has no image in one of the splits.
    """
    labels = [listing.task_label(entry) for entry in listing.entries]
    patients = tuple(entry.patient for entry in listing.entries)
    ready = [entry.split for entry in listing.entries if entry.split is not None]
    complete = len(ready) == len(labels) and set(ready) == set(Split)
    if complete and listing.report.twins is not None:
        require_every_class(labels, ready)
        return listing
    pairs = _twin_rows(listing)
    moved = 0
    if len(ready) == len(labels) and set(patients) == {None}:
        parted = separate_duplicates(labels, ready, pairs)
        moved = sum(old is not new for old, new in zip(ready, parted, strict=True))
        ready = list(parted)
    if complete:
        require_every_class(labels, ready)
        return _told(listing, ready, pairs, moved=moved)
    owners = group_duplicates(patients, pairs)
    try:
        splits, note = _made(labels, owners, ready, seed)
    except DataError:
        if owners == patients:
            raise
        # So many look alike that a class can't be shared out: then it is told, not mended.
        owners = patients
        splits, note = _made(labels, owners, ready, seed)
    kept = len({row for pair in pairs for row in pair}) if owners != patients else 0
    return _told(listing, splits, pairs, note=note, kept=kept, moved=moved)


def _made(
    labels: Sequence[str], owners: Sequence[str | None], ready: Sequence[Split], seed: int
) -> tuple[tuple[Split, ...], str]:
    """Return the splits, and a sentence that says who made them."""
    if len(ready) < len(labels) or set(ready) == {Split.TRAIN}:
        made = make_splits(labels, owners, seed=seed)
        return made, f"Train, validation and test were made by the app, with seed {seed}."
    missing = next(split for split in Split if split not in ready)
    made = carve(labels, owners, ready, into=missing, seed=seed)
    require_every_class(labels, made)
    return made, f"The {missing} images were taken out of train by the app, with seed {seed}."


def _twin_rows(listing: Listing) -> tuple[tuple[int, int], ...]:
    taken = [e.fingerprint for e in listing.entries if e.fingerprint is not None]
    return near_duplicate_pairs(taken) if len(taken) == len(listing.entries) else ()


def _told(
    listing: Listing,
    splits: Sequence[Split],
    pairs: Sequence[tuple[int, int]],
    *,
    note: str | None = None,
    kept: int = 0,
    moved: int = 0,
) -> Listing:
    """Return the listing with its splits, and with what was found written into the report."""
    looked = all(entry.fingerprint is not None for entry in listing.entries)
    names = [entry.sample_id for entry in listing.entries]
    labels = [entry.label for entry in listing.entries]
    notes = (
        *listing.report.notes,
        note or "",
        labelled_apart([cut(name) for name in names], labels, pairs),
    )
    return replace(
        listing,
        entries=tuple(
            replace(entry, split=split)
            for entry, split in zip(listing.entries, splits, strict=True)
        ),
        report=replace(
            listing.report,
            notes=tuple(sentence for sentence in notes if sentence),
            twins=find_near_duplicates(names, splits, pairs, kept=kept, moved=moved)
            if looked
            else None,
        ),
    )


def image_set(listing: Listing, *, seed: int = 0) -> tuple[ImageSet, DisjointProof]:
    """Return the images to learn from, and the proof that no patient is in two splits.

    Pixels are read from the listed files when asked for, never before. The set can be pickled for
    another process. It has one channel if every image is grey, else three.

    Args:
        listing: what an import found.
        seed: of the splits that the data doesn't bring; see `with_splits`.

    Raises:
        DataError: a class is too small or missing in a split, or ready splits share a patient.
    """
    listing = with_splits(listing, seed=seed)
    number = {label: i for i, label in enumerate(listing.task_classes)}
    samples = [
        Sample(e.sample_id, number[listing.task_label(e)], e.split, e.patient, e.group)
        for e in listing.entries
        if e.split is not None
    ]
    proof = prove_disjoint(samples)
    masks = {e.sample_id: e.relevant_file for e in listing.entries if e.relevant_file is not None}
    truth = listing.reference_labels()
    images = ImageSet(
        listing.name,
        listing.task_classes,
        samples,
        read=partial(_read, {e.sample_id: e.file for e in listing.entries}),
        read_relevant=partial(_read_relevant, masks) if masks else None,
        read_reference_label=truth.get if truth else None,
        channels=1 if all(e.grey for e in listing.entries) else 3,
        numbered=not listing.named,
    )
    return images, proof


def _read(files: Mapping[str, Path], sample_id: str) -> Pixels:
    return read_pixels(files[sample_id])


def _read_relevant(files: Mapping[str, Path], sample_id: str) -> Region | None:
    file = files.get(sample_id)
    return None if file is None else read_region(file)


@dataclass(frozen=True, slots=True)
class _Version:
    schema_version: int


@dataclass(frozen=True, slots=True)
class _Saved:
    """A listing as it is saved: files below its root, and its report beside the rest."""

    name: str
    classes: tuple[str, ...]
    positive: str | None
    entries: tuple[Entry, ...]
    taken: int
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    # What follows is missing in lists of older versions.
    twins: NearDuplicates | None = None
    burnt_in: BurntIn | None = None
    more_skipped: int = 0
    named: bool = True


def listing_to_json(listing: Listing) -> str:
    """Return the listing as JSON text, file names relative to its root."""
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "name": listing.name,
            "classes": listing.classes,
            "positive": listing.positive,
            "named": listing.named,
            "entries": [_entry_to_json(entry, listing.root) for entry in listing.entries],
            "taken": listing.report.taken,
            "skipped": [[skipped.name, skipped.reason] for skipped in listing.report.skipped],
            "more_skipped": listing.report.more_skipped,
            "notes": listing.report.notes,
            "twins": to_json(listing.report.twins),
            "burnt_in": to_json(listing.report.burnt_in),
        },
        ensure_ascii=False,
    )


def listing_from_json(text: str, root: Path) -> Listing:
    """Return the listing that `listing_to_json` wrote, its files below `root`; none is opened.

    Raises:
        StoreError: the text is damaged, of a newer version, or names a file outside of `root`.
    """
    try:
        version = from_text(_Version, text).schema_version
        if version != SCHEMA_VERSION:
            raise _newer(version)
        saved = from_text(_Saved, text)
        skipped = tuple(Skipped(name, reason) for name, reason in saved.skipped)
        return Listing(
            name=saved.name,
            root=root,
            classes=saved.classes,
            positive=saved.positive,
            entries=tuple(_placed(entry, root) for entry in saved.entries),
            report=ImportReport(
                saved.taken, skipped, saved.notes, saved.twins, saved.burnt_in, saved.more_skipped
            ),
            named=saved.named,
        )
    except ValueError as cause:
        raise StoreError(
            "The saved list of images can't be read.",
            why="It is damaged, or was changed by hand.",
            fix="Bring the images again; masks and results are kept apart from this list.",
        ) from cause


def _newer(version: object) -> StoreError:
    return StoreError(
        f"The saved list of images has version {version}.",
        why=f"This program reads version {SCHEMA_VERSION}.",
        fix="Update the program, or bring the images again.",
    )


def _entry_to_json(entry: Entry, root: Path) -> dict[str, Any]:
    mask = entry.relevant_file
    return {
        "sample_id": entry.sample_id,
        "file": entry.file.relative_to(root).as_posix(),
        "label": entry.label,
        "split": entry.split,
        "patient": entry.patient,
        "group": entry.group,
        "relevant_file": None if mask is None else mask.relative_to(root).as_posix(),
        "grey": entry.grey,
        "width": entry.width,
        "height": entry.height,
        "reference_label": entry.reference_label,
    }


def _placed(entry: Entry, root: Path) -> Entry:
    mask = entry.relevant_file
    return replace(
        entry,
        file=_below(root, entry.file),
        relevant_file=None if mask is None else _below(root, mask),
    )


def _below(root: Path, path: Path) -> Path:
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("a listed file lies outside of its folder")
    return root / path
