"""The pictures in docs/results, from the raw figures and from films."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.charts import film_plots, image_plots
from imil.core.review.masks import apply_blackout
from imil.core.review.swaps import swap_region
from imil.synthetic.films import FilmSpec, film

RESULTS = Path(__file__).parent / "results"
# Films of the benchmark's kind, large enough to be looked at.
_SPEC = FilmSpec(images=40, size=256, seed=7)
_GAP = 8  # px, white, between two films


def gain_pictures() -> dict[str, str]:
    """Return the plots of gains against control as SVG by file name: films, then skin lesions."""
    films, skin = (
        json.loads((RESULTS / name).read_text(encoding="utf-8"))
        for name in ("bench_films.json", "bench_isic2017.json")
    )
    return {
        "gains-films.svg": film_plots(films)["gain-noise-0.svg"],
        "gains-skin.svg": image_plots(skin)["gain.svg"],
    }


def edits_picture() -> Image.Image:
    """Return a film as it is, with what is irrelevant black, and with another film's instead."""
    own, lender = film(_SPEC, _place(marked=True)), film(_SPEC, _place(marked=False))
    hidden = ~own.relevant
    (swapped,) = swap_region(
        own.pixels[None, None], hidden[None], lender.pixels[None, None], ~lender.relevant[None]
    )
    shown = (own.pixels, apply_blackout(own.pixels, hidden), swapped[0])
    width = len(shown) * (_SPEC.size + _GAP) - _GAP
    picture = Image.new("L", (width, _SPEC.size), 255)
    for place, pixels in enumerate(shown):
        picture.paste(Image.fromarray(np.asarray(pixels)), (place * (_SPEC.size + _GAP), 0))
    return picture


def write_pictures(out: Path) -> None:
    """Write all three into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    edits_picture().save(out / "edits.png", optimize=True)
    for name, plot in gain_pictures().items():
        (out / name).write_text(plot, encoding="utf-8")


def _place(*, marked: bool) -> int:
    """Return the first film with a finding and a marker, or with neither."""
    films = (film(_SPEC, at) for at in range(_SPEC.images))
    return next(
        at for at, one in enumerate(films) if (one.marked, one.label) == (marked, int(marked))
    )
