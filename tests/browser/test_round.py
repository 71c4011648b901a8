from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from imil.storage.local import LocalStore
from imil.storage.records.studies import load_study
from tests.browser.acts import FILMS, listed, opened_film, set_plan, upload
from tests.browser.fresh import PATIENCE, TRAINING
from tests.browser.kept import stored
from tests.browser.looks import picture
from tests.browser.serving import Server, foreign

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(bare: Server) -> Server:
    return bare


def wait_for_answer(home: Path, study: str, answer: str) -> None:
    """Wait until the app keeps where the model will work."""
    end = time.monotonic() + 30
    while True:
        record = load_study(LocalStore(home / "store"), study)
        if record is not None and record.deployment == answer:
            return
        assert time.monotonic() < end
        time.sleep(0.1)


def answer_yes(page: Page, home: Path) -> None:
    """Say that the model will work elsewhere; a reload keeps it."""
    asked = page.locator("#deployment")
    expect(asked.get_by_role("radio", name="Not sure")).to_be_checked()
    asked.get_by_role("radio", name="Yes").check()
    wait_for_answer(home, listed(page)[0], "elsewhere")
    page.reload()
    expect(asked.get_by_role("radio", name="Yes")).to_be_checked()


def expect_answer_fixed(page: Page) -> None:
    """Look at the Train tab, and go back to the results."""
    page.get_by_role("tab", name="Train").click()
    asked = page.locator("#deployment")
    expect(asked.get_by_role("radio", name="Yes")).to_be_checked()
    expect(asked.get_by_role("radio", name="No, images like these")).to_be_disabled()
    expect(page.locator("#deployment-words")).to_contain_text("Fixed")
    page.get_by_role("tab", name="Results").click()


def expect_nothing_to_compare(page: Page) -> None:
    """Look at both buttons from the Outliers tab, before any image is masked."""
    expect(page.locator("#compare")).to_be_disabled()
    expect(page.locator("#compare-why")).to_contain_text("No image is masked yet")
    page.get_by_role("tab", name="Results").click()
    expect(page.locator("#compare-again")).to_be_disabled()
    expect(page.locator("#compare-again-why")).to_contain_text("No image is masked yet")
    page.get_by_role("tab", name="Outliers").click()


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
    answer_yes(page, server.home)
    set_plan(page, epochs="1", epochs_after="1", size="48", budget="3")
    page.locator("#train").dblclick()
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    picture(page, screens, "train")

    page.locator("#review").click()
    sample_id = opened_film(page)
    expect_nothing_to_compare(page)
    start, end = draw(page)
    picture(page, screens, "outliers")
    page.reload()
    page.get_by_role("tab", name="Outliers").click()
    assert opened_film(page) == sample_id
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
    page.locator("#black-out").dblclick()
    expect(page.locator("#budget")).to_contain_text("1 of 4 masked")
    assert opened_film(page) != sample_id
    expect(page.locator("#compare")).to_be_enabled()
    expect(page.locator("#compare-why")).to_be_empty()

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
    expect(verdict).to_contain_text("1 image", timeout=TRAINING)
    expect(page.locator(".arms")).to_contain_text("Control")
    expect_answer_fixed(page)
    picture(page, screens, "results", whole=True)

    assert foreign(requests, server.url) == []
    assert faults == []
