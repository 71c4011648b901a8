"""Pictures of a page at each width in both themes, for whoever wants to judge them."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

SIZES = ((1440, 900), (1024, 768), (390, 844))


def wanted() -> bool:
    """Return whether somebody asked for pictures; taking one costs half a second."""
    return "IMIL_SCREENS" in os.environ


def picture(page: Page, folder: Path, name: str, *, whole: bool = False) -> None:
    """Take the page as it is now, if that is wanted."""
    if wanted():
        page.screenshot(path=folder / f"{name}.png", full_page=whole)


def look(page: Page, folder: Path, name: str, *, whole: bool = False) -> None:
    """Take the page everywhere, if that is wanted; it goes back to a large light screen.

    Whatever is wanted, no width scrolls sideways.
    """
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for theme in ("light", "dark") if wanted() else ():
            page.evaluate("on => document.body.classList.toggle('dark', on)", theme == "dark")
            page.wait_for_timeout(250)
            picture(page, folder, f"{name}-{width}-{theme}", whole=whole)
    page.evaluate("document.body.classList.remove('dark')")
    page.set_viewport_size({"width": 1440, "height": 900})
    if wanted():
        page.wait_for_timeout(250)
