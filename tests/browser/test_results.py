"""The Results tab in a real browser: seeds that follow, images behind counts, files, rounds."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.acts import FILMS, listed, shows_maps, upload
from tests.browser.fresh import PATIENCE, TRAINING
from tests.browser.looks import look, picture
from tests.browser.serving import Server, foreign

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# A word that counts its runs, as long as they are too few for a verdict.
EARLY = re.compile(r"[1-4] of 5 runs")
PLAN = {"backbone": "film_net", "size": 32, "epochs": 6, "epochs_after": 4, "budget": 0.1}


@dataclass(frozen=True, slots=True)
class Visit:
    """A page with a trained study on which some images are masked."""

    server: Server
    page: Page
    client: Client
    study: str


@pytest.fixture(scope="module")
def visit(
    browser: Browser, bare: Server, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(bare.url)
    upload(page, archive, "films")
    expect(page.locator("#study")).to_contain_text("No patient in two splits.", timeout=PATIENCE)
    (study,) = listed(page)
    client = Client(bare.url, verbose=False)
    client.predict(study, PLAN | {"pretrained": False}, api_name="/set_plan")
    client.predict(study, api_name="/train")
    wait(client, study, "training")
    mask(client, study, tmp_path_factory.mktemp("masks"), 8)
    yield Visit(bare, page, client, study)
    context.close()


def wait(client: Client, study: str, job: str) -> None:
    for _ in range(600):
        if client.predict(study, api_name="/training_status")[job]["state"] == "done":
            return
        time.sleep(0.2)
    raise AssertionError("it takes too long")


def mask(client: Client, study: str, folder: Path, number: int) -> None:
    """Hide the corner of the marker in the first images of the queue that have no mask yet."""
    irrelevant = np.zeros((FILMS.size, FILMS.size), np.uint8)
    irrelevant[: FILMS.size // 5, FILMS.size * 3 // 4 :] = 255
    Image.fromarray(irrelevant).save(folder / "corner.png")
    queue = client.predict(study, "mispredicted", api_name="/queue")["images"]
    for offer in [offer for offer in queue if offer["review"] is None][:number]:
        file = handle_file(str(folder / "corner.png"))
        client.predict(study, offer["sample_id"], file, "reader", 12.0, api_name="/submit_mask")


def openings(visit: Visit) -> int:
    """Return how often the log says that the test set was opened."""
    acts = visit.client.predict(visit.study, api_name="/audit")["acts"]
    return sum(act["what"] == "test_opened" for act in acts)


def results(visit: Visit) -> Page:
    visit.page.goto(visit.server.url)
    visit.page.get_by_role("tab", name="Results").click()
    return visit.page


def test_one_run_becomes_a_verdict_while_the_card_stays_in_sight(
    visit: Visit, screens: Path
) -> None:
    page = results(visit)
    verdict = page.locator("#verdict .verdict")

    page.locator("#compare-again").dblclick()
    expect(verdict).to_be_visible(timeout=TRAINING)
    look(page, screens, "one-run", whole=True)
    page.locator("#stop-comparison").click()
    page.locator("#more-seeds").dblclick()

    expect(page.locator("#comparison")).to_contain_text("of 5", timeout=TRAINING)
    expect(verdict).to_be_visible()
    # Only at five is there a word; a reload on the way changes nothing.
    expect(verdict).to_contain_text(EARLY, timeout=TRAINING)
    page = results(visit)
    expect(verdict).to_be_visible(timeout=TRAINING)
    picture(page, screens, "more-seeds")
    expect(page.locator("#comparison")).to_be_hidden(timeout=TRAINING)
    expect(verdict.locator(".w").first).not_to_contain_text(EARLY)
    expect(verdict).to_contain_text("same starting model")
    found = visit.client.predict(visit.study, api_name="/results")
    assert found["seeds"] == [0, 1, 2, 3, 4]
    assert found["arms"].keys() == {"control", "imil", "upweight"}


def test_a_cell_opens_exactly_its_images_and_one_of_them_large(visit: Visit, screens: Path) -> None:
    page = results(visit)
    page.locator("#cases summary", has_text="confusion matrices").first.click()
    cell = page.locator("#cases .cm .cell:enabled").first
    number = int(cell.inner_text())

    cell.click()
    viewer = page.locator("#viewer dialog")
    expect(viewer.locator(".vgrid img")).to_have_count(number)
    expect(viewer.locator("h2")).to_contain_text("Control: label")
    picture(page, screens, "cell")
    page.wait_for_timeout(1000)  # what the cell asked for is there, and its event has ended
    viewer.locator(".vgrid button").first.click()
    expect(viewer.locator(".vlarge img")).to_have_js_property("naturalWidth", FILMS.size)
    picture(page, screens, "large")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(cell).to_be_focused()


def test_fixed_and_broken_images_are_those_of_the_first_seed(visit: Visit, screens: Path) -> None:
    page, client = results(visit), visit.client
    expect(page.locator("#cases .changed")).to_have_count(2)
    papers = page.locator("#cases .changed").first
    for kind in ("fixed", "broken"):
        images = client.predict(visit.study, "imil", kind, api_name="/changed_images")
        if papers.locator(".kindhead").count():
            badge = papers.locator(".kindhead .badge", has_text=kind)
            expect(badge).to_have_text(f"{len(images)} {kind}")
        assert all((i["predicted"] == i["label"]) == (kind == "fixed") for i in images)
        assert all((i["control"] == i["label"]) == (kind == "broken") for i in images)
    expect(page.locator("#cases")).to_contain_text("First seed, against control")
    if papers.locator(".thumbs button").count():
        shows_maps(page)
        expect(page.locator("#looks")).to_contain_text("a better map is not evidence")
    look(page, screens, "verdict", whole=True)


def test_files_come_with_one_press_and_the_report_asks_nothing_of_a_network(
    visit: Visit, browser: Browser, tmp_path: Path
) -> None:
    page = results(visit)
    with page.expect_download(timeout=PATIENCE) as report:
        page.locator("#download-report").click()
    report.value.save_as(tmp_path / "report.html")
    with page.expect_download(timeout=PATIENCE) as model:
        page.get_by_role("button", name="Download: Model", exact=True).click()
    model.value.save_as(tmp_path / "model.zip")

    offline = browser.new_context(offline=True)
    requests: list[str] = []
    opened = offline.new_page()
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto((tmp_path / "report.html").as_uri())
    expect(opened.locator(".verdict")).to_contain_text("IMIL, the paper's way")
    assert opened.locator("svg").count() > 5
    assert requests == [(tmp_path / "report.html").as_uri()]
    offline.close()
    with zipfile.ZipFile(io.BytesIO((tmp_path / "model.zip").read_bytes())) as archive:
        assert sorted(archive.namelist()) == ["README.md", "config.json", "model.safetensors"]


def test_the_final_comparison_opens_the_test_set_once_and_the_next_round_says_so(
    visit: Visit, screens: Path, tmp_path: Path
) -> None:
    page = results(visit)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    page.locator("#final").focus()
    page.keyboard.press("Enter")
    asked = page.locator("#final-ask")
    expect(asked).to_contain_text("It is opening 1 of this study.")
    expect(page.locator("#final-not-yet")).to_be_focused()
    picture(page, screens, "asked")
    page.keyboard.press("Enter")
    expect(asked).to_be_hidden()
    expect(page.locator("#final")).to_be_focused()
    assert openings(visit) == 0
    page.locator("#final").dblclick()
    expect(asked).to_be_visible()
    assert openings(visit) == 0
    page.locator("#final-open").dblclick()
    expect(asked).to_be_hidden(timeout=PATIENCE)
    expect(page.locator("#arms-table .confirmation")).to_contain_text("Test, n = ")
    look(page, screens, "final", whole=True)
    assert openings(visit) == 1
    expect(page.locator("#verdict")).to_contain_text("Test set opened once.", timeout=TRAINING)
    expect(page.locator("#cases")).to_contain_text("Test confusion matrices")
    if page.locator("#cases .changed").first.locator(".thumbs button").count():
        shows_maps(page)
    page.locator("#next-round").click()
    expect(page.locator("#painter")).to_be_visible()
    mask(visit.client, visit.study, tmp_path, 1)
    page.get_by_role("tab", name="Results").click()
    expect(page.locator("#compare-again")).to_have_text("Test my masks")
    page.locator("#compare-again").click()

    expect(page.locator("#verdict")).to_contain_text("test set seen", timeout=TRAINING)
    expect(page.locator("#details")).to_contain_text("Rounds so far")
    assert visit.client.predict(visit.study, api_name="/results")["test_openings"] == 1
    assert foreign(requests, visit.server.url) == []
    look(page, screens, "round-two", whole=True)
