"""The model's answer to each stroke, and predicted masks: looked at, corrected, confirmed, used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from imil.store.codec import MaskRecord, decode_masks
from imil.store.local import LocalStore
from tests.browser.acts import FILMS, set_plan, upload
from tests.browser.looks import look
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Around the corner that holds the mark of a film.
MARK = ((76, 8), (90, 8), (90, 16), (76, 16))


@pytest.fixture(scope="module")
def server(bare: Server) -> Server:
    return bare


def opened_film(page: Page, *, after: str = "") -> str:
    page.locator(f"#painter .painter:not([data-ready='{after}'])").wait_for()
    # A film that has just opened ignores the rest of a double click.
    page.wait_for_timeout(450)
    return page.locator("#painter .painter").get_attribute("data-ready") or ""


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Draw a line through points given in pixels of the film."""
    box = page.locator("#painter .paint").bounding_box()
    assert box is not None
    scale = box["width"] / FILMS.size
    for i, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * scale, box["y"] + y * scale, steps=6 if i else 1)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def answered(page: Page) -> str:
    answer = page.locator("#answer .answer")
    expect(answer).to_have_attribute("aria-busy", "false")
    return answer.inner_text()


def stored(home: Path) -> list[MaskRecord]:
    store = LocalStore(home / "store")
    names = sorted(store.names("data/masks/"), key=lambda name: name.rpartition("/")[2])
    return [record for name in names for record in decode_masks(store.read(name) or b"")]


@pytest.fixture
def review(page: Page, server: Server, archive: Path) -> Page:
    """A study trained so briefly that there are outliers, its Outliers tab open."""
    page.goto(server.url)
    upload(page, archive, "films")
    expect(page.locator("#study")).to_contain_text("No patient in two splits.")
    set_plan(page, epochs="2", epochs_after="1", size="48", budget="5")
    page.locator("#train").click()
    expect(page.locator("#review")).to_be_visible(timeout=60_000)
    page.locator("#review").click()
    opened_film(page)
    return page


def set_brush(page: Page, per_mille: int) -> None:
    page.locator("#painter [data-size]").evaluate("(slider, v) => slider.value = v", per_mille)


def black_out(page: Page) -> tuple[str, str]:
    """Press the button; return the film and the one that opens next."""
    film = opened_film(page)
    page.locator("#black-out").click()
    return film, opened_film(page, after=film)


def place_of_button(page: Page, *, like: Any) -> Any:
    """Return where “Black out” stands, once what is on its way has arrived."""
    for _ in range(50):
        place = page.locator("#black-out").bounding_box()
        if place == like:
            break
        page.wait_for_timeout(100)
    return place


def start_from_predicted(page: Page) -> None:
    page.locator("#start-predicted").click()
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")


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


def test_predicted_masks_are_looked_at_confirmed_and_used(
    review: Page, server: Server, screens: Path, faults: list[str]
) -> None:
    page, panel = review, review.locator("#predicted")
    expect(page.locator("#start-predicted")).to_be_disabled()
    expect(panel).to_contain_text("No image is painted.")
    drag(page, *MARK)
    first, _ = black_out(page)
    expect(panel).to_contain_text("Only one image is painted.")
    drag(page, *MARK)
    second, _ = black_out(page)

    expect(panel).to_contain_text("From your 2 masks")
    page.locator("#look-predicted").click()
    expect(panel.locator(".psample button")).to_have_count(8)
    expect(panel).to_contain_text("Agreement with painted masks")
    expect(page.locator("#start-predicted")).to_contain_text("sure ")
    start_from_predicted(page)
    look(page, screens, "predicted")
    third, _ = black_out(page)
    page.locator("#confirm-predicted").click()
    expect(panel).to_contain_text("Confirmed. By visitor")
    page.locator("#prepare-predicted").click()
    with page.expect_download() as download:
        page.locator("#download-predicted").click()
    page.locator("#compare").click()

    expect(page.locator("#verdict .verdict")).to_be_visible(timeout=90_000)
    expect(page.locator(".arms")).to_contain_text("Propagated")
    kept = stored(server.home)[-3:]
    assert [record.sample_id for record in kept] == [first, second, third]
    assert [record.origin for record in kept] == ["painted", "painted", "predicted"]
    exported = decode_masks(Path(download.value.path()).read_bytes())
    assert {record.origin for record in exported} == {"predicted"}
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

    assert stored(server.home)[-1].origin == "corrected"
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
