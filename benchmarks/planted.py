"""Planted shortcuts on real tissue: ink, calipers, stickers and text at random places.

Where a marker lies in a corner, or a lesion in the middle, one fixed region hides the shortcut as
well as a clinician does. Here it lies anywhere outside the lesion, sometimes touching it, and the
truth is known. All of it is our choice.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from imil.core.images import ImageSet
from imil.core.records import Region, Sample, Split
from imil.errors import DataError

KINDS = ("ink", "calipers", "sticker", "text")
MARK_AGREES, MARK_DISAGREES = "mark agrees", "mark disagrees"
# Share of the marks that touch the lesion: whoever hides a rim keeps these in sight.
TOUCHING = 0.25
# Radius of a mark, share of the side; about that of a pen's dot or a ruler's end.
RADIUS = (0.05, 0.09)
# Places tried until a mark lies outside the lesion; then it lies in the corner farthest from it.
_TRIES = 200
_QUALITY = 95
_COLOURS = ((40, 60, 160), (120, 40, 140), (20, 110, 90), (30, 30, 30))


@dataclass(frozen=True, slots=True)
class PlantedSpec:
    """What is planted.

    Attributes:
        shortcut: share of the training and validation images whose mark says what their label says;
            in test images it is one half.
        size: side of the written images, px.
        seed: of presence, kind and place.
    """

    shortcut: float = 0.95
    size: int = 224
    seed: int = 0


def write_planted(
    images: ImageSet,
    out: Path,
    spec: PlantedSpec,
    *,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """Write an image folder in which a mark speaks for the second of two classes.

    A mark is there where the label is 1 and it agrees, or 0 and it does not. What it covers of the
    lesion is no longer relevant. Splits stay as they are.

    Args:
        images: of two classes, with reference masks; images without one are left out.
        out: a folder that is made; a split that is written whole is kept.
        spec: what is planted.
        on_progress: told how many of how many images are written.

    Raises:
        DataError: there are not two classes, or no reference masks.
    """
    if len(images.classes) != 2:  # a mark is there or not
        raise DataError(
            f"“{images.name}” has {len(images.classes)} classes.",
            why="A planted mark is there or not, so it can speak for one of two classes.",
            fix="Name the label that is to be told from the rest.",
        )
    done = 0
    for split in Split:
        samples = [sample for sample in images.samples if sample.split is split]
        written = 0
        if (out / split / "metadata.csv").exists():
            done += len(samples)
            continue
        rows: list[Sequence[str]] = []
        for sample in samples:
            found = _planted(images, sample, spec)
            if found is not None:
                rows.append(_write(out / split, f"{written:05d}", found, images))
                written += 1
            done += 1
            on_progress(done, len(images))
        if samples and not rows:
            raise DataError(
                f"“{images.name}” has no reference masks.",
                why="A mark must lie outside what is relevant, which they tell.",
                fix="Add a column relevant_file_name to metadata.csv (white = relevant).",
            )
        _write_table(out / split / "metadata.csv", rows)


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """One image with its truth; `pixels` (S, S, 3) uint8, `relevant` and `mark` (S, S) bool."""

    pixels: NDArray[np.uint8]
    relevant: Region
    mark: Region
    sample: Sample
    agrees: bool


def plant(
    pixels: NDArray[np.uint8], relevant: Region, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Region]:
    """Return a copy with a mark of a random kind at a random place, and where the mark is.

    Args:
        pixels: (S, S, 3) uint8.
        relevant: (S, S), what a mark lies outside of, or touches.
        rng: of kind, size, colour and place.
    """
    size = len(pixels)
    radius = float(rng.uniform(*RADIUS)) * size
    touching = rng.random() < TOUCHING
    middle = _place(relevant, radius, rng, touching=touching)
    canvas = Image.fromarray(pixels)
    stencil = Image.new("L", canvas.size)
    kind = KINDS[rng.integers(len(KINDS))]
    colour = _COLOURS[rng.integers(len(_COLOURS))]
    turn = float(rng.uniform(0, np.pi))
    for picture, fill in ((canvas, colour), (stencil, 255)):
        _DRAW[kind](ImageDraw.Draw(picture), middle, radius, turn, fill)
    return np.asarray(canvas), np.asarray(stencil) > 0


def _planted(images: ImageSet, sample: Sample, spec: PlantedSpec) -> Planted | None:
    reference = images.reference_relevant(sample.sample_id)
    if reference is None:
        return None
    square = (spec.size, spec.size)
    own = Image.fromarray(np.asarray(images.original(sample.sample_id))).convert("RGB")
    pixels = np.asarray(own.resize(square, Image.Resampling.BILINEAR))
    relevant = np.asarray(Image.fromarray(reference).resize(square, Image.Resampling.NEAREST))
    # Of the image's own number, so that another shortcut changes as few images as it can.
    rng = np.random.default_rng([spec.seed, images.position(sample.sample_id)])
    share = 0.5 if sample.split is Split.TEST else spec.shortcut
    agrees = bool(rng.random() < share)
    mark = np.zeros(square, np.bool_)
    if (sample.label == 1) == agrees:
        pixels, mark = plant(pixels, relevant, rng)
    return Planted(pixels, relevant & ~mark, mark, sample, agrees)


def _place(
    relevant: Region, radius: float, rng: np.random.Generator, *, touching: bool
) -> tuple[float, float]:
    """Return (across, down) of a mark's middle: on the lesion's edge, or clear of the lesion."""
    size = len(relevant)
    if touching and relevant.any():
        inner = relevant[1:-1, 1:-1]
        beside = relevant[:-2, 1:-1] & relevant[2:, 1:-1] & relevant[1:-1, :-2] & relevant[1:-1, 2:]
        edge = np.argwhere(inner & ~beside)
        if len(edge):
            down, across = edge[rng.integers(len(edge))] + 1
            return float(across), float(down)
    for _ in range(_TRIES):
        across, down = rng.uniform(radius, size - radius, 2)
        rows = slice(max(0, int(down - radius)), int(down + radius) + 1)
        columns = slice(max(0, int(across - radius)), int(across + radius) + 1)
        if not relevant[rows, columns].any():
            return float(across), float(down)
    corners = [(x, y) for x in (radius, size - radius) for y in (radius, size - radius)]
    middle = np.argwhere(relevant).mean(0) if relevant.any() else np.array([size / 2] * 2)
    return max(corners, key=lambda at: float(np.hypot(at[0] - middle[1], at[1] - middle[0])))


_Colour = tuple[int, int, int] | int


def _ink(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    radius: float,
    _turn: float,
    colour: _Colour,
) -> None:
    x, y = at
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _calipers(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, turn: float, colour: _Colour
) -> None:
    along = np.array([np.cos(turn), np.sin(turn)]) * radius
    across = np.array([-along[1], along[0]]) * 0.4
    ends = (np.array(at) - along, np.array(at) + along)
    width = max(2, round(radius / 5))
    for end in ends:
        for arm in (along * 0.4, across):
            draw.line((*(end - arm), *(end + arm)), fill=colour, width=width)
    draw.line((*ends[0], *ends[1]), fill=colour, width=max(1, width // 2))


def _sticker(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, turn: float, colour: _Colour
) -> None:
    turns = turn + np.array([0.25, 0.75, 1.25, 1.75]) * np.pi
    corners = [(at[0] + radius * np.cos(t), at[1] + radius * np.sin(t)) for t in turns]
    draw.polygon(corners, fill=colour)


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, turn: float, colour: _Colour
) -> None:
    draw.text(at, f"{round(turn * 30):02d} mm", fill=colour, anchor="mm", font_size=radius)


_DRAW: dict[str, Callable[..., None]] = {
    "ink": _ink,
    "calipers": _calipers,
    "sticker": _sticker,
    "text": _text,
}


def _write(folder: Path, name: str, found: Planted, images: ImageSet) -> Sequence[str]:
    for kind in ("images", "relevant"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    image, relevant = f"images/{name}.jpg", f"relevant/{name}.png"
    Image.fromarray(found.pixels).save(folder / image, quality=_QUALITY)
    Image.fromarray(found.relevant).save(folder / relevant)
    group = MARK_AGREES if found.agrees else MARK_DISAGREES
    label = images.classes[found.sample.label]
    return image, label, found.sample.patient or "", group, relevant


def _write_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    columns = ("file_name", "label", "patient_id", "group", "relevant_file_name")
    known = any(row[2] for row in rows)
    kept = [i for i, name in enumerate(columns) if known or name != "patient_id"]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([[row[i] for i in kept] for row in (columns, *rows)])
    partial.rename(path)
