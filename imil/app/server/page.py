"""The page as Gradio serves it; what is sent is checked first, and costly events are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from anyio import to_thread
from gradio.block_function import BlockFunction

from imil.app.server.errors import errors_shown
from imil.app.server.events import Events
from imil.app.server.input_checks import check_json, check_sent, study_among
from imil.app.server.rates import COSTS_AT_ONCE, Cost, Rates, cost_of, line_of
from imil.app.server.updates import NOTHING
from imil.app.server.visitors import visitor_of


class Page(gr.Blocks):
    """Gradio's page; what is sent to it is checked, costly events are counted, none is lost.

    What a visitor asked for is done, however connections end: see `Events`.

    Args:
        rates: how often a visitor may ask for what is expensive; the usual ones if None.
        busy: whether the study of an id trains, or waits to.
        proxied: requests come through a proxy in front of the app, as on a Space.
        given: as `gr.Blocks`.
    """

    def __init__(
        self,
        *,
        rates: Rates | None = None,
        busy: Callable[[str], bool] = lambda _: False,
        proxied: bool = False,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self.rates = rates or Rates()
        self.proxied = proxied
        self._busy = busy

    def __exit__(self, *given: object) -> None:
        """End the page, and let its costly events wait in line, whatever their wiring says."""
        super().__exit__(*given)  # type: ignore[arg-type]  # as Python gives them
        for event in self.fns.values():
            if (cost := cost_of(event.fn)) is not None:
                event.concurrency_id, event.concurrency_limit = line_of(cost), COSTS_AT_ONCE[cost]

    def queue(self, *given: Any, **named: Any) -> Page:
        """Set up the queue of events; see `gr.Blocks.queue`."""
        super().queue(*given, **named)
        self._queue = Events(self._queue)
        return self

    async def process_api(
        self, block_fn: BlockFunction | int, inputs: list[Any], *given: Any, **named: Any
    ) -> dict[str, Any]:
        """Answer an event; see `gr.Blocks.process_api`.

        What can't have been meant is refused in words, and so is one call too many; and in words is
        told what a person can mend of all that a callback does.
        """
        called = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        with errors_shown():
            # An iterator goes on with a call that was looked at.
            if named.get("iterator") is None:
                if (event := named.get("event_data")) is not None:
                    check_json("event", event._data, files=True)  # noqa: SLF001  # Gradio's
                inputs = check_sent(called, inputs)
                # A call from this process costs nobody else anything.
                if (cost := cost_of(called.fn)) is not None and named.get("request") is not None:
                    await self._count(called, inputs, cost, named["request"])
            answer: dict[str, Any] = await super().process_api(called, inputs, *given, **named)
        return answer

    async def preprocess_data(
        self, block_fn: BlockFunction, *given: Any, **named: Any
    ) -> list[Any]:
        """Return what a callback is given: "" where the browser keeps nothing."""
        values = await super().preprocess_data(block_fn, *given, **named)
        return [
            "" if value == NOTHING and isinstance(block, gr.BrowserState) else value
            for block, value in zip(block_fn.inputs, values, strict=True)
        ]

    async def postprocess_data(
        self, block_fn: BlockFunction, *given: Any, **named: Any
    ) -> list[Any]:
        """Return what the browser is told: of a text it keeps, something where that is empty."""
        values = await super().postprocess_data(block_fn, *given, **named)
        return [
            NOTHING if isinstance(block, gr.BrowserState) and value == "" else value
            for block, value in zip(block_fn.outputs, values, strict=True)
        ]

    async def _count(
        self, called: BlockFunction, inputs: Sequence[Any], cost: Cost, request: Any
    ) -> None:
        """Count a costly call of whoever sent it; ComputeError for one too many."""
        visitor = visitor_of(request, proxied=self.proxied)
        self.rates.spend(visitor, cost)
        study = study_among(called, inputs)
        if cost is Cost.TRAIN and study is not None:
            # In a thread: a study may be held for a while by what it does.
            await to_thread.run_sync(self.rates.train, visitor, study, self._busy)
