"""The page as Gradio serves it: only what changes is made anew, and none asks too often.

What a browser keeps can be emptied, too.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import convert_component_dict_to_list
from gradio.state_holder import SessionState

from imil.ui.errors import errors_shown
from imil.ui.events import Events
from imil.ui.rates import Rates, cost_of

# What Gradio takes for “leave this component as it is”.
_SKIP = gr.skip()

# What a browser keeps where nothing is to be kept: given "", it would keep what it has. No study,
# reading or reader is called so.
NOTHING = " "


class Page(gr.Blocks):
    """Gradio's page; outputs that an event leaves alone are left alone, and costly events counted.

    Gradio builds every output of an event anew, those that are skipped too: about 1 ms of one core
    each, 100 ms for an image that is opened, and every other visitor waits for it.

    What a visitor asked for is done and answered, however connections end: see `Events`.

    A `gr.BrowserState` that a callback sets to "" is empty after a reload, too.

    Args:
        rates: how often a session may ask for what is expensive; the usual ones if None.
        given: as `gr.Blocks`.
    """

    def __init__(self, *, rates: Rates | None = None, **given: Any) -> None:
        super().__init__(**given)
        self.rates = rates or Rates()

    def queue(self, *given: Any, **named: Any) -> Page:
        """Set up the queue of events; see `gr.Blocks.queue`."""
        super().queue(*given, **named)
        self._queue = Events(self._queue)
        return self

    async def process_api(
        self, block_fn: BlockFunction | int, *given: Any, **named: Any
    ) -> dict[str, Any]:
        """Answer an event; see `gr.Blocks.process_api`. One too many is refused, in words."""
        called = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        cost, session = cost_of(called.fn), named.get("session_hash")
        # An iterator goes on with a call that was counted.
        if cost is not None and session is not None and named.get("iterator") is None:
            with errors_shown():
                self.rates.spend(session, cost)
        answer: dict[str, Any] = await super().process_api(block_fn, *given, **named)
        return answer

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """Return what a callback is given; see `gr.Blocks.preprocess_data`."""
        given: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
        return [
            "" if value == NOTHING and isinstance(block, gr.BrowserState) else value
            for block, value in zip(block_fn.inputs, given, strict=True)
        ]

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: Any, state: SessionState | None
    ) -> list[Any]:
        """Return what the browser is told of each output; see `gr.Blocks.postprocess_data`."""
        outputs = list(block_fn.outputs)
        told = predictions
        if isinstance(told, dict) and told and not _is_skip(told):
            told = convert_component_dict_to_list(outputs, told)
        if len(outputs) == 1:
            told = [told]
        if _is_skip(told):
            told = [_SKIP] * len(outputs)
        if block_fn.batch or not isinstance(told, list | tuple) or len(told) != len(outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        places = [place for place, value in enumerate(told) if not _is_skip(value)]
        answer: list[Any] = [gr.skip() for _ in outputs]
        if not places:
            return answer
        changing = copy(block_fn)
        changing.outputs = [outputs[place] for place in places]
        values = [_kept(outputs[place], told[place]) for place in places]
        made = await super().postprocess_data(
            changing, values if len(values) > 1 else values[0], state
        )
        for place, value in zip(places, made, strict=True):
            answer[place] = value
        return answer


def _kept(block: Any, value: Any) -> Any:
    return NOTHING if isinstance(block, gr.BrowserState) and value == "" else value


def _is_skip(value: Any) -> bool:
    return isinstance(value, dict) and value == _SKIP
