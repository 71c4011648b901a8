"""A real Chromium, and a watch on what it asks for."""

from __future__ import annotations

import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)
from xdist.scheduler import LoadFileScheduling

from imil.synthetic.films import write_films
from tests.browser.acts import FILMS
from tests.browser.fresh import PATIENCE, FreshPage
from tests.browser.install_chromium import on_path
from tests.browser.serving import Server, serve

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Files whose tests share only what is there in a second: both processes take of them at the end.
APART = {"test_painter.py"}


class Lanes(LoadFileScheduling):  # type: ignore[misc]  # it ships no type information
    """Whole files: one process takes the first that is left, one the last, others from between."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return nodeid if Path(file).name in APART else file

    def _assign_work_unit(self, node: Any) -> None:
        left = list(self.workqueue)
        lane = self.nodes.index(node) / max(1, len(self.nodes) - 1)
        self.workqueue.move_to_end(left[round(lane * (len(left) - 1))], last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes | None:
    """Let one process of two start the app for newcomers, and the other the one without the demo.

    They are started once a process, for 15 s of a core. Only where `tests/browser` is what is run;
    else this file is read too late to be asked.
    """
    return Lanes(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that use the same app together: `bare` first, `server` last, others between.

    Of these, what can be taken test by test is in the middle, so that it is what is left.
    """
    used: dict[Path, set[str]] = {}
    for item in items:
        if item.path.parent == Path(__file__).parent:
            used.setdefault(item.path, set()).update(getattr(item, "fixturenames", ()))

    def place(item: pytest.Item) -> int:
        names = used.get(item.path)
        if names is None or "bare" in names:
            return 0  # what is not in this folder stays in its order
        if "server" in names:
            return 4
        # In which half a file of the others is matters little.
        return 2 if item.path.name in APART else 1 if item.path.name < min(APART) else 3

    items.sort(key=place)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # A Chromium on the PATH, else Playwright's own; neither: Playwright's error says how to get it.
    # Long until what a page should show is missing: the cores of a CI do other things too.
    expect.set_options(timeout=PATIENCE)
    # What has been imported stays: it need not be looked through at each collection of leftovers.
    gc.collect()
    gc.freeze()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=on_path(), headless=True, args=ARGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as a newcomer meets it; each visitor has studies of their own on it."""
    with serve(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app without the demo, for those who bring images."""
    with serve(tmp_path_factory.mktemp("home"), demo=False) as started:
        yield started


@pytest.fixture(scope="session")
def fresh(browser: Browser) -> FreshPage:
    return FreshPage(browser)


@pytest.fixture(autouse=True)
def nothing_left_open(browser: Browser, fresh: FreshPage) -> Iterator[None]:
    """Close what a test opens: a page whose server has gone asks for it until the very end."""
    before = list(browser.contexts)
    yield
    for left in browser.contexts:
        if left not in before and left != fresh.context:
            left.close()


@pytest.fixture
def requests() -> list[str]:
    """Every address that the page has asked for."""
    return []


@pytest.fixture
def faults() -> list[str]:
    """Every error that the page has met, and all that its policy has kept it from."""
    return []


@pytest.fixture
def page(fresh: FreshPage, requests: list[str], faults: list[str]) -> Iterator[Page]:
    opened = fresh.take()

    def note_request(request: Request) -> None:
        requests.append(request.url)

    def note_fault(error: Error) -> None:
        faults.append(str(error))

    def note_refusal(said: ConsoleMessage) -> None:
        if "Content Security Policy" in said.text:
            faults.append(said.text)

    opened.on("request", note_request)
    opened.on("pageerror", note_fault)
    opened.on("console", note_refusal)
    yield opened
    opened.remove_listener("console", note_refusal)
    opened.remove_listener("request", note_request)
    opened.remove_listener("pageerror", note_fault)
    fresh.give_back()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of a small image folder."""
    folder = tmp_path_factory.mktemp("films")
    for _ in write_films(FILMS, folder / "films"):
        pass
    return Path(shutil.make_archive(str(folder / "films"), "zip", folder / "films"))


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("IMIL_SCREENS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module", autouse=True)
def leftovers_of_gradio() -> Iterator[None]:
    """Collect the event loops and sockets that Gradio leaves open, before they trouble others."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
