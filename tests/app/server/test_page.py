from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from imil.app.server.page import NOTHING, Page
from imil.app.server.shown import unchanged

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def answered(
    kind: type[gr.Blocks], callback: Callable[[list[Any]], Any], *, outputs: int
) -> tuple[list[Any], SessionState, list[Any]]:
    """Return what the browser is told, the session's state, and the components as they were."""
    with kind() as app:
        boxes = [gr.Textbox(f"{place}") for place in range(outputs)]
        app.load(lambda: None, None, boxes)
    event = next(iter(app.fns.values()))
    state = SessionState(app)
    # In a thread of its own: a browser may run its loop in this one.
    with ThreadPoolExecutor() as thread:
        coroutine = app.postprocess_data(event, callback(boxes), state)
        return thread.submit(asyncio.run, coroutine).result(), state, boxes


@pytest.mark.parametrize(
    ("outputs", "callback"),
    [
        (3, lambda boxes: {boxes[1]: "new"}),
        (3, lambda boxes: {boxes[0]: gr.update(visible=False), boxes[2]: None}),
        (3, lambda _: ["a", gr.skip(), gr.update(value="c", label="C")]),
        (3, lambda _: unchanged()),
        (1, lambda _: "new"),
        (1, lambda _: unchanged()),
        (1, lambda boxes: {boxes[0]: "new"}),
    ],
)
def test_the_browser_is_told_what_gradio_itself_would_tell_it(
    outputs: int, callback: Callable[[list[Any]], Any]
) -> None:
    told, _, _ = answered(Page, callback, outputs=outputs)

    assert told == answered(gr.Blocks, callback, outputs=outputs)[0]


def test_what_an_event_leaves_alone_is_not_built_anew() -> None:
    _, state, boxes = answered(Page, lambda boxes: {boxes[1]: gr.update(label="new")}, outputs=3)

    assert [state[box._id] is box for box in boxes] == [True, False, True]


def looked_at(kind: type[gr.Blocks], changes: list[dict[str, Any]]) -> list[Any]:
    """Return what the browser is told of a button, a part of the page and a script's HTML."""
    with kind() as app:
        with gr.Column(elem_classes="frame") as column:
            button = gr.Button("Go", elem_classes=["one"])
        script = gr.HTML(marks={}, js_on_load="watch('value', () => {})")
        app.load(lambda: None, None, [column, button, script])
    event, state = next(iter(app.fns.values())), SessionState(app)
    blocks = {"column": column, "button": button, "script": script}

    async def told() -> list[Any]:
        given = [{blocks[name]: gr.update(**new) for name, new in each.items()} for each in changes]
        return [await app.postprocess_data(event, each, state) for each in given]

    with ThreadPoolExecutor() as thread:
        return thread.submit(asyncio.run, told()).result()


def test_what_is_to_look_otherwise_looks_so_as_in_gradio_itself() -> None:
    changes: list[dict[str, Any]] = [
        {"column": {"visible": False}, "button": {"visible": False}},
        {"column": {"elem_classes": "frame more"}, "button": {"value": "Stop", "variant": "stop"}},
        {"column": {"visible": True}, "button": {"visible": True, "value": None}},
        {"button": {"interactive": False, "elem_classes": "two", "scale": None}},
        {"column": {"visible": False}, "button": {"value": "Go"}},
        {"script": {"marks": {"current": "a"}}},
        {"script": {"marks": {}, "value": "<p>"}},
        {"script": {"value": "<b>"}},
        {"script": {"visible": False, "marks": {"current": "b"}}},
    ]

    # Gradio's words for "an update" are among what it gives to a script.
    told, said = (
        [[without_kind(each) for each in answer] for answer in looked_at(kind, changes)]
        for kind in (Page, gr.Blocks)
    )
    assert told == said


def without_kind(told: dict[str, Any]) -> dict[str, Any]:
    props = {name: value for name, value in told.pop("props", {}).items() if name != "__type__"}
    return {**told, **({"props": props} if props else {})}


def test_what_all_see_alike_is_made_once() -> None:
    with Page() as app:
        button = gr.Button()
        app.load(lambda: None, None, button)
    event, states = next(iter(app.fns.values())), [SessionState(app) for _ in range(3)]

    async def hide() -> None:
        for state in states[:2]:
            await app.postprocess_data(event, gr.update(visible=False), state)

    with ThreadPoolExecutor() as thread:
        thread.submit(asyncio.run, hide()).result()
    seen = [state[button._id] for state in states]

    assert seen[0] is seen[1]
    assert (seen[0].visible, seen[2].visible) == (False, True)


def test_an_answer_of_another_length_is_refused_as_ever() -> None:
    with pytest.raises(ValueError, match="didn't return enough output values"):
        answered(Page, lambda _: ["one"], outputs=2)


def test_what_a_browser_keeps_can_be_emptied() -> None:
    with Page() as app:
        kept, box = gr.BrowserState(""), gr.Textbox()
        app.load(lambda *_: ("", ""), [kept, box], [kept, box])
    event, state = next(iter(app.fns.values())), SessionState(app)

    async def told_and_given() -> tuple[list[Any], list[Any]]:
        told = await app.postprocess_data(event, ("", ""), state)
        return told, await app.preprocess_data(event, told, state)

    with ThreadPoolExecutor() as thread:
        told, given = thread.submit(asyncio.run, told_and_given()).result()

    assert told == [NOTHING, ""]  # the page of Gradio would not store an empty text
    assert given == ["", ""]


VALUES = {
    gr.Textbox: "words",
    gr.Number: 2.5,
    gr.Checkbox: True,
    gr.Slider: 7,
    gr.HTML: {"any": ["value"]},
    gr.Radio: "b",
    gr.CheckboxGroup: ["a", "b"],
    gr.Dropdown: "b",
    gr.Button: "press",
    gr.State: [1],
    gr.BrowserState: "kept",
    gr.Timer: 3.0,
    gr.File: None,
}


def exchanged(kind: type[gr.Blocks]) -> tuple[list[Any], list[Any], dict[int, Any]]:
    """Return what a callback is given, what the browser is told, and what the session knows."""
    choosing = {gr.Radio, gr.CheckboxGroup, gr.Dropdown}
    with kind() as app:
        boxes = [box(["a", "b"]) if box in choosing else box() for box in VALUES]
        app.load(lambda *values: values, boxes, boxes)
    event, state = next(iter(app.fns.values())), SessionState(app)

    async def exchange() -> tuple[list[Any], list[Any]]:
        given = await app.preprocess_data(event, list(VALUES.values()), state)
        return given, await app.postprocess_data(event, given, state)

    with ThreadPoolExecutor() as thread:
        given, told = thread.submit(asyncio.run, exchange()).result()
    first = min(state.config_values)
    known = {key - first: kept["props"].get("value") for key, kept in state.config_values.items()}
    return given, told, known


def test_values_come_and_go_as_in_gradio_itself() -> None:
    assert exchanged(Page) == exchanged(gr.Blocks)


def test_a_choice_that_is_not_offered_is_refused_as_ever() -> None:
    with Page() as app:
        box = gr.Radio(["a", "b"])
        app.load(lambda value: value, box, box)
    event, state = next(iter(app.fns.values())), SessionState(app)

    with ThreadPoolExecutor() as thread, pytest.raises(gr.Error, match="not in the list"):
        thread.submit(asyncio.run, app.preprocess_data(event, ["c"], state)).result()
