from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Locator, Page

from imil.core.records import Region
from imil.ui.markup import ASSETS
from imil.ui.painter import (
    Accepted,
    Film,
    Painted,
    build_painter,
    decode_painted,
    encode_film,
    press,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

SIZES = {"a": (64, 64), "b": (480, 640), "c": (300, 120)}


def film(
    name: str, irrelevant: Region | None = None, accepted: Accepted | None = None
) -> dict[str, Any]:
    height, width = SIZES[name]
    pixels = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    return encode_film(Film("study", name, pixels, irrelevant, f"{name} of 3", accepted))


@dataclass
class Desk:
    """A server with nothing but a painter, and what it was sent."""

    url: str = ""
    received: list[tuple[str, Painted | None]] = field(default_factory=list)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    made = Desk()

    def note(act: str, payload: Any) -> None:
        made.received.append((act, decode_painted(payload)))

    def black_out(payload: Any) -> dict[str, Any]:
        note("blackout", payload)
        painted = decode_painted(payload)
        assert painted is not None
        return film("b", accepted=Accepted(painted.sample_id, painted.rev))

    def skip(payload: Any) -> None:
        note("skip", payload)

    with gr.Blocks() as demo:
        picks = {name: gr.Button(f"open {name}") for name in SIZES}
        masked = gr.Button("open masked")
        typing = gr.Textbox(label="note")
        outside = gr.Button("black out from outside")
        painter = build_painter(elem_id="painter")
        for name, pick in picks.items():
            pick.click(lambda name=name: film(name), None, painter, show_progress="hidden")
        masked.click(
            lambda: film("a", np.indices((64, 64)).sum(0) < 20),
            None,
            painter,
            show_progress="hidden",
        )
        outside.click(None, None, None, js=press("blackout"))
        painter.blackout(black_out, painter, painter, show_progress="hidden")
        painter.skip(skip, painter, None, show_progress="hidden")
    assert typing
    _, made.url, _ = demo.launch(
        prevent_thread_lock=True,
        quiet=True,
        css_paths=[ASSETS / "theme.css"],
        run_history=False,
        footer_links=[],
    )
    yield made
    demo.close()


@pytest.fixture
def opened(page: Page, desk: Desk) -> Page:
    desk.received.clear()
    page.goto(desk.url)
    # The stage is given a height, as the card around it does in the app.
    page.add_style_tag(content="#painter .painter {height: 700px}")
    show(page, "a")
    return page


def show(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"open {name}").click()
    wait_for(page, "a" if name == "masked" else name)


def wait_for(page: Page, name: str) -> None:
    page.wait_for_selector(f"#painter .painter[data-ready='{name}']")
    page.wait_for_timeout(450)  # a film that has just opened ignores the rest of a double click


def paint(page: Page) -> Locator:
    return page.locator("#painter .paint")


def drag(page: Page, name: str, *points: tuple[float, float]) -> None:
    """Draw a line through points given in pixels of the film."""
    box = paint(page).bounding_box()
    assert box is not None
    scale = box["width"] / SIZES[name][1]
    places = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def within(
    name: str, start: tuple[float, float], end: tuple[float, float], radius: float
) -> Region:
    """Return the pixels whose centre is within `radius` of the line, by the book."""
    height, width = SIZES[name]
    y, x = np.mgrid[0:height, 0:width] + 0.5
    (ax, ay), (bx, by) = start, end
    along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / max(
        (bx - ax) ** 2 + (by - ay) ** 2, 1e-9
    )
    along = np.clip(along, 0, 1)
    result: Region = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)) <= radius
    return result


def sent(page: Page, desk: Desk) -> Painted:
    """Let the browser send what is painted, and return it."""
    before = len(desk.received)
    page.keyboard.press("s")
    for _ in range(100):
        if len(desk.received) > before:
            painted = desk.received[-1][1]
            assert painted is not None
            return painted
        page.wait_for_timeout(50)
    raise AssertionError("nothing was sent")


def set_size(page: Page, per_mille: int) -> None:
    page.locator("#painter [data-size]").evaluate("(slider, v) => slider.value = v", per_mille)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_stroke_hides_the_pixels_within_its_radius_and_no_others(
    opened: Page, desk: Desk, name: str
) -> None:
    show(opened, name)
    set_size(opened, 60)
    height, width = SIZES[name]
    start, end = (width * 0.3, height * 0.4), (width * 0.7, height * 0.6)

    drag(opened, name, start, end)

    painted = sent(opened, desk)
    expected = within(name, start, end, 0.06 * max(width, height))
    assert painted.sample_id == name
    assert painted.irrelevant.shape == (height, width)
    # The pointer moves in whole device pixels, so the line may be off by half a one.
    edge = within(name, start, end, 0.06 * max(width, height) + 1) & ~within(
        name, start, end, 0.06 * max(width, height) - 1
    )
    assert not (painted.irrelevant ^ expected)[~edge].any()
    assert (painted.irrelevant ^ expected).mean() < 0.002


def test_a_touch_of_the_smallest_brush_hides_at_least_one_pixel(opened: Page, desk: Desk) -> None:
    set_size(opened, 5)

    drag(opened, "a", (20.0, 30.0))

    assert sent(opened, desk).irrelevant.sum() >= 1


def test_the_eraser_takes_away_what_it_crosses(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 32), (54, 32))
    opened.keyboard.press("e")
    drag(opened, "a", (32, 10), (32, 54))

    irrelevant = sent(opened, desk).irrelevant
    assert irrelevant[32, 12]
    assert not irrelevant[32, 32]


def test_undo_takes_back_one_stroke_and_clear_can_be_undone(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (20, 10))
    first = sent(opened, desk).irrelevant
    drag(opened, "a", (10, 50), (20, 50))
    opened.keyboard.press("Control+z")
    assert np.array_equal(sent(opened, desk).irrelevant, first)

    opened.get_by_label("Clear the mask").click()
    assert not sent(opened, desk).irrelevant.any()

    opened.get_by_label("Undo").click()
    assert np.array_equal(sent(opened, desk).irrelevant, first)


def test_a_stored_mask_comes_back_and_can_be_erased(opened: Page, desk: Desk) -> None:
    show(opened, "masked")
    stored = sent(opened, desk).irrelevant
    assert np.array_equal(stored, np.indices((64, 64)).sum(0) < 20)

    opened.keyboard.press("e")
    drag(opened, "a", (2, 2), (4, 4))

    assert sent(opened, desk).irrelevant.sum() < stored.sum()


def test_an_unfinished_mask_outlives_a_reload_and_another_image(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (40, 40))
    drawn = sent(opened, desk).irrelevant
    show(opened, "c")
    assert not sent(opened, desk).irrelevant.any()

    opened.reload()
    show(opened, "a")

    assert np.array_equal(sent(opened, desk).irrelevant, drawn)


def test_the_browser_forgets_a_mask_once_the_server_has_it(opened: Page) -> None:
    drag(opened, "a", (10, 10), (40, 40))
    keys = "Object.keys(localStorage).filter(k => k.startsWith('imil-draft:'))"
    assert opened.evaluate(keys) == ["imil-draft:study/a"]
    assert "data:" not in opened.evaluate("localStorage['imil-draft:study/a']")

    opened.keyboard.press("Enter")
    wait_for(opened, "b")

    assert opened.evaluate(keys) == []


def test_a_double_click_sends_one_mask(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (40, 40))

    opened.get_by_role("button", name="black out from outside").dblclick()
    wait_for(opened, "b")
    opened.wait_for_timeout(300)

    assert [act for act, _ in desk.received] == ["blackout"]
    assert desk.received[0][1] is not None
    assert desk.received[0][1].sample_id == "a"


def test_an_empty_mask_is_answered_in_place_and_not_sent(opened: Page, desk: Desk) -> None:
    opened.get_by_role("button", name="black out from outside").click()

    opened.get_by_text("Nothing is painted yet.").wait_for()
    assert desk.received == []


def test_keys_do_nothing_while_someone_types(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (40, 40))
    opened.get_by_label("note").fill("")
    opened.get_by_label("note").press_sequentially("szen")
    opened.get_by_label("note").press("Enter")
    opened.wait_for_timeout(300)

    assert desk.received == []
    assert sent_after_blur(opened, desk).irrelevant.any()


def sent_after_blur(page: Page, desk: Desk) -> Painted:
    paint(page).focus()
    return sent(page, desk)


def test_painting_uploads_nothing(opened: Page, requests: list[str]) -> None:
    requests.clear()
    for y in (10, 20, 30, 40):
        drag(opened, "a", (10, y), (50, y))
    opened.wait_for_timeout(500)

    assert [url for url in requests if "upload" in url or "queue/join" in url] == []


def test_storage_that_is_full_or_forbidden_harms_nothing(
    opened: Page, desk: Desk, faults: list[str]
) -> None:
    opened.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('quota') } }")

    drag(opened, "a", (10, 10), (40, 40))

    assert sent(opened, desk).irrelevant.any()
    assert faults == []


def test_a_finger_paints_like_a_mouse(opened: Page, desk: Desk) -> None:
    box = paint(opened).bounding_box()
    assert box is not None
    devtools = opened.context.new_cdp_session(opened)
    for kind, share in (("Start", 0.3), ("Move", 0.5), ("Move", 0.7)):
        point = {"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] * 0.5}
        devtools.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": [point]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    irrelevant = sent(opened, desk).irrelevant
    assert irrelevant[32, 20]
    assert irrelevant[32, 32]
    assert irrelevant[32, 44]
    assert not irrelevant[10].any()
