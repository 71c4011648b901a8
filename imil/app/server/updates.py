"""What a callback gives back: components with what they show now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any, TypeAlias

import gradio as gr

from imil.app.server.events import IN_TURN

# From a Gradio component to its new value, or to `gr.update`s of it.
Updates: TypeAlias = dict[Any, Any]

# Encrypts the ids that a browser keeps; constant, so that they can be read after a restart. They
# are no secret from the browser they are stored in.
BROWSER_SECRET = "imil"  # noqa: S105  # no secret
# What a browser keeps where nothing is to be kept: given "", Gradio's page would keep what it has.
# No study, reading or reader is called so.
NOTHING = " "

# Events of the screen itself: hidden from clients (they have endpoints of their own), and without
# an overlay that would cover what is being looked at. Nor is any component told how far the event
# is, as each of its outputs would be otherwise, again at every later event of the page.
QUIET_EVENT: dict[str, Any] = {
    "show_progress": "hidden",
    "show_progress_on": [],
    "api_visibility": "private",
    # Any number at once: each takes milliseconds. Gradio's own choice would be one for all visitors
    # together. What costs more is limited by what it costs, see `imil.app.server.rates`.
    "concurrency_limit": None,
}
# The same of what a reader does with films: one act after another, whatever other visitors wait
# for. At once, of all visitors: our choice.
REVIEW_EVENT: dict[str, Any] = QUIET_EVENT | {"concurrency_id": IN_TURN, "concurrency_limit": 4}
# The same of what may take seconds: its outputs show that something happens.
SLOW_EVENT: dict[str, Any] = {
    "show_progress": "minimal",
    "api_visibility": "private",
    "concurrency_limit": None,
}


def html(value: str = "", **kwargs: Any) -> gr.HTML:
    """Return an HTML component without Gradio's text styles: ours are in `static/theme.css`."""
    return gr.HTML(value, apply_default_css=False, **kwargs)


def components_of(group: Any, *, but: Collection[str] = ()) -> list[Any]:
    """Return the components that a dataclass holds, in its order, but those in the fields named."""
    return [getattr(group, field.name) for field in fields(group) if field.name not in but]


def kept_text(name: str) -> gr.BrowserState:
    """Return a text that the browser keeps under a name; `Page` lets it be emptied."""
    return gr.BrowserState("", storage_key=name, secret=BROWSER_SECRET)


def unchanged() -> Updates:
    """Return what leaves every component as it is; Gradio takes an empty dict for a value."""
    skipped: Updates = gr.skip()
    return skipped
