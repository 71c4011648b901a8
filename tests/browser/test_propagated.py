"""“Test my masks”: from two masks over a look at the predicted ones to a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imil.storage.codec import decode_masks
from tests.browser.acts import (
    MARK,
    black_out,
    drag,
    listed,
    opened_film,
    set_plan,
    upload,
)
from tests.browser.fresh import PATIENCE, TRAINING
from tests.browser.kept import stored
from tests.browser.looks import look
from tests.browser.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def review(page: Page, bare: Server, archive: Path) -> Page:
    """A study trained so briefly that there are outliers, its Outliers tab open."""
    page.goto(bare.url)
    upload(page, archive, "films")
    expect(page.locator("#study")).to_contain_text("No patient in two splits.")
    set_plan(page, epochs="2", epochs_after="1", size="48", budget="5")
    page.locator("#train").click()
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    page.locator("#review").click()
    opened_film(page)
    return page


def test_from_two_masks_two_presses_lead_to_a_verdict_with_the_masks_extended(
    review: Page, bare: Server, screens: Path, faults: list[str]
) -> None:
    page, sheet = review, review.locator("#predicted")
    expect(page.locator("#start-predicted")).to_be_disabled()
    drag(page, *MARK)
    first, _ = black_out(page)
    drag(page, *MARK)
    second, _ = black_out(page)

    page.locator("#compare").click()
    expect(sheet.locator(".psample button")).to_have_count(8)
    expect(sheet).to_contain_text("Agreement with masks held back")
    look(page, screens, "predicted")
    page.locator("#prepare-predicted").click()
    with page.expect_download() as download:
        page.locator("#download-predicted").click()
    page.locator("#use-predicted").click()

    # The first look comes after one run, and the others come by themselves.
    expect(page.locator("#comparison")).to_contain_text("of 5 runs", timeout=TRAINING)
    for name in (
        "Control",
        "IMIL, the paper's way",
        "Masks on all images",
        "Same images, no masks",
    ):
        expect(page.locator(".arms")).to_contain_text(name)
    expect(sheet).to_be_hidden()
    expect(page.locator("#comparison")).to_be_hidden(timeout=TRAINING)
    expect(page.locator("#verdict")).to_contain_text("same starting model")
    expect(page.locator("#more-seeds")).to_be_hidden()
    kept = stored(bare.home, listed(page)[0])
    assert [record.sample_id for record in kept] == [first, second]
    exported = decode_masks(Path(download.value.path()).read_bytes())
    assert {record.origin for record in exported} == {"predicted"}
    assert faults == []


def test_seeds_that_were_stopped_go_on_at_a_press(review: Page) -> None:
    page = review
    drag(page, *MARK)
    black_out(page)
    page.locator("#compare").click()
    expect(page.locator("#test-said")).to_contain_text("Only one image is painted.")
    expect(page.locator("#comparison")).to_contain_text("of 5 runs", timeout=TRAINING)

    page.locator("#stop-comparison").click()
    page.locator("#more-seeds").click()

    expect(page.locator("#comparison")).to_contain_text("of 5 runs")
    expect(page.locator("#comparison")).to_be_hidden(timeout=TRAINING)
    expect(page.locator("#more-seeds")).to_be_hidden()
