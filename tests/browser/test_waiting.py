"""Who waits: told on every tab, called back at the end, and back on the tab where they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import MARK, black_out, drag, opened_film
from tests.browser.fresh import PATIENCE, TRAINING
from tests.browser.looks import picture
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_what_trains_is_told_on_every_tab_and_its_end_in_the_title(
    page: Page, server: Server, screens: Path, faults: list[str]
) -> None:
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    opened_film(page)
    for _ in range(2):
        drag(page, *MARK)
        black_out(page)
    expect(page.locator("#budget")).to_contain_text("2 of 40 masked")
    line, title = page.locator(".jobline"), page.title()
    expect(line).to_be_hidden()

    page.locator("#compare").click()
    page.locator("#use-predicted").click()
    expect(line).to_contain_text("Testing your masks")
    line.get_by_role("button", name="Keep masking").click()

    opened_film(page)
    expect(line).to_contain_text("Testing your masks")
    picture(page, screens, "waiting")
    page.get_by_role("tab", name="Train").click()
    expect(line).to_contain_text("Testing your masks")

    # As after a restart: the page is loaded anew, and the visitor is where they were.
    page.reload()
    expect(page.locator("#study .samples img").first).to_be_visible()
    expect(line).to_contain_text("Testing your masks")

    page.wait_for_function("title => document.title !== title", arg=title, timeout=TRAINING)
    line.get_by_role("button", name="See it").click()
    expect(page.locator("#verdict .w").first).to_be_visible()
    assert page.title() == title
    page.locator("#stop-comparison").click()
    expect(line).to_be_hidden()
    assert page.title() == title
    assert faults == []
