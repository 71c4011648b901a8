from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.acts import set_plan, upload
from tests.browser.fresh import PATIENCE
from tests.browser.serving import Server, foreign

pytestmark = [pytest.mark.browser, pytest.mark.slow]


# Counts the frames that are asked for.
COUNT = """(() => {
  const frame = window.requestAnimationFrame;
  window.frames_asked = 0;
  window.requestAnimationFrame = (answer) => {
    window.frames_asked += 1;
    return frame(answer);
  };
})()"""


def frames_of_a_second(page: Page) -> int:
    before = page.evaluate("window.frames_asked")
    page.wait_for_timeout(1000)
    return int(page.evaluate("window.frames_asked")) - int(before)


def test_a_new_visitor_meets_the_demo_and_nothing_foreign_is_asked_for_nor_drawn_for_nothing(
    browser: Browser, server: Server, requests: list[str], faults: list[str]
) -> None:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(COUNT)
    page.goto(server.url)
    page.get_by_role("tab", name="Train").click()

    # The first visitor of a fresh server waits for the pictures to be drawn.
    expect(page.locator("#study .samples img")).to_have_count(12, timeout=PATIENCE)
    expect(page.locator("#header .study")).to_contain_text("Demo study")
    expect(page.locator("#review")).to_be_visible()
    page.get_by_role("tab", name="Results").click()
    expect(page.get_by_text("No comparison yet")).to_be_visible()
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("body")).to_have_class("dark")
    # All that moves comes to rest soon; a page that goes on drawing asks for sixty a second.
    seconds = [frames_of_a_second(page)]
    while seconds[-1] > 5 and len(seconds) < 12:
        seconds.append(frames_of_a_second(page))
    assert page.evaluate("window.frames_asked") > 0
    assert seconds[-1] <= 5, seconds
    assert foreign(requests, server.url) == []
    assert faults == []


def test_what_is_wrong_with_a_zip_is_said_beside_it(
    page: Page, server: Server, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 this is no zip")
    page.goto(server.url)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study .samples img")).to_have_count(12)

    upload(page, broken, "broken")

    alert = page.locator(".card .note.bad[role=alert]")
    expect(alert).to_be_visible()
    expect(alert).to_contain_text("zip")
    # The study that was open still is.
    expect(page.locator("#header .study")).to_contain_text("Demo study")


def test_a_training_goes_on_while_the_page_is_closed_and_stops_when_told(
    page: Page, server: Server, archive: Path
) -> None:
    page.goto(server.url)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study .samples img")).to_have_count(12)
    upload(page, archive, "long")
    expect(page.locator("#header .study")).to_have_text("long")
    set_plan(page, epochs="500", size="48")
    page.locator("#train").click()
    expect(page.locator("#training")).to_contain_text("left")
    page.close()

    again = page.context.new_page()
    again.goto(server.url)
    expect(again.locator("#header .study")).to_have_text("long")
    expect(again.locator("#training")).to_contain_text("left")
    expect(again.get_by_text("Locked once trained")).to_be_visible()
    again.locator("#stop").click()

    expect(again.locator("#training")).to_contain_text("Stopped")
    expect(again.locator("#train")).to_be_visible()


def test_a_phone_needs_no_sideways_scrolling_and_research_use_only_stands_on_every_tab(
    browser: Browser, server: Server
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study .samples img")).to_have_count(12)
    for tab in ("Train", "Outliers", "Results"):
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
    context.close()
