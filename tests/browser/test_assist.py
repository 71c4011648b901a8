"""What helps a reader on one film: where the model looks, and its label called wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import MARK, drag, opened_film
from tests.browser.fresh import PATIENCE
from tests.browser.looks import picture
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def review(page: Page, server: Server) -> Page:
    """A fresh demo, its Outliers tab open."""
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    page.get_by_role("tab", name="Outliers").click()
    answered_film(page)
    return page


def answered_film(page: Page, *, after: str = "") -> str:
    """Wait until a film is open and the model's answer to it there; return its id."""
    film = opened_film(page, after=after)
    expect(page.locator("#answer .answer")).to_have_attribute("aria-busy", "false")
    return film


def paint(page: Page) -> None:
    drag(page, *MARK)
    expect(page.locator("#answer .was")).to_be_visible()


def test_a_label_is_called_wrong_without_anything_moving(review: Page, faults: list[str]) -> None:
    page = review
    film = answered_film(page)
    places = [page.locator(f"#{name}").bounding_box() for name in ("answer", "budget", "compare")]

    page.locator("#suspect").click()
    expect(page.locator("#relabel")).to_be_focused()
    expect(page.locator("#black-out")).to_have_count(0)
    opened = [page.locator(f"#{name}").bounding_box() for name in ("answer", "budget", "compare")]
    page.locator("#label-back").click()
    expect(page.locator("#black-out")).to_be_visible()
    page.locator("#suspect").click()
    page.locator("#exclude").click()

    assert opened == places
    following = answered_film(page, after=film)
    expect(page.locator("#black-out")).to_be_visible()
    expect(page.locator(f"#queue [data-sample='{film}']")).to_have_count(0)
    expect(page.locator(f"#queue [data-sample='{following}']")).to_have_attribute(
        "aria-current", "true"
    )
    assert faults == []


def looks_at(page: Page) -> list[int]:
    """Return the size of the map that lies over the film, and its greatest opacity."""
    found: list[int] = page.locator("#painter canvas.heat").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [canvas.width, canvas.height, Math.max(...data.filter((_, i) => i % 4 === 3))];
        }"""
    )
    return found


def test_by_keys_a_reader_sees_where_the_model_looks_and_calls_a_label_wrong(
    review: Page, screens: Path, faults: list[str]
) -> None:
    page = review
    film = answered_film(page)
    heat = page.locator("#painter canvas.heat")

    page.keyboard.press("o")
    expect(heat).to_have_attribute("width", "64")
    first = looks_at(page)
    picture(page, screens, "looks")
    page.keyboard.press("n")
    other = answered_film(page, after=film)
    expect(heat).to_have_attribute("width", "64")
    page.keyboard.press("p")
    answered_film(page, after=other)
    expect(heat).to_have_attribute("width", "64")
    page.keyboard.press("l")
    expect(page.locator("#relabel")).to_be_focused()
    page.keyboard.press("l")
    expect(page.locator("#black-out")).to_be_visible()
    expect(page.locator("#painter .paint")).to_be_focused()

    assert first[:2] == [64, 64]
    assert first[2] > 200
    assert looks_at(page) == first
    assert faults == []
