"""What one visitor brings and draws stays theirs, whatever another asks the running app for."""

from __future__ import annotations

import json
import re
import shutil
import string
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import httpx
import numpy as np
import pytest
from fastapi.routing import APIRoute
from gradio.routes import App
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from imil.synthetic.films import FilmSpec, write_films
from tests.browser.serving import Server, serve
from tests.standins.documents import ROOT

pytestmark = [
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FILMS = FilmSpec(images=24, size=48, seed=4)
NAME = "a name to look for"
# Steps that begin something of one's own, or tell what is public; every other one names the study
# that it is about.
BEGINNINGS = {
    "/look_at_archive",
    "/look_at_hub",
    "/open_archive",
    "/open_demo",
    "/open_hub",
    "/open_public_set",
    "/public_sets",
}
# Enough that nobody finds one by trying: 128 random bits of an id, 256 of a content's hash.
ID_CHARACTERS, HASH_CHARACTERS = 32, 64


@dataclass(frozen=True, slots=True)
class Scene:
    """A running app with one visitor's study in it, and another visitor."""

    server: Server
    study: str
    sample: str
    other: Client
    http: httpx.Client


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("films")
    for _ in write_films(FILMS, folder / "films"):
        pass
    archive = shutil.make_archive(str(folder / "private"), "zip", folder / "films")
    with serve(tmp_path_factory.mktemp("home"), demo=False) as server:
        owner = Client(server.url, verbose=False)
        study = owner.predict(handle_file(archive), NAME, "", api_name="/open_archive")["study"]
        listing = server.home / "store" / "studies" / study / "listing.json"
        sample = json.loads(listing.read_text())["entries"][0]["sample_id"]
        with httpx.Client(base_url=server.url, timeout=60) as http:
            other = Client(server.url, verbose=False)
            yield Scene(server, study, sample, other, http)


def named(client: Client) -> dict[str, list[dict[str, Any]]]:
    about: Any = client.view_api(return_format="dict", print_info=False)
    return {name: end["parameters"] for name, end in about["named_endpoints"].items()}


def test_every_step_is_about_a_study_that_one_must_name(scene: Scene) -> None:
    without = {
        name
        for name, parameters in named(scene.other).items()
        if "study" not in [parameter["parameter_name"] for parameter in parameters]
    }

    assert without == BEGINNINGS


def test_no_step_answers_to_a_guessed_study(scene: Scene, tmp_path: Path) -> None:
    guesses = ["", scene.study[:-1], "0" * ID_CHARACTERS]
    told = []
    for name, parameters in named(scene.other).items():
        if name in BEGINNINGS:
            continue
        for guess in guesses:
            given = [guess, *(made_up(parameter, tmp_path) for parameter in parameters[1:])]
            with pytest.raises(AppError) as refused:
                scene.other.predict(*given, api_name=name)
            told.append(f"{refused.value.title} {refused.value.message}")

    assert len(told) > 90
    assert [words for words in told if "There is no study" not in words] == []
    assert [words for words in told if NAME in words or scene.study in words.split("”")[1:]] == []


def made_up(parameter: dict[str, Any], folder: Path) -> Any:
    """Return something of the parameter's own type."""
    if parameter["component"] == "File":
        path = folder / "mask.png"
        Image.fromarray(np.full((48, 48), 255, np.uint8)).save(path)
        return handle_file(str(path))
    if parameter["parameter_has_default"]:
        return parameter["parameter_default"]
    if (choices := parameter["type"].get("enum")) is not None:
        return choices[0]
    return {"dict": {}, "int": 1, "float": 1.0, "list": [], "bool": False}.get(
        re.split(r"\W", parameter["python_type"]["type"])[0].lower(), "x"
    )


def test_ids_and_addresses_of_uploads_cannot_be_guessed(scene: Scene) -> None:
    sent = scene.http.post("/gradio_api/upload", files={"files": ("films.zip", b"content")})
    upload = Path(sent.json()[0])

    assert len(scene.study) == ID_CHARACTERS
    assert set(scene.study) <= set(string.hexdigits)
    assert len(upload.parent.name) == HASH_CHARACTERS


def test_no_file_of_the_app_can_be_fetched(scene: Scene) -> None:
    home = scene.server.home
    files = [path for path in home.rglob("*") if path.is_file()]
    kept = [path for path in files if home / "uploads" not in path.parents]

    answers = {str(path): fetched(scene.http, str(path)) for path in kept}

    assert any(path.endswith("study.json") for path in answers)
    assert any(path.endswith(".png") for path in answers)
    assert {path: answer for path, answer in answers.items() if answer < 400} == {}


@pytest.mark.parametrize(
    "path",
    [
        "{home}/uploads",
        "{home}/uploads/",
        "{home}/uploads/../server.log",
        "{home}/uploads/%2e%2e/server.log",
        "{home}",
        "app.py",
        "/etc/passwd",
        "{root}/pyproject.toml",
    ],
)
def test_no_folder_is_listed_and_no_way_leads_out_of_it(scene: Scene, path: str) -> None:

    assert fetched(scene.http, path.format(home=scene.server.home, root=ROOT)) >= 400


def fetched(http: httpx.Client, path: str) -> int:
    """Return the best answer to the ways in which a file can be asked for."""
    kept = quote(path, safe="/%.")
    ways = [f"/gradio_api/file={kept}", f"/file={kept}", f"/gradio_api/file/{kept}"]
    return min(http.get(way).status_code for way in ways)


def test_no_route_gives_what_is_anothers(scene: Scene) -> None:
    """Every way that Gradio answers a GET, with whatever could name a file or a visit in it."""
    app = App.create_app(gr.Blocks())
    routes = {r.path for r in app.routes if isinstance(r, APIRoute) and "GET" in (r.methods or ())}
    kept = scene.server.home / "store" / "studies" / scene.study / "listing.json"
    image = next((scene.server.home / "work" / "studies").rglob("*.png"))
    named = ("x", "../../app.py", *(quote(str(path), safe="/") for path in (kept, image)))
    given = [re.sub(r"\{[^}]+\}", name, path) for path in sorted(routes) for name in named]
    # These wait for what comes, and answer nobody else's visit; the last test but two asks them.
    asked = [path for path in dict.fromkeys(given) if not re.search("heartbeat|/data|dev/", path)]
    marks = (NAME.encode(), image.read_bytes()[:60], b'"sample_id"', scene.sample.encode())

    told = {}
    for path in asked:
        answer = scene.http.get(path)
        told[path] = [mark for mark in marks if mark in answer.content]

    assert len(told) > 25
    assert {path: found for path, found in told.items() if found} == {}


def test_no_event_of_the_page_answers_to_a_guessed_study(scene: Scene) -> None:
    """Also those that no client is offered, sent by their number as the page sends them."""
    config = scene.http.get("/config").json()
    parts = {part["id"]: part for part in config["components"]}
    guess = "0" * ID_CHARACTERS
    session, sent = "of-the-page", {}
    for event in config["dependencies"]:
        kinds = [parts[part]["type"] for part in event["inputs"]]
        if "browserstate" not in kinds or not event["backend_fn"]:
            continue
        states = [part for part in event["inputs"] if parts[part]["type"] == "browserstate"]
        values = [
            guess if part in states else parts[part]["props"].get("value")
            for part in event["inputs"]
        ]
        body = {
            "data": values,
            "fn_index": event["id"],
            "session_hash": session,
            "event_data": {"study": guess, "sample": scene.sample},
        }
        answer = scene.http.post("/gradio_api/queue/join", json=body)
        if answer.status_code == httpx.codes.OK:
            sent[answer.json()["event_id"]] = event["id"]

    told = streamed(scene.http, f"/gradio_api/queue/data?session_hash={session}")

    assert len(sent) > 20
    assert told.count("process_completed") == len(sent)
    # Some begin a demo of one's own; none shows what is another's.
    assert [mark for mark in (NAME, scene.study) if mark in told] == []


def test_nothing_of_others_is_in_what_a_new_visitor_is_given(scene: Scene) -> None:
    ways = ["/", "/config", "/gradio_api/info", "/gradio_api/openapi.json"]

    page = "".join(scene.http.get(way).raise_for_status().text for way in ways)

    assert scene.study not in page
    assert NAME not in page


@pytest.mark.parametrize("way", ["/monitoring", "/monitoring/summary", "/gradio_api/runs"])
def test_what_others_do_is_not_told(scene: Scene, way: str) -> None:
    answer = scene.http.get(way)

    assert answer.status_code >= 400 or "session_hash" not in answer.text
    assert scene.study not in answer.text


def test_answers_go_to_the_one_who_asked(scene: Scene) -> None:
    body = {"data": [scene.study]}
    event = scene.http.post("/gradio_api/call/open_study", json=body).json()["event_id"]

    told = [
        streamed(scene.http, "/gradio_api/queue/data?session_hash=another"),
        streamed(scene.http, f"/gradio_api/call/open_study/{'0' * 32}"),
    ]
    own = streamed(scene.http, f"/gradio_api/call/open_study/{event}")

    assert [answer for answer in told if NAME in answer] == []
    assert NAME in own


def streamed(http: httpx.Client, way: str) -> str:
    """Return all that the server sends until it has no more to say, or breaks off."""
    parts: list[str] = []
    with http.stream("GET", way) as answer, suppress(httpx.RemoteProtocolError):
        parts.extend(answer.iter_text())
    return "".join(parts)


def test_the_log_names_no_study_and_no_image(scene: Scene) -> None:
    scene.other.predict(scene.study, scene.sample, api_name="/image")
    with pytest.raises(AppError):
        scene.other.predict(scene.study, "no such image", api_name="/image")

    log = (scene.server.home / "server.log").read_text()

    assert scene.study not in log
    assert NAME not in log
    assert "film_" not in log
