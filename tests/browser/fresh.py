"""A page as a new visitor has it, without the price of a new one each time."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

SCREEN: ViewportSize = {"width": 1440, "height": 900}
# How long the page may take to show what it should, and a training to end, ms: a machine that is
# busy with other things is three times slower than one that isn't.
PATIENCE = 180_000
TRAINING = 900_000


class FreshPage:
    """One page for one test after the other; each finds nothing of the one before.

    The app takes 1.7 s of a core to appear on it, and 2.7 s on the page of a new context, which
    starts a process, warms it up and fetches 83 files. A test that adds an init script, which
    can't be taken back, opens a context of its own.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page | None = None
        self._origins: set[str] = set()

    @property
    def context(self) -> BrowserContext | None:
        """The context of the page; None before the first test and after a page was closed."""
        return None if self._page is None else self._page.context

    def take(self) -> Page:
        """Return the page, on which nothing is open."""
        if self._page is None:
            self._page = self._browser.new_context(viewport=SCREEN).new_page()
            self._page.on("framenavigated", lambda frame: self._origins.add(origin(frame.url)))
        page = self._page
        page.set_default_timeout(PATIENCE)
        page.context.set_default_timeout(PATIENCE)
        return page

    def give_back(self) -> None:
        """Leave what is open, and forget what it has kept in the browser."""
        if self._page is None:
            return
        page, context = self._page, self._page.context
        visited = self._origins - {""}
        self._origins.clear()
        # What a tab keeps can be wiped only where it is.
        if page.is_closed() or len(visited) > 1:
            self._page = None
            context.close()
            return
        for other in context.pages:
            if other != page:
                other.close()
        page.unroute_all()
        context.unroute_all()
        context.set_offline(False)
        devtools = context.new_cdp_session(page)
        for each in visited:
            page.evaluate("sessionStorage.clear()")
            page.goto("about:blank")
            wiped = {"origin": each, "storageTypes": "all"}
            devtools.send("Storage.clearDataForOrigin", wiped)
        devtools.detach()
        page.set_viewport_size(SCREEN)
        page.emulate_media(reduced_motion="null", color_scheme="null")
        page.mouse.move(0, 0)


def origin(url: str) -> str:
    """Return the origin of a page; "" for one that is none's."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
