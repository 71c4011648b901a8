"""What a study consists of: samples, splits, class balance, disjointness, what was skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from imil.core.duplicates import Twins
from imil.core.images import ImageSet
from imil.core.records import Split
from imil.core.splits import DisjointProof
from imil.datasets.listing import ImportReport
from imil.report.parts import numbers, text
from imil.report.parts.markup import data_url, empty, icon, note
from imil.report.parts.skipped_list import skipped_list

# Pictures shown of a study; two rows on a wide screen.
SAMPLES = 12
# Pairs of near duplicates shown with their pictures.
TWINS_SHOWN = 12
# Images of a class in validation or test below which the screen warns: one image then counts for
# five points or more of the class. Our choice.
FEW = 20
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


def no_study() -> str:
    """Return what stands here before a study is open."""
    return empty(text.NO_IMAGES, text.NO_IMAGES_WORDS, picture="image")


def study_card(study: StudyData) -> str:
    """Return a study's images, splits, disjointness and import report."""
    return "".join(
        (
            _damaged(study),
            _samples(study),
            _splits(study),
            _checks(study),
            _skipped(study),
            _notes(study),
        )
    )


def study_line(images: ImageSet) -> str:
    """Return the study in a line: 1,600 images · 2 classes."""
    classes = numbers.some(len(images.classes), "class", "classes")
    return f"{numbers.some(len(images), 'image', 'images')} · {classes}"


def _samples(study: StudyData) -> str:
    """Return training images of every class in turn; nothing while images are missing."""
    images = study.images
    if study.missing:
        return ""
    by_class: list[list[str]] = [[] for _ in images.classes]
    for sample in images.samples:
        if sample.split is Split.TRAIN and len(by_class[sample.label]) < SAMPLES:
            by_class[sample.label].append(sample.sample_id)
    # Highest label first: the finding is what a clinician looks for.
    turns = [(ids[i], label) for i in range(SAMPLES) for label, ids in _last_first(by_class, i)]
    figures = "".join(
        f'<figure><img alt="{escape(text.SAMPLE.format(label=images.classes[label]))}" '
        f'src="{data_url(study.thumbnail(sample_id))}">'
        f"<figcaption>{escape(images.classes[label])}</figcaption></figure>"
        for sample_id, label in turns[:SAMPLES]
    )
    return f'<div class="samples">{figures}</div>'


def _last_first(by_class: list[list[str]], turn: int) -> list[tuple[int, list[str]]]:
    return [(k, ids) for k, ids in reversed(list(enumerate(by_class))) if len(ids) > turn]


def _splits(study: StudyData) -> str:
    names = study.images.classes
    order = list(reversed(range(len(names))))
    keys = "".join(
        f'<span class="key" style="--k:{_colour(k)}"><span>{escape(names[k])}</span></span>'
        for k in order
    )
    rows = "".join(_split_row(study, split, order) for split in Split)
    return (
        f'<h3 style="margin-top:16px">{escape(text.SPLIT_TITLE)}</h3><table class="split"><thead>'
        f'<tr><th scope="col">{escape(text.COLUMN_SPLIT)}</th>'
        f'<th scope="col">{escape(text.COLUMN_IMAGES)}</th>'
        f'<th scope="col">{escape(text.COLUMN_PATIENTS)}</th>'
        f'<th scope="col" style="width:42%"><span class="keys-of-classes">{keys}</span></th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _split_row(study: StudyData, split: Split, order: list[int]) -> str:
    samples = [sample for sample in study.images.samples if sample.split is split]
    patients = {sample.patient for sample in samples if sample.patient is not None}
    counts = [sum(sample.label == k for sample in samples) for k in order]
    said = ", ".join(
        f"{numbers.count(n)} {study.images.classes[k]}" for k, n in zip(order, counts, strict=True)
    )
    bars = "".join(
        f'<i style="width:{100 * n / max(1, len(samples)):.2f}%;--k:{_colour(k)}"></i>'
        for k, n in zip(order, counts, strict=True)
        if n
    )
    return (
        f'<tr><th scope="row">{escape(text.SPLITS[split])}</th>'
        f"<td>{numbers.count(len(samples))}</td>"
        f"<td>{numbers.count(len(patients)) if patients else text.UNKNOWN}</td>"
        f'<td><div class="bal" role="img" aria-label="{escape(said)}" title="{escape(said)}">'
        f"{bars}</div></td></tr>"
    )


def _colour(label: int) -> str:
    return CLASS_COLOURS[label % len(CLASS_COLOURS)]


def _checks(study: StudyData) -> str:
    lead, _, rest = study.proof.sentence.partition(". ")
    lines = [_check(f"{lead}.", rest, sound=study.proof.complete)]
    if study.report.twins is not None:
        lines += _twins(study, study.report.twins)
    lines += _burnt(study)
    lines += _tiny(study)
    return f'<ul class="checks">{"".join(lines)}</ul>'


def _check(lead: str, rest: str, *, sound: bool, more: str = "") -> str:
    tone, picture = ("", "check") if sound else ("w", "warn")
    return (
        f'<li class="{tone}">{icon(picture)}<div><b>{escape(lead)}</b> {escape(rest)}{more}'
        "</div></li>"
    )


def _twins(study: StudyData, found: Twins) -> list[str]:
    """Return what is known of near duplicates; those in two splits first."""
    lines = []
    limits = f" {text.TWINS_EXACT}" if found.exact_only else ""
    n, kept = numbers.count(found.compared), numbers.some(found.kept, "image", "images")
    if found.across:
        lead, rest = text.TWINS_ACROSS
        pairs = _pairs(study, found.named[: found.across], found.across)
        lead = lead.format(pairs=numbers.some(found.across, "pair", "pairs"))
        lines.append(_check(lead, rest + limits, sound=False, more=pairs))
    else:
        lead, rest = text.TWINS_KEPT if found.kept else text.TWINS_NONE
        if found.moved:
            lead, rest = text.TWINS_MOVED
        moved = numbers.some(found.moved, "image was", "images were")
        lines.append(_check(lead, rest.format(n=n, kept=kept, moved=moved) + limits, sound=True))
    if found.inside:
        lead, rest = text.TWINS_INSIDE
        inside = found.named[found.across :]
        lead = lead.format(pairs=numbers.some(found.inside, "pair", "pairs"))
        more = _pairs(study, inside, found.inside)
        lines.append(_check(lead, rest, sound=bool(found.kept or found.moved), more=more))
    return lines


def _burnt(study: StudyData) -> list[str]:
    """Return what is known of text in the corners, with pictures of some that have it."""
    found = study.report.burnt_in
    if found is None:
        return []
    if not found.images:
        lead, rest = text.BURNT_NONE
        return [_check(lead, rest, sound=True)]
    lead, rest = text.BURNT_BLACK if found.blacked_out else text.BURNT
    lead = lead.format(images=numbers.some(found.images, "image", "images"))
    rows = "".join(f"<li>{_twin(study, sample_id)}</li>" for sample_id in found.named)
    more = f'<details class="twins"><summary>{escape(text.TWINS_SHOW)}</summary><ul>{rows}</ul>'
    return [_check(lead, rest, sound=found.blacked_out, more=f"{more}</details>")]


def _pairs(study: StudyData, named: Sequence[tuple[str, str]], total: int) -> str:
    """Return pairs of pictures with their names and splits, behind a line that opens."""
    rows = "".join(
        f"<li>{_twin(study, one)}{_twin(study, other)}</li>" for one, other in named[:TWINS_SHOWN]
    )
    left = total - min(len(named), TWINS_SHOWN)
    if left > 0:
        rows += f"<li>{escape(text.TWINS_MORE.format(more=numbers.count(left)))}</li>"
    title = escape(text.TWINS_SHOW)
    return f'<details class="twins"><summary>{title}</summary><ul>{rows}</ul></details>'


def _twin(study: StudyData, sample_id: str) -> str:
    sample = study.images.sample(sample_id)
    title, label = study.images.title(sample_id), study.images.classes[sample.label]
    said = f"{title}, {text.SPLITS[sample.split]}, {label}"
    picture = data_url(study.thumbnail(sample_id))
    return f'<figure><img alt="" src="{picture}"><figcaption>{escape(said)}</figcaption></figure>'


def _tiny(study: StudyData) -> list[str]:
    """Return a line for each class of which validation or test has too few to tell much."""
    lines = []
    for split in (Split.VALIDATION, Split.TEST):
        labels = study.images.labels[study.images.rows(split)]
        for label, name in enumerate(study.images.classes):
            number = int((labels == label).sum())
            if number >= FEW:
                continue
            lead, rest = text.TINY
            shown = numbers.some(number, "image", "images")
            where = text.SPLIT_WORDS[split]
            lead = lead.format(label=name, n=shown, split=where)
            rest = rest.format(points=round(100 / max(1, number)))
            lines.append(_check(lead, rest, sound=False))
    return lines[:TINY_SHOWN]


def _skipped(study: StudyData) -> str:
    report = study.report
    if not report.skipped:
        return ""
    title = text.TAKEN.format(
        taken=numbers.some(report.taken, "image", "images"),
        skipped=numbers.some(report.left_out, "file", "files"),
    )
    return skipped_list(title, report.skipped, more=report.more_skipped)


def _notes(study: StudyData) -> str:
    # Each split may have been read in the same way: that is said once.
    told = dict.fromkeys(study.report.notes)
    return "".join(note(words, tone="info") for words in told)


def _damaged(study: StudyData) -> str:
    """Return which masks can't be read, by image and file: to be made anew, or restored."""
    names = study.damaged
    if not names:
        return ""
    lead = text.DAMAGED_MASKS.format(masks=numbers.some(len(names), text.MASK_ONE, text.MASK_MANY))
    called = "; ".join(_called(study, name, of) for name, of in names.items())
    rest = text.DAMAGED_MASKS_WORDS.format(names=called)
    return note(rest, tone="bad", lead=lead, alert=True)


def _called(study: StudyData, name: str, sample_id: str | None) -> str:
    if sample_id is None:
        return name
    return text.DAMAGED_MASK_OF.format(image=study.images.title(sample_id), name=name)
