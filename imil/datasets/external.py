"""Another hospital's images, with the classes of a study: all of them to test on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from imil.core.bounds import LONGEST_LINE, check_text, one_line
from imil.core.images import ImageSet, to_uint8
from imil.core.records import Pixels, Sample, Split
from imil.datasets.choices import Choices
from imil.datasets.files.pixels import read_pixels
from imil.datasets.layout.decisions.relabel import apply_rules, parse_rules
from imil.datasets.listing import Entry, Listing
from imil.errors import DataError, PlanError

# External sets of one study or run: each is opened with the test set.
MOST_EXTERNAL = 20
# Signs of a set's name.
LONGEST_SET_NAME = 60
# Labels that an error names.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Target:
    """What an external set's labels have to be.

    Attributes:
        classes: the study's, in label order.
        positive: the label that a study of one against the rest tells from all others; None where
            every class is told apart.
        rules: how a person renames or leaves out labels that were not renamed while reading; see
            `imil.datasets.layout.decisions.relabel`.
    """

    classes: tuple[str, ...]
    positive: str | None = None
    rules: str = ""


def set_name(written: object) -> str:
    """Return an external set's name as it is kept: one line; PlanError if it can't be."""
    name = one_line(check_text("name of the set", written, longest=LONGEST_LINE))
    if not name or len(name) > LONGEST_SET_NAME:
        raise PlanError(
            "The external set needs a short name.",
            why=f"Its figures are called by it; it may have up to {LONGEST_SET_NAME} signs.",
            fix="Name the hospital or the data set, without patient data.",
        )
    return name


def external_choices(choices: Choices | None = None, rules: str = "") -> Choices:
    """Return how a set is read: splits that it names mean nothing, and labels follow the rules."""
    asked = choices or Choices()
    renamed = (("values", rules),) if rules.strip() else ()
    return replace(asked, answers=(("split", "none"), *asked.answers, *renamed))


def as_external(listing: Listing, target: Target) -> Listing:
    """Return a listing in which every image is a test image of one of the study's classes.

    Raises:
        DataError: a rule is none or fits no label; a label is no class of the study; or a class has
            no image.
    """
    labels = {entry.sample_id: entry.label for entry in listing.entries}
    if target.rules.strip():
        labels, _ = apply_rules(labels, parse_rules(target.rules))
    kept = [
        replace(entry, label=_task_label(labels[entry.sample_id], target), split=Split.TEST)
        for entry in listing.entries
        if entry.sample_id in labels
    ]
    _check_labels(Counter(labels.values()), kept, target)
    left = len(listing.entries) - len(kept)
    report = replace(listing.report, taken=len(kept), twins=None)
    if left:
        report = replace(report, notes=(*report.notes, f"{left} images left out by your rules."))
    known = all(entry.group is not None for entry in kept)
    return replace(
        listing,
        classes=target.classes,
        positive=None,
        entries=tuple(kept if known else (replace(entry, group=None) for entry in kept)),
        report=report,
    )


def external_images(listing: Listing, *, channels: int) -> ImageSet:
    """Return the images of a listing that `as_external` made.

    Args:
        listing: of one external set.
        channels: of the study; where it is grey, colours become grey.
    """
    number = {label: i for i, label in enumerate(listing.classes)}
    samples = [
        Sample(e.sample_id, number[e.label], Split.TEST, e.patient, e.group)
        for e in listing.entries
    ]
    files = {e.sample_id: e.file for e in listing.entries}
    return ImageSet(
        listing.name,
        listing.classes,
        samples,
        read=partial(_read_grey if channels == 1 else _read, files),
        channels=channels,
        numbered=not listing.named,
    )


def _task_label(label: str, target: Target) -> str:
    if target.positive is None:
        return label
    return target.classes[int(label == target.positive)]


def _check_labels(labels: Mapping[str, int], kept: Sequence[Entry], target: Target) -> None:
    wanted = ", ".join(f"“{name}”" for name in target.classes)
    there = {entry.label for entry in kept}
    unknown = sorted(there - set(target.classes))
    missing = [name for name in target.classes if name not in there]
    if not unknown and not missing:
        return
    some = ", ".join(f"“{name}”" for name in sorted(labels)[:_NAMED])
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    what = (
        f"This set has a label “{unknown[0]}”, and the study has no such class."
        if unknown
        else f"This set has no image of the class “{missing[0]}”."
    )
    raise DataError(
        what,
        why=f"The study's classes are {wanted}; the set's labels are {some}{more}.",
        fix="Say what each label is here: “old = new” renames it, “old =” leaves its images out. "
        "Every class needs an image.",
    )


def _read(files: Mapping[str, Path], sample_id: str) -> Pixels:
    return read_pixels(files[sample_id])


def _read_grey(files: Mapping[str, Path], sample_id: str) -> Pixels:
    pixels = read_pixels(files[sample_id])
    if pixels.ndim == 2:
        return pixels
    return np.asarray(Image.fromarray(to_uint8(pixels)).convert("L"))
