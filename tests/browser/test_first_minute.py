"""A visitor's first minute: the trained demo, the hint, the first mask, words, and the next one."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.acts import listed, opened_film
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Everything here shares two cores with the other tests.
PATIENCE = 60_000


@pytest.fixture
def visitor(page: Page, server: Server) -> Page:
    """A newcomer's page, as soon as the demo is on it."""
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    return page


def test_the_first_mask_takes_two_clicks_and_a_stroke_along_the_hint(
    visitor: Page, faults: list[str]
) -> None:
    page = visitor
    page.evaluate(
        "document.addEventListener('click', () => window.clicks = 1 + (window.clicks ?? 0))"
    )

    page.locator("#review").click()
    first = opened_film(page)
    hint = page.locator(".coachbox")
    expect(hint).to_contain_text("Paint over this marker")
    ring = page.locator(".coachring").bounding_box()
    toolbar = page.locator("#painter .tools").bounding_box()
    said = hint.bounding_box()
    assert ring is not None
    assert toolbar is not None
    assert said is not None
    assert said["y"] >= toolbar["y"] + toolbar["height"]
    assert said["x"] + said["width"] <= ring["x"]
    middle = ring["y"] + ring["height"] / 2
    page.mouse.move(ring["x"] + 4, middle)
    page.mouse.down()
    page.mouse.move(ring["x"] + ring["width"] - 4, middle, steps=6)
    page.mouse.up()
    expect(hint).to_be_hidden()
    page.locator("#black-out").click()

    expect(page.locator("#budget")).to_contain_text("1 of 40 masked")
    assert opened_film(page) != first
    assert page.evaluate("window.clicks") <= 3
    expect(hint).to_be_hidden()  # for good
    assert faults == []


def test_the_hint_can_be_closed_and_stays_closed(visitor: Page) -> None:
    page = visitor
    page.locator("#review").click()
    opened_film(page)
    # It makes room for the panel of keys.
    page.keyboard.press("?")
    expect(page.locator(".coachbox")).to_be_hidden()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Close the hint").click()

    expect(page.locator(".coachbox")).to_be_hidden()
    page.reload()
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    page.locator("#review").click()
    opened_film(page)
    expect(page.locator(".coachbox")).to_be_hidden()


def test_two_browsers_never_see_each_others_studies(
    visitor: Page, browser: Browser, server: Server
) -> None:
    other = browser.new_context()
    stranger = other.new_page()
    stranger.goto(server.url)
    expect(stranger.locator("#review")).to_be_visible(timeout=PATIENCE)

    mine, theirs = listed(visitor), listed(stranger)

    assert len(mine) == len(theirs) == 1
    assert mine != theirs
    for page, foreign in ((visitor, theirs[0]), (stranger, mine[0])):
        assert foreign not in page.content()
        assert foreign not in page.evaluate("JSON.stringify([localStorage, window.gradio_config])")
        values = page.locator("#header select option").evaluate_all("all => all.map(o => o.value)")
        assert values == [*listed(page), "new"]
    other.close()


def test_the_next_visitor_begins_afresh_and_the_study_before_can_be_opened_again(
    visitor: Page,
) -> None:
    page = visitor
    page.locator("#review").click()
    first = opened_film(page)
    page.locator("#painter .paint").click(position={"x": 60, "y": 60})
    (before,) = listed(page)

    page.get_by_role("button", name="Next visitor").click()
    asking = page.get_by_role("dialog", name="Begin for the next visitor?")
    expect(asking).to_contain_text("1 image has strokes that are not blacked out yet")
    asking.get_by_role("button", name="Stay here").click()
    expect(asking).to_be_hidden()
    assert opened_film(page) == first
    page.get_by_role("button", name="Next visitor").click()
    asking.get_by_role("button", name="Next visitor").click()

    expect(page.locator("#header select")).not_to_have_value(before, timeout=PATIENCE)
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    after = listed(page)
    assert len(after) == 2
    assert after[1] == before
    page.locator("#review").click()
    opened_film(page)
    expect(page.locator(".coachbox")).to_be_visible()
    expect(page.locator("#painter .area")).to_contain_text("nothing hidden")

    page.locator("#header select").select_option(before)
    expect(page.locator("#header select")).to_have_value(before, timeout=PATIENCE)
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    assert sorted(listed(page)) == sorted(after)


def test_a_second_tab_of_the_same_browser_loses_no_study(visitor: Page, server: Server) -> None:
    second = visitor.context.new_page()
    second.goto(server.url)
    expect(second.locator("#review")).to_be_visible(timeout=PATIENCE)
    for page in (visitor, second):
        page.get_by_role("tab", name="Train").click()
        before = page.locator("#header select").input_value()
        page.locator("#open-untrained").click()
        expect(page.locator("#header select")).not_to_have_value(before, timeout=PATIENCE)

    assert len(listed(visitor)) == len(listed(second)) == 3


def test_a_study_that_is_gone_leaves_the_list(visitor: Page) -> None:
    page = visitor
    gone = {"id": "0" * 32, "name": "gone", "created": "2026-01-01T00:00:00+00:00"}
    page.evaluate(
        "gone => localStorage.setItem('imil-studies', JSON.stringify([gone,"
        " ...JSON.parse(localStorage.getItem('imil-studies'))]))",
        gone,
    )

    page.locator("#header select").focus()
    page.locator("#header select").select_option(gone["id"])

    expect(page.locator(".card .note.bad[role=alert]")).to_contain_text("There is no study")
    assert gone["id"] not in listed(page)


def test_words_are_explained_from_the_header_by_keyboard(visitor: Page) -> None:
    page = visitor
    page.locator("#review").click()
    first = opened_film(page)
    opener = page.get_by_role("button", name="Words")

    opener.focus()
    page.keyboard.press("Enter")
    words = page.get_by_role("dialog", name="Words")

    for word in ("Study", "Round", "Outlier", "Mask", "Arm", "Queue", "Verdict", "Control"):
        expect(words.get_by_role("term").get_by_text(word, exact=True)).to_be_visible()
    page.keyboard.press("n")  # not the painter's “next” while one reads
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()
    expect(opener).to_be_focused()
    assert opened_film(page) == first
