"""What a visitor's browser is sent first."""

from __future__ import annotations

from io import BytesIO
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from PIL import Image
from starlette.middleware import Middleware

from imil.app.server.link_preview import PREVIEW_PATH, origin_of, with_preview
from imil.app.server.middleware import FirstPage

PAGE = (
    "<!doctype html><html><head><title>é</title></head><body>" + "words " * 5000 + "</body></html>"
)


@pytest.fixture
def app() -> FastAPI:
    made = FastAPI(middleware=[Middleware(FirstPage)])

    async def page() -> str:
        return PAGE

    for path in ("/", "/other"):
        made.get(path, response_class=HTMLResponse)(page)
    return made


def got(app: FastAPI, path: str, encoding: str) -> httpx.Response:
    with TestClient(app) as client:
        return cast(httpx.Response, client.get(path, headers={"accept-encoding": encoding}))


def test_the_page_comes_packed_with_the_script_ahead_of_all_others(app: FastAPI) -> None:
    packed, plain = got(app, "/", "gzip, br"), got(app, "/", "identity")

    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(PAGE) / 5
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    before, _, after = plain.text.partition("<script>")
    assert before == "<!doctype html><html><head>"
    assert "requestAnimationFrame" in after
    assert after.endswith(PAGE.partition("</head>")[2])


def test_a_link_to_the_page_shows_its_own_name_and_picture_and_nothing_of_others(
    app: FastAPI,
) -> None:
    theirs = b'<html><head><meta property="og:title" content="Gradio"></head></html>'

    page = with_preview(theirs, "https://a.b").decode()
    served = got(app, "/", "identity").text
    picture = got(app, PREVIEW_PATH, "identity")

    assert "Gradio" not in page
    assert '"og:title" content="IMIL' in page
    assert f'"og:image" content="https://a.b{PREVIEW_PATH}"' in page
    assert f'"og:image" content="http://testserver{PREVIEW_PATH}"' in served
    assert Image.open(BytesIO(picture.content)).size == (1200, 630)


@pytest.mark.parametrize("host", ['a.b"><script>', "a b", "x" * 999])
def test_a_strange_host_is_not_written_into_the_page(host: str) -> None:
    scope = {"type": "http", "scheme": "https", "headers": [(b"host", host.encode())]}

    assert origin_of(scope) == ""


def test_whatever_else_is_asked_for_comes_as_it_was(app: FastAPI) -> None:
    other = got(app, "/other", "gzip")
    assert other.text == PAGE
    assert "content-encoding" not in other.headers
