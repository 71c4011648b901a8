"""A visitor signs in, finds a study elsewhere, keeps a copy, shares a link, deletes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.fresh import PATIENCE
from tests.browser.looks import picture
from tests.browser.serving import Server, serve
from tests.standins.fakehub import FakeHub
from tests.standins.signing_in import Provider

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TOKEN = "hf_oauth_carol"  # noqa: S105  # of nobody
CLINIC = {"sub": "org-1", "preferred_username": "clinic", "name": "The clinic"}
CAROL: dict[str, Any] = {
    "sub": "user-3",
    "name": "Carol",
    "preferred_username": "carol",
    "profile": "https://huggingface.co/carol",
    "picture": "",
    "orgs": [CLINIC],
}
DAVE = CAROL | {"sub": "user-4", "name": "Dave", "preferred_username": "dave"}


@dataclass(frozen=True, slots=True)
class Space:
    """The app as on a Space with sign-in."""

    server: Server
    hub: FakeHub
    provider: Provider

    @property
    def url(self) -> str:
        # Browsers send a cookie that wants https to this name without it, as the Space's own has.
        return self.server.url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    with FakeHub() as hub, Provider(TOKEN, CAROL) as provider:
        home = tmp_path_factory.mktemp("home")
        with serve(home, hub=hub.endpoint, env=provider.env) as server:
            yield Space(server, hub, provider)


def visit(browser: Browser, url: str, *, width: int = 1440, height: int = 900) -> Page:
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.goto(url)
    opened(page)
    return page


def opened(page: Page) -> str:
    bar = page.locator("#header .bar:not([data-study=''])[data-study]")
    expect(bar).to_be_attached(timeout=PATIENCE)
    return bar.get_attribute("data-study") or ""


def menu(page: Page) -> None:
    page.locator("#header [data-act=menu]").click()
    expect(page.locator("#account dialog.menu").first).to_be_visible()


def sign_in(page: Page) -> None:
    menu(page)
    page.get_by_role("link", name="Sign in with Hugging Face").click()
    opened(page)
    menu(page)
    expect(page.locator("#account [data-in]")).to_be_visible(timeout=PATIENCE)


def paint(space: Space, study: str, folder: Path) -> None:
    """Hand in a mask through the API: the demo's films are 192 px wide."""
    irrelevant = np.zeros((192, 192), np.uint8)
    irrelevant[:40, :40] = 255
    Image.fromarray(irrelevant).save(folder / "mask.png")
    client = Client(space.server.url, verbose=False)
    sample = client.predict(study, api_name="/queue")["images"][0]["sample_id"]
    mask = handle_file(str(folder / "mask.png"))
    client.predict(study, sample, mask, "r", 3, api_name="/submit_mask")


def test_a_link_opens_the_study_and_leaves_the_address(
    browser: Browser, space: Space, screens: Path
) -> None:
    page = visit(browser, space.url)
    study = opened(page)
    menu(page)
    link = page.locator("#account .link").input_value()
    picture(page, screens, "menu-1440")

    other = visit(browser, link, width=390, height=844)

    assert link == f"{space.url}/?study={study}"
    assert opened(other) == study
    assert "study=" not in other.url
    menu(other)
    picture(other, screens, "menu-390")


def test_a_signed_in_visitor_keeps_a_private_copy_and_finds_the_study_in_another_browser(
    browser: Browser, space: Space, screens: Path, tmp_path: Path
) -> None:
    page = visit(browser, space.url)
    study = opened(page)
    paint(space, study, tmp_path)

    sign_in(page)
    page.locator("#account [data-act=save]").click()
    told = page.locator("#account .told")
    expect(told).to_contain_text("Your private copy is saved")
    picture(page, screens, "copied-1440")

    made = space.hub.repos[f"datasets/carol/imil-study-{study[:8]}"]
    assert made.private
    assert "data/masks/masks.parquet" in made.files
    assert made.maker == TOKEN
    page.get_by_label("clinic").check()
    expect(told).to_contain_text("Shared with clinic.")
    # A tick is seen: it is white, and so is the dialog.
    ticked = page.get_by_label("clinic")
    expect(ticked).to_be_checked()
    expect(ticked).to_have_css("background-color", "rgb(11, 97, 117)")
    elsewhere = visit(browser, space.url)
    sign_in(elsewhere)
    elsewhere.locator("#account .own button").first.click()
    expect(elsewhere.locator(f"#header .bar[data-study='{study}']")).to_be_attached()
    # Masks go by the account's name unless another is given; and the log says who shared.
    elsewhere.keyboard.press("Escape")
    elsewhere.get_by_role("tab", name="Outliers").click()
    expect(elsewhere.locator("#reader input, #reader textarea")).to_have_value("carol")
    trail = Client(space.server.url, verbose=False).predict(study, api_name="/audit")
    assert [act["who"] for act in trail["acts"] if act["what"] == "shared"] == ["carol"]
    space.provider.visitor = DAVE
    try:
        member = visit(browser, space.url)
        sign_in(member)
        expect(member.locator("#account .own button")).to_have_count(1)
        # Whoever has it may work on it, and not delete what another account owns.
        member.locator("#account .own button").first.click()
        expect(member.locator(f"#header .bar[data-study='{study}']")).to_be_attached()
        delete(member)
        expect(member.locator("#account .told")).to_contain_text("belongs to an account")
    finally:
        space.provider.visitor = CAROL
    kept = [each for each in space.server.home.rglob("*") if each.is_file()]
    assert not any(TOKEN.encode() in each.read_bytes() for each in kept)


def test_a_deleted_study_is_gone_for_everybody_and_says_when(
    browser: Browser, space: Space, screens: Path
) -> None:
    page = visit(browser, space.url)
    study = opened(page)
    menu(page)

    delete(page, into=screens)

    told = page.locator("#account .told")
    expect(told).to_contain_text("The study is deleted. A fresh demo is open now.")
    assert opened(page) != study
    assert not page.locator(f"#header option[value='{study}']").count()
    late = visit(browser, f"{space.url}/?study={study}")
    expect(late.get_by_text("This study was deleted on").first).to_be_attached()
    assert opened(late) != study
    folder = space.server.home / "store" / "studies" / study
    assert [each.name for each in folder.rglob("*") if each.is_file()] == ["tombstone.json"]


def test_what_was_deleted_is_named_before_and_told_after_to_whoever_is_signed_in(
    browser: Browser, space: Space
) -> None:
    page = visit(browser, space.url)
    study = opened(page)
    sign_in(page)
    name = page.locator("#header .study").inner_text()

    expect(page.locator("#account .named")).to_have_text(name)
    page.locator("#account [data-act=ask]").click()
    expect(page.locator("#account .ask h2")).to_have_text(f"Delete “{name}” for good?")
    page.locator("#account [data-act=remove]").click()

    expect(page.locator(f"#header .bar[data-study='{study}']")).to_have_count(0)
    # The account's list is looked up once more for the fresh demo, and takes no word back.
    page.wait_for_timeout(2000)
    expect(page.locator("#account .told")).to_contain_text("The study is deleted")


def delete(page: Page, *, into: Path | None = None) -> None:
    page.locator("#account [data-act=ask]").click()
    if into is not None:
        picture(page, into, "delete-1440")
    page.locator("#account [data-act=remove]").click()
