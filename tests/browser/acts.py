"""What a visitor does with their films on the Train tab, and with a film on the Outliers tab."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from imil.synthetic.films import FilmSpec

# Small enough to train in seconds, and so briefly that outliers are left.
FILMS = FilmSpec(images=120, size=96, shortcut=0.9, label_noise=0.1, seed=3)
# Around the corner that holds the mark of a film, in hundredths of its side.
MARK = ((79, 8), (94, 8), (94, 17), (79, 17))


def upload(page: Page, archive: Path, name: str) -> None:
    # With the demo a page begins with the images to mask.
    page.get_by_role("tab", name="Train").click()
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


def opened_film(page: Page, *, after: str = "") -> str:
    """Wait until a film is open, another than `after`; return its id."""
    page.locator(f"#painter .painter:not([data-ready='{after}']):not([data-ready=''])").wait_for()
    # A film that has just opened ignores the rest of a double click.
    page.wait_for_timeout(450)
    return page.locator("#painter .painter").get_attribute("data-ready") or ""


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Draw a line through points given in hundredths of a square film's side."""
    box = page.locator("#painter .paint").bounding_box()
    assert box is not None
    scale = box["width"] / 100
    for i, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * scale, box["y"] + y * scale, steps=6 if i else 1)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def black_out(page: Page) -> tuple[str, str]:
    """Press the button; return the film and the one that opens next."""
    film = opened_film(page)
    page.locator("#black-out").click()
    return film, opened_film(page, after=film)


def start_from_predicted(page: Page) -> None:
    page.locator("#start-predicted").click()
    expect(page.locator("#painter .area")).to_contain_text("% of the image hidden")


def shows_maps(page: Page) -> None:
    """Open the card of saliency, and see that its maps are there."""
    card = page.locator("#looks details")
    maps = card.locator(".trio img").first
    maps.wait_for(state="attached")  # until then the card says that they are being computed
    if card.get_attribute("open") is None:
        card.locator("summary").click()
    expect(maps).to_be_visible()
