"""The queue as pictures: worst first, a page at a time, with ticks on what is reviewed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gradio as gr

from imil.core.review.masks import fitted_region
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, data_url, jpeg_url, render
from imil.report.parts.overlays import blackout_jpeg, picture
from imil.study.review.queueing import Offer
from imil.study.study import Study

# Pictures a page. Our choice: each is a few kB, and travels in the page.
STRIP_PAGE = 50
# What a film is that has a mask.
MASKED_STATE = "masked"


def page_of(position: int) -> int:
    """Return the page that holds a position of the queue, both from 0."""
    return max(0, position) // STRIP_PAGE


def page_value(
    study: Study,
    queue: Sequence[Offer],
    page: int,
    states: Callable[[Iterable[str]], Mapping[str, str]] = lambda _: {},
    reader: str | None = None,
) -> dict[str, Any]:
    """Return a page of the queue for the browser; a page beyond the ends is the nearest one.

    Args:
        study: the study.
        queue: its films.
        page: from 0.
        states: from films' ids to what the reader did with each; "" for nothing yet.
        reader: whose blackouts are shown; None for anybody's.
    """
    pages = max(1, -(-len(queue) // STRIP_PAGE))
    page = min(max(0, page), pages - 1)
    first = page * STRIP_PAGE
    shown = queue[first : first + STRIP_PAGE]
    classes = study.images.classes
    reviewed = states(offer.sample_id for offer in shown)
    films = [
        {
            "id": offer.sample_id,
            "title": study.images.title(offer.sample_id),
            "picture": data_url(study.pictures.thumbnail(offer.sample_id)),
            "says": classes[offer.predicted],
            "confidence": numbers.share(offer.confidence),
            "label": f"label {classes[offer.label]}",
            "reviewed": reviewed.get(offer.sample_id, ""),
            "blackout": blackout_url(study, offer.sample_id, reader)
            if reviewed.get(offer.sample_id) == MASKED_STATE
            else "",
        }
        for offer in shown
    ]
    span = text.PAGE.format(
        first=numbers.count(first + 1),
        last=numbers.count(first + len(shown)),
        n=numbers.count(len(queue)),
    )
    return {"films": films, "page": page, "pages": pages if pages > 1 else 0, "span": span}


def blackout_url(study: Study, sample_id: str, reader: str | None = None) -> str:
    """Return a small picture of a film with its mask black, as a data URL; "" without a mask."""
    region = study.review.irrelevant(sample_id, reader)
    if region is None:
        return ""
    pixels = picture(study.pictures.thumbnail(sample_id))
    return jpeg_url(
        blackout_jpeg(pixels, fitted_region(region, (pixels.shape[0], pixels.shape[1])))
    )


def build_filmstrip(**kwargs: Any) -> gr.HTML:
    """Place a filmstrip where Gradio stands now.

    Its value is `page_value`'s; its prop `marks` is what changes while one reviews: {"current":
    id, "reviewed": {id: state}, "blackouts": {id: picture}}, of as many films as may have changed.
    It triggers `select` (data: sample) and `turn` (data: page).
    """
    return gr.HTML(
        html_template=str(render("filmstrip.html")),
        js_on_load=(ASSETS / "filmstrip.js").read_text("utf-8"),
        apply_default_css=False,
        marks=None,
        **kwargs,
    )
