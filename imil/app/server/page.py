"""The page as Gradio serves it: only what changes is made anew, and none asks too often.

What a browser keeps can be emptied, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from inspect import signature
from types import SimpleNamespace
from typing import Any

import gradio as gr
from anyio import to_thread
from gradio.block_function import BlockFunction
from gradio.blocks import convert_component_dict_to_list, postprocess_update_dict
from gradio.state_holder import SessionState
from gradio.utils import delete_none

from imil.app.server.errors import errors_shown
from imil.app.server.events import Events
from imil.app.server.rates import AT_ONCE, Cost, Rates, cost_of, line_of
from imil.app.server.sent import check_json, check_sent, study_among
from imil.app.server.visitors import visitor_of

# What Gradio takes for “leave this component as it is”.
_SKIP = gr.skip()

# What a browser keeps where nothing is to be kept: given "", it would keep what it has. No study,
# reading or reader is called so.
NOTHING = " "

# What Gradio makes of the values of these takes microseconds, and it would wait for a thread each
# time: milliseconds where all cores are busy.
_PLAIN = (
    gr.BrowserState,
    gr.Button,
    gr.Checkbox,
    gr.CheckboxGroup,
    gr.Dropdown,
    gr.HTML,
    gr.Number,
    gr.Radio,
    gr.Slider,
    gr.Textbox,
    gr.Timer,
)

# What is made anew to look otherwise, and may look in a few ways only: shown or not, and such.
_FEW_LOOKS = (gr.Button, gr.Column, gr.Row)
# What Gradio itself knows of an HTML; all else is its script's.
_HTML_LOOKS = frozenset(signature(gr.HTML.__init__).parameters) - {"value", "self"}


class Page(gr.Blocks):
    """Gradio's page; outputs that an event leaves alone are left alone, and costly events counted.

    Gradio builds every output of an event anew, those that are skipped too: about 1 ms of one core
    each, 100 ms for an image that is opened, and every other visitor waits for it. Nor does a value
    of a plain component wait for a thread.

    What a visitor asked for is done, however connections end: see `Events`.

    A `gr.BrowserState` that a callback sets to "" is empty after a reload, too.

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
        self._looks: dict[tuple[Any, ...], Any] = {}

    def __exit__(self, *given: object) -> None:
        """End the page, and let its costly events wait in line, whatever their wiring says."""
        super().__exit__(*given)  # type: ignore[arg-type]  # as Python gives them
        for event in self.fns.values():
            if (cost := cost_of(event.fn)) is not None:
                event.concurrency_id, event.concurrency_limit = line_of(cost), AT_ONCE[cost]

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
            if named.get("iterator") is not None:
                return await self._answer(called, inputs, *given, **named)
            if (event := named.get("event_data")) is not None:
                check_json("event", event._data, files=True)  # noqa: SLF001  # Gradio's
            checked = check_sent(called, inputs)
            # A call from this process costs nobody else anything.
            if (cost := cost_of(called.fn)) is not None and named.get("request") is not None:
                await self._count(called, checked, cost, named["request"])
            return await self._answer(called, checked, *given, **named)

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

    async def _answer(self, *given: Any, **named: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await super().process_api(*given, **named)
        return answer

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """Return what a callback is given; see `gr.Blocks.preprocess_data`."""
        blocks, given = list(block_fn.inputs), list(inputs)
        plain = {place for place, block in enumerate(blocks) if type(block) in _PLAIN}
        usual = len(inputs) != len(blocks) or bool(block_fn.component_prop_inputs)
        if state is None or usual or not block_fn.preprocess:
            plain = set()
        rest = [place for place in range(len(blocks)) if place not in plain]
        if not plain:
            given = await super().preprocess_data(block_fn, inputs, state, explicit_call)
        else:
            for places, in_thread in ((sorted(plain), False), (rest, True)):
                part = copy(block_fn)
                part.inputs, part.preprocess = [blocks[place] for place in places], in_thread
                sent = [inputs[place] for place in places]
                made = await super().preprocess_data(part, sent, state, explicit_call)
                for place, value in zip(places, made, strict=True):
                    block = _as_shown(blocks[place], state)
                    given[place] = value if in_thread else block.preprocess(value)
        return [
            "" if value == NOTHING and isinstance(block, gr.BrowserState) else value
            for block, value in zip(blocks, given, strict=True)
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
        answer, rest = self._answered(block_fn, told, state)
        for in_thread, values in rest.items():
            if not values:
                continue
            part = copy(block_fn)
            part.outputs, part.postprocess = [outputs[place] for place, _ in values], in_thread
            given = [value for _, value in values]
            made = await super().postprocess_data(
                part, given if len(given) > 1 else given[0], state
            )
            for (place, _), value in zip(values, made, strict=True):
                answer[place] = value
        return answer

    def _answered(
        self, block_fn: BlockFunction, told: Sequence[Any], state: SessionState | None
    ) -> tuple[list[Any], dict[bool, list[tuple[int, Any]]]]:
        """Return what can be told at once, and what is left for Gradio.

        Returns:
            What the browser is told of each output; and the rest, each with its place, by whether
            Gradio is to convert it, in a thread.
        """
        answer: list[Any] = [gr.skip() for _ in told]
        rest: dict[bool, list[tuple[int, Any]]] = {False: [], True: []}
        for place, (block, new) in enumerate(zip(block_fn.outputs, told, strict=True)):
            value = _kept(block, new)
            if _is_skip(value):
                continue
            if state is None or not block_fn.postprocess:
                rest[block_fn.postprocess].append((place, value))
            elif _is_plain(block, value):
                rest[False].append((place, _as_shown(block, state).postprocess(value)))
            elif (changed := self._changed(block, value, state)) is not None:
                answer[place] = changed
            else:
                rest[True].append((place, value))
        return answer, rest

    def _changed(self, block: Any, change: Any, state: SessionState) -> dict[str, Any] | None:
        """Return what the browser is told of a change of looks; None where Gradio is to find it.

        Gradio makes the component anew each time. Here one is made once, for all who see it so.
        """
        if not _is_update(change):
            return None
        change = delete_none(dict(change), skip_value=True)
        if type(block) is gr.HTML and not _HTML_LOOKS.intersection(change):
            # Only what its script is given.
            value = {"value": block.postprocess(change.pop("value"))} if "value" in change else {}
            kind = change.pop("__type__")
            return {**({"props": change} if change else {}), **value, "__type__": kind}
        if type(block) not in _FEW_LOOKS:
            return None
        looks = {**_as_shown(block, state).constructor_args, **change, "render": False}
        looks.pop("value", None)
        looks.pop("__type__")
        name = (block._id, *map(repr, looks.items()))  # noqa: SLF001  # Gradio's id
        if name not in self._looks:
            self._looks[name] = type(block)(**looks)
        state[block._id] = self._looks[name]  # noqa: SLF001  # the same
        told: dict[str, Any] = postprocess_update_dict(self._looks[name], change)
        return told


def _as_shown(block: Any, state: SessionState | None) -> Any:
    """Return a component as it is in a session, which may have changed it."""
    return block if state is None else state.get(block._id, block)  # noqa: SLF001  # Gradio's id


def _is_plain(block: Any, value: Any) -> bool:
    """Return whether a block is told a value, not what to look like, and makes little of it."""
    looks = isinstance(value, gr.blocks.Block | SimpleNamespace) or _is_update(value)
    return type(block) in _PLAIN and not looks


def _is_update(value: Any) -> bool:
    return isinstance(value, dict) and "__type__" in value


def _kept(block: Any, value: Any) -> Any:
    return NOTHING if isinstance(block, gr.BrowserState) and value == "" else value


def _is_skip(value: Any) -> bool:
    return isinstance(value, dict) and value == _SKIP
