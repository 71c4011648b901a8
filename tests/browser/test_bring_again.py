"""A study whose disk was lost is opened in a browser, and made whole with the file it names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect

from tests.browser.serving import serve
from tests.standins.uploads import telling_zip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_the_screen_says_which_file_to_bring_and_takes_it(
    page: Page, faults: list[str], tmp_path: Path
) -> None:
    archive, home = telling_zip(tmp_path / "Roe_Richard.zip"), tmp_path / "home"
    with serve(home, demo=False) as server:
        given = (handle_file(str(archive)), "Chest films", "")
        study = Client(server.url, verbose=False).predict(*given, api_name="/open_archive")["study"]
        server.kill()
    shutil.rmtree(home / "work")
    with serve(home, demo=False) as server:
        page.goto(f"{server.url}/?study={study}")
        part = page.locator("#bring-again")
        expect(part).to_contain_text("48 of 48 images are not on this machine.", timeout=60_000)
        expect(part).to_contain_text("that “Chest films” was begun with on")
        expect(page.locator("#study")).to_contain_text("a")
        page.screenshot(path=tmp_path / "missing.png", full_page=True)
        page.set_viewport_size({"width": 390, "height": 844})
        page.screenshot(path=tmp_path / "missing-390.png", full_page=True)
        page.set_viewport_size({"width": 1440, "height": 900})

        page.locator("#brought input[type=file]").set_input_files(archive)
        page.locator("#brought .file-preview").wait_for()
        page.locator("#bring").click()

        expect(part).to_be_hidden(timeout=60_000)
        expect(page.locator("#consent")).to_contain_text("Nothing leaves this machine")
        page.screenshot(path=tmp_path / "whole.png", full_page=True)
        assert faults == []
