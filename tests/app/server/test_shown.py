from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

from imil.app.server.shown import unchanged


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("count", [1, 3])
def test_a_callback_may_leave_the_screen_as_it_is(count: int) -> None:
    with gr.Blocks() as app:
        outputs = [gr.Textbox("as it was") for _ in range(count)]
        app.load(unchanged, None, outputs)
    event = next(fn for fn in app.fns.values() if fn.fn is unchanged)

    # In a thread of its own: a browser may run its loop in this one.
    with ThreadPoolExecutor() as thread:
        coroutine = app.postprocess_data(event, unchanged(), None)
        shown = thread.submit(asyncio.run, coroutine).result()

    assert [set(update) for update in shown] == [{"__type__"}] * count
