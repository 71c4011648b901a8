"""The painter: a film, and the mask painted on it, exact to the pixel.

A `gr.HTML` in plain canvas; the browser's half is in `static/painter`. The mask travels as run
lengths together with the film it was painted on, so that it can never land on another one; the
film travels as its stored values, so that the browser can set the window at their own depth.

What comes from the browser is the component's value (`decode_painted`) and its events:

- `blackout`, `skip`, `next`, `previous`: acts on the film that is open.
- `suspect`: the label is wrong (key L).
- `stroke`: a film has opened, or the hand rests.
- `saliency`: where the model looks is wanted for the film of the value; once a film, and only while
  its slider is on. To be answered by the prop `heat` (`saliency_value`), and wired with
  `trigger_mode="always_last"`, so that the film opened last is answered.
- `select`: the object at a spot is wanted, in the event's data as `asked`; only where a model
  answers. To be answered by the prop `found` (`found_value`).
- `keep`: a mask that was handed in while the connection was lost, in the event's data as `painted`;
  the film that is open may be another. To be answered by the prop `kept` (`kept_value`).

What goes to it is the value (`encode_painter_image`) and the props `offered` (`offer`), `heat`,
`found`, `kept` and `refused` (`refusal`). A mask that was handed in stays in the browser until one
of these names it as accepted or refused, and is sent again when the connection was lost.
"""

from __future__ import annotations

import base64
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.app.painter.reader_field import kept_name
from imil.core.bounds import (
    LARGEST_SENT,
    LONGEST_PAINTING,
    check_number,
    check_text,
    check_whole,
    is_whole,
)
from imil.core.records import Origin, Pixels, Queue, Region
from imil.core.review.masks import MAX_COVERAGE
from imil.core.review.readers import UNNAMED, reader_name
from imil.core.windows import Window, full_bounds, window_presets
from imil.errors import ImilError, MaskError, PlanError
from imil.report.parts.markup import ASSETS, render

# Larger films than this are not taken from a browser. Our choice: four times a mammogram.
MAX_PAINTED_PIXELS = 80_000_000

# The browser's half: files of one scope, in this order.
PARTS = (
    *("state", "masks", "drafts", "film", "objects", "drawing", "marks", "view", "shapes"),
    *("pointer", "keys", "unsent", "sending", "opening"),
)

# A button elsewhere whose class begins so does what the painter's own would (see `press_class`).
PRESS = "imil-press-"

_RESEND = "Open the film again and repeat the last stroke."


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """A mask that the server has stored; the browser may drop its copy up to revision `rev`.

    `base` names it, as `PainterImage.base` does; `reader` painted it.
    """

    sample_id: str
    rev: int
    base: str = ""
    reader: str = UNNAMED


@dataclass(frozen=True, slots=True, eq=False)
class PainterImage:
    """What the painter shows.

    Attributes:
        study_id: the study that the film belongs to.
        sample_id: the film.
        image: its stored pixels, as `encode_image` gives them.
        irrelevant: the (H, W) mask stored for it, True = hide; None where there is none.
        place: where it stands in its queue, for people.
        accepted: the mask stored just before, if any.
        origin: how the stored mask came about.
        queue: the queue from which it is opened.
        base: names the stored mask, so that a mask painted before another tab stored one is
            noticed; "" where there is none.
        title: what people call it; its id if "".
        reader: for whom it is opened, and whose mask it is.
    """

    study_id: str
    sample_id: str
    image: Mapping[str, Any]
    irrelevant: Region | None = None
    place: str = ""
    accepted: Accepted | None = None
    origin: Origin = Origin.PAINTED
    queue: Queue | None = None
    base: str = ""
    title: str = ""
    reader: str = UNNAMED


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """What came back: a mask, True = hide, with the film it was painted on.

    `rev` counts the changes made in the browser, `seconds` the time the film was in sight. `origin`
    says whether the mask was begun from a predicted one, `stroke` which stroke was the last: an
    answer to another one is out of date. `queue` is the one from which the film was opened, `base`
    the stored mask that was known then (None: not said), `press` the act that handed it in,
    `reader` the one for whom the film was opened, whoever looks at the page by now.
    """

    study_id: str
    sample_id: str
    irrelevant: Region
    rev: int
    seconds: float
    origin: Origin = Origin.PAINTED
    stroke: str = ""
    queue: Queue | None = None
    base: str | None = None
    press: str = ""
    reader: str = UNNAMED


def encode_run_lengths(irrelevant: Region) -> list[int]:
    """Return the mask's run lengths, row by row, starting with the pixels that stay.

    Args:
        irrelevant: (H, W) bool, True = hide.

    Returns:
        Counts that sum to H × W; the first is 0 if the first pixel is hidden.
    """
    flat = irrelevant.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    bounds = np.concatenate(([0], edges, [flat.size]))
    counts = [int(count) for count in np.diff(bounds)]
    return [0, *counts] if flat[0] else counts


def decode_run_lengths(runs: Sequence[int], *, width: int, height: int) -> Region:
    """Return the (height, width) mask, True = hide, of its run lengths.

    Raises:
        MaskError: if the size is out of bounds, or the counts don't fill it exactly.
    """
    whole = all(is_whole(n) for n in (width, height, *runs))
    if not whole or min(width, height) < 1 or width * height > MAX_PAINTED_PIXELS:
        raise MaskError(
            "The mask could not be read.",
            why="Its size is not that of a film of up to "
            f"{MAX_PAINTED_PIXELS // 1_000_000} megapixels.",
            fix=_RESEND,
        )
    if any(run < 0 for run in runs) or sum(runs) != width * height:
        raise MaskError(
            "The mask could not be read.",
            why=f"It does not fill the film's {width} × {height} pixels.",
            fix=_RESEND,
        )
    hidden = np.arange(len(runs)) % 2 == 1
    return np.repeat(hidden, runs).reshape(height, width)


def decode_painted(payload: Any) -> Painted | None:
    """Return what the browser sent; None when no film is open, or one still loads.

    Raises:
        MaskError: if the value is not one that the painter makes.
    """
    # A film that loads is our own value, with its pixels: nothing is painted on it yet.
    if not isinstance(payload, dict) or "runs" not in payload or "pixels" in payload:
        return None
    try:
        width, height = payload["size"]
        runs = list(payload["runs"])
        study_id, sample_id = _text(payload, "study"), _text(payload, "sample")
        stroke, press = _text(payload, "stroke", ""), _text(payload, "press", "")
        base = None if payload.get("base") is None else _text(payload, "base")
        rev = check_whole("count of changes", payload["rev"], 0, LARGEST_SENT)
        seconds = check_number("time", payload["seconds"], -LARGEST_SENT, LARGEST_SENT)
        origin = Origin(payload.get("origin", Origin.PAINTED))
        queue = None if payload.get("queue") is None else Queue(payload["queue"])
    except (KeyError, TypeError, ValueError, PlanError) as error:
        raise MaskError(
            "The mask could not be read.",
            why="The browser sent a value that the painter does not make.",
            fix="Reload the page; what you painted is kept in the browser.",
        ) from error
    irrelevant = decode_run_lengths(runs, width=width, height=height)
    return Painted(
        study_id,
        sample_id,
        irrelevant,
        rev,
        min(max(0.0, seconds), LONGEST_PAINTING),
        origin,
        stroke=stroke,
        queue=queue,
        base=base,
        press=press,
        reader=reader_name(payload.get("reader")),
    )


def _text(payload: Mapping[str, Any], name: str, usual: str | None = None) -> str:
    """Return a short text of a payload; PlanError or KeyError where there is none."""
    return check_text(name, payload[name] if usual is None else payload.get(name, usual))


def encode_pixel_steps(pixels: Pixels) -> str:
    """Return the stored values for the browser: deflated differences, as base64.

    A canvas would read a 16-bit PNG at 8 bits, so the values travel as they are: each channel as
    its difference from the pixel before (wrapping at the depth), little-endian.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    values = pixels.reshape(-1, channels)
    steps = values.copy()
    steps[1:] -= values[:-1]
    if sys.byteorder == "big":
        steps = steps.byteswap()
    # Level 1: the film travels once, and a larger level costs more time than it saves.
    return base64.b64encode(zlib.compress(steps.tobytes(), 1)).decode()


def encode_image(pixels: Pixels) -> dict[str, Any]:
    """Return what the browser's half needs of a film's stored pixels, whoever looks at it: JSON.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16, as stored.
    """
    height, width = pixels.shape[:2]
    deep = pixels.dtype == np.uint16
    return {
        "size": [width, height],
        "depth": 16 if deep else 8,
        "channels": 1 if pixels.ndim == 2 else 3,
        "pixels": encode_pixel_steps(pixels),
        "range": list(full_bounds(pixels)),
        "windows": {name.value: list(bounds) for name, bounds in window_presets(pixels).items()},
        # More than 8 bits open as the classifier sees them.
        "first": Window.AUTO.value if deep and pixels.ndim == 2 else Window.FULL.value,
    }


def encode_painter_image(film: PainterImage) -> dict[str, Any]:
    """Return the value that the browser's half loads: JSON."""
    width, height = film.image["size"]
    stored = film.irrelevant
    accepted = film.accepted
    runs = [width * height] if stored is None else encode_run_lengths(stored)
    return {
        **film.image,
        "study": film.study_id,
        "sample": film.sample_id,
        "title": film.title or film.sample_id,
        "place": film.place,
        "queue": film.queue,
        "base": film.base,
        "reader": kept_name(film.reader),
        "runs": runs,
        "start": _start(film.origin, runs),
        "origin": film.origin,
        "accepted": accepted and _accepted(accepted),
    }


def _start(origin: Origin, runs: list[int]) -> list[int] | None:
    """Return what an unchanged mask is compared with; None where it is painted, changed or not."""
    if origin is Origin.PAINTED:
        return None
    # A corrected mask is never again the one that it was begun from.
    return [] if origin is Origin.CORRECTED else runs


def _accepted(accepted: Accepted) -> dict[str, Any]:
    return {
        "sample": accepted.sample_id,
        "rev": accepted.rev,
        "base": accepted.base,
        "reader": kept_name(accepted.reader),
    }


def offer(study_id: str, sample_id: str, irrelevant: Region, *, stroke: str) -> dict[str, Any]:
    """Return the painter's prop `offered`: a predicted mask to begin from on the film that is open.

    `stroke` makes each offer a new value, so that one can be taken again after an undo.
    """
    runs = encode_run_lengths(irrelevant)
    return {"study": study_id, "sample": sample_id, "runs": runs, "stroke": stroke}


def saliency_value(
    study_id: str, sample_id: str, saliency: NDArray[np.floating[Any]] | None, *, why: str = ""
) -> dict[str, Any]:
    """Return the painter's prop `heat`: where the model looks on a film.

    Args:
        study_id: the study.
        sample_id: the film; the answer to another than the open one is dropped.
        saliency: (h, w) map in 0-1 over the whole film, at any size: it is stretched to the film's.
            None where there is none.
        why: then, the sentence that says so.
    """
    if saliency is None:
        size, values = [1, 1], ""
    else:
        size = [saliency.shape[1], saliency.shape[0]]
        grey = np.round(np.clip(np.nan_to_num(saliency), 0, 1) * 255).astype(np.uint8)
        values = base64.b64encode(grey.tobytes()).decode()
    return {"study": study_id, "sample": sample_id, "size": size, "values": values, "why": why}


def found_value(ask_id: str, region: Region | None, *, why: str = "") -> dict[str, Any]:
    """Return the painter's prop `found`: the object that a model selects on the film that is open.

    Args:
        ask_id: of the selection; the answer to another than the last one is dropped.
        region: (H, W), True = object; None where there is none.
        why: then, why the model was not asked; "" where it found none.
    """
    runs = None if region is None else encode_run_lengths(region)
    return {"id": ask_id, "runs": runs, "why": why}


def kept_value(painted: Painted, *, base: str) -> dict[str, Any]:
    """Return the painter's prop `kept`: this mask is stored, and the open film stays open."""
    accepted = _accepted(Accepted(painted.sample_id, painted.rev, base, painted.reader))
    return {"study": painted.study_id, "accepted": accepted, "press": painted.press}


def refusal(painted: Painted, error: ImilError) -> dict[str, Any]:
    """Return the painter's prop `refused`: this mask is not stored, and why."""
    return {
        "study": painted.study_id,
        "sample": painted.sample_id,
        "words": str(error),
        "base": painted.base,
        "press": painted.press,
        "reader": kept_name(painted.reader),
    }


def changed_value(
    painted: Painted, error: ImilError, *, base: str, stored: Region, origin: Origin
) -> dict[str, Any]:
    """Return the prop `refused` where another mask was stored meanwhile, which goes with it.

    Args:
        painted: the mask that is refused.
        error: that there is another.
        base: names the stored mask, as `PainterImage.base`.
        stored: that mask.
        origin: how that one came about.
    """
    runs = encode_run_lengths(stored)
    began = {"base": base, "runs": runs, "start": _start(origin, runs), "origin": origin}
    return refusal(painted, error) | began


def build_painter(*, asks: bool = False, **kwargs: Any) -> gr.HTML:
    """Place a painter where Gradio stands now; what it takes and gives is said above.

    Its events come from its own buttons, from keys, and from buttons with a `press_class`. A value
    is sent once an event, never as an upload.

    `asks` says that a model answers the event `select`.

    A function rather than a subclass: Gradio writes a stub file beside the source of each subclass
    when it is imported.
    """
    script = "".join((ASSETS / "painter" / f"{part}.js").read_text("utf-8") for part in PARTS)
    return gr.HTML(
        html_template=str(
            render("painter.html", most=MAX_COVERAGE, press=PRESS, windows=list(Window), asks=asks)
        ),
        js_on_load=script,
        apply_default_css=False,
        offered=None,
        heat=None,
        found=None,
        kept=None,
        refused=None,
        **kwargs,
    )


def press_class(act: str) -> str:
    """Return the class of a button elsewhere that does what the painter's own would.

    The painter hears it in the browser by itself: Gradio runs no script of a button while the
    server is away, which is just when a mask must be kept and the reader told.
    """
    return f"{PRESS}{act}"


def read_mask_png(path: Path) -> Region:
    """Return the (H, W) mask of an image file: painted = opaque and not black.

    A PNG of 1 bit or 8-bit grey hides where it is not 0; one with an alpha channel hides where it
    is more than half opaque, whatever its colour.

    Raises:
        MaskError: if the file is no image, or larger than `MAX_PAINTED_PIXELS`.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PAINTED_PIXELS:
                raise MaskError(
                    "The mask is too large.",
                    why=f"It has {image.width} × {image.height} pixels.",
                    fix="Send a mask of the film's own size.",
                )
            if image.mode in ("RGBA", "LA", "PA"):
                return np.asarray(image.convert("RGBA"))[..., 3] > 127
            return np.asarray(image.convert("L")) > 0
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise MaskError(
            "The mask could not be read.",
            why="The file is no image that can be opened.",
            fix="Send a PNG of the film's own size, white where the film should be hidden.",
        ) from error
