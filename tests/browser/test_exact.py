"""The painter's rules, to the pixel: by mouse, pen and touch, from 64 px to 3000 px."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from imil.app.painter.painter import (
    Painted,
    PainterImage,
    build_painter,
    decode_painted,
    encode_image,
    encode_painter_image,
)
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

# (width, height): the smallest film, an odd one, and a large radiograph of 16 bits.
SIZES = [(64, 64), (301, 177), (3000, 2500)]
DEVICES = ["mouse", "pen", "touch"]
# Share of the longer side, 1/1000: the brush's smallest size, a usual one, a large one.
BRUSHES = [5, 35, 120]
# What a canvas listener hears: where the painter was told that the pointer was.
LISTEN = """() => {
  window.heard = [];
  const canvas = document.querySelector("#painter .paint");
  const note = (event) => {
    if (event.target !== canvas) return;
    const steps = event.type === "pointermove" ? event.getCoalescedEvents() : [];
    for (const step of steps.length ? steps : [event]) {
      window.heard.push([event.type, event.pointerType, step.clientX, step.clientY]);
    }
  };
  for (const type of ["pointerdown", "pointermove", "pointerup"]) {
    window.addEventListener(type, note, true);
  }
}"""

received: list[Painted] = []


def stored(width: int, height: int) -> Pixels:
    pixels: NDArray[np.uint16] = np.indices((height, width)).sum(0).astype(np.uint16)
    return pixels


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    def note(payload: Any) -> None:
        painted = decode_painted(payload)
        assert painted is not None
        received.append(painted)

    with OurPage(analytics_enabled=False) as demo:
        painter = build_painter(elem_id="painter")
        for width, height in SIZES:
            film = PainterImage("study", f"{width}", encode_image(stored(width, height)))
            gr.Button(f"open {width}").click(
                lambda film=film: encode_painter_image(film), None, painter, show_progress="hidden"
            )
        painter.skip(note, painter, None, show_progress="hidden", trigger_mode="multiple")
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


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    """One page for all cases: what is drawn is cleared between them."""
    context: BrowserContext = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.goto(url)
    opened.add_style_tag(content="#painter .painter {height: 700px}")
    opened.locator("#painter .painter").wait_for()
    opened.evaluate(LISTEN)
    yield opened
    context.close()


def open_film(page: Page, width: int) -> None:
    if page.locator("#painter .painter").get_attribute("data-ready") != str(width):
        page.get_by_role("button", name=f"open {width}", exact=True).click()
        page.wait_for_selector(f"#painter .painter[data-ready='{width}']")
        page.wait_for_timeout(450)
    clear = page.get_by_label("Clear the mask")
    if clear.is_enabled():
        clear.click()


def draw(
    page: Page, devtools: CDPSession, device: str, points: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Draw through points given in page pixels; return where the canvas was told they are."""
    page.evaluate("window.heard.length = 0")
    kinds = ["down", *["move"] * (len(points) - 1), "up"]
    for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
        spot = {"x": float(x), "y": float(y)}
        if device == "touch":
            name = {"down": "touchStart", "move": "touchMove", "up": "touchEnd"}[kind]
            touched = [] if kind == "up" else [spot]
            devtools.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": touched})
        else:
            name = {"down": "mousePressed", "move": "mouseMoved", "up": "mouseReleased"}[kind]
            held = {"button": "left", "buttons": 0 if kind == "up" else 1, "clickCount": 1}
            sort = {"pointerType": device, "force": 0.5}
            devtools.send("Input.dispatchMouseEvent", {"type": name, **spot, **held, **sort})
    page.wait_for_function("window.heard.at(-1)?.[0] === 'pointerup'")
    heard = page.evaluate("window.heard")
    assert {kind for _, kind, _, _ in heard} == {device}
    start = next(i for i, event in enumerate(heard) if event[0] == "pointerdown")
    return [(x, y) for kind, _, x, y in heard[start:] if kind != "pointerup"]


def in_film(page: Page, told: list[tuple[float, float]], width: int) -> NDArray[np.float64]:
    box = page.evaluate(
        """() => {
          const box = document.querySelector("#painter .paint").getBoundingClientRect();
          return [box.left, box.top, box.width, box.height];
        }"""
    )
    left, top, across, down = box
    height = dict(SIZES)[width]
    return np.array([((x - left) * width / across, (y - top) * height / down) for x, y in told])


def within(line: NDArray[np.float64], radius: float, width: int) -> tuple[Region, Region]:
    """Return the pixels whose centre is within `radius` of the line, and those on its very edge."""
    height = dict(SIZES)[width]
    covered, sure, edge = np.zeros((3, height, width), np.bool_)
    for a, b in zip(line[:1].tolist() + line[:-1].tolist(), line.tolist(), strict=True):
        # What is further from the segment's box than the radius is further from the segment.
        left, top = np.maximum(np.floor(np.minimum(a, b) - radius - 1), 0).astype(int)
        right, bottom = np.ceil(np.maximum(a, b) + radius + 1).astype(int)
        here = np.s_[top:bottom, left:right]
        y, x = np.arange(height)[here[0], None] + 0.5, np.arange(width)[here[1]] + 0.5
        dx, dy = b[0] - a[0], b[1] - a[1]
        length2 = dx * dx + dy * dy
        t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / length2, 0, 1) if length2 else 0.0
        squared = (x - a[0] - t * dx) ** 2 + (y - a[1] - t * dy) ** 2
        covered[here] |= squared <= radius**2
        sure[here] |= squared <= radius**2 - 1e-6
        edge[here] |= np.abs(squared - radius**2) < 1e-6
    return covered, edge & ~sure


def inside(line: NDArray[np.float64], width: int) -> Region:
    """Return the pixels whose centre lies in the box from the first to the last point."""
    height = dict(SIZES)[width]
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    (left, top), (right, bottom) = np.minimum(line[0], line[-1]), np.maximum(line[0], line[-1])
    held: Region = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return held


def sent(page: Page) -> Region:
    received.clear()
    page.locator("#painter .paint").focus()
    page.keyboard.press("s")
    for _ in range(PATIENCE // 50):
        if received:
            return received[0].irrelevant
        page.wait_for_timeout(50)
    raise AssertionError("nothing was sent")


@pytest.mark.parametrize("width", [width for width, _ in SIZES])
@pytest.mark.parametrize("device", DEVICES)
def test_strokes_and_boxes_cover_exactly_the_pixels_that_the_rules_say(
    page: Page, device: str, width: int
) -> None:
    rng = np.random.default_rng([width, DEVICES.index(device)])
    devtools = page.context.new_cdp_session(page)
    open_film(page, width)
    box = page.locator("#painter .paint").bounding_box()
    assert box is not None
    corner, size = np.array([box["x"], box["y"]]), np.array([box["width"], box["height"]])
    longer = max(width, dict(SIZES)[width])
    expected = np.zeros((dict(SIZES)[width], width), np.bool_)
    unsure = expected.copy()

    for brush in BRUSHES:
        page.locator("#painter [data-size]").evaluate("(slider, v) => slider.value = v", brush)
        points = corner + size * rng.uniform(0.05, 0.95, (4, 2))
        page.keyboard.press("b")
        line = in_film(page, draw(page, devtools, device, points), width)
        covered, edge = within(line, max(0.75, brush / 1000 * longer), width)
        expected |= covered
        unsure |= edge
    page.keyboard.press("x")
    points = corner + size * rng.uniform(0.05, 0.95, (3, 2))
    expected |= inside(in_film(page, draw(page, devtools, device, points), width), width)

    painted = sent(page)
    assert painted.any()
    assert not (painted ^ expected)[~unsure].any()
