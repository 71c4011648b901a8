"""A listing of files and tables into a reading: each decision by the evidence for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from imil.core.records import Split
from imil.datasets.files.tree import stray
from imil.datasets.layout.candidates import LabelHypothesis
from imil.datasets.layout.decisions.classes import decide_labels
from imil.datasets.layout.decisions.draft import NONE, Draft
from imil.datasets.layout.decisions.frames import Frames, pick_frames
from imil.datasets.layout.decisions.images import (
    drop_blank,
    drop_copies,
    leave_named,
    part_made,
    part_masks,
    pick_variant,
)
from imil.datasets.layout.decisions.labels import pick_label
from imil.datasets.layout.decisions.patients import pick_owners
from imil.datasets.layout.decisions.splits import pick_splits
from imil.datasets.layout.decisions.tables import pick_tables, take_named_masks, tell_rows
from imil.datasets.layout.folders import splits_of
from imil.datasets.layout.reading import (
    Decisions,
    ImageFile,
    LeftOut,
    MaskFile,
    Reading,
    counted,
)
from imil.datasets.layout.sheets import Column, Sheet, any_column, columns_of
from imil.datasets.tables.sidecars import is_sidecars
from imil.datasets.tables.table import Grid, file_of

# Where labels come from without a table.
_PLACES = ("folders", "file names")

# What is kept beside the label, by the field of an `ImageFile`: columns by letters and digits
# alone, and the question about it.
_MORE = {
    "group": (
        ("site", "group", "hospital", "center", "centre", "clinic", "institution", "scanner"),
        "Which column says the site, or whether a known shortcut is there?",
    ),
    "reference_label": (("referencelabel",), ""),
}


@dataclass(frozen=True)
class Listed:
    """What lies there, before any image is read.

    Attributes:
        images: files that are images, by "/"-separated path.
        tables: tables by path, one a sheet.
        sizes: bytes of each image.
        flat: whether an image has two values alone; None where it can't be told cheaply.
        blank: why an image shows nothing; "" where it does, or can't be told cheaply.
        digest: equal for files of equal bytes.
        uids: image files by DICOM SOPInstanceUID, where headers were read.
        owners: patients by DICOM header, hashed.
        unreadable: image files that can't be read; rows that name them are no news.
        frames: of image files that hold several, DICOM too, and of all volumes.
        others: files that are neither images nor tables, and why they are not taken.
    """

    images: tuple[str, ...]
    tables: Mapping[str, Grid] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    flat: Callable[[str], bool | None] = lambda _: None
    blank: Callable[[str], str] = lambda _: ""
    digest: Callable[[str], object] = lambda name: name
    uids: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    frames: Mapping[str, Frames] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)


def read_layout(listed: Listed, answers: Mapping[str, str] | None = None) -> Reading:
    """Return how a data set is understood; answers override what the evidence says.

    The order in which files are listed, and the case of their names, change nothing.

    Raises:
        DataError: an answer that fits no question.
    """
    decisions = Decisions(dict(answers or {}))
    draft = Draft(decisions, tuple(sorted(listed.images)))
    leave_named(draft)
    drop_copies(draft, listed.sizes, listed.digest)
    part_masks(draft, listed.flat)
    part_made(draft)
    pick_variant(draft)
    drop_blank(draft, listed.sizes, listed.blank)
    level, folders = splits_of(draft.names)
    sheets = pick_tables(draft, listed.tables, listed.uids)
    columns = columns_of(sheets)
    take_named_masks(draft, sheets)
    label = pick_label(draft, sheets, columns, level, folders)
    splits = pick_splits(draft, sheets, columns, folders, label)
    labels = decide_labels(draft, label, splits)
    owners = pick_owners(draft, sheets, columns, listed.owners, labels, splits)
    if label is not None and label.where not in _PLACES:
        tell_rows(draft, sheets, listed.unreadable)
    others = {k: c for k, c in columns.items() if label is None or c.title != label.column}
    beside = {key: _beside(decisions, others, key) for key in _MORE}
    beside["frame"] = pick_frames(draft, columns, listed.frames, labels)
    decisions.require_known()
    unlabelled = {
        name: _why_unlabelled(name, label, folders) for name in draft.names if name not in labels
    }
    idle = _idle(listed.tables, sheets)
    left = {**listed.others, **idle, **draft.left, **draft.rows, **unlabelled}
    masks = _masks_of_images(draft.masks)
    images = tuple(
        ImageFile(
            name,
            labels[name],
            splits.get(name),
            owners.get(name),
            masks.get(name, ()),
            **{key: own.get(name) for key, own in beside.items()},
        )
        for name in draft.names
        if name in labels
    )
    return Reading(
        images,
        tuple(MaskFile(mask, draft.masks[mask]) for mask in sorted(draft.masks)),
        tuple(LeftOut(name, left[name]) for name in sorted(left)),
        tuple(decisions.evidence),
        tuple(decisions.questions),
        counted([image.label for image in images]),
        tuple(sheet.name for sheet in sheets),
    )


def _idle(tables: Mapping[str, Grid], sheets: Sequence[Sheet]) -> dict[str, str]:
    """Return the files of tables of which nothing is read, and why."""
    read = {file_of(sheet.name) for sheet in sheets}
    files = {file_of(name) for name in tables}
    return {name: stray(name) for name in files - read if not is_sidecars(name)}


def _masks_of_images(masks: Mapping[str, str | None]) -> dict[str, tuple[str, ...]]:
    """Return the masks of each image, by name: of two lungs, or of several lesions."""
    found = defaultdict(list)
    for mask, image in sorted(masks.items()):
        if image is not None:
            found[image].append(mask)
    return {image: tuple(own) for image, own in found.items()}


def _beside(decisions: Decisions, columns: Mapping[str, Column], key: str) -> dict[str, str]:
    """Return each image's cell of the column that is kept beside the label for this."""
    known, text = _MORE[key]
    likely = next((f"column {columns[k].title}" for k in known if k in columns), NONE)
    chosen: str | None = likely
    if columns and text:
        titles = sorted(column.title for column in columns.values())
        choices = (*(f"column {title}" for title in titles), NONE)
        chosen = decisions.decide(key, text, choices, likely)
    return any_column(columns).get(chosen or NONE, {})


def _why_unlabelled(name: str, label: LabelHypothesis | None, splits: Mapping[str, Split]) -> str:
    if label is not None and name in label.left:
        return label.left[name]
    if splits and name not in splits:
        return "It lies outside of the split folders."
    if label is None or label.where == "folders":
        return "It lies in no class folder, and no table names it."
    return "No table names it, or what it says is no label."
