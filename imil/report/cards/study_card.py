"""What a study consists of: samples, splits, class balance, disjointness, what was skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from imil.core.duplicates import NearDuplicates
from imil.core.images import ImageSet
from imil.core.records import Split
from imil.core.splits import DisjointProof
from imil.datasets.listing import BurntIn, ImportReport
from imil.report.parts import numbers, text
from imil.report.parts.markup import data_url, empty, render, skipped_list

NO_IMAGES_WORDS = "Open the demo study, fetch a public set, or bring images of your own."
TWINS_NONE = ("No near duplicate across splits.", "{n} images compared.")
TWINS_KEPT = (
    "No near duplicate across splits.",
    "{n} images compared; {kept} that look the same were kept together.",
)
TWINS_ACROSS = (
    "{pairs} of near duplicates lie in two splits.",
    "The accuracy may be too high. Remove one of each, or let the app make the splits.",
)
TWINS_MOVED = (
    "No near duplicate across splits.",
    "{n} images compared; {moved} moved to the stricter split, where the duplicate was.",
)
BURNT = (
    "Text seems to be burnt into the corners of {images}.",
    "A model learns from it, and it may name people. To hide it, tick “Black out” and read again.",
)
BURNT_BLACK = (
    "Text in the corners of {images} was blacked out.",
    "What was found is not all there may be: look at the images.",
)
BURNT_NONE = ("No text found in the corners of images.", "Small or faint text is missed.")
TINY = (
    "Few images of “{label}”: {n} in {split}.",
    "With so few, one answer moves its share by {points} points.",
)

# Pictures shown of a study; two rows on a wide screen.
SAMPLES = 12
# Pairs of near duplicates shown with their pictures.
TWINS_SHOWN = 12
# Images of a class in validation or test below which the screen warns: one image then counts for
# five points or more of the class. Our choice.
_FEW = 20
# Warnings of tiny classes shown; a set of many classes would fill the card with them.
TINY_SHOWN = 6
# Colours of the classes in the balance bars, in turn.
CLASS_COLOURS = ("var(--line-strong)", "var(--primary)", "#9A5B00", "#6A4C93", "#11663F", "#A4281D")


@dataclass(frozen=True, slots=True, eq=False)
class StudyData:
    """The images of a study, and what is known of them.

    Attributes:
        images: all of them.
        proof: what is known of patients in two splits.
        report: how they were read.
        thumbnail: from an image's id to a small picture of it.
        missing: how many are not on this machine.
        damaged: masks whose files can't be read, by name, each with its image where that is known.
    """

    images: ImageSet
    proof: DisjointProof
    report: ImportReport
    thumbnail: Callable[[str], Path]
    missing: int = 0
    damaged: Mapping[str, str | None] = field(default_factory=dict)


def no_study_yet() -> Markup:
    """Return what stands here before a study is open."""
    return empty("No images yet", NO_IMAGES_WORDS, picture="image")


def study_card(study: StudyData) -> Markup:
    """Return a study's images, splits, disjointness and import report."""
    names, report = study.images.classes, study.report
    # The finding first: it is what a clinician looks for.
    order = list(reversed(range(len(names))))
    return render(
        "study.html",
        damaged=[_called(study, name, of) for name, of in study.damaged.items()],
        samples=_samples(study),
        classes=[(names[k], _colour(k)) for k in order],
        splits=[_split(study.images, split, order) for split in Split],
        checks=_checks(study),
        skipped=_skipped(report),
        # Each split may have been read in the same way: that is said once.
        notes=dict.fromkeys(report.notes),
    )


def study_line(images: ImageSet) -> str:
    """Return the study in a line: 1,600 images · 2 classes."""
    classes = numbers.some(len(images.classes), "class", "classes")
    return f"{numbers.some(len(images), 'image', 'images')} · {classes}"


def _samples(study: StudyData) -> list[tuple[str, str]]:
    """Return training images of every class in turn; nothing while images are missing."""
    images = study.images
    if study.missing:
        return []
    by_class: list[list[str]] = [[] for _ in images.classes]
    for sample in images.samples:
        if sample.split is Split.TRAIN and len(by_class[sample.label]) < SAMPLES:
            by_class[sample.label].append(sample.sample_id)
    turns = [
        (images.classes[label], ids[turn])
        for turn in range(SAMPLES)
        for label, ids in reversed(list(enumerate(by_class)))
        if len(ids) > turn
    ]
    return [(name, data_url(study.thumbnail(of))) for name, of in turns[:SAMPLES]]


def _split(images: ImageSet, split: Split, order: Sequence[int]) -> dict[str, Any]:
    samples = [sample for sample in images.samples if sample.split is split]
    counts = [(k, sum(sample.label == k for sample in samples)) for k in order]
    return {
        "name": text.SPLIT_NAMES[split],
        "images": len(samples),
        "patients": len({sample.patient for sample in samples if sample.patient is not None}),
        "words": ", ".join(f"{numbers.count(n)} {images.classes[k]}" for k, n in counts),
        "bars": [(100 * n / max(1, len(samples)), _colour(k)) for k, n in counts if n],
    }


def _colour(label: int) -> str:
    return CLASS_COLOURS[label % len(CLASS_COLOURS)]


def _checks(study: StudyData) -> list[dict[str, Any]]:
    lead, _, rest = study.proof.sentence.partition(". ")
    checks = [_check(f"{lead}.", rest, sound=study.proof.complete)]
    if study.report.twins is not None:
        checks += _twins(study, study.report.twins)
    if study.report.burnt_in is not None:
        checks.append(_burnt(study, study.report.burnt_in))
    return [*checks, *_tiny(study.images)]


def _check(
    lead: str, rest: str, *, sound: bool, images: Sequence[Any] = (), left: int = 0
) -> dict[str, Any]:
    """Return a line: its first sentence, what follows, and rows of images behind it."""
    return {"lead": lead, "rest": rest, "sound": sound, "images": images, "left": left}


def _twins(study: StudyData, found: NearDuplicates) -> list[dict[str, Any]]:
    """Return what is known of near duplicates; those in two splits first."""
    lines = []
    limits = " Of so many images only exact copies are found." if found.exact_only else ""
    n, kept = numbers.count(found.compared), numbers.some(found.kept, "image", "images")
    if found.across:
        lead, rest = TWINS_ACROSS
        lead = lead.format(pairs=numbers.some(found.across, "pair", "pairs"))
        pairs = _pairs(study, found.named[: found.across], found.across)
        lines.append(_check(lead, rest + limits, sound=False, **pairs))
    else:
        lead, rest = TWINS_KEPT if found.kept else TWINS_NONE
        if found.moved:
            lead, rest = TWINS_MOVED
        moved = numbers.some(found.moved, "image was", "images were")
        lines.append(_check(lead, rest.format(n=n, kept=kept, moved=moved) + limits, sound=True))
    if found.inside:
        lead = "{pairs} of near duplicates inside one split.".format(
            pairs=numbers.some(found.inside, "pair", "pairs")
        )
        pairs = _pairs(study, found.named[found.across :], found.inside)
        lines.append(_check(lead, "", sound=bool(found.kept or found.moved), **pairs))
    return lines


def _burnt(study: StudyData, found: BurntIn) -> dict[str, Any]:
    """Return what is known of text in the corners, with pictures of some that have it."""
    if not found.images:
        lead, rest = BURNT_NONE
        return _check(lead, rest, sound=True)
    lead, rest = BURNT_BLACK if found.blacked_out else BURNT
    lead = lead.format(images=numbers.some(found.images, "image", "images"))
    images = [[_image(study, sample_id)] for sample_id in found.named]
    return _check(lead, rest, sound=found.blacked_out, images=images)


def _pairs(study: StudyData, named: Sequence[tuple[str, str]], total: int) -> dict[str, Any]:
    """Return pairs of pictures with their names and splits, and how many more there are."""
    shown = [[_image(study, one), _image(study, other)] for one, other in named[:TWINS_SHOWN]]
    return {"images": shown, "left": total - len(shown)}


def _image(study: StudyData, sample_id: str) -> dict[str, str]:
    sample = study.images.sample(sample_id)
    title, label = study.images.title(sample_id), study.images.classes[sample.label]
    words = f"{title}, {text.SPLIT_NAMES[sample.split]}, {label}"
    return {"picture": data_url(study.thumbnail(sample_id)), "words": words}


def _tiny(images: ImageSet) -> list[dict[str, Any]]:
    """Return a line for each class of which validation or test has too few to tell much."""
    lines = []
    for split in (Split.VALIDATION, Split.TEST):
        labels = images.labels[images.rows(split)]
        for label, name in enumerate(images.classes):
            number = int((labels == label).sum())
            if number >= _FEW:
                continue
            lead, rest = TINY
            shown = numbers.some(number, "image", "images")
            lead = lead.format(label=name, n=shown, split=text.SPLIT_WORDS[split])
            rest = rest.format(points=round(100 / max(1, number)))
            lines.append(_check(lead, rest, sound=False))
    return lines[:TINY_SHOWN]


def _skipped(report: ImportReport) -> Markup:
    if not report.skipped:
        return Markup()
    taken = numbers.some(report.taken, "image", "images")
    left_out = numbers.some(report.left_out, "file", "files")
    return skipped_list(
        f"{taken} taken, {left_out} skipped", report.skipped, more=report.more_skipped
    )


def _called(study: StudyData, name: str, sample_id: str | None) -> str:
    return name if sample_id is None else f"{study.images.title(sample_id)}, {name}"
