"""What a page costs the visitor's browser: to open, and while nobody does anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from imil.app.app import build_app
from imil.app.server.theme import launch_options
from imil.app.server.updates import QUIET_EVENT
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.synthetic.films import FilmSpec
from tests.browser.conftest import browser
from tests.standins.memory_store import MemoryStore
from tests.standins.visitors import no_weights

pytestmark = [
    pytest.mark.soak,
    # The servers run in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

# Pages in turn, so that what else the machine does falls on both.
ROUNDS = 10
MOST = 0.8
# Seconds for which a page is left alone, once all has come to rest, and times that it is.
AT_REST = 5
LEFT = 10.0
TIMES = 4
MOST_LEFT = 0.5
__all__ = ["browser"]


@pytest.fixture
def studies(tmp_path: Path) -> Iterator[Studies]:
    pool = WorkerPool(tmp_path / "jobs")
    films = FilmSpec(images=60, size=64, seed=1)
    yield Studies(tmp_path / "work", Services(MemoryStore(), pool, no_weights), demo=films)
    pool.close()


def opened(browser: Browser, url: str) -> tuple[Page, CDPSession]:
    """Return a page that shows the demo, and what measures it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url)
    expect(page.locator("#study .samples img")).to_have_count(12)
    return page, devtools


def measured(devtools: CDPSession, name: str) -> float:
    told = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in told if each["name"] == name))


def seconds_of_a_page(browser: Browser, url: str) -> float:
    """Return how long the page's main thread works until the demo is shown and all is quiet."""
    page, devtools = opened(browser, url)
    page.wait_for_timeout(1000)
    seconds = measured(devtools, "TaskDuration")
    page.context.close()
    return seconds


def share_of_a_core(browser: Browser, url: str) -> float:
    """Return what the page's process takes of a core while nobody does anything."""
    page, devtools = opened(browser, url)
    page.wait_for_timeout(1000 * AT_REST)
    before, since = measured(devtools, "ProcessTime"), time.monotonic()
    page.wait_for_timeout(1000 * LEFT)
    share = (measured(devtools, "ProcessTime") - before) / (time.monotonic() - since)
    page.context.close()
    return share


def test_a_page_that_nobody_uses_leaves_the_machine_alone(
    browser: Browser, studies: Studies, record: Callable[[dict[str, Any]], None]
) -> None:
    options = launch_options() | {"prevent_thread_lock": True}
    apps = {"ours": build_app(studies), "gradio's": build_app(studies)}
    urls = {
        "ours": apps["ours"].launch(**options)[1],
        "gradio's": apps["gradio's"].launch(**(options | {"app_kwargs": {}}))[1],
    }

    shares: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(TIMES):
        for name, url in urls.items():
            shares[name].append(round(share_of_a_core(browser, url), 4))
    for app in apps.values():
        app.close()

    ratio = round(median(shares["ours"]) / median(shares["gradio's"]), 3)
    cores = os.cpu_count()
    record({"ratio": ratio, "shares_of_a_core": shares, "cores": cores})
    assert ratio <= MOST_LEFT


def test_a_page_costs_a_browser_what_it_shows_and_not_what_gradio_tells_each_output(
    browser: Browser,
    studies: Studies,
    monkeypatch: pytest.MonkeyPatch,
    record: Callable[[dict[str, Any]], None],
) -> None:
    options = launch_options() | {"prevent_thread_lock": True}
    quiet = build_app(studies)
    monkeypatch.delitem(QUIET_EVENT, "show_progress_on")
    telling = build_app(studies)
    urls = {"quiet": quiet.launch(**options)[1], "telling": telling.launch(**options)[1]}

    for url in urls.values():
        seconds_of_a_page(browser, url)  # what a first page waits for is loaded
    seconds: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(ROUNDS):
        for name, url in urls.items():
            seconds[name].append(round(seconds_of_a_page(browser, url), 3))
    for app in (quiet, telling):
        app.close()

    ratios = [a / b for a, b in zip(seconds["quiet"], seconds["telling"], strict=True)]
    ratio = round(median(ratios), 3)
    record(
        {
            "ratio": ratio,
            "main_thread_seconds": seconds,
            "load": round(os.getloadavg()[0], 1),
            "cores": os.cpu_count(),
        }
    )
    assert ratio <= MOST
