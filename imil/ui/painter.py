"""The painter: a film, and the mask painted on it, exact to the pixel.

A `gr.HTML` in plain canvas; the browser's half is `assets/painter.js`. The mask travels as
run lengths together with the film it was painted on, so that it can never land on another one.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.core.records import Origin, Region
from imil.errors import MaskError
from imil.ui import text
from imil.ui.markup import ASSETS, icon

# Larger films than this are not taken from a browser. Our choice: four times a mammogram.
MAX_PIXELS = 80_000_000

_RESEND = "Open the film again and repeat the last stroke."


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """A mask that the server has stored; the browser may drop its copy up to revision `rev`."""

    sample_id: str
    rev: int


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """What the painter shows.

    Attributes:
        study_id: the study that the film belongs to.
        sample_id: the film.
        pixels: (H, W) or (H, W, 3) uint8, at the film's own size.
        irrelevant: the (H, W) mask stored for it, True = hide; None where there is none.
        place: where it stands in its queue, for people.
        accepted: the mask stored just before, if any.
        origin: how the stored mask came about.
    """

    study_id: str
    sample_id: str
    pixels: NDArray[np.uint8]
    irrelevant: Region | None = None
    place: str = ""
    accepted: Accepted | None = None
    origin: Origin = Origin.PAINTED


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """What came back: a mask, True = hide, with the film it was painted on.

    `rev` counts the changes made in the browser, `seconds` the time the film was in sight. `origin`
    says whether the mask was begun from a predicted one, `stroke` which stroke was the last: an
    answer to another one is out of date.
    """

    study_id: str
    sample_id: str
    irrelevant: Region
    rev: int
    seconds: float
    origin: Origin = Origin.PAINTED
    stroke: str = ""


def encode_runs(irrelevant: Region) -> list[int]:
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


def decode_runs(runs: Sequence[int], *, width: int, height: int) -> Region:
    """Return the (height, width) mask, True = hide, of its run lengths.

    Raises:
        MaskError: if the size is out of bounds, or the counts don't fill it exactly.
    """
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (width, height, *runs))
    if not whole or min(width, height) < 1 or width * height > MAX_PIXELS:
        raise MaskError(
            "The mask could not be read.",
            why=f"Its size is not that of a film of up to {MAX_PIXELS // 1_000_000} megapixels.",
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
    """Return what the browser sent; None when no film is open.

    Raises:
        MaskError: if the value is not one that the painter makes.
    """
    if not isinstance(payload, dict) or "runs" not in payload:
        return None
    try:
        width, height = payload["size"]
        runs = list(payload["runs"])
        study_id, sample_id = str(payload["study"]), str(payload["sample"])
        rev, seconds = int(payload["rev"]), float(payload["seconds"])
        origin = Origin(payload.get("origin", Origin.PAINTED))
    except (KeyError, TypeError, ValueError) as error:
        raise MaskError(
            "The mask could not be read.",
            why="The browser sent a value that the painter does not make.",
            fix="Reload the page; what you painted is kept in the browser.",
        ) from error
    irrelevant = decode_runs(runs, width=width, height=height)
    stroke = str(payload.get("stroke", ""))
    return Painted(study_id, sample_id, irrelevant, rev, max(0.0, seconds), origin, stroke)


def encode_film(film: Film) -> dict[str, Any]:
    """Return the value that `painter.js` loads: JSON, with the pixels as a PNG data URL."""
    height, width = film.pixels.shape[:2]
    file = io.BytesIO()
    # Level 1: the film travels once, and a larger level costs more time than it saves.
    Image.fromarray(film.pixels).save(file, "PNG", compress_level=1)
    stored = film.irrelevant
    accepted = film.accepted
    runs = [width * height] if stored is None else encode_runs(stored)
    # What an unchanged mask is compared with: a corrected one is never the predicted one again.
    start = {
        Origin.PAINTED: None,
        Origin.PREDICTED: runs,
        Origin.CORRECTED: [],
        Origin.COPIED: runs,
    }[film.origin]
    return {
        "study": film.study_id,
        "sample": film.sample_id,
        "place": film.place,
        "size": [width, height],
        "image": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
        "runs": runs,
        "start": start,
        "accepted": accepted and {"sample": accepted.sample_id, "rev": accepted.rev},
    }


def offer(study_id: str, sample_id: str, irrelevant: Region, *, stroke: str) -> dict[str, Any]:
    """Return the painter's prop `offered`: a predicted mask to begin from on the film that is open.

    `stroke` makes each offer a new value, so that one can be taken again after an undo.
    """
    runs = encode_runs(irrelevant)
    return {"study": study_id, "sample": sample_id, "runs": runs, "stroke": stroke}


def build_painter(**kwargs: Any) -> gr.HTML:
    """Place a painter where Gradio stands now.

    Its value to the browser is `encode_film`'s, None for no film; what it gives to a callback is
    for `decode_painted`; its prop `offered` is `offer`'s. It triggers `blackout`, `skip`, `next`
    and `previous`, by its own buttons, by keys, and by document events `imil-act` (see `press`),
    and `stroke` once a film is open and when the hand rests. A value is sent once an event, never
    as an upload.

    A function rather than a subclass: Gradio writes a stub file beside the source of each subclass
    when it is imported.
    """
    return gr.HTML(
        html_template=_markup(),
        js_on_load=(ASSETS / "painter.js").read_text("utf-8"),
        apply_default_css=False,
        offered=None,
        **kwargs,
    )


def press(act: str) -> str:
    """Return the JavaScript of a button elsewhere that does what the painter's own would."""
    return f"() => {{document.dispatchEvent(new CustomEvent('imil-act', {{detail: '{act}'}}))}}"


def _button(kind: str, name: str, label: str, picture: str, *, word: bool = False) -> str:
    pressed = f' aria-pressed="{str(name == "brush").lower()}"' if kind == "tool" else ""
    inside = f"<span>{escape(label)}</span>" if word else ""
    return (
        f'<button type="button" class="imil-btn" data-{kind}="{name}"{pressed} '
        f'aria-label="{escape(label)}" title="{escape(text.PAINTER_TITLES[name])}">'
        f"{icon(picture)}{inside}</button>"
    )


def _markup() -> str:
    """Return the template. It names no value, so it is rendered once and never touched again."""
    words = {
        "hidden": text.PAINTER_HIDDEN,
        "nothing": text.PAINTER_NOTHING,
        "empty": text.PAINTER_EMPTY,
        "start": text.PAINTER_START,
        "none": text.PAINTER_NONE_PREDICTED,
        "canvas": text.PAINTER_CANVAS,
    }
    data = " ".join(f'data-{key}-word="{escape(word)}"' for key, word in words.items())
    keys = "".join(
        f"<span>{''.join(f'<kbd>{escape(key)}</kbd>' for key in pair)} {escape(what)}</span>"
        for pair, what in text.PAINTER_KEYS
    )
    return f"""
<div class="painter none" data-mode="hide" data-ready="" {data}>
 <div class="head"><h2><span class="name"></span><span class="place"></span></h2>
  <span class="pair">{_button("act", "previous", text.PREVIOUS, "left")}
  {_button("act", "next", text.NEXT, "right")}</span></div>
 <div class="tools" role="toolbar" aria-label="{escape(text.PAINTER_TOOLS)}">
  <span class="seg" role="group" aria-label="{escape(text.PAINTER_TOOL)}">
   {_button("tool", "brush", text.BRUSH, "brush", word=True)}
   {_button("tool", "erase", text.ERASE, "erase", word=True)}</span>
  <label class="rng">{escape(text.SIZE)} <input type="range" data-size min="5" max="150" value="35"
   aria-label="{escape(text.PAINTER_SIZE)}"></label>
  <span class="pair">{_button("act", "undo", text.UNDO, "undo")}
  {_button("act", "clear", text.CLEAR, "trash")}</span></div>
 <div class="stage"><canvas class="film" width="1" height="1" aria-hidden="true"></canvas>
  <canvas class="paint" width="1" height="1" tabindex="0" role="img"
   aria-label="{escape(text.PAINTER_CANVAS)}"></canvas>
  <span class="ring" hidden></span>
  <p class="hint" role="status" hidden></p><span class="area"></span>
  <p class="nofilm">{escape(text.PAINTER_NO_FILM)}</p></div>
 <div class="keys" aria-hidden="true">{keys}</div>
</div>"""


def read_mask_png(path: Path) -> Region:
    """Return the (H, W) mask of an image file: painted = opaque and not black.

    A PNG of 1 bit or 8-bit grey hides where it is not 0; one with an alpha channel hides where it
    is more than half opaque, whatever its colour.

    Raises:
        MaskError: if the file is no image, or larger than `MAX_PIXELS`.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
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
