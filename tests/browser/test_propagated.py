"""Predicted masks: from a look at them to an arm of the comparison."""

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
    start_from_predicted,
    upload,
)
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
    expect(page.locator("#review")).to_be_visible(timeout=60_000)
    page.locator("#review").click()
    opened_film(page)
    return page


def test_predicted_masks_are_looked_at_confirmed_and_used(
    review: Page, bare: Server, screens: Path, faults: list[str]
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
    kept = stored(bare.home, listed(page)[0])
    assert [record.sample_id for record in kept] == [first, second, third]
    assert [record.origin for record in kept] == ["painted", "painted", "predicted"]
    exported = decode_masks(Path(download.value.path()).read_bytes())
    assert {record.origin for record in exported} == {"predicted"}
    assert faults == []
