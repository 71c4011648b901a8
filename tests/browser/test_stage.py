"""The app on a stage: large, only what an audience needs, and afresh for whoever comes next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.acts import MARK, drag, opened_film
from tests.browser.fresh import PATIENCE
from tests.browser.looks import picture
from tests.browser.serving import Server, foreign

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_stage_shows_the_film_large_gives_a_code_and_asks_before_it_begins_afresh(
    browser: Browser, server: Server, screens: Path
) -> None:
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()
    page.goto(f"{server.url}/?present=1")
    film = opened_film(page)
    page.clock.run_for(2000)

    # What is painted lies where the hand was, though everything is drawn larger.
    drag(page, *MARK)
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    expect(page.locator("footer")).to_be_hidden()
    shown = page.locator("#readout dd").first.bounding_box()
    assert shown is not None
    assert shown["height"] >= 26
    picture(page, screens, "stage")

    study = page.locator("#header select").input_value()
    page.get_by_role("button", name="QR code of this study").click()
    code = page.get_by_role("dialog", name="Go on with this study")
    expect(code.locator(".link")).to_have_text(f"{server.url}/?study={study}")
    expect(code.locator("img")).to_have_attribute("src", re.compile("^data:image"))
    page.keyboard.press("Escape")

    page.clock.run_for(92_000)
    question = page.get_by_role("dialog", name="Are you still there?")
    expect(question).to_be_visible()
    question.get_by_role("button", name="Yes, go on").click()
    expect(question).to_be_hidden()
    assert opened_film(page) == film

    page.clock.run_for(92_000)
    expect(question).to_be_visible()
    page.clock.run_for(20_000)
    expect(page.locator("#header select")).not_to_have_value(study)
    page.clock.resume()
    expect(page.locator("body.present")).to_be_visible()
    assert foreign(asked, server.url) == []
    context.close()
