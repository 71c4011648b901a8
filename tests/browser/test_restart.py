"""The server dies while somebody masks, and comes back: nothing drawn is lost."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import MARK, drag, opened_film
from tests.browser.serving import serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
]

WAITING = "Object.keys(localStorage).filter(k => k.startsWith('imil-unsent:')).length"


def masks(home: Path) -> int:
    """Return how many masks the server has on disk."""
    return sum(1 for _ in home.glob("store/data/masks/**/*.parquet"))


@pytest.mark.parametrize("demo", [True, False], ids=["on its tab", "on another tab"])
def test_a_mask_handed_in_to_a_dead_server_is_sent_when_it_is_back(
    page: Page, tmp_path: Path, demo: bool
) -> None:
    with serve(tmp_path / "home") as first:
        page.goto(first.url)
        film = opened_film(page)
        before = masks(first.home)
        drag(page, *MARK)
        expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
        first.kill()

        page.locator("#black-out").click()

        expect(page.locator("#painter .notice")).to_contain_text("Not saved yet")
        assert page.locator("#painter .painter").get_attribute("data-ready") == film
        assert page.evaluate(WAITING) == 1
    # Without the demo a page begins on the tab Train.
    with serve(first.home, demo=demo, port=urlsplit(first.url).port) as second:
        page.goto(second.url)
        open_tab = "Outliers" if demo else "Train"
        expect(page.get_by_role("tab", name=open_tab)).to_have_attribute("aria-selected", "true")

        page.wait_for_function(f"{WAITING} === 0")

        assert masks(second.home) == before + 1
