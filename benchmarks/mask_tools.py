"""Seconds a mask by each of the painter's tools: a scripted reader, and the painter's own script.

Nobody's hand is measured. A movement to a target takes what Fitts' law says, a line along a path
what the steering law says (`BIT` and `STEER`, from studies of the mouse), and each is off by a
tremor. What a tool covers is computed as the painter does; objects are selected by the painter's
own JavaScript, in a browser.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright
from scipy import ndimage

from imil.core.records import Region
from imil.report.parts.markup import ASSETS
from imil.synthetic.films import FilmSpec, film, film_counts, film_truth

# Seconds a bit of a movement (Soukoreff and MacKenzie 2004: 3.7 to 4.9 bits a second), seconds a
# width of a path steered along (Accot and Zhai 1999), seconds a press, and to judge and undo.
BIT, STEER, PRESS, JUDGE = 1 / 4.3, 0.1, 0.1, 1.5
# Shares of the image's side: the tremor of a hand, and the width that a line is kept within.
TREMOR, WIDTH = 0.01, 0.03
# The brush as the painter opens with it, a radius; the corners of a polygon.
BRUSH, CORNERS = 0.035, 12
# Below this overlap a reader would see that the object was missed, and take the lasso.
GOOD = 0.75
TOOLS = ("brush", "box", "lasso", "polygon", "select: click", "select: box", "select, else lasso")


@dataclass(frozen=True, slots=True)
class Made:
    """A mask by one tool: how long it took, and its overlap with what was meant, 0-1."""

    seconds: float
    overlap: float


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An image, uint8, and the region in it that a reader wants to paint."""

    pixels: NDArray[np.uint8]
    wanted: Region


def films(count: int, *, size: int = 256, seed: int = 0) -> Iterator[Case]:
    """Yield synthetic films with a marker, which is what is to be painted."""
    spec = FilmSpec(images=4 * count, size=size, seed=seed)
    found = 0
    for index in range(sum(film_counts(spec).values())):
        made = film(spec, index)
        _, wanted = film_truth(spec, made.sample_id)
        if not wanted.any():
            continue
        yield Case(made.pixels, wanted)
        found += 1
        if found == count:
            return


def folder(images: Path, relevant: Path, count: int) -> Iterator[Case]:
    """Yield the first images by name, with the reference region of the same name."""
    for path in sorted(images.iterdir())[:count]:
        with Image.open(path) as image, Image.open(relevant / f"{path.stem}.png") as region:
            wanted = np.asarray(region.convert("L")) > 127
            if wanted.any():
                yield Case(np.asarray(image.convert("RGB")), wanted)


def measure(cases: Iterator[Case], *, seed: int = 0) -> dict[str, list[Made]]:
    """Return what each tool took and reached, a case after the other."""
    rng = np.random.default_rng(seed)
    made: dict[str, list[Made]] = {tool: [] for tool in TOOLS}
    with sync_playwright() as playwright:
        names = ("chromium-headless-shell", "chromium", "google-chrome")
        path = next(filter(None, map(shutil.which, names)), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_script_tag(content=(ASSETS / "painter" / "objects.js").read_text("utf-8"))
        for case in cases:
            for tool, one in by_tools(case, page, rng).items():
                made[tool].append(one)
        browser.close()
    return made


def by_tools(case: Case, page: Page, rng: np.random.Generator) -> dict[str, Made]:
    """Return the case's mask by each tool."""
    wanted, side = case.wanted, max(case.wanted.shape)
    ys, xs = np.nonzero(wanted)
    edges = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)
    outline = outline_of(wanted)
    long = float(np.hypot(*np.diff(outline, axis=0, append=outline[:1]).T).sum())

    def shaken(points: NDArray[np.float64], smooth: int = 0) -> NDArray[np.float64]:
        noise = rng.normal(0, TREMOR * side, points.shape)
        if smooth:
            noise = ndimage.gaussian_filter1d(noise, smooth, axis=0, mode="wrap")
            noise *= TREMOR * side / max(1e-9, float(noise.std()))
        return points + noise

    first = movement(side / 2, WIDTH * side)
    diagonal = float(np.hypot(edges[2] - edges[0], edges[3] - edges[1]))
    of_box = first + movement(diagonal, WIDTH * side) + 2 * PRESS
    box = shaken(edges.reshape(2, 2)).ravel()
    radius = BRUSH * side
    inner = ndimage.distance_transform_edt(wanted) >= radius
    brushed = ndimage.distance_transform_edt(~inner) <= radius if inner.any() else ~wanted & wanted
    swept = float(inner.sum()) / (2 * radius) + long
    traced = shaken(outline, smooth=max(1, len(outline) // 40))
    chosen = shaken(outline[:: max(1, len(outline) // CORNERS)])
    click = float(xs.mean()), float(ys.mean())
    # A reader clicks on the object, not on the hole in its middle.
    middle = int(np.argmin((xs - click[0]) ** 2 + (ys - click[1]) ** 2))
    point = np.array([xs[middle] + 0.5, ys[middle] + 0.5])
    ask = asked(case.pixels, page)
    clicked = ask("objectAt(seen, ...to)", point.tolist())
    in_box = ask("objectIn(seen, ...to)", np.clip(box, 0, side).tolist())
    of_click = movement(side / 2, min(edges[2] - edges[0], edges[3] - edges[1])) + PRESS
    made = {
        "brush": Made(first + PRESS + STEER * swept / (WIDTH * side), overlap(brushed, wanted)),
        "box": Made(of_box, overlap(filled(corners_of(box), wanted.shape), wanted)),
        "lasso": Made(
            first + PRESS + STEER * long / (WIDTH * side),
            overlap(filled(traced, wanted.shape), wanted),
        ),
        "polygon": Made(
            first + (len(chosen)) * (movement(long / len(chosen), WIDTH * side) + PRESS),
            overlap(filled(chosen, wanted.shape), wanted),
        ),
        "select: click": Made(of_click, overlap(clicked, wanted)),
        "select: box": Made(of_box, overlap(in_box, wanted)),
    }
    tried, fallback = made["select: box"], made["lasso"]
    missed = tried.overlap < GOOD
    made["select, else lasso"] = Made(
        tried.seconds + JUDGE + (fallback.seconds if missed else 0),
        fallback.overlap if missed else tried.overlap,
    )
    return made


def movement(distance: float, width: float) -> float:
    """Return the seconds of a movement to a target, by Fitts' law."""
    return BIT * log2(distance / width + 1)


def overlap(one: Region, other: Region) -> float:
    """Return intersection over union; 0 where there is nothing."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def outline_of(region: Region) -> NDArray[np.float64]:
    """Return (N, 2) points x, y along the outline of a region, by angle around its middle.

    Of a region that is no star around its middle, the outermost points.
    """
    ys, xs = np.nonzero(region & ~ndimage.binary_erosion(region))
    x, y = xs + 0.5, ys + 0.5
    angle = np.arctan2(y - y.mean(), x - x.mean())
    order = np.argsort(angle)
    return np.stack([x[order], y[order]], axis=1)


def corners_of(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the four corners of left, top, right, bottom."""
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def filled(points: NDArray[np.float64], shape: tuple[int, ...]) -> Region:
    """Return the (H, W) region within a line."""
    image = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in points], fill=1)
    return np.asarray(image)


def asked(pixels: NDArray[np.uint8], page: Page) -> Callable[[str, list[float]], Region]:
    """Return a function that asks the painter's script for an object of the image."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    values = base64.b64encode(pixels.tobytes()).decode()

    def ask(call: str, to: list[float]) -> Region:
        found: Any = page.evaluate(
            f"""([values, width, height, channels, to]) => {{
              const bytes = Uint8ClampedArray.from(atob(values), (each) => each.charCodeAt(0));
              const seen = {{ width, height, channels, values: bytes }};
              const found = {call};
              return found && Array.from(found);
            }}""",
            [values, width, height, channels, to],
        )
        if found is None:
            return np.zeros((height, width), np.bool_)
        return np.array(found, np.bool_).reshape(height, width)

    return ask


def tools_table(made: dict[str, list[Made]]) -> str:
    """Return a Markdown table: medians of seconds and overlap, and how many masks are good."""
    lines = ["| tool | seconds, median | IoU, median | IoU ≥ .75 |", "|---|---|---|---|"]
    for tool, each in made.items():
        seconds = np.median([one.seconds for one in each])
        shares = np.array([one.overlap for one in each])
        good = (shares >= GOOD).mean()
        lines.append(f"| {tool} | {seconds:.1f} | {np.median(shares):.2f} | {good:.0%} |")
    return "\n".join(lines)
