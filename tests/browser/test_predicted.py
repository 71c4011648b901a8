"""The model's answer to each stroke, and predicted masks: corrected, confirmed, doubted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import (
    MARK,
    black_out,
    drag,
    listed,
    opened_film,
    start_from_predicted,
)
from tests.browser.kept import stored
from tests.browser.looks import look
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def answered(page: Page) -> str:
    answer = page.locator("#answer .answer")
    expect(answer).to_have_attribute("aria-busy", "false")
    return answer.inner_text()


@pytest.fixture
def review(page: Page, server: Server) -> Page:
    """A fresh demo, its Outliers tab open."""
    page.goto(server.url)
    page.get_by_role("tab", name="Outliers").click()
    opened_film(page)
    return page


def set_brush(page: Page, per_mille: int) -> None:
    page.locator("#painter [data-size]").evaluate("(slider, v) => slider.value = v", per_mille)


def place_of_button(page: Page, *, like: Any) -> Any:
    """Return where “Black out” stands, once what is on its way has arrived."""
    for _ in range(50):
        place = page.locator("#black-out").bounding_box()
        if place == like:
            break
        page.wait_for_timeout(100)
    return place


def test_each_stroke_is_answered_and_nothing_moves(
    review: Page, screens: Path, faults: list[str]
) -> None:
    page = review
    assert "Nothing is hidden yet" in answered(page)
    place = page.locator("#black-out").bounding_box()

    drag(page, *MARK)
    expect(page.locator("#answer")).to_contain_text("If this were hidden, the model would say")
    look(page, screens, "answer")
    set_brush(page, 150)
    drag(page, (10, 20), (80, 20), (80, 40), (10, 40), (10, 60), (80, 60), (80, 85), (10, 85))
    expect(page.locator("#answer")).to_contain_text("The mask may hide the finding itself.")
    expect(page.locator("#black-out")).to_be_enabled()
    look(page, screens, "warning")

    assert place_of_button(page, like=place) == place
    page.locator("#painter [data-act=clear]").click()
    expect(page.locator("#answer")).to_contain_text("Nothing is hidden yet")
    assert place_of_button(page, like=place) == place
    assert faults == []


def test_a_corrected_mask_withdraws_the_confirmation_until_it_is_given_anew(
    review: Page, server: Server, screens: Path, faults: list[str]
) -> None:
    page, panel = review, review.locator("#predicted")
    for _ in range(2):
        drag(page, *MARK)
        black_out(page)
    page.locator("#look-predicted").click()
    page.locator("#confirm-predicted").click()
    expect(panel).to_contain_text("Confirmed. By visitor")

    start_from_predicted(page)
    drag(page, (10, 80), (20, 80))
    black_out(page)

    assert stored(server.home, listed(page)[0])[-1].origin == "corrected"
    expect(panel).to_contain_text("the masks have changed since")
    page.locator("#look-predicted").click()
    expect(panel).to_contain_text("From 3 masks")
    page.locator("#confirm-predicted").click()
    expect(panel).to_contain_text("Confirmed. By visitor")
    look(page, screens, "confirmed")
    panel.locator(".psample button").first.click()
    name = panel.locator(".psample button").first.get_attribute("data-sample")
    page.locator(f"#painter .painter[data-ready='{name}']").wait_for()
    assert faults == []


def test_masks_that_contradict_each_other_are_said_to_in_the_panel(review: Page) -> None:
    page, panel = review, review.locator("#predicted")
    set_brush(page, 150)
    left = [(x, y) for y in (5, 30, 55, 80) for x in (5, 35)]
    for place in range(4):
        drag(page, *[(x + 55 * (place % 2), y) for x, y in left])
        black_out(page)

    page.locator("#look-predicted").click()

    expect(panel.get_by_role("alert")).to_contain_text("the masks contradict each other")
    expect(panel.get_by_role("alert")).to_contain_text("Look through the painted masks")
    expect(page.locator("#confirm-predicted")).to_be_hidden()
