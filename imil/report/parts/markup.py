"""HTML from templates: every text that goes in is escaped, so that none can be forgotten."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imil.core.images import ImageSet
from imil.datasets.listing import Skipped
from imil.report.parts import numbers

# Scripts, style, logo and the trained demo: package data, so that an installed imil has them too.
ASSETS = Path(__file__).parents[2] / "static"
# The report's, which the screen shows, too, and the screen's own.
TEMPLATES = [Path(__file__).parents[2] / part / "templates" for part in ("report", "app")]
# Files left out that are named one by one; a hundred thousand would choke the page.
_SKIPPED_SHOWN = 200

# 16 × 16 line drawings, as SVG path data.
ICONS = {
    "check": "M3 8.5l3.2 3L13 4.5",
    "warn": "M8 2.5l6 11H2zM8 6.5v3M8 11.6v.1",
    "x": "M4 4l8 8M12 4l-8 8",
    "up": "M8 13V3M4 7l4-4 4 4",
    "down": "M8 3v10M4 9l4 4 4-4",
    "equal": "M3 6h10M3 10h10",
    "info": "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 7.3v4M8 4.9v.1",
    "lasso": (
        "M5 11c-2-.7-3.5-2-3.5-4 0-2.5 2.9-4.5 6.5-4.5s6.5 2 6.5 4.5-2.9 4.5-6.5 4.5"
        "M5 9.5a1.5 1.5 0 100 3 1.5 1.5 0 000-3zM5 12.5c0 1-.5 2-1.5 2.5"
    ),
    "polygon": "M8 2l6 4.5-2.5 7.5h-7L2 6.5z",
    "wand": (
        "M2.5 13.5l7-7M11.5 1.5v2.5M11.5 7v2M8.5 4.5h-2M16 4.5h-2.5M13.5 6.5l1.2 1.2"
        "M13.5 2.5l1.2-1.2"
    ),
    "brush": "M13.5 2.5L7 9M6.5 9.2c-2 0-2 2.3-4 3.3 2.5 1.2 5.5.3 5.5-2z",
    "box": "M3 3.5h10v9H3z",
    "erase": "M9 3l4.5 4.5L8 13H5l-2.500-2.500zM5.5 6.5L10 11",
    "undo": "M3 6h6.5a3.5 3.5 0 010 7H6M3 6l3-3M3 6l3 3",
    "redo": "M13 6H6.5a3.5 3.5 0 000 7H10M13 6l-3-3M13 6l-3 3",
    "eye": "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z"
    "M8 6.2a1.8 1.8 0 100 3.6 1.8 1.8 0 000-3.6",
    "more": "M3.5 8h.1M8 8h.1M12.5 8h.1",
    "trash": "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.500h5.800l.6-8.5",
    "left": "M10 3L5 8l5 5",
    "right": "M6 3l5 5-5 5",
    "theme": "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 1.8v12.4M8 5h4.5M8 8h6M8 11h4.5",
    "image": "M2.5 3.5h11v9h-11zM3 11l3-3 2.5 2.5 2-2 3 3M5.5 6.5h.1",
    "line": "M2 12l3.5-4.5 3 2.5L14 4",
    "bars": "M3 13V3M3 13h10.5M6 11V8M9 11V5.5M12 11V7",
    "swap": "M3 5.5h9.5M10 3l2.5 2.500L10 8M13 10.5H3.500M6 8l-2.500 2.500L6 13",
    "chevron": "M4 6l4 4 4-4",
    "visitor": (
        "M6.5 7.5a2.500 2.500 0 100-5 2.500 2.500 0 000 5zM2 13.500c.3-2.500 2-4 4.500-4"
        "s4.200 1.500 4.500 4M12.500 4v5M10 6.500h5"
    ),
    "book": (
        "M8 4C6.500 3 4.500 2.700 2.500 3v9.500c2-.3 4 0 5.500 1 1.500-1 3.500-1.300 5.500-1V3"
        "c-2-.3-4 0-5.500 1zM8 4v9.500"
    ),
    "download": "M8 2.5v8M4.5 7.500L8 11l3.500-3.500M3 13.5h10",
    "skip": "M3 3.5L9 8l-6 4.5zM12.5 3.5v9",
}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    writers = ("brackets", "duration", "percent", "points", "share", "some", "span")
    made.filters |= {name: getattr(numbers, name) for name in writers}
    made.filters |= {"interval": numbers.with_interval, "number": numbers.count, "ask": json.dumps}
    made.globals |= {"icons": ICONS}
    return made


def render(template: str, **values: Any) -> Markup:
    """Return a template of `templates` filled in; values are escaped unless they are `Markup`."""
    return Markup(_environment().get_template(template).render(values))  # noqa: S704  # autoescaped


def part(name: str, *values: Any, of: str = "parts.html", **named: Any) -> Markup:
    """Return a macro of a template, filled in; by default one of the small pieces."""
    made: Markup = getattr(_environment().get_template(of).module, name)(*values, **named)
    return made


def plot(name: str, *values: Any, **options: Any) -> Markup:
    """Return a macro of `templates/plots.html`, filled in."""
    macro = getattr(_environment().get_template("plots.html").module, name)
    made: Markup = macro(*values, **options)
    return made


def trusted(html: str) -> Markup:
    """Return HTML that this program made, so that it is not escaped again."""
    return Markup(html)  # noqa: S704  # its maker has escaped what came from outside


def icon(name: str, *, kind: str = "") -> Markup:
    """Return a decorative line drawing; its meaning must stand beside it as text."""
    return part("icon", name, kind)


def badge(words: str, *, tone: str, picture: str | None = None) -> Markup:
    """Return a small label. `tone`: good, bad, flat, warn or info."""
    return part("badge", words, tone, picture)


def note(words: str, *, tone: str, lead: str = "", alert: bool = False) -> Markup:
    """Return a note in place; `lead` is its first, bold sentence."""
    return part("note", words, tone, lead, alert)


def empty(title: str, words: str, *, picture: str) -> Markup:
    """Return an empty state: what is missing, and what to do about it."""
    return part("empty", title, words, picture)


def meter(share: float, *, label: str) -> Markup:
    """Return a bar filled to `share`, 0-1."""
    return part("meter", share, label)


def heading(title: str, aside: str = "") -> Markup:
    """Return a card's heading, with a remark at its right."""
    return part("heading", title, aside)


def subtitle(words: str) -> Markup:
    """Return a heading inside a card."""
    return part("subtitle", words)


def arrange_cards(kind: str, *pieces: Markup) -> Markup:
    """Return pieces in a box. `kind`: "stackup", below each other; "pairup", side by side."""
    return part("arrange_cards", kind, pieces)


def card(title: str, body: Markup, *, aside: str = "") -> Markup:
    """Return a card."""
    return part("card", title, body, aside)


def closed_card(
    title: str, body: Markup, *, aside: str = "", mark: str | Markup = "", opened: bool = False
) -> Markup:
    """Return a card that is closed until asked for, unless `opened`."""
    return part("closed_card", title, body, aside, mark, opened)


def remark(words: str | Markup) -> Markup:
    """Return a sentence under a heading or a table."""
    return part("remark", words)


def hint(words: str, *, kind: str = "s13") -> Markup:
    """Return a paragraph of small print; `kind` is the class of its size."""
    return part("hint", words, kind)


def stacked(head: Sequence[str], rows: Sequence[Sequence[str]], *, kind: str = "") -> Markup:
    """Return a table whose cells carry the names of their columns, for narrow screens.

    Args:
        head: a text a column.
        rows: a text or Markup a cell; the first is the row's name.
        kind: a class of the table.
    """
    return part("stacked", head, rows, kind)


def skipped_list(title: str, skipped: Sequence[Skipped], *, more: int = 0) -> Markup:
    """Return files that are left out, each with its reason, behind a line that opens.

    The first `_SKIPPED_SHOWN` are named, and the others and `more` are counted.
    """
    left = more + max(0, len(skipped) - _SKIPPED_SHOWN)
    return part("skipped_list", title, skipped[:_SKIPPED_SHOWN], left)


def short_title(images: ImageSet, sample_id: str) -> str:
    """Return what people call an image, where there is room for a few letters."""
    return PurePosixPath(images.title(sample_id)).stem


def data_url(path: Path) -> str:
    """Return a JPEG file as a data URL: it needs no route of its own that others could guess."""
    return jpeg_url(path.read_bytes())


def jpeg_url(content: bytes) -> str:
    """Return a JPEG as a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()
