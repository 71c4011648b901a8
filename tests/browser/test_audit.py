"""The audit trail in a real browser: acts are shown and taken along, tampering is named."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.acts import listed
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


@pytest.fixture
def seen(page: Page, server: Server, tmp_path: Path) -> tuple[Page, str]:
    """A page with a demo study in which two films are masked and one is skipped."""
    page.goto(server.url)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study")).to_contain_text("No patient in two splits.", timeout=PATIENCE)
    (study,) = listed(page)
    client = Client(server.url, verbose=False)
    offers = client.predict(study, "mispredicted", api_name="/queue")["images"]
    hidden = np.zeros((192, 192), np.uint8)
    hidden[:60, :60] = 255
    path = tmp_path / "mask.png"
    Image.fromarray(hidden).save(path)
    for offer in offers[:2]:
        # As the page asks while one paints: what the model says is then told with the mask.
        client.predict(study, offer["sample_id"], handle_file(str(path)), api_name="/answer")
        sent = (study, offer["sample_id"], handle_file(str(path)), "visitor", 12.0)
        client.predict(*sent, "mispredicted", "painted", api_name="/submit_mask")
    client.predict(study, offers[2]["sample_id"], api_name="/skip")
    return page, study


def test_the_trail_is_shown_taken_along_and_names_an_act_that_was_changed(
    seen: tuple[Page, str], server: Server, screens: Path, tmp_path: Path
) -> None:
    page, study = seen
    page.get_by_role("tab", name="Results").click()
    card = page.locator("#audit details")
    expect(card).to_contain_text("Log verified: 4 acts, ends in ")
    card.locator("summary").click()
    expect(card.locator("tbody tr")).to_have_count(4)
    expect(card.locator("tbody tr").first).to_contain_text("Image skipped")
    card.scroll_into_view_if_needed()
    picture(page, screens, "audit-wide")
    page.set_viewport_size({"width": 390, "height": 844})
    card.scroll_into_view_if_needed()
    # A line of a phone's list is there for what there is: no time was spent on what was skipped.
    expect(card.locator("td[data-label='Spent']").nth(1)).to_be_visible()
    expect(card.locator("td[data-label='Spent']").first).to_be_hidden()
    picture(page, screens, "audit-narrow")
    page.set_viewport_size({"width": 1440, "height": 900})

    with page.expect_download() as download:
        card.get_by_label("Download: Study", exact=True).click()
    zipped = tmp_path / "study.zip"
    download.value.save_as(zipped)
    with zipfile.ZipFile(zipped) as archive:
        assert "imil-study.json" in archive.namelist()

    act = server.home / "store" / "studies" / study / "acts" / "00000002.json"
    act.write_bytes(act.read_bytes().replace(b'"seconds":12.0', b'"seconds":2.0'))
    # A look checks what is new; this checks all of it.
    card.get_by_role("button", name="Check everything again").click()
    expect(page.locator("#audit summary")).to_contain_text("Chain broken")
    if not page.locator("#audit [role=alert]").is_visible():
        page.locator("#audit summary").click()
    expect(page.locator("#audit [role=alert]")).to_contain_text("Act 2 was changed")
    picture(page, screens, "audit-broken")
