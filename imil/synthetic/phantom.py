"""A chest phantom: one drawn radiograph, and the region of it that a diagnosis may rest on.

Lengths are shares of the film's side, x to the right and y down, as the viewer sees it: the
patient's left lung and heart are on the viewer's right. Grey is 0-1, dense is bright. All forms and
numbers are our choice: plausible at a glance and at painting size, and drawn in milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.core.records import Region

OPACITY_CONTRAST = (0.20, 0.34)  # of full scale, at the centre, before exposure
OPACITY_RADIUS = (0.035, 0.07)  # where an opacity has faded to 37 %
# 1 would be a Gaussian hump; above it the middle is flatter and the rim clearer, as nodules are.
OPACITY_EDGE = 1.5
DISTRACTOR_CONTRAST = (0.25, 0.4)
DISTRACTOR_RADIUS = (0.016, 0.028)
MARKER_SIDE = (0.08, 0.10)
MARKER_GREY = 0.85
# How far the relevant region reaches beyond the lung fields: their edges belong to the reading.
RELEVANT_MARGIN = 0.02
MARKER_MARGIN = 0.01  # how far a mask of the marker reaches beyond it
# Deviation of the grain, on a lattice of GRAIN_CELLS cells a side whatever the film's size, so that
# a large film scaled down looks like a small one; FINE_GRAIN comes on top, pixel by pixel.
GRAIN = 0.025
GRAIN_CELLS = 64
FINE_GRAIN = 0.02
# Stretching the lattice and scaling the film down again both smooth it: this makes up for it.
STRETCHED_GRAIN = 1.4

# float32 throughout: twice as fast as float64, and far below the grain.
Grey: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Lung:
    """A lung field: narrow at the apex, wide below, cut off by a dome at its base.

    `side` is -1 at the viewer's left, 1 at the right; `dome` is the height of the diaphragm's dome.
    """

    side: int
    centre: float
    half_width: float
    apex: float
    base: float
    dome: float


@dataclass(frozen=True, slots=True)
class Chest:
    """One person's anatomy.

    Attributes:
        lungs: the viewer's left one first.
        heart: centre x, centre y, half width, half height.
        torso: half width of the body below the shoulders.
        neck: half width of the neck.
        rib_gap: from rib to rib.
        rib_phase: where the ribs start, in gaps (0-1).
        clavicle: how far the clavicles hang.
        bubble: grey taken away by the air in the stomach.
    """

    lungs: tuple[Lung, Lung]
    heart: tuple[float, float, float, float]
    torso: float
    neck: float
    rib_gap: float
    rib_phase: float
    clavicle: float
    bubble: float


@dataclass(frozen=True, slots=True)
class Blob:
    """An opacity or a distractor; `aspect` is width to height, `contrast` grey at the centre."""

    x: float
    y: float
    radius: float
    aspect: float
    contrast: float


@dataclass(frozen=True, slots=True)
class Marker:
    """A boxed L; `x` and `y` are its left and top edge."""

    x: float
    y: float
    side: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a film was taken; two films of one person differ in it.

    Attributes:
        shift: of the whole body, x and y.
        lean: sideways for each share of the height below the middle.
        gain: factor of all grey.
        gamma: exponent of all grey.
        grain_seed: of grain and vessel texture.
    """

    shift: tuple[float, float]
    lean: float
    gain: float
    gamma: float
    grain_seed: int


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is on one film."""

    chest: Chest
    exposure: Exposure
    opacities: tuple[Blob, ...]
    distractors: tuple[Blob, ...]
    marker: Marker | None


def random_chest(rng: np.random.Generator) -> Chest:
    """Draw a person's anatomy."""
    apex = rng.uniform(0.13, 0.17)
    base = rng.uniform(0.80, 0.86)
    half_width = rng.uniform(0.145, 0.165)
    gap = rng.uniform(0.205, 0.225)
    # The right half of the diaphragm (the viewer's left) stands higher: the liver is below it.
    right = Lung(-1, 0.5 - gap, half_width, apex, base - rng.uniform(0.01, 0.035), 0.10)
    left = Lung(1, 0.5 + gap, half_width * rng.uniform(0.95, 1.0), apex, base, 0.08)
    heart_width = rng.uniform(0.11, 0.145)
    return Chest(
        lungs=(right, left),
        heart=(0.5 + 0.5 * heart_width, base - 0.17, heart_width, rng.uniform(0.13, 0.16)),
        torso=rng.uniform(0.46, 0.5),
        neck=rng.uniform(0.11, 0.14),
        rib_gap=rng.uniform(0.078, 0.092),
        rib_phase=rng.uniform(0, 1),
        clavicle=rng.uniform(-0.01, 0.02),
        bubble=rng.uniform(0, 0.14),
    )


def breathed_in(chest: Chest, depth: float) -> Chest:
    """Return the chest with its diaphragm `depth` lower (negative: higher), heart in tow."""
    right, left = chest.lungs
    x, y, half_width, half_height = chest.heart
    return replace(
        chest,
        lungs=(
            replace(right, base=right.base + depth),
            replace(left, base=left.base + depth),
        ),
        heart=(x, y + 0.7 * depth, half_width - 0.3 * depth, half_height + 0.3 * depth),
    )


def random_exposure(rng: np.random.Generator) -> Exposure:
    """Draw how a film was taken."""
    return Exposure(
        shift=(rng.uniform(-0.02, 0.02), rng.uniform(-0.015, 0.015)),
        lean=rng.uniform(-0.05, 0.05),
        gain=rng.uniform(0.88, 1.08),
        gamma=rng.uniform(0.85, 1.2),
        grain_seed=int(rng.integers(2**32)),
    )


def random_marker(rng: np.random.Generator) -> Marker:
    """Draw a marker at the viewer's upper right, beside the neck and clear of the lung fields."""
    return Marker(rng.uniform(0.84, 0.86), rng.uniform(0.03, 0.05), rng.uniform(*MARKER_SIDE))


def random_opacity(rng: np.random.Generator, chest: Chest) -> Blob:
    """Draw a finding: inside a lung field and not behind the heart."""
    radius = rng.uniform(*OPACITY_RADIUS)
    while True:
        lung = chest.lungs[int(rng.integers(2))]
        x = lung.centre + rng.uniform(-1, 1) * lung.half_width
        y = rng.uniform(lung.apex, lung.base)
        rim_x, rim_y = _rim(x, y, 1.1 * radius)
        inside = (_depth(_grown(lung, RELEVANT_MARGIN), rim_x, rim_y) > 0).all()
        if inside and (_heart_depth(chest, *_rim(x, y, 0.5 * radius)) < 0).all():
            return Blob(x, y, radius, rng.uniform(0.8, 1.25), rng.uniform(*OPACITY_CONTRAST))


def random_distractor(rng: np.random.Generator, chest: Chest) -> Blob:
    """Draw an electrode or button: on the body and outside the relevant region."""
    radius = rng.uniform(*DISTRACTOR_RADIUS)
    lungs = [_grown(lung, RELEVANT_MARGIN) for lung in chest.lungs]
    while True:
        x, y = rng.uniform(0.55 - chest.torso, 0.45 + chest.torso), rng.uniform(0.2, 0.96)
        rim_x, rim_y = _rim(x, y, 1.4 * radius)
        if all((_depth(lung, rim_x, rim_y) < 0).all() for lung in lungs):
            return Blob(x, y, radius, 1.0, rng.uniform(*DISTRACTOR_CONTRAST))


def _rim(x: float, y: float, radius: float) -> tuple[Grey, Grey]:
    """Return x and y of 16 points around a centre."""
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return x + radius * np.cos(angles), y + radius * np.sin(angles)


def draw(scene: Scene, *, size: int) -> NDArray[np.uint8]:
    """Return the film, (size, size) uint8; the same scene gives the same film at any size."""
    x, y = _coordinates(scene.exposure, size)
    rng = np.random.default_rng(scene.exposure.grain_seed)
    grey = _tissue(scene.chest, x, y, _lattice(rng, 24, size))
    for blob in scene.opacities:
        grey += blob.contrast * np.exp(-(_squared_distance(blob, x, y) ** OPACITY_EDGE))
    for blob in scene.distractors:
        # A flat disc with a sharp rim and a brighter stud: metal, not tissue.
        distance = np.sqrt(_squared_distance(blob, x, y))
        grey += blob.contrast * (_ramp((1 - distance) * 3) + 0.6 * _ramp((0.4 - distance) * 3))
    grey = np.clip(grey * scene.exposure.gain, 0, 1) ** scene.exposure.gamma
    grain = _lattice(rng, GRAIN_CELLS, size)
    if size > GRAIN_CELLS:
        grey += STRETCHED_GRAIN * GRAIN * grain
        grey += FINE_GRAIN * rng.standard_normal((size, size), np.float32)
    else:
        grey += GRAIN * grain
    if scene.marker is not None:
        grey += (MARKER_GREY - grey) * _marker_cover(scene.marker, size)
    film: NDArray[np.uint8] = np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    return film


def relevant_region(scene: Scene, *, size: int) -> Region:
    """Return the (size, size) region a diagnosis may rest on: both lung fields and a margin.

    It is the same with and without a finding, so the region itself tells nothing.
    """
    x, y = _coordinates(scene.exposure, size)
    right, left = (_depth(_grown(lung, RELEVANT_MARGIN), x, y) > 0 for lung in scene.chest.lungs)
    return right | left


def finding_region(scene: Scene, *, size: int) -> Region:
    """Return the (size, size) region of the opacities: where a tenth of their contrast is left."""
    x, y = _coordinates(scene.exposure, size)
    faded = math.log(10) ** (1 / OPACITY_EDGE)  # squared distance, in radii
    region = np.zeros((size, size), np.bool_)
    for blob in scene.opacities:
        region |= _squared_distance(blob, x, y) <= faded
    return region


def marker_region(scene: Scene, *, size: int) -> Region:
    """Return the (size, size) square of the marker; empty where there is none."""
    if scene.marker is None:
        return np.zeros((size, size), np.bool_)
    centres = (np.arange(size) + 0.5) / size
    marker, half = scene.marker, scene.marker.side / 2
    across = np.abs(centres - marker.x - half) <= half + MARKER_MARGIN
    down = np.abs(centres - marker.y - half) <= half + MARKER_MARGIN
    return down[:, None] & across[None, :]


def _grown(lung: Lung, margin: float) -> Lung:
    return replace(
        lung,
        half_width=lung.half_width + margin,
        apex=lung.apex - margin,
        base=lung.base + margin,
    )


def _coordinates(exposure: Exposure, size: int) -> tuple[Grey, Grey]:
    """Return the place in the body under each pixel: x (S, S) and y (S, 1)."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    across, down = exposure.shift
    y = centres[:, None] - down
    x = centres[None, :] - across - exposure.lean * (y - 0.5)
    return x, y


def _ramp(value: Grey) -> Grey:
    """Return 0 below -0.5, 1 above 0.5, and a smooth step between."""
    t = np.clip(value + 0.5, 0, 1)
    step: Grey = t * t * (3 - 2 * t)
    return step


def _squared_distance(blob: Blob, x: Grey, y: Grey) -> Grey:
    """Return the squared distance from a blob's centre, in its radii."""
    across = 1 / (blob.radius * blob.aspect**0.5)
    down = blob.aspect**0.5 / blob.radius
    squared: Grey = ((x - blob.x) * across) ** 2 + ((y - blob.y) * down) ** 2
    return squared


def _depth(lung: Lung, x: Grey, y: Grey) -> Grey:
    """Return roughly how far inside the lung field each point lies; negative outside."""
    t = np.clip((y - lung.apex) / (lung.base - lung.apex), 0, 1)
    above = 1 - t
    half_width = lung.half_width * np.sqrt(1 - above**3)
    # The apices lean to the neck.
    middle = lung.centre - (0.055 * lung.side) * above**2
    beside = half_width - np.abs(x - middle)
    top = lung.centre - 0.03 * lung.side
    fall = ((x - top) / (1.2 * lung.half_width)) ** 2
    floor = lung.base - lung.dome * np.clip(1 - fall, 0, None)
    depth: Grey = np.minimum(np.minimum(beside, floor - y), y - lung.apex)
    return depth


def _heart_depth(chest: Chest, x: Grey, y: Grey) -> Grey:
    """Return roughly how far inside the heart's shadow each point lies; negative outside."""
    centre_x, centre_y, half_width, half_height = chest.heart
    # The apex of the heart points down and to the viewer's right.
    across = (x - centre_x - 0.35 * (y - centre_y)) / half_width
    down = (y - centre_y) / half_height
    depth: Grey = (1 - np.sqrt(across**2 + down**2)) * half_width
    return depth


def _lattice(rng: np.random.Generator, cells: int, size: int) -> Grey:
    """Return smooth standard-normal noise with a grain of 1/cells of the side, (size, size)."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), np.float32))
    if cells == size:
        return np.array(coarse)
    return np.array(coarse.resize((size, size), Image.Resampling.BICUBIC))


def _bell(value: Grey, width: float) -> Grey:
    bell: Grey = np.exp(-((value * (1 / width)) ** 2))
    return bell


def _tissue(chest: Chest, x: Grey, y: Grey, texture: Grey) -> Grey:
    """Return the grey of the body, (S, S), on a film without findings."""
    from_spine = x - 0.5
    shoulders = chest.neck + (chest.torso - chest.neck) * _ramp((y - 0.105) / 0.16)
    body = _ramp((shoulders - np.abs(from_spine)) / 0.02)
    thickness = np.sqrt(np.clip(1 - (from_spine / shoulders) ** 2, 0, 1))
    abdomen = _ramp((y - (chest.lungs[1].base - 0.05)) / 0.2)
    grey = 0.2 + 0.32 * thickness + 0.12 * abdomen
    lung = _ramp(_depth(chest.lungs[0], x, y) / 0.022) + _ramp(_depth(chest.lungs[1], x, y) / 0.022)
    # The heart takes the place of air: a shadow against the lung, none against the liver.
    heart = _ramp(_heart_depth(chest, x, y) / 0.035)
    lung *= 1 - 0.92 * heart
    grey += (0.1 - 0.1 * abdomen) * heart
    grey += lung * (_aerated(chest, x, y, texture) - grey)
    grey += _mediastinum(chest, x, y) * (1 - 0.35 * lung)
    grey += _bones(chest, x, y, lung)
    bubble = Blob(0.66, chest.lungs[1].base + 0.05, 0.06, 1.4, chest.bubble)
    air = bubble.contrast * np.exp(-(_squared_distance(bubble, x, y) ** 2))
    grey -= air * (1 - lung)
    tissue: Grey = 0.03 + body * grey
    return tissue


def _aerated(chest: Chest, x: Grey, y: Grey, texture: Grey) -> Grey:
    """Return the grey of lung tissue: darker above, with vessels that fan out from the hila."""
    hilum_y = 0.5 * (chest.lungs[0].apex + chest.lungs[0].base) - 0.02
    vessels = np.zeros_like(texture)
    for lung in chest.lungs:
        near = ((x - (0.5 + 0.085 * lung.side)) / 0.11) ** 2
        near = near + ((y - hilum_y) / 0.17) ** 2
        vessels = vessels + np.exp(-near)
    aerated: Grey = 0.12 + 0.07 * y + vessels * (0.09 + 0.03 * texture)
    return aerated


def _mediastinum(chest: Chest, x: Grey, y: Grey) -> Grey:
    """Return what spine, great vessels and windpipe add (or take)."""
    from_spine = x - 0.5
    vertebrae = 1 + 0.12 * np.cos(y * (2 * np.pi / 0.06))
    spine = 0.1 * _bell(from_spine, 0.042) * vertebrae
    vessels = 0.14 * _bell(from_spine, 0.08)
    knob = Blob(0.555, chest.lungs[1].apex + 0.19, 0.045, 0.8, 0.14)
    knuckle = knob.contrast * np.exp(-_squared_distance(knob, x, y))
    windpipe = 0.13 * _bell(from_spine, 0.02) * _ramp((0.3 - y) * 6)
    shadows: Grey = spine + vessels + knuckle - windpipe
    return shadows


def _bones(chest: Chest, x: Grey, y: Grey, lung: Grey) -> Grey:
    """Return what ribs and clavicles add."""
    aside = np.abs(x - 0.5)
    turn = 2 * np.pi / chest.rib_gap
    phase = 2 * np.pi * chest.rib_phase
    # Behind, ribs fall off gently to the sides; in front they fall steeply to the middle.
    behind = np.cos((y - 0.9 * (aside - 0.14) ** 2 * 2) * turn + phase)
    front = np.cos((y + 0.55 * aside) * (turn * 0.72) + phase)
    ribs = 0.062 * _ramp((behind - 0.25) * 1.4)
    ribs = ribs + 0.03 * _ramp((front - 0.35) * 1.4)
    chest_wall = _ramp((y - (chest.lungs[0].apex - 0.02)) * 12)
    chest_wall = chest_wall * _ramp(((chest.lungs[1].base + 0.02) - y) * 12)
    # Clavicles rise from the breastbone to the shoulders in a shallow S.
    line = chest.lungs[0].apex + 0.09 + chest.clavicle - 0.26 * (aside - 0.05)
    line = line + 0.014 * np.sin((aside - 0.05) * 16)
    clavicle = 0.12 * _bell(y - line, 0.015) * _ramp((aside - 0.05) * 40)
    clavicle = clavicle * _ramp((0.36 - aside) * 12)
    bones: Grey = ribs * chest_wall * (0.25 + 0.75 * lung) + clavicle
    return bones


def _marker_cover(marker: Marker, size: int) -> Grey:
    """Return the share of each pixel that the marker's lines cover, (size, size)."""
    edges = np.arange(size + 1, dtype=np.float32) / size

    def box(left: float, top: float, right: float, bottom: float) -> Grey:
        """Cover of a rectangle whose edges are shares of the marker's side."""
        columns = np.clip(edges, marker.x + left * marker.side, marker.x + right * marker.side)
        rows = np.clip(edges, marker.y + top * marker.side, marker.y + bottom * marker.side)
        return np.outer(np.diff(rows), np.diff(columns)).astype(np.float32) * size**2

    frame = box(0, 0, 1, 1) - box(0.11, 0.11, 0.89, 0.89)
    letter = box(0.33, 0.24, 0.47, 0.76) + box(0.47, 0.63, 0.7, 0.76)
    cover: Grey = np.clip(frame + letter, 0, 1)
    return cover
