"""Below the tabs of a Space: how to have one's own."""

from __future__ import annotations

from typing import Any

import gradio as gr

from imil.app.server.updates import html
from imil.report.parts.markup import render

DUPLICATE = "https://huggingface.co/spaces/{space}?duplicate=true"


def build_space_link(space: str | None, **kwargs: Any) -> gr.HTML | None:
    """Place the link to duplicate a Space where Gradio stands now; none where it is no Space.

    Args:
        space: its id on the Hub.
        kwargs: as for `gr.HTML`.
    """
    if space is None:
        return None
    return html(render("space_link.html", link=DUPLICATE.format(space=space)), **kwargs)
