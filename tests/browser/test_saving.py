"""What becomes of a mask when the connection breaks, the page is left, or another tab is first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from imil.app.app import build_app
from imil.app.server.theme import launch_options
from imil.core.records import Queue
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.browser.fresh import PATIENCE
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained
from tests.standins.visitors import no_weights

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

SIDE = 64
NOT_SAVED = "Not saved yet: the connection is lost. Your mask is kept in this browser"


@dataclass
class Place:
    """The real app in this process, with a store that can be looked into."""

    url: str
    studies: Studies
    store: MemoryStore

    def saved(self, study: Study) -> int:
        """Return how many masks of a study the store holds, replaced ones too."""
        return sum(study.study_id in name for name in self.store.names("data/masks/"))


def told(page: Page, part: str, words: str) -> None:
    """Expect words on a part of the painter, however busy the machine is."""
    expect(page.locator(f"#painter .{part}")).to_contain_text(words, timeout=PATIENCE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    pool, store = WorkerPool(folder / "jobs", workers=0), MemoryStore()
    films = FilmSpec(images=60, size=SIDE, seed=1)
    studies = Studies(folder / "work", Services(store, pool, no_weights), demo=films)
    app = build_app(studies)
    options = launch_options() | {"prevent_thread_lock": True}
    _, url, _ = app.launch(**options)
    yield Place(url, studies, store)
    app.close()
    pool.close()


@dataclass
class Desk:
    """A visitor with the Outliers tab of their own study open."""

    page: Page
    study: Study
    place: Place
    before: int = 0

    @property
    def sample(self) -> str:
        """The film that is open."""
        return self.page.locator("#painter .painter").get_attribute("data-ready") or ""

    @property
    def notice(self) -> str:
        """The sentence that stands on the stage."""
        shown = self.page.locator("#painter .notice")
        return shown.inner_text() if shown.is_visible() else ""

    def saved(self) -> list[list[bool]] | None:
        """Return the mask that the study holds of the film."""
        hidden = self.study.review.irrelevant(self.sample)
        return None if hidden is None else hidden.tolist()

    def mark(self, *, row: float = 0.3) -> None:
        """Paint a line across the film, at a share of its height."""
        box = self.page.locator("#painter .paint").bounding_box()
        assert box is not None
        y = box["y"] + row * box["height"]
        self.page.mouse.move(box["x"] + 0.3 * box["width"], y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=4)
        self.page.mouse.up()
        told(self.page, "area", "% of the image hidden")

    def hand_in(self) -> None:
        """Press Enter on the film."""
        self.page.locator("#painter .paint").focus()
        self.page.keyboard.press("Enter")

    def moved_from(self, sample: str) -> None:
        """Wait for another film, and for the rest of a double click to pass."""
        film = self.page.locator(f"#painter .painter:not([data-ready='{sample}'])")
        film.wait_for(timeout=PATIENCE)
        self.page.wait_for_timeout(450)

    def step(self) -> None:
        """Open the next film of the queue."""
        sample = self.sample
        self.page.keyboard.press("n")
        self.moved_from(sample)

    def outliers(self) -> None:
        """Open the tab again after a reload."""
        self.page.get_by_role("tab", name="Outliers").click()
        self.moved_from("")


def count(desk: Desk) -> int:
    """Return how many masks the store has been given since the test began."""
    return desk.place.saved(desk.study) - desk.before


def wait_until(page: Page, true: Callable[[], bool]) -> None:
    for _ in range(PATIENCE // 100):
        if true():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came true")


@pytest.fixture(scope="module")
def visit(browser: Browser, place: Place) -> Iterator[Desk]:
    """One visit for all tests: each goes on with the film that is open then."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(place.url)
    page.locator("#study .samples img").first.wait_for()
    study = place.studies._open.values()[-1]
    study.training.set_plan(replace(study.plan, budget=0.9))
    as_if_trained(study)
    page.reload()
    opened = Desk(page, study, place)
    opened.outliers()
    yield opened
    context.close()


@pytest.fixture
def desk(visit: Desk) -> Desk:
    visit.page.context.set_offline(False)
    visit.page.unroute_all()
    while visit.study.review.irrelevant(visit.sample) is not None:
        visit.step()
    visit.before = visit.place.saved(visit.study)
    return visit


@pytest.mark.parametrize("seconds", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_a_mask_handed_in_offline_is_kept_said_and_sent_once_when_the_connection_is_back(
    desk: Desk, seconds: int
) -> None:
    page, sample = desk.page, desk.sample
    page.evaluate("window.same = true")

    page.context.set_offline(True)
    told(page, "notice", "You can go on painting")
    saved = page.locator("#header .saved")
    expect(saved).to_contain_text("Offline · strokes are kept in this browser")
    desk.mark()
    drawn = page.locator("#painter .area").inner_text()
    desk.hand_in()
    desk.hand_in()
    told(page, "notice", NOT_SAVED)
    page.wait_for_timeout(1000 * seconds)
    assert (desk.sample, count(desk)) == (sample, 0)
    page.context.set_offline(False)

    desk.moved_from(sample)
    assert desk.notice == ""
    expect(saved).to_contain_text("Saved here")
    page.wait_for_timeout(3000)
    assert count(desk) == 1
    hidden = desk.study.review.irrelevant(sample)
    assert hidden is not None
    assert drawn == f"{100 * hidden.mean():.1f} % of the image hidden"
    assert page.evaluate("window.same")  # Gradio did not give the page up and load it again
    assert page.evaluate("Object.keys(localStorage).filter(k => k.includes('/'))") == []


def test_a_mask_handed_in_offline_is_sent_although_the_page_was_closed(desk: Desk) -> None:
    page, sample = desk.page, desk.sample
    desk.mark()
    page.context.set_offline(True)
    desk.hand_in()
    told(page, "notice", NOT_SAVED)
    page.close()
    desk.page = page.context.new_page()
    page.context.set_offline(False)

    desk.page.goto(desk.place.url)
    saved = desk.page.locator("#header .saved .whole")

    # The demo opens on the tab that sends it.
    wait_until(desk.page, lambda: desk.study.review.irrelevant(sample) is not None)
    expect(saved).to_contain_text("Saved on this server")
    words = f"{desk.study.review.budget().painted} of"
    expect(desk.page.locator("#budget")).to_contain_text(words, timeout=PATIENCE)
    desk.page.wait_for_timeout(3000)
    assert count(desk) == 1


def test_a_mask_whose_answer_was_lost_is_stored_once(desk: Desk) -> None:
    page, sample = desk.page, desk.sample
    lost: list[str] = []

    def lose(route: Route) -> None:
        if "queue/data" in route.request.url and not lost:
            wait_until_saved(desk, sample)
            lost.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    desk.mark()
    expect(page.locator("#answer .answer")).to_have_attribute(
        "aria-busy", "false", timeout=PATIENCE
    )
    page.evaluate("window.same = true")
    page.route("**/*", lose)
    desk.hand_in()
    wait_until(page, lambda: bool(lost))
    page.unroute("**/*")

    # Gradio loads the page again; the mask is sent again from what the browser kept.
    page.wait_for_function("!window.same && document.querySelector('#painter .painter')")
    left = "Object.keys(localStorage).filter(k => k.startsWith('imil-unsent:')).length"
    wait_until(page, lambda: page.evaluate(left) == 0)
    assert count(desk) == 1


def wait_until_saved(desk: Desk, sample: str) -> None:
    for _ in range(100):
        if desk.study.review.irrelevant(sample) is not None:
            return
        desk.page.wait_for_timeout(100)


def test_of_two_tabs_neither_overwrites_the_other_unnoticed(desk: Desk) -> None:
    first, sample = desk.page, desk.sample
    second = Desk(first.context.new_page(), desk.study, desk.place)
    second.page.goto(desk.place.url)
    second.outliers()
    while second.sample != sample:
        second.step()
    desk.mark(row=0.3)
    second.mark(row=0.7)
    desk.hand_in()
    desk.moved_from(sample)
    saved = second.saved()

    second.hand_in()
    notice = second.page.locator("#painter .notice")
    told(second.page, "notice", "Another tab has saved a mask for this image")
    assert saved is not None
    assert second.saved() == saved
    own = second.page.locator("#painter .area").inner_text()
    notice.get_by_role("button", name="Show the saved mask").click()
    expect(notice).to_be_hidden()
    second.page.keyboard.press("z")
    told(second.page, "area", own)

    second.hand_in()
    second.moved_from(sample)
    assert count(desk) == 2
    hidden = desk.study.review.irrelevant(sample)
    assert hidden is not None
    assert hidden.tolist() != saved


def test_erasing_all_of_a_saved_mask_is_answered_in_place(desk: Desk) -> None:
    sample = desk.sample
    desk.mark()
    desk.hand_in()
    desk.moved_from(sample)
    following = desk.sample
    desk.page.keyboard.press("p")
    desk.moved_from(following)
    assert desk.sample == sample

    desk.page.get_by_label("Clear the mask").click()
    desk.hand_in()

    told(desk.page, "hint", "The one saved before stays")
    assert count(desk) == 1


def test_a_double_click_moves_by_one_film(desk: Desk) -> None:
    queue, sample = [offer.sample_id for offer in desk.study.queues.offers()], desk.sample

    desk.page.get_by_role("button", name="Next image").dblclick()
    desk.moved_from(sample)
    desk.page.wait_for_timeout(500)

    assert desk.sample == queue[(queue.index(sample) + 1) % len(queue)]


def test_a_refusal_stands_on_the_stage_and_the_mask_stays(desk: Desk) -> None:
    sample = desk.sample
    queue = [offer.sample_id for offer in desk.study.queues.offers(Queue.MISPREDICTED)]
    corner = np.zeros((SIDE, SIDE), np.bool_)
    corner[:9, :9] = True
    training = [s.sample_id for s in desk.study.images.samples if s.split == "train"]
    for other in [*queue, *training]:
        budget = desk.study.review.budget()
        if other != sample and budget.painted < budget.allowed:
            desk.study.review.submit(other, corner, reader="visitor", seconds=1, queue=Queue.RANDOM)

    desk.mark()
    desk.hand_in()

    told(desk.page, "notice", "The budget is used up")
    assert desk.sample == sample
    told(desk.page, "area", "% of the image hidden")
