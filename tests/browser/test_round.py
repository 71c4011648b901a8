from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import FILMS, listed, opened_film, set_plan, upload
from tests.browser.kept import stored
from tests.browser.looks import picture
from tests.browser.serving import Server, foreign

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(bare: Server) -> Server:
    return bare


def draw(page: Page) -> tuple[tuple[float, float], tuple[float, float]]:
    """Draw a line across the film's corner; return its ends in film pixels."""
    box = page.locator("#painter .paint").bounding_box()
    assert box is not None
    scale = box["width"] / FILMS.size
    start, end = (70.0, 12.0), (88.0, 16.0)
    page.mouse.move(box["x"] + start[0] * scale, box["y"] + start[1] * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + end[0] * scale, box["y"] + end[1] * scale, steps=8)
    page.mouse.up()
    return start, end


def test_a_visitor_goes_from_a_zip_to_a_verdict(
    page: Page,
    server: Server,
    archive: Path,
    screens: Path,
    requests: list[str],
    faults: list[str],
) -> None:
    page.goto(server.url)
    expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
    expect(page.locator("#train")).to_be_disabled()

    upload(page, archive, "films <b>bold</b>")
    expect(page.locator("#study")).to_contain_text("No patient in two splits.")
    expect(page.locator("#header .study")).to_have_text("films <b>bold</b>")
    set_plan(page, epochs="1", epochs_after="1", size="48", budget="3")
    page.locator("#train").dblclick()
    expect(page.locator("#review")).to_be_visible(timeout=60_000)
    picture(page, screens, "train")

    page.locator("#review").click()
    sample_id = opened_film(page)
    start, end = draw(page)
    picture(page, screens, "outliers")
    page.reload()
    page.get_by_role("tab", name="Outliers").click()
    assert opened_film(page) == sample_id
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    page.locator("#black-out").dblclick()
    expect(page.locator("#budget")).to_contain_text("1 of 4 masked")
    assert opened_film(page) != sample_id

    radius = 0.035 * FILMS.size
    (mask,) = stored(server.home, listed(page)[0])
    assert mask.sample_id == sample_id
    y, x = np.mgrid[0 : FILMS.size, 0 : FILMS.size] + 0.5
    along = np.clip(((x - start[0]) * 18 + (y - start[1]) * 4) / (18**2 + 4**2), 0, 1)
    distance = np.hypot(x - start[0] - along * 18, y - start[1] - along * 4)
    assert end == (start[0] + 18, start[1] + 4)
    assert mask.irrelevant[distance < radius - 1].all()
    assert not mask.irrelevant[distance > radius + 1].any()

    page.locator("#compare").click()
    verdict = page.locator("#verdict .verdict")
    expect(verdict).to_contain_text("One run, not evidence", timeout=60_000)
    expect(verdict).to_contain_text("1 image")
    expect(page.locator(".arms")).to_contain_text("Control")
    picture(page, screens, "results", whole=True)

    assert foreign(requests, server.url) == []
    assert faults == []
