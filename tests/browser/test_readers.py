"""Two readers in two browsers on one study: blind, then pooled and compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from imil.app.app import build_app
from imil.app.server.theme import launch_options
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.browser.fresh import PATIENCE, TRAINING
from tests.browser.looks import picture
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained
from tests.standins.visitors import no_weights

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

WIDE, NARROW = (1440, 900), (390, 844)


@dataclass
class Place:
    """The real app in this process, and one study with a finished first training."""

    url: str
    study: Study


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One for both tests: the first hands nothing in."""
    folder = tmp_path_factory.mktemp("place")
    pool = WorkerPool(folder / "jobs")
    films = FilmSpec(images=60, size=96, seed=1)
    studies = Studies(folder / "work", Services(MemoryStore(), pool, no_weights), demo=films)
    study = studies.demo()
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.3))
    as_if_trained(study)
    app = build_app(studies)
    _, url, _ = app.launch(**(launch_options() | {"prevent_thread_lock": True}))
    yield Place(url, study)
    app.close()
    pool.close()


@dataclass
class Reader:
    """A person at a browser of their own."""

    page: Page
    place: Place
    name: str

    def sit_down(self) -> None:
        """Open the study, go to the outliers, and give a name."""
        page, study = self.page, self.place.study
        page.goto(f"{self.place.url}?study={study.study_id}")  # ends in "/"
        expect(page.locator("#header select")).to_have_value(study.study_id, timeout=PATIENCE)
        page.get_by_role("tab", name="Outliers").click()
        self.film()
        field = page.get_by_label("Reader")
        field.fill(self.name)
        field.press("Enter")

    def film(self) -> str:
        """Return the film that is open, once the rest of a double click has passed."""
        painter = self.page.locator("#painter .painter:not([data-ready=''])")
        painter.wait_for(timeout=PATIENCE)
        self.page.wait_for_timeout(500)
        return painter.get_attribute("data-ready") or ""

    def paint(self, *, row: float) -> str:
        """Paint a line across the film, hand it in, and wait for the next one; return its id."""
        sample, page = self.film(), self.page
        box = page.locator("#painter .paint").bounding_box()
        assert box is not None
        y = box["y"] + row * box["height"]
        page.mouse.move(box["x"] + 0.3 * box["width"], y)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=4)
        page.mouse.up()
        expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")
        page.locator("#painter .paint").focus()
        page.keyboard.press("Enter")
        page.locator(f"#painter .painter:not([data-ready='{sample}'])").wait_for(timeout=PATIENCE)
        return sample

    def queue(self) -> list[str]:
        """Return the films of the strip, in order."""
        names = self.page.locator("#queue .gal button").evaluate_all(
            "buttons => buttons.map(button => button.dataset.sample)"
        )
        return [str(name) for name in names]


@contextmanager
def reading(browser: Browser, place: Place, name: str) -> Iterator[Reader]:
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    context.set_default_timeout(PATIENCE)
    reader = Reader(context.new_page(), place, name)
    try:
        reader.sit_down()
        yield reader
    finally:
        context.close()


def each_way_of_pooling_is_in_sight(page: Page) -> None:
    """Expect that none is cut off by its frame, on a phone and on a large screen."""
    for width, height in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": height})
        expect(page.get_by_role("radio", name="Majority")).to_be_attached()
        ways = page.locator("#pooling .wrap").last
        assert ways.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_readers_of_one_browser_are_not_shown_each_others_strokes(
    browser: Browser, place: Place
) -> None:
    with reading(browser, place, "Ada") as ada:
        page, sample = ada.page, ada.film()
        box = page.locator("#painter .paint").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        drawn = page.locator("#painter .area")
        expect(drawn).to_contain_text("% of the image hidden")
        own = drawn.inner_text()

        field = page.get_by_label("Reader")
        field.fill("Bo")
        field.press("Enter")

        expect(drawn).not_to_contain_text("% of the image hidden")
        assert ada.film() == sample
        field.fill("Ada")
        field.press("Enter")
        expect(drawn).to_have_text(own)


def test_two_readers_are_blind_to_each_other_then_pooled_and_compared(
    browser: Browser, place: Place, screens: Path
) -> None:
    study = place.study
    with reading(browser, place, "Ada") as ada, reading(browser, place, "Bo") as bo:
        order = bo.queue()
        masked = [ada.paint(row=0.3), ada.paint(row=0.3)]
        expect(ada.page.locator("#budget")).to_contain_text("2 of")

        # The second reader gets the same queue, with nothing reviewed, and paints the same films.
        bo.page.reload()
        bo.page.get_by_role("tab", name="Outliers").click()
        assert bo.film() == masked[0]
        assert bo.queue() == order
        expect(bo.page.get_by_label("Reader")).to_have_value("Bo")
        expect(bo.page.locator("#budget")).to_contain_text("0 of")
        expect(bo.page.locator("#painter .area")).not_to_contain_text("% of the image hidden")
        assert [bo.paint(row=0.3), bo.paint(row=0.36)] == masked
        picture(bo.page, screens, "readers-outliers")
        bo.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        bo.page.locator("#filter-toggle button").click()
        picture(bo.page, screens, "readers-outliers-390")
        bo.page.locator("#filter-toggle button").click()
        bo.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        assert study.readers.names() == ("Ada", "Bo")
        assert study.review.budget().painted == 2

        # Each still sees their own masks alone.
        page = ada.page
        page.get_by_role("tab", name="Results").click()
        card = page.locator("#readers")
        expect(card).to_contain_text("blind to each other")
        expect(card).to_contain_text("Ada and Bo")
        assert card.locator("img").count() == 0
        picture(page, screens, "readers-blind", whole=True)
        each_way_of_pooling_is_in_sight(page)

        page.get_by_role("radio", name="Intersection").check()
        page.locator("#compare-again").click()
        verdict = page.locator("#verdict")
        expect(verdict).to_contain_text(
            "2 readers (Ada, Bo), pooled by intersection", timeout=TRAINING
        )
        arms = page.locator("#arms-table")
        for name in ("masks of Ada", "masks of Bo"):
            expect(arms).to_contain_text(name)

        card.get_by_text("Show readers each other's masks").click()
        card.get_by_role("button", name="Yes, show them").click()
        expect(card).to_contain_text("Least agreement first")
        assert card.locator("figure").count() == 6
        names = card.locator("h4").evaluate_all("heads => heads.map(head => head.title)")
        assert names == [masked[1], masked[0]]
        picture(page, screens, "readers-results", whole=True)
        page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        card.scroll_into_view_if_needed()
        picture(page, screens, "readers-results-390", whole=True)

        with page.expect_download() as handed:
            card.get_by_role("button", name="agreement.csv").click()
        rows = Path(handed.value.path()).read_text().splitlines()
        assert [row.split(",")[:3] for row in rows[1:]] == [
            [masked[1], "Ada", "Bo"],
            [masked[0], "Ada", "Bo"],
        ]
