"""What the server remembers of each visitor's page: its values, and no copy of its looks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class Sessions(StateHolder):
    """Gradio's sessions; a new one costs next to nothing."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        session: SessionState = super().__getitem__(session_id)
        return session


class Session(SessionState):
    """Gradio's session; it does not describe each component of the page, at each change anew.

    Gradio keeps that for links that reopen a page as it was (`gr.DeepLinkButton`), which this app
    has not: 22 ms of a core, for which all others wait, and .6 MB a visitor.

    Args:
        blocks: the page.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        # A page that has no block to be described.
        page: Any = SimpleNamespace(default_config=blocks.default_config, blocks=())
        super().__init__(page)

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(self.blocks_config.blocks.get(key), gr.State):
            super().__setitem__(key, value)
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass
