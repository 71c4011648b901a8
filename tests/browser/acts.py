"""What a visitor does on the Train tab, and the films they bring."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from imil.core.films import FilmSpec

# Small enough to train in seconds, and so briefly that outliers are left.
FILMS = FilmSpec(images=120, size=96, shortcut=0.9, label_noise=0.1, seed=3)


def upload(page: Page, archive: Path, name: str) -> None:
    page.get_by_role("radio", name="Zip").check()
    page.locator("#archive input[type=file]").set_input_files(archive)
    page.locator("#name textarea, #name input").fill(name)
    page.locator("#archive .file-preview").wait_for()  # it is there only when all is uploaded
    # What is told of it moves the button.
    page.locator("#zip-has p, .note.bad[role=alert]").first.wait_for()
    page.locator("#open-archive").click()


def listed(page: Page) -> list[str]:
    """Return the ids of the browser's list of studies, the last opened first."""
    kept = json.loads(page.evaluate("localStorage.getItem('imil-studies')") or "[]")
    return [study["id"] for study in kept]


def set_plan(page: Page, **values: str) -> None:
    page.get_by_role("button", name="Advanced").click()
    # Grey films get film_net by themselves; picking it would set the other fields again, later.
    expect(page.locator("#plan-summary")).to_contain_text("film_net")
    for name, value in values.items():
        page.locator(f"#plan-{name.replace('_', '-')} input").fill(value)
