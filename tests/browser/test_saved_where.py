"""Where a study is saved is said, and what to do where it is not, or the Hub takes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from imil.settings import Settings
from imil.synthetic.films import FilmSpec
from tests.browser.hosting import host
from tests.browser.serving import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # A server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

REPO = "lab/state-of-the-whole-department"
WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
BETWEEN: tuple[ViewportSize, ...] = (
    {"width": 1200, "height": 800},
    {"width": 700, "height": 800},
)


@pytest.fixture(scope="module")
def tokenless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app that was given a data set, and no token to write to it."""
    settings = Settings(tmp_path_factory.mktemp("home"), state_repo=REPO)
    with host(settings, demo=FilmSpec(images=60, size=64, seed=1)) as url:
        yield url


def test_a_study_that_can_not_go_to_the_hub_says_so_and_what_to_do(
    page: Page, tokenless: str, faults: list[str]
) -> None:
    page.goto(tokenless)
    saved = page.locator("#header .saved")

    expect(saved.locator(".whole")).to_contain_text(f"so nothing goes to {REPO}")
    expect(saved.locator(".amiss")).to_be_visible()
    expect(saved.locator(".fine")).to_be_hidden()
    expect(page.get_by_role("status").filter(has_text="HF_TOKEN is not set")).to_have_count(1)
    for size in (*BETWEEN, WIDE):
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("button", name="Why it is not saved further").click()

    dialog = page.get_by_role("dialog", name="HF_TOKEN is not set")
    expect(dialog).to_contain_text("Set HF_TOKEN to a token with write access")
    expect(dialog).to_contain_text("You can go on meanwhile.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert faults == []


def test_a_phone_says_in_one_line_where_a_study_is_saved(page: Page, tokenless: str) -> None:
    page.set_viewport_size(NARROW)
    page.goto(tokenless)

    brief = page.locator("#header .saved .brief")
    expect(brief).to_have_text("Saved here only")
    expect(brief).to_be_visible()
    expect(page.locator("#header .saved .whole")).to_be_hidden()
    use = page.get_by_text("Research use only, not for diagnosis").bounding_box()
    told = brief.bounding_box()
    assert use is not None
    assert told is not None
    assert abs(use["y"] - told["y"]) < use["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_time_since_the_hub_answered_is_not_read_aloud_every_few_seconds(
    page: Page, server: Server
) -> None:
    page.goto(server.url)
    expect(page.locator("#header .saved .whole")).to_have_text(
        "Saved on this server · no backup set up"
    )

    expect(page.locator("#header [role=status]")).to_have_text("")


def test_a_study_that_is_gone_is_said_and_the_page_still_opens(
    page: Page, tokenless: str, server: Server
) -> None:
    page.goto(tokenless)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study .samples img")).to_have_count(12)
    kept = page.evaluate("JSON.stringify(localStorage)")  # another address has another storage
    page.goto(server.url)
    page.evaluate("kept => Object.assign(localStorage, JSON.parse(kept))", kept)
    page.reload()

    trouble = page.locator(".card .note.bad[role=alert]")
    expect(trouble).to_contain_text("There is no study")
    expect(page.locator("#study .samples img")).to_have_count(12)
    # The browser has let go of it.
    page.reload()
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study .samples img")).to_have_count(12)
    expect(trouble).to_have_count(0)
