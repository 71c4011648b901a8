"""Synthetic chest films with known truth: the first-visit demo and the simulated clinician's cases.

Class 1 is a faint round opacity inside a lung field. A bright laterality marker in a corner is the
shortcut: in training and validation films it agrees with the class as often as asked for, in test
films as often as not. All lengths are shares of the side and the grain has a size of its own, so a
film looks the same at every size. All of it is our choice; nothing here is from the paper.
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.core.bounds import MOST_FILMS, check_seed, is_number, is_whole, quoted
from imil.core.images import ImageSet
from imil.core.records import Region, Sample, Split
from imil.errors import DataError, PlanError
from imil.synthetic.phantom import (
    Scene,
    breathed_in,
    draw,
    finding_region,
    marker_region,
    random_chest,
    random_distractor,
    random_exposure,
    random_marker,
    random_opacity,
    relevant_region,
)

# Raised whenever any pixel or label of any film changes: figures are comparable within a version.
FILMS_VERSION = 1
CLASSES = ("no finding", "finding")
# Groups of the figures: does the marker say what the label says?
MARKER_AGREES = "marker agrees"
MARKER_DISAGREES = "marker disagrees"

SMALLEST_SIZE = 32  # px; below it an opacity is under two pixels wide
LARGEST_SIZE = 1024  # px
FEWEST_IMAGES = 20
MOST_DISTRACTORS = 20  # more find no room beside the lungs
# Beside the training films: enough to rank arms on, and a test set that small gains show on.
VALIDATION_SHARE, FEWEST_VALIDATION = 0.2, 10
TEST_SHARE, FEWEST_TEST = 0.4, 20
# Whatever the training set, the marker says nothing about the class of a test film.
TEST_SHORTCUT = 0.5
FILMS_A_PATIENT = 2

_COLUMNS = ("file_name", "label", "patient_id", "group", "relevant_file_name")
BREATH = (-0.02, 0.02)  # how far the diaphragm of one person differs from film to film
SECOND_OPACITY = 0.25  # share of finding films with two opacities


@dataclass(frozen=True, slots=True)
class FilmSpec:
    """What a set of films is like; with a film's index it fixes every pixel.

    Attributes:
        images: training films; validation and test films come on top.
        size: side of the square films, px.
        shortcut: share (0-1) of training and validation films whose marker agrees with the true
            class, exact to a film a class; 0.5 is no shortcut.
        label_noise: share (0-1) of training films, of each class, whose label is wrong. The marker
            was put on before anybody read the film, so it goes with the true class.
        distractors: blob-like electrodes and buttons a film, all outside the lung fields.
        seed: of everything drawn.
    """

    images: int = 1000
    size: int = 64
    shortcut: float = 0.95
    label_noise: float = 0.0
    distractors: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges; PlanError says which value can't be used."""
        for name in ("images", "size", "distractors", "seed"):
            if not is_whole(getattr(self, name)):
                raise PlanError(
                    f"The {name} of the films can't be {quoted(getattr(self, name))}.",
                    why="It is a whole number.",
                    fix="Pick a whole number.",
                )
        check_seed(self.seed)
        if self.images > MOST_FILMS:
            raise PlanError(
                f"{quoted(self.images)} training films are too many.",
                why=f"At most {MOST_FILMS} are drawn.",
                fix=f"Ask for {MOST_FILMS} films or fewer.",
            )
        if self.images < FEWEST_IMAGES:
            raise PlanError(
                f"{self.images} training films are too few.",
                why=f"Below {FEWEST_IMAGES} a split can lack a class.",
                fix=f"Ask for {FEWEST_IMAGES} films or more.",
            )
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE:
            raise PlanError(
                f"Films can't be {quoted(self.size)} px wide.",
                why=f"They are drawn at {SMALLEST_SIZE} to {LARGEST_SIZE} px.",
                fix=f"Pick a size from {SMALLEST_SIZE} to {LARGEST_SIZE}.",
            )
        for name, share in (("shortcut", self.shortcut), ("label noise", self.label_noise)):
            if not is_number(share) or not 0 <= share <= 1:
                raise PlanError(
                    f"The {name} of the films can't be {quoted(share)}.",
                    why="It is a share of the films.",
                    fix="Pick a number from 0 to 1.",
                )
        if not 0 <= self.distractors <= MOST_DISTRACTORS:
            raise PlanError(
                f"A film can't have {quoted(self.distractors)} distractors.",
                why=f"There is room for 0 to {MOST_DISTRACTORS} beside the lungs.",
                fix=f"Pick a number from 0 to {MOST_DISTRACTORS}.",
            )


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticFilm:
    """One film and the truth about it.

    Attributes:
        sample_id: "film_0019", unique over all splits.
        pixels: (S, S) uint8.
        label: the class it is filed under; wrong for `label_noise` of the training films.
        true_label: what is on the film.
        split: what it is used for.
        patient: whose film it is; two a patient, with one anatomy, never in two splits.
        marked: whether it carries the marker.
        group: `MARKER_AGREES` if the marker says what the label says, else `MARKER_DISAGREES`.
        relevant: (S, S), both lung fields and a small margin, in either class: it never gives
            the label away.
    """

    sample_id: str
    pixels: NDArray[np.uint8]
    label: int
    true_label: int
    split: Split
    patient: str
    marked: bool
    group: str
    relevant: Region


@dataclass(frozen=True, slots=True, eq=False)
class _Deal:
    """Who gets what, a row a film: labels, true labels (int64) and markers (bool)."""

    labels: NDArray[np.int64]
    true_labels: NDArray[np.int64]
    marked: NDArray[np.bool_]


def film_counts(spec: FilmSpec) -> dict[Split, int]:
    """Return the number of films a split."""
    return {
        Split.TRAIN: spec.images,
        Split.VALIDATION: max(FEWEST_VALIDATION, round(VALIDATION_SHARE * spec.images)),
        Split.TEST: max(FEWEST_TEST, round(TEST_SHARE * spec.images)),
    }


def film(spec: FilmSpec, index: int) -> SyntheticFilm:
    """Return one film, the same for the same spec and index whatever was drawn before.

    Args:
        spec: what the set is like.
        index: 0 to the sum of `film_counts` - 1: training films first, then validation, then test.

    Raises:
        ValueError: if the set has no film of that index.
    """
    return _film(spec, _deal(spec), index)


def marker_place(spec: FilmSpec, sample_id: str) -> tuple[float, float, float] | None:
    """Return the marker's left, top and side as shares of the film's side; None without a marker.

    For the hint to a newcomer alone: no queue, arm or recommendation may call it.
    """
    marker = _scene(spec, _deal(spec), int(sample_id.removeprefix("film_"))).marker
    return None if marker is None else (marker.x, marker.y, marker.side)


def film_truth(spec: FilmSpec, sample_id: str) -> tuple[Region, Region]:
    """Return where a film's finding is, and where its marker, (S, S) each; empty without one.

    For measurements alone: no queue, arm or recommendation may call it.
    """
    scene = _scene(spec, _deal(spec), int(sample_id.removeprefix("film_")))
    return finding_region(scene, size=spec.size), marker_region(scene, size=spec.size)


def film_set(spec: FilmSpec) -> ImageSet:
    """Return the films as an image set whose originals are drawn when asked for.

    Not `mirrored`: the heart lies on one side, and the marker names it.
    """
    deal = _deal(spec)
    samples = [_sample(spec, deal, index) for index in range(len(deal.labels))]
    return ImageSet(
        "Synthetic films",
        CLASSES,
        samples,
        read=partial(_read, spec, deal),
        read_relevant=partial(_read_relevant, spec, deal),
        read_reference_label=partial(_read_true_label, deal),
        channels=1,
        mirrored=False,
    )


def write_films(spec: FilmSpec, out: Path) -> Iterator[int]:
    """Write the films as an image folder with reference masks, yielding how many are written.

    `out` appears when all is written; a stopped or failed writing leaves nothing behind. Beside the
    splits lies `films.json`: the spec and `FILMS_VERSION`, from which the folder can be made again.

    Raises:
        DataError: if `out` exists and is not an empty folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"The films can't be written to “{out}”.",
            why="There is something of that name already, and it would be overwritten.",
            fix="Name a new folder, or empty this one first.",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield from _write_folder(spec, unfinished)
        unfinished.chmod(0o755)  # mkdtemp's folders are the owner's alone
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_folder(spec: FilmSpec, folder: Path) -> Iterator[int]:
    deal = _deal(spec)
    rows: dict[Split, list[tuple[str, ...]]] = {split: [] for split in Split}
    # Only where labels are wrong: otherwise it would say the same twice.
    columns = [*_COLUMNS, "reference_label"] if spec.label_noise else [*_COLUMNS]
    for split in Split:
        for kind in ("images", "relevant"):
            (folder / split / kind).mkdir(parents=True)
    for index in range(len(deal.labels)):
        one = _film(spec, deal, index)
        image, relevant = f"images/{one.sample_id}.png", f"relevant/{one.sample_id}.png"
        Image.fromarray(one.pixels).save(folder / one.split / image)
        Image.fromarray(one.relevant).save(folder / one.split / relevant)
        cells = (image, CLASSES[one.label], one.patient, one.group, relevant)
        rows[one.split].append((*cells, CLASSES[one.true_label])[: len(columns)])
        yield index + 1
    for split, lines in rows.items():
        with (folder / split / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(columns)
            table.writerows(lines)
    origin = {"films_version": FILMS_VERSION, **asdict(spec)}
    (folder / "films.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def _deal(spec: FilmSpec) -> _Deal:
    """Draw labels and markers of all films: exact shares in every split and class."""
    rng = np.random.default_rng((spec.seed, 0))
    deals = []
    for split, count in film_counts(spec).items():
        agreeing = TEST_SHORTCUT if split is Split.TEST else spec.shortcut
        true_labels = rng.permutation(np.arange(count) % 2)
        agrees = np.zeros(count, np.bool_)
        wrong = np.zeros(count, np.bool_)
        for label in (0, 1):
            rows = np.flatnonzero(true_labels == label)
            agrees[rng.permutation(rows)[: round(agreeing * len(rows))]] = True
            noise = spec.label_noise if split is Split.TRAIN else 0.0
            wrong[rng.permutation(rows)[: round(noise * len(rows))]] = True
        deals.append((true_labels ^ wrong, true_labels, agrees == (true_labels == 1)))
    labels, true_labels, marked = (np.concatenate(part) for part in zip(*deals, strict=True))
    return _Deal(labels.astype(np.int64), true_labels.astype(np.int64), marked)


def _place(spec: FilmSpec, index: int) -> tuple[Split, int]:
    """Return a film's split and a number of its patient, unique over all splits."""
    first_film = first_patient = 0
    for split, count in film_counts(spec).items():
        if first_film <= index < first_film + count:
            return split, first_patient + (index - first_film) // FILMS_A_PATIENT
        first_film += count
        first_patient += -(-count // FILMS_A_PATIENT)
    raise ValueError(f"no film {index} among {first_film}")


def _sample(spec: FilmSpec, deal: _Deal, index: int) -> Sample:
    split, patient = _place(spec, index)
    digits = max(4, len(str(len(deal.labels) - 1)))
    label = int(deal.labels[index])
    agrees = bool(deal.marked[index]) == (label == 1)
    return Sample(
        f"film_{index:0{digits}}",
        label,
        split,
        patient=f"patient_{patient:0{digits}}",
        group=MARKER_AGREES if agrees else MARKER_DISAGREES,
    )


def _film(spec: FilmSpec, deal: _Deal, index: int) -> SyntheticFilm:
    sample = _sample(spec, deal, index)
    scene = _scene(spec, deal, index)
    return SyntheticFilm(
        sample_id=sample.sample_id,
        pixels=draw(scene, size=spec.size),
        label=sample.label,
        true_label=int(deal.true_labels[index]),
        split=sample.split,
        patient=sample.patient or "",
        marked=bool(deal.marked[index]),
        group=sample.group or "",
        relevant=relevant_region(scene, size=spec.size),
    )


def _read(spec: FilmSpec, deal: _Deal, sample_id: str) -> NDArray[np.uint8]:
    index = int(sample_id.removeprefix("film_"))
    return draw(_scene(spec, deal, index), size=spec.size)


def _read_relevant(spec: FilmSpec, deal: _Deal, sample_id: str) -> Region:
    index = int(sample_id.removeprefix("film_"))
    return relevant_region(_scene(spec, deal, index), size=spec.size)


def _read_true_label(deal: _Deal, sample_id: str) -> int:
    return int(deal.true_labels[int(sample_id.removeprefix("film_"))])


def _scene(spec: FilmSpec, deal: _Deal, index: int) -> Scene:
    """Return what is on a film; the opacities alone depend on the class.

    Each part draws from a generator of its own, so a film with more distractors or another class
    is otherwise the same film.
    """
    _, patient = _place(spec, index)
    person = np.random.default_rng((spec.seed, 1, patient))
    taking = np.random.default_rng((spec.seed, 2, index))
    reading = np.random.default_rng((spec.seed, 3, index))
    things = np.random.default_rng((spec.seed, 4, index))
    chest = breathed_in(random_chest(person), taking.uniform(*BREATH))
    opacities = 0
    if deal.true_labels[index] == 1:
        opacities = 1 + int(reading.random() < SECOND_OPACITY)
    marker = random_marker(taking)
    return Scene(
        chest=chest,
        exposure=random_exposure(taking),
        opacities=tuple(random_opacity(reading, chest) for _ in range(opacities)),
        distractors=tuple(random_distractor(things, chest) for _ in range(spec.distractors)),
        marker=marker if deal.marked[index] else None,
    )
