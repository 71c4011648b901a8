"""What a visitor asks for is answered, whatever becomes of the connection they are told by."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import httpx
import pytest

from imil.app.server import events
from imil.app.server.page import Page
from imil.app.server.rates import COSTS_AT_ONCE, Cost, costs
from imil.app.server.visitors import BEHIND_AN_ADDRESS

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # Gradio counts with it
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENCE = 20.0  # s


@contextmanager
def served(
    at_once: int | None = None, line: str | None = None
) -> Iterator[tuple[Visitor, dict[str, threading.Event]]]:
    """Serve a page of three acts, the first two of which end when they are let."""
    let = {name: threading.Event() for name in ("first", "second", "began", "closed")}

    def first() -> str:
        let["first"].wait(PATIENCE)
        return "first done"

    def second() -> str:
        let["began"].set()
        let["second"].wait(PATIENCE)
        return "second done"

    with Page(analytics_enabled=False) as app:
        box = gr.Textbox()
        for act in (first, second, lambda: "third done"):
            app.load(act, None, box, concurrency_limit=at_once, concurrency_id=line or str(at_once))
    clean = app._queue.clean_events

    async def closed(**given: Any) -> None:
        await clean(**given)
        let["closed"].set()

    app._queue.clean_events = closed
    _, url, _ = app.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", inbrowser=False
    )
    try:
        with httpx.Client(base_url=f"{url}gradio_api/queue", timeout=PATIENCE) as client:
            yield Visitor(client, app._queue), let
    finally:
        for each in let.values():
            each.set()
        app.close()


class Visitor:
    """Acts, and is told, as Gradio's page does."""

    def __init__(self, client: httpx.Client, queue: Any, name: str = "visitor") -> None:
        self._client = client
        self.queue = queue
        self._name = name

    @contextmanager
    def another(self) -> Iterator[Visitor]:
        """Open the page once more, in another session."""
        with httpx.Client(base_url=self._client.base_url, timeout=PATIENCE) as client:
            yield Visitor(client, self.queue, "another")

    def act(self, number: int) -> str:
        asked = {"data": [], "fn_index": number, "session_hash": self._name}
        answer = self._client.post("/join", json=asked)
        return str(answer.raise_for_status().json()["event_id"])

    @contextmanager
    def told(self) -> Iterator[Iterator[dict[str, Any]]]:
        with self._client.stream("GET", "/data", params={"session_hash": self._name}) as stream:
            yield (
                json.loads(line.removeprefix("data: "))
                for line in stream.iter_lines()
                if line.startswith("data: ")
            )


def answer_to(event_id: str, told: Iterator[dict[str, Any]]) -> Any:
    """Return what is shown once an act is done; None where nothing more is told."""
    for message in told:
        if message.get("event_id") == event_id and message["msg"] == "process_completed":
            return message["output"]["data"][0]
        if message["msg"] in {"close_stream", "unexpected_error"}:
            break
    return None


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_act_is_answered_though_the_connection_ended_meanwhile() -> None:
    with served() as (visitor, let):
        first = visitor.act(0)
        with visitor.told() as told:
            second = visitor.act(1)
            let["began"].wait(PATIENCE)
            let["first"].set()
            assert answer_to(first, told) == "first done"
        # The connection ends while the second is being done.
        with visitor.told() as told:
            let["second"].set()
            assert answer_to(second, told) == "second done"


def test_an_act_of_a_page_that_was_closed_is_done_all_the_same() -> None:
    with served(at_once=1) as (visitor, let):
        visitor.act(0)
        visitor.act(1)
        with visitor.told() as told:
            assert next(told)
        assert let["closed"].wait(PATIENCE)
        let["first"].set()
        assert let["began"].wait(PATIENCE)


def test_answers_that_nobody_fetches_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "UNREAD_EVERY", 0.05)
    with served() as (visitor, let):
        queue = visitor.queue
        visitor.act(0)
        with visitor.told() as told:
            visitor.act(1)
            let["began"].wait(PATIENCE)
            assert next(told)
        let["first"].set()
        let["second"].set()

        wait_until(lambda: not queue.pending_messages_per_session)
        assert not queue.pending_event_ids_session


def test_sessions_that_wait_are_kept_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "SESSIONS", 2)
    with Page() as app:
        pass
    queue = app._queue
    queue.pending_event_ids_session["waits"] = {"act"}

    for session in ("waits", "idle", "new", "newer"):
        queue.pending_messages_per_session[session] = session

    assert list(queue.pending_messages_per_session) == ["waits", "newer"]


def test_each_goes_on_in_turn_whatever_others_wait_for() -> None:
    with served(at_once=4, line=events.IN_TURN) as (visitor, let), visitor.another() as other:
        first, second = visitor.act(0), visitor.act(1)
        third = other.act(2)
        with other.told() as told:
            assert answer_to(third, told) == "third done"
        assert not let["began"].is_set()
        let["first"].set()
        let["second"].set()
        with visitor.told() as told:
            assert answer_to(first, told) == "first done"
            assert answer_to(second, told) == "second done"


def test_as_many_are_done_at_once_as_is_said() -> None:
    with served(at_once=1, line=events.IN_TURN) as (visitor, let), visitor.another() as other:
        visitor.act(0)
        other.act(1)
        assert not let["began"].wait(0.3)
        let["first"].set()
        assert let["began"].wait(PATIENCE)


@contextmanager
def busy_page() -> Iterator[tuple[Callable[[str], httpx.Response], Counter[str], threading.Event]]:
    """Serve a page of one costly act, which ends when it is let; count who has begun it."""
    began, let = Counter[str](), threading.Event()

    @costs(Cost.BEGIN)
    def work(request: gr.Request) -> str:
        began[request.headers["x-forwarded-for"]] += 1
        let.wait(PATIENCE)
        return "done"

    with Page(analytics_enabled=False, proxied=True) as app:
        app.load(work, None, gr.Textbox(), concurrency_limit=None)
    _, url, _ = app.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", inbrowser=False
    )
    try:
        with httpx.Client(base_url=f"{url}gradio_api/queue", timeout=PATIENCE) as client:

            def ask(address: str) -> httpx.Response:
                # A session of its own each time, as a script would make up.
                sent = {"data": [], "fn_index": 0, "session_hash": secrets.token_hex(6)}
                return client.post("/join", json=sent, headers={"x-forwarded-for": address})

            yield ask, began, let
    finally:
        let.set()
        app.close()


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_visitor_of_many_sessions_leaves_half_of_what_is_costly_to_others() -> None:
    greedy, modest = "8.8.8.8", "8.8.4.4"
    with busy_page() as (ask, began, _):
        for _ in range(COSTS_AT_ONCE[Cost.BEGIN] * 3):
            ask(greedy).raise_for_status()
        wait_for(lambda: began[greedy] == COSTS_AT_ONCE[Cost.BEGIN] // 2)
        for _ in range(COSTS_AT_ONCE[Cost.BEGIN]):
            ask(modest).raise_for_status()

        wait_for(lambda: began[modest] == COSTS_AT_ONCE[Cost.BEGIN] // 2)
        assert began[greedy] == COSTS_AT_ONCE[Cost.BEGIN] // 2


def test_of_a_visitor_who_floods_the_queue_no_more_is_kept_and_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MOST_CALLS_WAITING", 1)
    with busy_page() as (ask, began, _):
        for _ in range(COSTS_AT_ONCE[Cost.BEGIN] // 2):
            ask("8.8.8.8").raise_for_status()
        wait_for(lambda: began["8.8.8.8"] == COSTS_AT_ONCE[Cost.BEGIN] // 2)
        waiting = [ask("8.8.8.8").status_code for _ in range(BEHIND_AN_ADDRESS + 2)]
        other = ask("8.8.4.4").status_code

    assert waiting == [*[200] * BEHIND_AN_ADDRESS, 503, 503]
    assert other == 200
