"""What a page costs the visitor's browser, with and without telling each output of each event."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from imil.compute.pool import WorkerPool
from imil.core.films import FilmSpec
from imil.store.memory import MemoryStore
from imil.ui.app import build_app
from imil.ui.shown import QUIET
from imil.ui.theme import launch_options
from imil.workflow.studies import Studies
from imil.workflow.tools import Tools
from tests.browser.conftest import browser
from tests.standins.visitors import no_weights

pytestmark = [
    pytest.mark.soak,
    # The servers run in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

# Pages in turn, so that what else the machine does falls on both.
ROUNDS = 10
MOST = 0.8
__all__ = ["browser"]


def seconds_of_a_page(browser: Browser, url: str) -> float:
    """Return how long the page's main thread works until the demo is shown and all is quiet."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url)
    expect(page.locator("#study .samples img")).to_have_count(12)
    page.wait_for_timeout(1000)
    told = devtools.send("Performance.getMetrics")["metrics"]
    context.close()
    return float(next(each["value"] for each in told if each["name"] == "TaskDuration"))


def test_a_page_costs_a_browser_what_it_shows_and_not_what_gradio_tells_each_output(
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record: Callable[[dict[str, Any]], None],
) -> None:
    pool = WorkerPool(tmp_path / "jobs")
    films = FilmSpec(images=60, size=64, seed=1)
    studies = Studies(tmp_path / "work", Tools(MemoryStore(), pool, no_weights), demo=films)
    options = launch_options() | {"prevent_thread_lock": True}
    quiet = build_app(studies)
    monkeypatch.delitem(QUIET, "show_progress_on")
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
    pool.close()

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
