"""A study whose disk was lost is opened in a browser, and made whole with the file it names."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from imil.jobs.pool import WorkerPool
from imil.storage.hub.store import store_folder
from imil.storage.local import LocalStore
from imil.study.library.studies import Studies
from imil.study.services import Services
from tests.browser.fresh import PATIENCE
from tests.browser.looks import picture
from tests.browser.serving import Server
from tests.standins.uploads import telling_zip
from tests.standins.visitors import no_weights

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def begun_elsewhere(archive: Path, server: Server, folder: Path) -> str:
    """Begin a study of which the server has the state alone; return its id."""
    pool = WorkerPool(folder / "jobs")
    store = LocalStore(store_folder(server.home))
    studies = Studies(folder / "work", Services(store, pool, no_weights))
    study = studies.from_archive(archive, name="Chest films")
    study.flush()
    pool.close()
    return study.study_id


def test_the_screen_says_which_file_to_bring_and_takes_it(
    page: Page, bare: Server, faults: list[str], screens: Path, tmp_path: Path
) -> None:
    archive = telling_zip(tmp_path / "Roe_Richard.zip")
    study = begun_elsewhere(archive, bare, tmp_path / "elsewhere")

    page.goto(f"{bare.url}/?study={study}")
    part = page.locator("#bring-again")
    expect(part).to_contain_text("48 of 48 images are not on this machine.", timeout=PATIENCE)
    expect(part).to_contain_text("that “Chest films” was begun with on")
    expect(page.locator("#study")).to_contain_text("a")
    picture(page, screens, "bring-again", whole=True)
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, screens, "bring-again-390", whole=True)
    page.set_viewport_size({"width": 1440, "height": 900})

    page.locator("#brought input[type=file]").set_input_files(archive)
    page.locator("#brought .file-preview").wait_for()
    page.locator("#bring").click()

    expect(part).to_be_hidden(timeout=PATIENCE)
    expect(page.locator("#consent")).to_contain_text("stay on this server")
    picture(page, screens, "brought", whole=True)
    assert faults == []
