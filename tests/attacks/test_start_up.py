"""The app starts on a busy machine and on a full disk, and alone in its home; real processes."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from imil.app.server.theme import launch_options
from imil.errors import ComputeError
from imil.jobs.pool import hold
from tests.browser.serving import Server, serve
from tests.standins.documents import ROOT
from tests.standins.small_disk import SmallDisk, small_disk

pytestmark = [
    # Gradio and its client leave sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Longer than Gradio waits for its own page, s.
BUSY = 3.5
PATIENCE = 120.0


class Busy:
    """A machine on which the page takes long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/":
            await asyncio.sleep(BUSY)
        await self._app(scope, receive, send)


def test_an_app_whose_page_takes_long_at_first_is_started_all_the_same() -> None:
    options: dict[str, Any] = launch_options()
    options["app_kwargs"]["middleware"].append(Middleware(Busy))
    with gr.Blocks() as page:
        gr.Markdown("there")

    try:
        _, url, _ = page.launch(**options, prevent_thread_lock=True)
    finally:
        page.close()

    assert url.startswith("http://127.0.0.1")


@pytest.fixture(scope="module", autouse=True)
def leftovers_of_gradio() -> Iterator[None]:
    """Collect the event loops and sockets that Gradio leaves open, before they trouble others."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("home") / "disk", megabytes=48) as made:
        yield made


@pytest.fixture(scope="module")
def app(disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real app on a disk that is full from the start."""
    home = disk.folder / "home"
    (home / "work").mkdir(parents=True)
    disk.fill()
    with serve(home, log=tmp_path_factory.mktemp("log") / "server.log") as server:
        yield server


def begin(home: Path) -> subprocess.Popen[str]:
    """Start another app there."""
    return subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=os.environ | {"IMIL_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, told = process.communicate(timeout=PATIENCE)
    return process.returncode, told


def test_an_app_on_a_full_disk_serves_and_says_so_and_goes_on_once_there_is_room(
    app: Server, disk: SmallDisk
) -> None:
    client = Client(app.url, verbose=False)
    with pytest.raises(AppError, match="disk is full"):
        client.predict(api_name="/open_demo")
    upload = httpx.post(f"{app.url}/gradio_api/upload", files={"files": ("a.zip", b"1" * 9999)})
    disk.free()

    about = client.predict(api_name="/open_demo")
    queue = client.predict(about["study"], api_name="/queue")["images"]

    assert app.process.poll() is None
    assert (upload.status_code, "disk is full" in upload.text) == (507, True)
    assert len(queue) > 0


def test_another_app_is_kept_out_of_a_home_in_use_and_takes_nothing_from_it(
    app: Server, disk: SmallDisk
) -> None:
    disk.free()
    upload = app.home / "uploads" / "patients.zip"
    upload.write_bytes(b"images")

    # Twice: the first must not have taken away what keeps the second out.
    told = [ended(process) for process in [begin(app.home), begin(app.home)]]

    assert [status for status, _ in told] == [2, 2]
    # One line, and no traceback.
    assert [words.count("\n") for _, words in told] == [1, 1]
    assert upload.read_bytes() == b"images"
    assert app.process.poll() is None


@pytest.mark.parametrize("folder", ["file/home", "/proc/home"])
def test_a_home_that_can_not_be_written_to_is_refused_in_words(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(ComputeError):
        hold(tmp_path / folder)
