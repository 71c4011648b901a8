"""Copying a mask to images that look alike: they are shown with it before it counts."""

from __future__ import annotations

import secrets
from html import escape
from typing import Any

import gradio as gr

from imil.app.painter.painter import Painted
from imil.app.server.errors import error_in_place
from imil.app.server.shown import Shown
from imil.core.records import Queue
from imil.core.review.masks import fitted_region
from imil.core.review.readers import UNNAMED
from imil.errors import ImilError
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, jpeg_url, note, short_title
from imil.report.parts.overlays import painted_jpeg, picture
from imil.study.review.queueing import Offer
from imil.study.study import Study


def build_copy_button() -> gr.Button:
    """Place the button that shows the similar images."""
    return gr.Button(text.COPY_MASK, size="md", elem_id="copy-mask")


def build_copies(**kwargs: Any) -> gr.HTML:
    """Place the similar images where Gradio stands now: closed until there are some to show.

    Its value is one of those below. It triggers `confirm` (data: targets, sample, stroke, seconds).
    """
    return gr.HTML(
        html_template='<p class="copied s12" role="status"></p>'
        '<dialog class="copies" aria-labelledby="copies-title"></dialog>',
        js_on_load=(ASSETS / "copies.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def show_copy(
    button: gr.Button, study: Study, sample_id: str, kind: Queue, reader: str = UNNAMED
) -> Shown:
    """Return the button for a film that is open: to how many images a mask could be copied."""
    count = study.copy_count(sample_id, kind, reader=reader)
    aside = numbers.count(count)
    if not count:
        aside = text.COPY_LEFT if study.copy_room(sample_id, reader) else text.COPY_FULL
    return {button: gr.update(value=f"{text.COPY_MASK} · {aside}", interactive=count > 0)}


def similar_value(study: Study, painted: Painted, kind: Queue) -> dict[str, str]:
    """Return the similar images with the mask laid over, for the film and stroke it is of."""
    if not painted.irrelevant.any():
        return _opened(painted, note(text.COPY_EMPTY, tone="info"), acts=_closing(text.CLOSE))
    sample_id, reader = painted.sample_id, painted.reader
    room = study.copy_room(sample_id, reader)
    count = min(room, study.copy_count(sample_id, kind, reader=reader))
    offers = study.similar(sample_id, count, queue=kind, reader=reader)
    if not offers:
        words = text.COPY_NONE if room else text.COPY_NO_ROOM
        return _opened(painted, note(words, tone="info"), acts=_closing(text.CLOSE))
    films = "".join(_film(study, offer, painted) for offer in offers)
    body = f'<p class="sub s13">{escape(text.COPY_WORDS)}</p><div class="films">{films}</div>'
    return _opened(painted, body, acts=_confirming(study, room, reader))


def copied_value(count: int) -> dict[str, str]:
    """Return that a mask was copied: the images close, and a line says so."""
    words = numbers.some(count, text.IMAGE_ONE, text.IMAGE_MANY)
    return {"asked": secrets.token_hex(4), "said": text.COPIED.format(count=words)}


def refused_value(error: ImilError) -> dict[str, str]:
    """Return why nothing was copied: the images stay as they are ticked."""
    return {"asked": secrets.token_hex(4), "trouble": error_in_place(error)}


def _opened(painted: Painted, body: str, *, acts: str) -> dict[str, str]:
    # `asked` makes each a new value: the same images can be closed and asked for again.
    return {
        "asked": secrets.token_hex(4),
        "sample": painted.sample_id,
        "stroke": painted.stroke,
        "html": f'<h2 id="copies-title">{escape(text.COPY_MASK)}</h2>{body}'
        f'<div class="trouble"></div><div class="row">{acts}</div>',
    }


def _film(study: Study, offer: Offer, painted: Painted) -> str:
    sample_id, classes = offer.sample_id, study.images.classes
    pixels = picture(study.thumbnail(sample_id))
    region = fitted_region(painted.irrelevant, (pixels.shape[0], pixels.shape[1]))
    name = short_title(study.images, sample_id)
    says = text.COPY_SAYS.format(
        label=classes[offer.label],
        says=classes[offer.predicted],
        share=numbers.share(offer.confidence),
    )
    return (
        f'<label title="{escape(study.images.title(sample_id))}"><span class="pic">'
        f'<img src="{jpeg_url(painted_jpeg(pixels, region))}" alt="">'
        f'<input type="checkbox" checked data-sample="{escape(sample_id)}"></span>'
        f'<span class="p1">{escape(name)}</span><span class="p2">{escape(says)}</span></label>'
    )


def _confirming(study: Study, room: int, reader: str) -> str:
    budget = study.budget(reader)
    told = text.COPY_ROOM.format(
        painted=numbers.count(budget.painted),
        allowed=numbers.count(budget.allowed),
        room=numbers.count(room),
    )
    words = f'data-none="{escape(text.COPY_NOTHING)}" data-one="{escape(text.COPY_ONE)}"'
    return (
        f'<button type="button" class="imil-btn primary" data-act="confirm" autofocus {words} '
        f'data-many="{escape(text.COPY_MANY)}"></button>{_closing(text.CANCEL)}'
        f'<span class="sub s13">{escape(told)}</span>'
    )


def _closing(label: str) -> str:
    return f'<button type="button" class="imil-btn" data-act="close">{escape(label)}</button>'
