"""A visitor's first minute: the demo's story, the hint, the first mask, words, and the next one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.acts import drag, listed, opened_film
from tests.browser.fresh import PATIENCE
from tests.browser.looks import picture
from tests.browser.serving import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Everything here shares two cores with the other tests.


@pytest.fixture
def visitor(page: Page, server: Server) -> Page:
    """A newcomer's page, as soon as the demo is on it: it opens on the image to paint."""
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    opened_film(page)
    return page


def test_the_first_mask_takes_a_stroke_along_the_hint_and_a_click(
    visitor: Page, faults: list[str]
) -> None:
    page = visitor
    page.evaluate(
        "document.addEventListener('click', () => window.clicks = 1 + (window.clicks ?? 0))"
    )

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
    # The stroke is one, too.
    assert page.evaluate("window.clicks") <= 2
    expect(hint).to_be_hidden()  # for good
    assert faults == []


def test_the_hint_can_be_closed_and_stays_closed(visitor: Page) -> None:
    page = visitor
    opened_film(page)
    # It makes room for the panel of keys.
    page.keyboard.press("?")
    expect(page.locator(".coachbox")).to_be_hidden()
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Close the hint").click()

    expect(page.locator(".coachbox")).to_be_hidden()
    page.reload()
    opened_film(page)
    expect(page.locator(".coachbox")).to_be_hidden()


def test_two_browsers_never_see_each_others_studies(
    visitor: Page, browser: Browser, server: Server
) -> None:
    other = browser.new_context()
    stranger = other.new_page()
    stranger.goto(server.url)
    opened_film(stranger)

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
    opened_film(page)
    after = listed(page)
    assert len(after) == 2
    assert after[1] == before
    expect(page.locator(".coachbox")).to_be_visible()
    expect(page.locator("#painter .area")).to_contain_text("nothing hidden")

    page.locator("#header select").select_option(before)
    expect(page.locator("#header select")).to_have_value(before, timeout=PATIENCE)
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    assert sorted(listed(page)) == sorted(after)


def test_a_second_tab_of_the_same_browser_loses_no_study(visitor: Page, server: Server) -> None:
    second = visitor.context.new_page()
    second.goto(server.url)
    opened_film(second)
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


def test_three_steps_lead_through_the_tabs_by_keyboard_and_are_offered_once(
    visitor: Page, faults: list[str], screens: Path
) -> None:
    page = visitor
    first = opened_film(page)
    guide = page.get_by_role("region", name="Guided start")
    offer = page.locator(".guideoffer button")

    offer.focus()
    page.keyboard.press("Enter")
    for tab, told in (("Train", "1 of 3"), ("Outliers", "2 of 3"), ("Results", "3 of 3")):
        expect(guide.locator("[aria-live=polite]")).to_contain_text(told)
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        expect(guide.get_by_role("button").first).to_be_focused()
        if tab == "Outliers":
            # The hint on the film stays as it is, and nothing lies over it.
            expect(page.locator(".coachbox")).to_be_visible()
            above, hint = guide.bounding_box(), page.locator(".coachbox").bounding_box()
            assert above is not None
            assert hint is not None
            assert above["y"] + above["height"] <= hint["y"]
        page.keyboard.press("Enter")
    expect(guide).to_be_hidden()
    expect(page.get_by_role("tab", name="Outliers")).to_be_focused()
    assert opened_film(page) == first  # no key was taken for the painter's
    expect(offer).to_be_hidden()

    page.evaluate("sessionStorage.removeItem('imil-guide')")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    opened_film(page)
    picture(page, screens, "guide-offered-390")
    assert seen_whole(page, "#tabs [role=tablist] > [data-tab-id=results]")
    offer.click()
    expect(guide).to_contain_text("1 of 3")
    picture(page, screens, "guide-390")
    page.keyboard.press("Escape")
    expect(guide).to_be_hidden()
    expect(page.get_by_role("tab", name="Train")).to_be_focused()
    page.reload()
    expect(page.get_by_role("tab", name="Train")).to_be_visible()
    expect(offer).to_be_hidden()
    assert faults == []


def test_covering_the_marker_changes_the_models_mind_and_this_is_said_large(
    browser: Browser, server: Server, screens: Path
) -> None:
    for width, height in ((1440, 900), (390, 844)):
        page = browser.new_context(viewport={"width": width, "height": height}).new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.url)
        opened_film(page)
        # The story is told with this model's own figures: the model that is shipped.
        told = page.locator(".story").inner_text()
        figures = [float(found) for found in re.findall(r"([\d.]+) % right", told)]
        assert figures[0] > 90
        assert figures[1] < 50
        label = page.locator("#readout dd").first.inner_text()
        said = page.locator("#readout dd").nth(1).inner_text()
        assert not said.startswith(label)
        picture(page, screens, f"first-{width}")

        # No press, and a stroke: two on a phone, whose brush is as wide as the film is small.
        ring = page.locator(".coachring").bounding_box()
        assert ring is not None
        for share in (0.3, 0.7):
            y = ring["y"] + share * ring["height"]
            page.mouse.move(ring["x"] + 4, y)
            page.mouse.down()
            page.mouse.move(ring["x"] + ring["width"] - 4, y, steps=6)
            page.mouse.up()

        loud = page.locator("#answer .loud")
        expect(loud).to_contain_text("You covered the L")
        expect(loud).to_contain_text(label)
        size = float(loud.evaluate("each => parseFloat(getComputedStyle(each).fontSize)"))
        assert size >= (16 if width == 390 else 20)
        assert seen_whole(page, "#answer .loud")
        picture(page, screens, f"covered-{width}")
        page.context.close()


def test_a_warning_stands_in_the_bar_of_a_phone(
    browser: Browser, server: Server, screens: Path, tmp_path: Path
) -> None:
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    opened_film(page)
    page.locator(".pills label", has_text="Random").click()
    (study,) = listed(page)
    sample = warned_of(Client(server.url, verbose=False), study, tmp_path)
    thumb = page.locator(f"#queue [data-sample='{sample}']")
    thumb.scroll_into_view_if_needed()
    thumb.click()
    expect(page.locator("#painter .painter")).to_have_attribute("data-ready", sample)
    opened_film(page)
    page.evaluate("scrollTo(0, 0)")
    for y in (2, 6, 10, 14, 18):
        drag(page, (82, y), (98, y))

    warning = page.locator("#answer .loud.warn")
    expect(warning).to_be_visible()
    assert seen_whole(page, "#answer .loud")
    told, bar = warning.bounding_box(), page.locator(".work .bar").bounding_box()
    assert told is not None
    assert bar is not None
    assert bar["y"] <= told["y"]
    assert told["y"] + told["height"] <= bar["y"] + bar["height"]
    picture(page, screens, "warned-390")
    # It is where it was, wherever one reads.
    page.mouse.wheel(0, 600)
    page.wait_for_timeout(300)
    assert warning.bounding_box() == told
    page.context.close()


def warned_of(client: Client, study: str, folder: Path) -> str:
    """Return a film of the random queue whose marker the model needs for its right answer."""
    irrelevant = np.zeros((192, 192), np.uint8)
    irrelevant[:40, 154:] = 255
    Image.fromarray(irrelevant).save(folder / "corner.png")
    for offer in client.predict(study, "random", api_name="/queue")["images"]:
        mask = handle_file(str(folder / "corner.png"))
        answer = client.predict(study, offer["sample_id"], mask, api_name="/answer")
        if answer["may_hide_finding"]:
            sample: str = offer["sample_id"]
            return sample
    raise AssertionError("no film is warned of")


def seen_whole(page: Page, place: str) -> bool:
    """Return whether an element is on the screen as the page stands, and nothing lies over it."""
    found: bool = page.evaluate(
        """place => {
          const each = document.querySelector(place), box = each.getBoundingClientRect();
          const points = [[.1, .5], [.5, .5], [.9, .5]].map(
            ([x, y]) => document.elementFromPoint(box.x + x * box.width, box.y + y * box.height));
          return box.top >= 0 && box.bottom <= innerHeight && points.every(at => each.contains(at));
        }""",
        place,
    )
    return found
