"""The queue beside the painter: its order, a class or a cell of it, the next film, decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, expect

from tests.browser.acts import FILMS, set_plan, upload
from tests.browser.fresh import PATIENCE
from tests.browser.looks import SIZES, look, picture
from tests.browser.serving import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# No act here is a mistake, so no message may appear over the page.
TOAST = "a message appeared: "
WATCH_TOASTS = f"""new MutationObserver(() => document.querySelectorAll(
  "[data-testid=toast-body]:not([data-told])").forEach(toast => {{
    toast.dataset.told = ""; console.log("{TOAST}" + toast.textContent);
  }})).observe(document, {{childList: true, subtree: true}})"""
# As many as a page of the strip holds.
PAGE = 50


@pytest.fixture(scope="module")
def server(bare: Server) -> Server:
    return bare


@pytest.fixture(scope="module")
def visit(browser: Browser, server: Server, archive: Path) -> StorageState:
    """What brings a browser back to a study that is trained; all tests here look at that one."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(server.url)
    upload(page, archive, "films")
    expect(page.locator("#study")).to_contain_text("No patient in two splits.", timeout=PATIENCE)
    set_plan(
        page,
        epochs="6",
        epochs_after="1",
        batch_size="8",
        learning_rate="0.005",
        size="48",
        budget="5",
    )
    page.locator("#train").click()
    expect(page.locator("#review")).to_be_visible(timeout=PATIENCE)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def tab(page: Page, server: Server, visit: StorageState, faults: list[str]) -> Iterator[Page]:
    """The Outliers tab of that study, on a large screen."""

    def note(said: ConsoleMessage) -> None:
        if TOAST in said.text:
            faults.append(said.text)

    page.on("console", note)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{server.url}/robots.txt")
    kept = visit["origins"][0]["localStorage"]
    page.evaluate("kept => kept.forEach(one => localStorage.setItem(one.name, one.value))", kept)
    page.goto(server.url)
    page.evaluate(WATCH_TOASTS)
    page.get_by_role("tab", name="Outliers").click()
    expect(page.locator("#reviewed")).to_contain_text("reviewed", timeout=PATIENCE)
    yield page
    page.remove_listener("console", note)
    assert faults == []


class Study:
    """The same study, as a program sees it."""

    def __init__(self, server: Server, name: str) -> None:
        self.client = Client(server.url, verbose=False)
        self.name = name

    def ids(self, *, untouched: bool = False, **view: Any) -> list[str]:
        found = self.client.predict(self.name, **view, api_name="/queue")["images"]
        return [i["sample_id"] for i in found if not (untouched and i["review"])]

    def exclude(self, sample_ids: list[str]) -> None:
        for sample_id in sample_ids:
            self.client.predict(self.name, sample_id, api_name="/exclude")

    def keep(self, sample_ids: list[str]) -> None:
        for sample_id in sample_ids:
            self.client.predict(self.name, sample_id, api_name="/keep_label")


@pytest.fixture
def study(server: Server, visit: StorageState) -> Study:
    kept = {item["name"]: item["value"] for item in visit["origins"][0]["localStorage"]}
    (listed,) = json.loads(kept["imil-studies"])
    return Study(server, listed["id"])


def shows(page: Page, sample_ids: list[str]) -> None:
    """Wait until the strip holds exactly these films, in that order, or a page of them."""
    pages = [sample_ids[at : at + PAGE] for at in range(0, len(sample_ids), PAGE)]
    page.wait_for_function(
        """pages => pages.some(ids => JSON.stringify(ids) === JSON.stringify(
        [...document.querySelectorAll("#queue .th")].map(film => film.dataset.sample)))""",
        arg=pages,
        timeout=PATIENCE,
    )


def film(page: Page, sample_id: str) -> None:
    """Wait until that film is open; one that has just opened ignores the rest of a double click."""
    page.locator(f"#painter .painter[data-ready='{sample_id}']").wait_for()
    page.wait_for_timeout(450)


def chip(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name).check()


def cell(page: Page, label: int, said: int) -> Any:
    return page.locator(f"#filters [data-cell='{label},{said}']")


def test_a_queue_is_seen_in_any_order_by_class_and_by_cell_and_the_way_back_is_there(
    tab: Page, study: Study, screens: Path
) -> None:
    whole = study.ids()
    shows(tab, whole)
    counts = [[int(cell(tab, row, said).inner_text()) for said in (0, 1)] for row in (0, 1)]
    assert sum(map(sum, counts)) == FILMS.images
    assert counts[0][1] + counts[1][0] == len(whole)
    expect(tab.get_by_role("radio", name=f"Mispredicted {len(whole)}")).to_be_checked()
    expect(tab.locator("#filters")).to_contain_text(f"{len(whole)} of {FILMS.images} wrong")
    look(tab, screens, "queue")
    top = tab.locator("#queue").bounding_box()

    for order in ("least_sure", "name", "not_reviewed", "worst"):
        tab.locator("[data-choose=sort]").select_option(order)
        shows(tab, study.ids(sort=order))
    tab.locator("[data-choose=label]").select_option(label="finding")
    shows(tab, study.ids(label="finding"))
    expect(tab.locator("#reviewed")).to_contain_text("Labelled finding")
    label, said = max(((row, row) for row in (0, 1)), key=lambda at: counts[at[0]][at[1]])
    names = ("finding", "no finding")
    cell(tab, label, said).dblclick()

    held = study.ids(cell=[names[label], names[said]])
    assert len(held) == counts[label][said] > 0
    shows(tab, held)
    film(tab, held[0])
    expect(tab.locator("#reviewed")).to_contain_text(f"Labelled {names[label]}, said {names[said]}")
    expect(cell(tab, label, said)).to_have_attribute("aria-pressed", "true")
    assert tab.evaluate("document.activeElement.dataset.cell") == f"{label},{said}"
    assert tab.locator("#queue").bounding_box() == top
    # One stop for the Tab key; arrows go from cell to cell.
    tab.keyboard.press("ArrowUp" if label else "ArrowDown")
    assert tab.evaluate("document.activeElement.dataset.cell") == f"{1 - label},{said}"
    assert tab.locator("#filters button[tabindex='0']").count() == 1
    look(tab, screens, "cell")
    tab.locator("#show-whole").dblclick()
    shows(tab, whole)
    expect(tab.locator("#show-whole")).to_be_hidden()
    chip(tab, "Random")
    shows(tab, study.ids(queue="random"))
    orders = tab.locator("[data-choose=sort] option").all_inner_texts()
    assert orders == ["As drawn", "Not reviewed first"]
    assert tab.locator("#queue").bounding_box() == top


def test_the_next_film_is_the_next_in_the_order_that_is_seen(tab: Page, study: Study) -> None:
    tab.locator("[data-choose=sort]").select_option("least_sure")
    ids = study.ids(sort="least_sure")
    shows(tab, ids)
    tab.locator(f"#queue .th[data-sample='{ids[0]}']").click()
    film(tab, ids[0])

    tab.locator("#painter [data-act=next]").click()
    film(tab, ids[1])
    tab.locator("#painter [data-act=previous]").click()
    film(tab, ids[0])
    tab.locator("#skip").click()
    film(tab, ids[1])

    expect(tab.locator("#reviewed")).to_contain_text(f"1 of {len(ids)} reviewed")
    skipped = tab.locator(f"#queue .th[data-sample='{ids[0]}']")
    expect(skipped).to_have_attribute("data-review", "skipped")
    # One stop for the Tab key; arrows go from film to film, Enter opens.
    assert tab.locator("#queue .th[tabindex='0']").count() == 1
    tab.locator("#queue .th[tabindex='0']").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.dataset.sample") == ids[2]
    tab.keyboard.press("Enter")
    film(tab, ids[2])
    # What is reviewed goes to the end, and is not met again.
    tab.locator("[data-choose=sort]").select_option("not_reviewed")
    shows(tab, study.ids(sort="not_reviewed"))
    assert study.ids(sort="not_reviewed")[-1] == ids[0]


def test_a_small_screen_opens_what_narrows_the_queue_over_the_page(tab: Page) -> None:
    for across, down in SIZES[1:]:
        tab.set_viewport_size({"width": across, "height": down})
        toggle, panel = tab.get_by_role("button", name="Filter"), tab.locator("#filter-panel")
        expect(panel).to_be_hidden()
        # On a phone the queue stands below the image.
        tab.locator(".work > .queue").evaluate("queue => queue.scrollIntoView()")
        place = tab.locator("#painter .stage").bounding_box()

        toggle.click()
        expect(panel).to_be_visible()
        expect(toggle).to_have_attribute("aria-expanded", "true")
        assert tab.locator("#painter .stage").bounding_box() == place
        assert tab.evaluate("document.documentElement.scrollWidth") <= across
        tab.keyboard.press("Escape")

        expect(panel).to_be_hidden()
        expect(toggle).to_be_focused()


def test_wrong_reasons_are_looked_for_while_one_works_on(
    tab: Page, study: Study, screens: Path
) -> None:
    # A film that was skipped before, in another queue, is not opened by itself.
    first, second, *_ = study.ids(queue="random", untouched=True)
    chip(tab, "Random")
    for sample_id in (first, second):
        film(tab, sample_id)
        box = tab.locator("#painter .paint").bounding_box()
        assert box is not None
        tab.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.1 * box["height"])
        tab.mouse.down()
        tab.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.12 * box["height"], steps=4)
        tab.mouse.up()
        tab.locator("#black-out").dblclick()
    expect(tab.locator("#budget")).to_contain_text("2 of 6 masked")

    tab.get_by_role("radio", name="Wrong reason").check()
    expect(tab.locator("#reviewed")).to_contain_text("reviewed", timeout=PATIENCE)

    offered = study.ids(queue="wrong_reason")
    shows(tab, offered)
    assert 0 < len(offered) <= 6
    expect(tab.get_by_role("radio", name=f"Wrong reason {len(offered)}")).to_be_checked()
    picture(tab, screens, "wrong-reason")


def test_a_queue_that_empties_while_it_is_open_says_what_to_do_next(
    tab: Page, study: Study, screens: Path
) -> None:
    whole = study.ids()
    shows(tab, whole)
    of_class = {name: study.ids(label=name) for name in ("finding", "no finding")}
    few, many = sorted(of_class, key=lambda name: len(of_class[name]))
    study.exclude(of_class[few])

    tab.locator("[data-choose=label]").select_option(label=few)
    expect(tab.locator("#none-here")).to_contain_text(f"No image of this queue is labelled {few}")
    expect(tab.locator("#filters")).to_contain_text(f"{len(of_class[few])} relabelled or excluded")
    expect(tab.locator("#random")).to_be_hidden()
    look(tab, screens, "empty-class")
    tab.locator("#show-whole").click()
    shows(tab, of_class[many])
    study.exclude(of_class[many])  # as in another tab
    tab.locator("#skip").click()

    expect(tab.locator("#none-here")).to_contain_text("Nothing left to mask here")
    look(tab, screens, "empty-queue")
    tab.locator("#random").click()
    shows(tab, study.ids(queue="random"))
    study.keep(whole)
