"""The whole way from an empty page to a verdict, as axe-core meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.access import violations_everywhere
from tests.browser.acts import drag, opened_film, set_plan, upload
from tests.browser.fresh import PATIENCE, TRAINING
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TABS = ("Train", "Outliers", "Results")


@pytest.fixture(scope="module")
def server(bare: Server) -> Server:
    return bare


def looked_at(page: Page, state: str, *tabs: str) -> list[str]:
    found = []
    for tab in tabs:
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(100)
        found += violations_everywhere(page, f"{state}, {tab}")
    return found


def test_axe_finds_nothing_serious_of_ours_on_any_tab_in_any_state(
    page: Page, server: Server, archive: Path
) -> None:
    page.goto(server.url)
    expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
    found = looked_at(page, "empty", *TABS)

    page.get_by_role("tab", name="Train").click()
    upload(page, archive, "films")
    expect(page.locator("#study")).to_contain_text("No patient in two splits.")
    set_plan(page, epochs="1", epochs_after="1", size="48", budget="3")
    found += looked_at(page, "planned", "Train")
    page.locator("#train").click()
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    found += looked_at(page, "trained", *TABS)

    page.get_by_role("tab", name="Outliers").click()
    film = opened_film(page)
    drag(page, (73, 12), (92, 17))
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    page.locator("#painter .paint").focus()
    page.keyboard.press("w")
    found += looked_at(page, "painting with another tool", "Outliers")
    page.locator("#black-out").click()
    opened_film(page, after=film)

    page.locator("#compare").click()
    expect(page.locator("#verdict .verdict")).to_be_visible(timeout=TRAINING)
    found += looked_at(page, "results", "Results", "Outliers")

    assert "\n".join(found) == ""
