"""What the server keeps of a visitor's page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import httpx
import pytest

from imil.app.server.page import Page

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # Gradio counts with it
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextmanager
def served(**given: Any) -> Iterator[tuple[Page, httpx.Client]]:
    """Serve a page that counts how often a visitor has come."""
    with Page(analytics_enabled=False) as app:
        times, box, button = gr.State(0), gr.Textbox(), gr.Button()

        def come(before: int) -> tuple[int, str, Any]:
            return before + 1, f"time {before + 1}", gr.update(visible=False)

        app.load(come, times, [times, box, button], api_name="come")
    _, url, _ = app.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", inbrowser=False, **given
    )
    try:
        with httpx.Client(base_url=url, timeout=20) as client:
            yield app, client
    finally:
        app.close()


def come(client: httpx.Client, session: str) -> httpx.Response:
    asked = {"data": [None], "fn_index": 0, "session_hash": session}
    return client.post("/gradio_api/queue/join", json=asked)


def told(client: httpx.Client, session: str) -> str:
    come(client, session).raise_for_status()
    return client.get("/gradio_api/queue/data", params={"session_hash": session}).text


def test_each_visitor_has_values_of_their_own() -> None:
    with served() as (_, client):
        said = [told(client, name) for name in ("ann", "ben", "ann")]

    assert ['"time 1"' in said[0], '"time 1"' in said[1], '"time 2"' in said[2]] == [True] * 3


def test_a_visitor_costs_no_description_of_the_page() -> None:
    with served() as (app, client):
        told(client, "ann")
        described = app.state_holder["ann"].config_values.values()

    # Gradio describes each component, 427 of this app's: .6 MB a visitor.
    assert [kept["type"] for kept in described] == ["state"]
