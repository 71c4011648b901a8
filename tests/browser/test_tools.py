"""What a reader does on the film besides strokes: look closer, and mask whole areas at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import CDPSession, Page, expect

from imil.app.painter.painter import (
    Accepted,
    PainterImage,
    build_painter,
    decode_painted,
    encode_image,
    encode_painter_image,
    found_value,
    press_class,
)
from imil.app.server.input_checks import event_value
from imil.app.server.page import Page as OurPage
from imil.app.server.theme import launch_options
from imil.core.records import Pixels, Region
from imil.report.parts.markup import ASSETS
from tests.browser.fresh import PATIENCE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

SIDE = 512
# What a film holds: a bright square on a noisy ground, and a round spot of another grey.
SQUARE = np.s_[60:120, 380:460]
MIDDLE, RADIUS = (300, 200), 60

received: list[Region] = []
# What a model is asked, and what it answers next.
asks: list[dict[str, Any]] = []
answers: list[tuple[Region | None, str]] = []


def spot() -> Region:
    y, x = np.indices((SIDE, SIDE)) + 0.5
    inside: Region = (x - MIDDLE[0]) ** 2 + (y - MIDDLE[1]) ** 2 < RADIUS**2
    return inside


def stored(seed: int = 0) -> Pixels:
    pixels = np.random.default_rng(seed).normal(90, 8, (SIDE, SIDE))
    pixels[SQUARE] += 130
    pixels[spot()] -= 60
    return np.clip(pixels, 0, 255).astype(np.uint8)


def overlap(one: Region, other: Region) -> float:
    """Return intersection over union."""
    return float((one & other).sum() / (one | other).sum())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    def film(name: str, accepted: Accepted | None = None) -> dict[str, Any]:
        image = encode_image(stored())
        return encode_painter_image(PainterImage("study", name, image, accepted=accepted))

    def note(payload: Any) -> None:
        painted = decode_painted(payload)
        assert painted is not None
        received.append(painted.irrelevant)

    def black_out(payload: Any) -> dict[str, Any]:
        painted = decode_painted(payload)
        assert painted is not None
        received.append(painted.irrelevant)
        return film("second", Accepted(painted.sample_id, painted.rev))

    def find(event: gr.EventData) -> Any:
        asks.append(event_value(event, "asked", dict))
        region, why = answers.pop()
        return gr.update(found=found_value(asks[-1]["id"], region, why=why))

    with OurPage(analytics_enabled=False) as demo:
        painter = build_painter(elem_id="painter")
        gr.Button("open").click(lambda: film("first"), None, painter, show_progress="hidden")
        gr.Button("Save", elem_classes=[press_class("blackout")])
        painter.skip(note, painter, None, show_progress="hidden", trigger_mode="multiple")
        painter.blackout(black_out, painter, painter, show_progress="hidden")
        painter.select(find, None, painter, show_progress="hidden")
    _, address, _ = demo.launch(
        prevent_thread_lock=True,
        quiet=True,
        css_paths=[ASSETS / "theme.css"],
        app_kwargs=launch_options()["app_kwargs"],
        run_history=False,
        footer_links=[],
    )
    yield address
    demo.close()


@pytest.fixture
def opened(page: Page, url: str, faults: list[str]) -> Iterator[Page]:
    page.goto(url)
    page.add_style_tag(content="#painter .painter {height: 700px}")
    page.get_by_role("button", name="open", exact=True).click()
    film_is(page, "first")
    yield page
    assert faults == []


def film_is(page: Page, name: str) -> None:
    page.wait_for_selector(f"#painter .painter[data-ready='{name}']")
    page.wait_for_timeout(450)  # a film that has just opened ignores the rest of a double click


def sent(page: Page) -> Region:
    received.clear()
    page.locator("#painter .paint").focus()
    page.keyboard.press("s")
    for _ in range(PATIENCE // 50):
        if received:
            return received[0]
        page.wait_for_timeout(50)
    raise AssertionError("nothing was sent")


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return where a point of the film is on the page."""
    box = page.locator("#painter .paint").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"] / SIDE, box["y"] + y * box["height"] / SIDE


def drag(page: Page, *points: tuple[float, float]) -> None:
    for i, point in enumerate(points):
        page.mouse.move(*at(page, *point), steps=6 if i else 1)
        if not i:
            page.mouse.down()
    page.mouse.up()


def zoom(page: Page) -> float:
    return float(page.locator("#painter .painter").get_attribute("data-zoom") or 1)


def touch(devtools: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    spots = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
    devtools.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": spots})


# ---- zoom and pan ----


def test_two_fingers_zoom_and_take_back_the_stroke_that_the_first_began(opened: Page) -> None:
    drag(opened, (50, 400), (150, 400))
    before = sent(opened)
    devtools = opened.context.new_cdp_session(opened)
    left, right = at(opened, 200, 250), at(opened, 300, 250)

    touch(devtools, "Start", left)
    touch(devtools, "Move", (left[0] + 4, left[1]))
    touch(devtools, "Start", left, right)
    for apart in (20, 60, 100):
        touch(devtools, "Move", (left[0] - apart, left[1]), (right[0] + apart, right[1]))
    touch(devtools, "End", left)
    touch(devtools, "Move", (left[0] + 30, left[1] + 30))
    touch(devtools, "End")

    assert zoom(opened) > 1.5
    assert np.array_equal(sent(opened), before)


def test_a_wheel_zooms_about_the_pointer_and_two_clicks_show_the_whole_film(opened: Page) -> None:
    x, y = at(opened, 100, 100)
    spot_on_page = (round(x), round(y))
    opened.mouse.move(*spot_on_page)
    opened.wait_for_timeout(500)  # nothing is scrolled by now
    for _ in range(4):
        opened.mouse.wheel(0, -200)
    opened.wait_for_function("Number(document.querySelector('#painter .painter').dataset.zoom) > 3")
    assert at(opened, 100, 100) == pytest.approx(spot_on_page, abs=4)

    opened.mouse.dblclick(*spot_on_page)

    assert zoom(opened) == 1
    assert not sent(opened).any()
    opened.keyboard.press("y")  # what the clicks painted was taken back, and not lost
    assert sent(opened).any()


def test_a_drag_with_space_held_moves_the_film_and_paints_nothing(opened: Page) -> None:
    opened.locator("#painter .paint").focus()
    for _ in range(4):
        opened.keyboard.press("+")
    x, y = at(opened, 256, 256)

    opened.keyboard.down("Space")
    drag(opened, (256, 256), (270, 266))
    opened.keyboard.up("Space")

    moved = at(opened, 256, 256)
    assert moved[0] - x > 20
    assert moved[1] - y > 20
    assert not sent(opened).any()
    opened.keyboard.press("0")
    assert zoom(opened) == 1


def test_a_box_that_keys_move_stays_in_sight_at_every_zoom(opened: Page) -> None:
    opened.locator("#painter .paint").focus()
    for key in ("ArrowRight", *["+"] * 4, *["ArrowRight"] * 12):
        opened.keyboard.press(key)

    outline = opened.locator("#painter .outline").bounding_box()
    stage = opened.locator("#painter .stage").bounding_box()
    assert outline is not None
    assert stage is not None
    # It is larger than the stage at this zoom: its middle is the stage's.
    middle = outline["x"] + outline["width"] / 2
    assert stage["x"] < middle < stage["x"] + stage["width"]
    opened.keyboard.press("Space")
    assert sent(opened).sum() == 128 * 128


def test_strokes_are_as_exact_from_near(opened: Page) -> None:
    opened.locator("#painter [data-size]").evaluate("slider => slider.value = 5")
    opened.mouse.move(*at(opened, 300, 200))
    opened.wait_for_timeout(500)
    opened.mouse.wheel(0, -1500)
    opened.wait_for_function("Number(document.querySelector('#painter .painter').dataset.zoom) > 5")

    opened.mouse.click(*at(opened, 300.5, 200.5))

    y, x = np.indices((SIDE, SIDE)) + 0.5
    radius = 0.005 * SIDE
    expected = (x - 300.5) ** 2 + (y - 200.5) ** 2 <= radius**2
    assert np.array_equal(sent(opened), expected)


# ---- areas ----


def test_a_lasso_covers_the_pixels_whose_centre_is_within_its_line(opened: Page) -> None:
    opened.keyboard.press("a")

    drag(opened, (100, 100), (200, 100), (200, 180), (100, 180))

    hidden = sent(opened)
    assert hidden[105:175, 105:195].all()
    assert hidden[98:182, 98:202].sum() == hidden.sum()
    opened.keyboard.press("z")
    assert not sent(opened).any()


def test_a_polygon_is_closed_by_a_click_on_its_first_corner(opened: Page) -> None:
    opened.get_by_role("button", name="Polygon").click()
    for corner in ((100, 100), (200, 100), (150, 50), (150, 200)):
        opened.mouse.click(*at(opened, *corner))
    opened.keyboard.press("z")  # takes the last corner back
    opened.mouse.click(*at(opened, 150, 200))
    opened.mouse.click(*at(opened, 100, 100))

    hidden = sent(opened)
    assert hidden[90, 150]
    assert hidden[120, 148]
    assert not hidden[190, 110]


def test_a_polygon_is_drawn_with_keys_alone(opened: Page) -> None:
    opened.keyboard.press("g")
    opened.locator("#painter .paint").focus()
    for keys in (["ArrowLeft"] * 4, ["ArrowRight"] * 8, ["ArrowUp"] * 4):
        for key in keys:
            opened.keyboard.press(key)
        opened.keyboard.press("Space")
    opened.keyboard.press("Enter")

    hidden = sent(opened)
    assert hidden[250, 300]
    assert not hidden[270].any()


def test_an_open_polygon_is_closed_when_the_page_is_left(opened: Page) -> None:
    opened.keyboard.press("g")
    for corner in ((100, 100), (200, 100), (200, 200)):
        opened.mouse.click(*at(opened, *corner))

    opened.reload()
    opened.get_by_role("button", name="open", exact=True).click()
    film_is(opened, "first")

    assert sent(opened)[120, 190]


def test_a_click_selects_the_object_under_it(opened: Page) -> None:
    opened.keyboard.press("w")
    opened.mouse.click(*at(opened, 420, 90))

    square = np.zeros((SIDE, SIDE), np.bool_)
    square[SQUARE] = True
    assert overlap(sent(opened), square) > 0.9
    opened.keyboard.down("Shift")
    opened.mouse.click(*at(opened, 420, 90))
    opened.keyboard.up("Shift")
    assert sent(opened).sum() < 0.1 * square.sum()


def test_a_box_selects_the_object_in_it_by_pointer_and_by_keys(opened: Page) -> None:
    opened.keyboard.press("w")
    drag(opened, (220, 120), (380, 280))
    assert overlap(sent(opened), spot()) > 0.85
    opened.keyboard.press("z")

    opened.locator("#painter .paint").focus()
    for key in ("ArrowUp", *["ArrowRight"] * 4, *["ArrowUp"] * 4, "Shift+ArrowRight"):
        opened.keyboard.press(key)
    opened.keyboard.press("Space")
    assert overlap(sent(opened), spot()) > 0.85


def test_a_model_selects_where_there_is_one_and_what_is_seen_where_it_cannot(opened: Page) -> None:
    opened.locator("#painter .painter").evaluate("root => { root.dataset.asks = 1; }")
    ring = spot()
    ring[190:210, 290:310] = False
    answers[:] = [(None, "The model is being loaded."), (ring, "")]
    opened.keyboard.press("w")
    opened.mouse.click(*at(opened, 300, 230))
    hint = opened.locator("#painter .hint")
    expect(opened.locator("#painter .area")).to_contain_text("%")
    expect(hint).to_be_hidden()
    assert np.array_equal(sent(opened), ring)
    assert asks[-1]["spot"] == pytest.approx([300, 230], abs=1)
    assert asks[-1]["window"] == [0, 255]
    opened.keyboard.press("z")

    drag(opened, (220, 120), (380, 280))
    expect(hint).to_have_text("The model is being loaded.")
    assert asks[-1]["spot"] == pytest.approx([220, 120, 380, 280], abs=1)
    assert overlap(sent(opened), spot()) > 0.85


def test_a_mask_is_inverted_and_the_last_one_copied(opened: Page) -> None:
    drag(opened, (100, 100), (200, 100))
    drawn = sent(opened)
    opened.keyboard.press("i")
    assert np.array_equal(sent(opened), ~drawn)
    opened.keyboard.press("z")

    opened.get_by_role("button", name="Save", exact=True).click()
    film_is(opened, "second")
    assert not sent(opened).any()
    opened.keyboard.press("c")

    assert np.array_equal(sent(opened), drawn)


# ---- paint that is seen without its colour ----


def test_paint_has_an_outline_and_a_hatch_and_as_much_colour_as_is_wanted(opened: Page) -> None:
    drag(opened, (100, 100), (200, 100))
    lit = """() => {
      const marks = document.querySelector("#painter .marks");
      const data = marks.getContext("2d").getImageData(0, 0, marks.width, marks.height).data;
      return data.some((value, i) => i % 4 === 3 && value);
    }"""
    opened.wait_for_function(lit)

    opened.get_by_role("button", name="all keys").click()
    opened.get_by_role("slider", name="Paint: opacity").fill("20")
    expect(opened.locator("#painter .paint")).to_have_css("opacity", "0.2")
    opened.reload()
    opened.get_by_role("button", name="open", exact=True).click()
    film_is(opened, "first")
    expect(opened.locator("#painter .paint")).to_have_css("opacity", "0.2")
