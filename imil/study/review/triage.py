"""What a reader decided on labels: relabelled, excluded or kept, before any mask is painted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from imil.core.arms.registry import ARMS
from imil.core.arms.variants import Variant
from imil.core.images import ImageSet
from imil.core.records import LabelDecision, Split, Triage
from imil.core.review.readers import UNNAMED, reader_name
from imil.datasets.tables.table import read_grid
from imil.errors import DataError, PlanError
from imil.storage.records.acts import ActKind
from imil.study.audit.trail import AuditTrail
from imil.study.context import StudyContext

_DECIDED = {
    LabelDecision.RELABEL: ActKind.RELABELLED,
    LabelDecision.EXCLUDE: ActKind.EXCLUDED,
    LabelDecision.KEEP: ActKind.LABEL_KEPT,
}


class Labels:
    """What readers decide on labels of training images; only the arms of triage use it."""

    def __init__(self, context: StudyContext, audit: AuditTrail) -> None:
        self._context = context
        self._audit = audit
        # By image, made again only where a decision came: asked for at each click.
        self._by_image: tuple[tuple[Triage, ...], dict[str, Triage]] = ((), {})

    def relabel(self, sample_id: str, class_name: str, *, reader: str = UNNAMED) -> None:
        """Say that a training image carries the wrong label.

        Args:
            sample_id: the image.
            class_name: the right label.
            reader: who says so; also of the two that follow.

        Raises:
            DataError: not a training image, no such class, or the class it has.
        """
        self._decide(Triage(sample_id, LabelDecision.RELABEL, class_name), reader)

    def exclude(self, sample_id: str, *, reader: str = UNNAMED) -> None:
        """Say that a training image should not be learned from.

        Raises:
            DataError: not a training image.
        """
        self._decide(Triage(sample_id, LabelDecision.EXCLUDE), reader)

    def keep(self, sample_id: str, *, reader: str = UNNAMED) -> None:
        """Say that the label is right; takes back a relabelling or exclusion.

        Raises:
            DataError: not a training image.
        """
        self._decide(Triage(sample_id, LabelDecision.KEEP), reader)

    def decision(self, sample_id: str) -> Triage | None:
        """Return what was decided on an image's label; None where nobody did."""
        triage = self._context.record.triage
        if self._by_image[0] is not triage:
            self._by_image = triage, {each.sample_id: each for each in triage}
        return self._by_image[1].get(sample_id)

    def changed(self) -> tuple[Triage, ...]:
        """Return the images that were relabelled or excluded."""
        return label_changes(self._context.record.triage)

    def _decide(self, new: Triage, reader: str) -> None:
        state = self._context.state
        with state.lock:
            state.update(triage=apply_decision(self._context.images, state.record.triage, new))
            details = {"label": new.label} if new.label else {}
            what, who = _DECIDED[new.decision], reader_name(reader)
            self._audit.note(what, who=who, sample_id=new.sample_id, details=details)
            state.touch((new.sample_id,))


def apply_decision(images: ImageSet, triage: Sequence[Triage], new: Triage) -> tuple[Triage, ...]:
    """Return the decisions with one more; an earlier one on the same image is replaced.

    Raises:
        DataError: no such image, not a training image, no such class, or the class it has.
    """
    sample = images.sample(new.sample_id)
    if sample.split is not Split.TRAIN:
        raise DataError(
            f"“{images.title(new.sample_id)}” is a {sample.split} image.",
            why="Only labels of training images may be changed: the others are what the model is "
            "measured on.",
            fix="Pick an image from the gallery of label suspects.",
        )
    if new.decision is LabelDecision.RELABEL:
        _check_class(images, new.label, now=images.classes[sample.label])
    return (*(t for t in triage if t.sample_id != new.sample_id), new)


def _check_class(images: ImageSet, label: str, *, now: str) -> None:
    if label not in images.classes:
        raise DataError(
            f"There is no class “{label}”.",
            why=f"The classes are {', '.join(images.classes)}.",
            fix="Name one of them, or exclude the image.",
        )
    if label == now:
        raise DataError(
            f"The image is labelled “{label}” already.",
            why="To give it the same label again would change nothing.",
            fix="Name another class, or say that the label is right.",
        )


def label_changes(triage: Sequence[Triage]) -> tuple[Triage, ...]:
    """Return the decisions that change what an arm trains on, by image."""
    acts = [t for t in triage if t.decision is not LabelDecision.KEEP]
    return tuple(sorted(acts, key=lambda t: t.sample_id))


def untriaged(images: ImageSet, triage: Sequence[Triage]) -> list[int]:
    """Return how many training images of each class nobody relabelled or excluded."""
    triaged = {t.sample_id for t in label_changes(triage)}
    left = [0] * len(images.classes)
    for sample in images.samples:
        left[sample.label] += sample.split is Split.TRAIN and sample.sample_id not in triaged
    return left


def triage_rows(images: ImageSet, triage: Sequence[Triage]) -> Mapping[int, int | None]:
    """Return each triaged image's row with its new class; None for one that is excluded."""
    return {
        images.position(t.sample_id): (
            images.classes.index(t.label) if t.decision is LabelDecision.RELABEL else None
        )
        for t in label_changes(triage)
    }


def triage_key(triage: Sequence[Triage]) -> str | None:
    """Return a short name for these decisions; None where none changes anything."""
    lines = [f"{t.sample_id}\0{t.label}" for t in label_changes(triage)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12] if lines else None


def triage_notices(arms: Sequence[Variant], triage: Sequence[Triage]) -> tuple[str, ...]:
    """Return what is said beside the figures of the arms that learn from these decisions."""
    needing = [arm for arm in arms if ARMS[arm.arm].triage]
    if not needing:
        return ()
    if not label_changes(triage):
        return (f"No label was changed, so {' and '.join(needing)} trained as control did.",)
    relabelled = sum(t.decision is LabelDecision.RELABEL for t in triage)
    excluded = sum(t.decision is LabelDecision.EXCLUDE for t in triage)
    return (
        (
            f"Labels: {relabelled} relabelled, {excluded} excluded. Only {' and '.join(needing)} "
            "learned from that, without masks; all other arms kept every image and label."
        ),
    )


def simulated_triage(images: ImageSet, suspects: Iterable[str]) -> tuple[Triage, ...]:
    """Return what a reader who knows the truth says of suspected labels: the wrong ones corrected.

    An image of which the truth is not known is left as it is.
    """
    found = []
    for sample_id in suspects:
        truth = images.reference_label(sample_id)
        if truth is not None and truth != images.sample(sample_id).label:
            found.append(Triage(sample_id, LabelDecision.RELABEL, images.classes[truth]))
    return tuple(found)


def read_decisions(path: Path, images: ImageSet) -> tuple[Triage, ...]:
    """Return the decisions of a CSV: file_name, and label (empty: exclude the image).

    Raises:
        PlanError: there is no such file, or it decides on nothing.
        DataError: no such table, an image that is not there or no training image, an unknown class,
            or the class that the image has.
    """
    if not path.is_file():
        raise PlanError(
            f"There is no file “{path.name}”.",
            why="--triage takes a CSV with the columns file_name and label.",
            fix="Check the path.",
        )
    # As for masks: an image is named by its id, or by its file's name without folder and ending.
    names = {PurePosixPath(s.sample_id).stem: s.sample_id for s in images.samples}
    names |= {s.sample_id: s.sample_id for s in images.samples}
    triage: tuple[Triage, ...] = ()
    for written, label in read_grid(path, path.name).picked(path.name, "file_name", "label"):
        sample_id = names.get(written, names.get(PurePosixPath(written).stem, written))
        act = LabelDecision.RELABEL if label else LabelDecision.EXCLUDE
        triage = apply_decision(images, triage, Triage(sample_id, act, label))
    if not triage:
        raise PlanError(
            f"“{path.name}” names no image.",
            why="The arms relabel and drop differ from control by decisions on labels alone.",
            fix="Add a row for each image to relabel or, with an empty label, to exclude.",
        )
    return triage
