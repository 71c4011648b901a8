"""The pictures of README and docs: the demo study, forty marks hidden, five seeds compared."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Page, expect

from imil.study.library.studies import DEMO
from imil.synthetic.films import FilmSpec, film_set
from tests.browser.acts import opened_film, shows_maps
from tests.browser.reel import Reel
from tests.browser.serving import Server, serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.soak,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Where a clinician's hand would go: the corner with the marker, as shares of the film's side.
CORNER = (slice(0.02, 0.20), slice(0.78, 0.99))
# Grey from which a corner holds the marker.
BRIGHT = 200
# How many outliers are masked before the picture of the painter is taken, and in all.
FEW, ALL = 6, 40
PATIENCE = 1200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("home")) as started:
        yield started


def corner(spec: FilmSpec) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    irrelevant = np.zeros((spec.size, spec.size), bool)
    rows, columns = ([int(edge * spec.size) for edge in (s.start, s.stop)] for s in CORNER)
    irrelevant[rows[0] : rows[1], columns[0] : columns[1]] = True
    return irrelevant


def marked_outliers(client: Client, study: str) -> list[str]:
    """Return the outliers whose corner is bright; those before the first of them are skipped."""
    films, irrelevant = film_set(DEMO), corner(DEMO)
    queue = [o["sample_id"] for o in client.predict(study, api_name="/queue")["images"]]
    marked = [name for name in queue if films.original(name)[irrelevant].max() > BRIGHT]
    for name in queue[: queue.index(marked[0])]:
        client.predict(study, name, api_name="/skip")
    return marked


def hide_corner(client: Client, study: str, names: list[str], folder: Path) -> None:
    path = folder / "corner.png"
    Image.fromarray(corner(DEMO).astype(np.uint8) * 255).save(path)
    for name in names:
        client.predict(study, name, handle_file(str(path)), "visitor", 5.0, api_name="/submit_mask")


def paint_corner(page: Page, reel: Reel) -> None:
    box = page.locator("#painter .paint").bounding_box()
    assert box is not None
    places = [(0.85, 0.045), (0.94, 0.045), (0.95, 0.08), (0.85, 0.085), (0.93, 0.115)]
    for i, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)
        if i == 0:
            page.mouse.down()
        reel.take(page, 250)
    page.mouse.up()


def test_the_three_tabs_are_worth_showing(
    page: Page, server: Server, screens: Path, tmp_path: Path
) -> None:
    page.set_default_timeout(60_000)
    page.goto(server.url)
    opened_film(page)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study .samples img")).to_have_count(12)
    expect(page.locator("#review")).to_be_visible()
    page.mouse.move(700, 860)
    page.screenshot(path=screens / "train.png")
    reel = Reel()

    client, study = Client(server.url, verbose=False), study_of(server)
    marked = marked_outliers(client, study)
    hide_corner(client, study, marked[1 : 1 + FEW], tmp_path)
    page.reload()
    page.get_by_role("tab", name="Outliers").click()
    page.locator(f"#painter .painter[data-ready='{marked[0]}']").wait_for()
    page.wait_for_timeout(600)
    reel.take(page, 2500)
    paint_corner(page, reel)
    expect(page.locator("#answer .was")).to_be_visible()
    page.mouse.move(700, 860)
    page.screenshot(path=screens / "outliers.png")
    reel.take(page, 3500)

    page.locator("#black-out").click()
    expect(page.locator("#budget")).to_contain_text(f"{FEW + 1} of {ALL} masked")
    page.wait_for_timeout(600)
    reel.take(page, 1500)
    hide_corner(client, study, marked[1 + FEW : ALL], tmp_path)
    page.get_by_role("tab", name="Results").click()
    page.locator("#compare-again").click()
    expect(page.locator("#use-predicted")).to_be_visible()
    page.wait_for_timeout(600)
    reel.take(page, 3500)
    page.locator("#use-predicted").click()
    expect(page.locator("#comparison .line")).to_be_visible()
    reel.take(page, 1500)
    started = time.monotonic()
    word = page.locator("#verdict .w").first
    expect(word).to_be_visible(timeout=PATIENCE * 1000)
    page.wait_for_timeout(600)
    reel.take(page, 5000)
    reel.write(screens / "loop.gif")
    expect(page.locator("#comparison")).to_be_hidden(timeout=PATIENCE * 1000)
    # The figures of the last seed follow its training.
    expect(word).not_to_contain_text("of 5 runs", timeout=PATIENCE * 1000)
    # Where no image was fixed or broken, there is nothing to look at before and after.
    if page.locator("#cases .changed").first.locator(".thumbs button").count():
        shows_maps(page)
    page.wait_for_timeout(500)
    page.screenshot(path=screens / "results.png")

    assert reel.seconds <= 20
    assert (screens / "loop.gif").stat().st_size < 2_000_000
    assert time.monotonic() - started < PATIENCE


def study_of(server: Server) -> str:
    (folder,) = (server.home / "work" / "studies").iterdir()
    return folder.name
