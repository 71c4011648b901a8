"""The model's answer to each stroke, and predicted masks: corrected, confirmed, refused."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.access import violations_everywhere
from tests.browser.acts import (
    MARK,
    black_out,
    drag,
    listed,
    opened_film,
)
from tests.browser.fresh import TRAINING
from tests.browser.kept import stored
from tests.browser.looks import look, picture
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def answered(page: Page) -> str:
    answer = page.locator("#answer .answer")
    expect(answer).to_have_attribute("aria-busy", "false")
    return answer.inner_text()


# Across the mark of the demo's films, in one stroke.
ACROSS = ((79, 12), (94, 12))


@pytest.fixture
def review(page: Page, server: Server) -> Page:
    """A fresh demo, its Outliers tab open."""
    page.goto(server.url)
    page.get_by_role("tab", name="Outliers").click()
    # It stands above the film, which moves down once it is there.
    expect(page.locator("#story .story")).to_be_visible()
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
    expect(page.locator("#answer .was")).to_be_visible()
    look(page, screens, "answer")
    set_brush(page, 150)
    drag(page, (10, 20), (80, 20), (80, 40), (10, 40), (10, 60), (80, 60), (80, 85), (10, 85))
    # Its label is “no finding”: however much is hidden, no finding is.
    expect(page.locator("#answer .note")).to_contain_text("Finding check")
    expect(page.locator("#answer .warn")).to_have_count(0)
    expect(page.locator("#black-out")).to_be_enabled()
    look(page, screens, "warning")

    assert place_of_button(page, like=place) == place
    page.locator("#painter [data-act=clear]").click()
    expect(page.locator("#answer")).to_contain_text("Nothing is hidden yet")
    assert place_of_button(page, like=place) == place
    assert faults == []


def test_one_that_is_not_right_is_corrected_and_the_others_are_predicted_anew(
    review: Page, server: Server, screens: Path, faults: list[str]
) -> None:
    page, sheet = review, review.locator("#predicted")
    for _ in range(2):
        drag(page, *MARK)
        black_out(page)
    page.locator("#compare").click()
    expect(sheet.locator(".psample button")).to_have_count(8)
    assert violations_everywhere(page, "sheet") == []
    shown = sheet.locator(".psample").inner_html()
    page.locator("#other-predicted").click()
    expect(sheet.locator(".psample")).not_to_have_js_property("innerHTML", shown)

    page.locator("#correct-predicted").click()
    first = sheet.locator(".psample button").first
    expect(first).to_be_focused()
    name = first.get_attribute("data-sample")
    page.keyboard.press("Enter")
    opened = page.locator(f"#painter .painter[data-ready='{name}']")
    opened.wait_for()
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    look(page, screens, "correcting")
    page.wait_for_timeout(450)  # a film that has just opened ignores the rest of a double click
    drag(page, (10, 80), (20, 80))
    page.locator("#black-out").click()

    expect(sheet).to_contain_text("Predicted from 3 masks")
    expect(sheet.locator(".psample button")).to_have_count(8)
    last = stored(server.home, listed(page)[0])[-1]
    assert (last.sample_id, last.origin) == (name, "corrected")
    assert faults == []


def test_of_masks_that_contradict_each_other_the_painted_ones_are_tested_and_it_is_said(
    review: Page,
) -> None:
    page = review
    set_brush(page, 150)
    left = [(x, y) for y in (5, 30, 55, 80) for x in (5, 35)]
    for place in range(4):
        drag(page, *[(x + 55 * (place % 2), y) for x, y in left])
        black_out(page)
    page.wait_for_timeout(4000)  # what they predict is tried in the background

    page.locator("#compare").click()

    said = page.locator("#test-said")
    expect(said).to_contain_text("the masks contradict each other")
    expect(said).to_contain_text("Look through the painted masks")
    expect(page.locator("#comparison")).to_be_visible()
    page.locator("#stop-comparison").click()


def test_a_visitor_gets_from_the_first_screen_to_an_honest_answer_in_four_presses(
    page: Page, server: Server, screens: Path, faults: list[str]
) -> None:
    presses, sheet = 0, page.locator("#predicted")

    def press(button: str) -> None:
        nonlocal presses
        presses += 1
        page.locator(button).click()

    page.goto(server.url)
    film = opened_film(page)
    started, strokes = time.monotonic(), 2
    for _ in range(strokes):
        drag(page, *ACROSS)
        press("#black-out")
        film = opened_film(page, after=film)
    press("#compare")
    expect(sheet.locator(".psample button")).to_have_count(8)
    picture(page, screens, "sheet")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, screens, "sheet-390", whole=True)
    page.set_viewport_size({"width": 1440, "height": 900})
    press("#use-predicted")

    # Another page's trainings may stand before.
    verdict = page.locator("#verdict")
    expect(verdict).to_contain_text(
        re.compile(r"[.\d]+ → [.\d]+ without the shortcut"), timeout=TRAINING
    )
    took = {"seconds": round(time.monotonic() - started, 1), "presses": presses, "strokes": strokes}
    (screens / "first-answer.json").write_text(json.dumps(took))
    assert presses <= 4
    for name in (
        "Control",
        "IMIL, the paper's way",
        "Masks on all images",
        "Same images, no masks",
    ):
        expect(page.locator(".arms")).to_contain_text(name)
    look(page, screens, "first-look")
    page.locator("#stop-comparison").click()
    expect(page.locator("#more-seeds")).to_be_visible()
    assert faults == []
