"""What is said beside every answer, and what is too much to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.middleware import Middleware

from imil.app.server import middleware
from imil.app.server.middleware import Guarded


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(middleware, "MOST_SENT", 1000)
    app = FastAPI(middleware=[Middleware(Guarded)])

    async def page() -> str:
        return "page"

    async def length(request: Request) -> int:
        return len(await request.body())

    app.get("/")(page)
    for path in ("/queue/join", "/upload"):
        app.post(path)(length)
    # A refused request must not end in a fault that the server answers.
    with TestClient(app) as made:
        yield made


def policy(client: TestClient) -> dict[str, list[str]]:
    said = client.get("/").headers["content-security-policy"]
    return {name: sources for name, *sources in (part.split() for part in said.split("; "))}


@pytest.mark.parametrize("path", ["/", "/nothing-here"])
def test_every_answer_says_what_a_browser_may_do_with_it(client: TestClient, path: str) -> None:
    answer = cast(httpx.Response, client.get(path))

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "default-src" in answer.headers["content-security-policy"]


def test_nothing_is_loaded_from_another_host_and_only_the_hub_may_frame(
    client: TestClient,
) -> None:
    allowed = policy(client)

    hosts = {name: [s for s in sources if "://" in s] for name, sources in allowed.items()}
    assert {name: found for name, found in hosts.items() if found} == {
        "form-action": ["https://huggingface.co"],
        "frame-ancestors": ["https://huggingface.co"],
    }
    assert "*" not in {source for sources in allowed.values() for source in sources}
    assert allowed["default-src"] == ["'self'"]
    assert allowed["object-src"] == ["'none'"]


def test_a_request_that_says_it_is_larger_than_any_of_ours_is_not_read(client: TestClient) -> None:
    assert client.post("/queue/join", content=b"x" * 1000).json() == 1000
    assert client.post("/queue/join", content=b"x" * 1001).status_code == 413
    assert client.post("/upload", content=b"x" * 5000).json() == 5000


def test_a_request_that_does_not_say_how_large_it_is_ends_at_the_limit() -> None:
    read: list[int] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            read.append(len(message["body"]))

    async def endless() -> Any:
        return {"type": "http.request", "body": b"x" * 2**20, "more_body": True}

    scope = {"type": "http", "path": "/queue/join", "headers": []}
    answering = Guarded(app)(scope, endless, cast(Any, None))
    with pytest.raises(StopIteration):  # it waits for nothing, so it ends at once
        answering.send(None)

    assert sum(read) == middleware.MOST_SENT
