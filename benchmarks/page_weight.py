"""What a page weighs: bytes over the wire by kind, and how long its scripts run, in a new browser.

It looks at an app that is running, so that two versions are measured by the same script.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

# A page has come to rest when nothing has arrived for so many seconds, of at most so many.
QUIET, PATIENT = 3.0, 120.0
# What Chromium calls the kinds that are told apart; all others are data.
KINDS = {"Document": "page", "Script": "scripts", "Stylesheet": "styles", "Font": "fonts"}
KINDS |= {"Image": "pictures"}
STEPS = ("first load", "Outliers tab")


@dataclass
class Wire:
    """What has come over the wire: bytes and files by kind, the largest, and when the last came."""

    size: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    single: Counter[str] = field(default_factory=Counter)
    unpacked: Counter[str] = field(default_factory=Counter)
    at: float = field(default_factory=time.monotonic)
    _asked: dict[str, tuple[str, str]] = field(default_factory=dict)

    def watch(self, devtools: CDPSession) -> None:
        """Hear of all that the page fetches from now on."""
        devtools.send("Network.enable")
        devtools.on("Network.responseReceived", self._begun)
        devtools.on("Network.dataReceived", self._data)
        devtools.on("Network.loadingFinished", self._ended)

    def begin(self) -> None:
        """Count from nothing again."""
        for each in (self.size, self.files, self.single, self.unpacked):
            each.clear()

    def _begun(self, told: dict[str, Any]) -> None:
        kind = KINDS.get(told["type"], "data")
        self._asked[told["requestId"]] = kind, told["response"]["url"].split("?")[0]

    def _data(self, told: dict[str, Any]) -> None:
        self.unpacked[self._asked.get(told["requestId"], ("data", ""))[1]] += told["dataLength"]

    def _ended(self, told: dict[str, Any]) -> None:
        kind, url = self._asked.get(told["requestId"], ("data", ""))
        self.size[kind] += round(told["encodedDataLength"])
        self.files[kind] += 1
        self.single[url] += round(told["encodedDataLength"])
        self.at = time.monotonic()

    def plain(self, least: int = 20_000) -> list[str]:
        """Return which scripts, styles and texts of so many bytes came uncompressed."""
        kinds = {url: kind for kind, url in self._asked.values()}
        return [
            url
            for url, size in self.single.items()
            if kinds.get(url) in {"page", "scripts", "styles"}
            and least < self.unpacked[url] <= size
        ]


@dataclass(frozen=True, slots=True)
class Weight:
    """One step of one visit: kB and files by kind, seconds of script and of the main thread."""

    kilobytes: dict[str, float]
    files: dict[str, int]
    script: float
    task: float
    largest: tuple[tuple[str, float], ...]
    plain: tuple[str, ...]


def visit(url: str) -> dict[str, Weight]:
    """Return what each step weighs for a newcomer, whose browser has nothing of the page yet."""
    with sync_playwright() as playwright:
        names = ("chromium-headless-shell", "chromium", "google-chrome")
        path = next(filter(None, map(shutil.which, names)), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        wire = Wire()
        wire.watch(devtools)
        steps = {}
        for step in STEPS:
            before = _seconds(devtools)
            wire.begin()
            if step == STEPS[0]:
                page.goto(url)
            else:
                page.get_by_role("tab", name="Outliers").click()
            _rest(page, wire)
            script, task = (b - a for a, b in zip(before, _seconds(devtools), strict=True))
            kilobytes = {kind: round(size / 1000, 1) for kind, size in wire.size.items()}
            largest = tuple((name, size / 1000) for name, size in wire.single.most_common(8))
            steps[step] = Weight(
                kilobytes, dict(wire.files), script, task, largest, tuple(wire.plain())
            )
        browser.close()
    return steps


def _seconds(devtools: CDPSession) -> tuple[float, float]:
    told = devtools.send("Performance.getMetrics")["metrics"]
    by_name = {each["name"]: float(each["value"]) for each in told}
    return by_name.get("ScriptDuration", 0.0), by_name.get("TaskDuration", 0.0)


def _rest(page: Page, wire: Wire) -> None:
    began = time.monotonic()
    while time.monotonic() - max(wire.at, began) < QUIET and time.monotonic() - began < PATIENT:
        page.wait_for_timeout(200)


def weight_table(visits: list[dict[str, Weight]]) -> str:
    """Return kB and files of the last visit, and the median seconds of all, as Markdown."""
    kinds = [*KINDS.values(), "data"]
    lines = [
        f"| step | {' | '.join(kinds)} | all, kB | files | script, s | main thread, s |",
        f"|---|{'---|' * (len(kinds) + 4)}",
    ]
    for step in STEPS:
        last = visits[-1][step]
        sizes = [f"{last.kilobytes.get(kind, 0):,.0f}" for kind in kinds]
        total, files = sum(last.kilobytes.values()), sum(last.files.values())
        script = median(each[step].script for each in visits)
        task = median(each[step].task for each in visits)
        lines.append(
            f"| {step} | {' | '.join(sizes)} | {total:,.0f} | {files} | {script:.2f} | {task:.2f} |"
        )
    for step in STEPS:
        last = visits[-1][step]
        lines += ["", f"{step}: {', '.join(f'{n} {size:,.0f} kB' for n, size in last.largest)}"]
        lines += [f"uncompressed: {', '.join(last.plain)}"] * bool(last.plain)
    return "\n".join(lines)
