"""The whole way without a mouse: from the page to a mask, a comparison and a file, in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import opened_film, set_plan, upload
from tests.browser.fresh import PATIENCE, TRAINING
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# More presses than the page has stops.
MOST = 120
# What the Tab key meets on the Outliers tab, in that order; what stands between is left out.
ORDER = (
    ("study", "#header .picker select"),
    ("theme", "#header [data-act=theme]"),
    ("tabs", "[role=tab]"),
    ("queues", "#queues input"),
    ("order", "#filters [data-choose=sort]"),
    ("class", "#filters [data-choose=label]"),
    ("matrix", "#filters table button"),
    ("films", "#queue .th"),
    ("previous", "#painter [data-act=previous]"),
    ("next", "#painter [data-act=next]"),
    ("mode", "#painter [data-mode-of]"),
    ("tools", "#painter [data-tool]"),
    ("size", "#painter [data-size]"),
    ("undo", "#painter [data-act=undo]"),
    ("clear", "#painter [data-act=clear]"),
    ("canvas", "#painter .paint"),
    ("window", "#painter [data-window]"),
    ("saliency", "#painter [data-looks]"),
    ("black out", "#black-out"),
    ("skip", "#skip"),
    ("label is wrong", "#suspect"),
)


@pytest.fixture(scope="module")
def server(bare: Server) -> Server:
    return bare


def tab_to(page: Page, selector: str, *, back: bool = False) -> None:
    """Press Tab until that is focused."""
    for _ in range(MOST):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("one => document.activeElement.matches(one)", selector):
            return
    raise AssertionError(f"the Tab key never reaches {selector}")


def stops(page: Page) -> list[str]:
    """Press Tab from the top of the page to the last act; return what was met, each once."""
    met: list[str] = []
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.locator("#header .picker select").focus()
    for _ in range(MOST):
        on = page.evaluate(
            "all => all.find(([, one]) => document.activeElement.matches(one))?.[0] ?? ''",
            [list(stop) for stop in ORDER],
        )
        if on and (not met or met[-1] != on):
            met.append(on)
        if on == ORDER[-1][0]:
            break
        page.keyboard.press("Tab")
    return met


def is_seen(page: Page) -> bool:
    """Return whether what is focused shows that it is."""
    found: bool = page.evaluate(
        """() => {
          const shown = getComputedStyle(document.activeElement.matches("[type=radio]")
            ? document.activeElement.closest("label") : document.activeElement);
          return shown.outlineStyle !== "none" || shown.boxShadow !== "none";
        }"""
    )
    return found


def test_everything_can_be_done_by_keys_alone_and_focus_goes_as_one_reads(
    page: Page, server: Server, archive: Path, faults: list[str]
) -> None:
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    upload(page, archive, "films")
    expect(page.locator("#study")).to_contain_text("No patient in two splits.", timeout=PATIENCE)
    set_plan(page, epochs="1", epochs_after="1", size="48", budget="3")

    # From here on no mouse is touched.
    tab_to(page, "#train", back=True)
    page.keyboard.press("Enter")
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    page.reload()
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    tab_to(page, "#review")
    assert is_seen(page)
    page.keyboard.press("Enter")
    first = opened_film(page)

    tab_to(page, "#painter .paint")
    assert is_seen(page)
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    expect(page.locator("#answer .was")).to_be_visible()
    assert stops(page) == [name for name, _ in ORDER]
    tab_to(page, "#painter .paint", back=True)
    page.keyboard.press("Enter")
    second = opened_film(page, after=first)
    expect(page.locator("#budget")).to_contain_text("1 of 4 masked")
    assert page.evaluate("document.activeElement.matches('#painter .paint')")
    page.keyboard.press("s")
    third = opened_film(page, after=second)
    page.keyboard.press("p")
    expect(page.locator("#painter .painter")).not_to_have_attribute("data-ready", third)
    expect(page.locator(f"#queue [data-sample='{second}']")).to_have_attribute(
        "data-review", "skipped"
    )

    tab_to(page, "#compare")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict .verdict")).to_be_visible(timeout=TRAINING)
    tab_to(page, "#download-report")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "report.html"
    tab_to(page, "#downloads [data-ask]")
    assert is_seen(page)
    assert faults == []
