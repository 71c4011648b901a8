from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from imil.app.painter.painter import (
    Accepted,
    Painted,
    PainterImage,
    build_painter,
    decode_painted,
    encode_image,
    encode_painter_image,
    press_class,
    saliency_value,
)
from imil.app.server.page import Page as OurPage
from imil.app.server.theme import launch_options
from imil.core.records import Pixels, Region
from imil.report.parts.markup import ASSETS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

SIZES = {"a": (64, 64), "b": (480, 640), "c": (300, 120), "deep": (40, 100), "colour": (30, 40)}


# When a page's film was shown.
SHOWN_AT: weakref.WeakKeyDictionary[Page, float] = weakref.WeakKeyDictionary()


def stored(name: str) -> Pixels:
    height, width = SIZES[name]
    if name == "deep":
        return np.arange(0, 4000, dtype=np.uint16).reshape(height, width)
    shape = (height, width, 3) if name == "colour" else (height, width)
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def film(
    name: str, irrelevant: Region | None = None, accepted: Accepted | None = None
) -> dict[str, Any]:
    pixels = stored(name)
    # A stored mask has a name, by which the painter knows that it is another than the open one.
    base = "" if irrelevant is None else "stored"
    image = encode_image(pixels)
    return encode_painter_image(
        PainterImage("study", name, image, irrelevant, f"{name} of 3", accepted, base=base)
    )


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

    def look(payload: Any) -> Any:
        note("saliency", payload)
        painted = decode_painted(payload)
        assert painted is not None
        saliency = np.zeros((4, 4))
        saliency[0, 3] = 1
        return gr.update(heat=saliency_value("study", painted.sample_id, saliency))

    def suspect(payload: Any) -> None:
        note("suspect", payload)

    with OurPage(analytics_enabled=False) as demo:
        picks = {name: gr.Button(f"open {name}") for name in SIZES}
        masked = gr.Button("open masked")
        typing = gr.Textbox(label="note")
        gr.Button("black out from outside", elem_classes=[press_class("blackout")])
        painter = build_painter(elem_id="painter")
        for name, pick in picks.items():
            pick.click(lambda name=name: film(name), None, painter, show_progress="hidden")
        masked.click(
            lambda: film("a", np.indices((64, 64)).sum(0) < 20),
            None,
            painter,
            show_progress="hidden",
        )
        painter.blackout(black_out, painter, painter, show_progress="hidden")
        # Each one counts, even where the browser has not yet heard of the one before.
        painter.skip(skip, painter, None, show_progress="hidden", trigger_mode="multiple")
        painter.suspect(suspect, painter, None, show_progress="hidden")
        painter.saliency(look, painter, painter, show_progress="hidden", trigger_mode="always_last")
    assert typing
    _, made.url, _ = demo.launch(
        prevent_thread_lock=True,
        quiet=True,
        css_paths=[ASSETS / "theme.css"],
        app_kwargs=launch_options()["app_kwargs"],
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
    if name == "masked":  # film a once more: another one in between, so that its coming is seen
        show(page, "b")
    page.get_by_role("button", name=f"open {name}", exact=True).click()
    wait_for(page, "a" if name == "masked" else name)


def wait_for(page: Page, name: str) -> None:
    page.wait_for_selector(f"#painter .painter[data-ready='{name}']")
    SHOWN_AT[page] = time.monotonic()


def settled(page: Page) -> None:
    """Wait until a film that has just opened no longer ignores the rest of a double click."""
    page.wait_for_timeout(max(0.0, 450 - 1000 * (time.monotonic() - SHOWN_AT[page])))


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


def sent(page: Page, desk: Desk) -> Painted:
    """Let the browser send what is painted, and return it."""
    before = len(desk.received)
    settled(page)
    page.keyboard.press("s")
    for _ in range(600):
        if len(desk.received) > before:
            painted = desk.received[-1][1]
            assert painted is not None
            return painted
        page.wait_for_timeout(50)
    raise AssertionError("nothing was sent")


def wait_until(page: Page, true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came true")


def set_size(page: Page, per_mille: int) -> None:
    page.locator("#painter [data-size]").evaluate("(slider, v) => slider.value = v", per_mille)


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
    keys = "Object.keys(localStorage).filter(k => k.startsWith('imil-') && k.includes('/'))"
    (draft,) = opened.evaluate(keys)
    assert draft.startswith("imil-draft:study/a#")
    assert set(json.loads(opened.evaluate("key => localStorage[key]", draft))) == {
        *("size", "runs", "mode", "rev", "seconds", "start", "begun", "base", "at")
    }

    settled(opened)
    opened.keyboard.press("Enter")
    wait_for(opened, "b")

    assert opened.evaluate(keys) == []


def test_a_double_click_sends_one_mask(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (40, 40))

    settled(opened)
    opened.get_by_role("button", name="black out from outside").dblclick()
    wait_for(opened, "b")
    opened.wait_for_timeout(300)

    assert [act for act, _ in desk.received] == ["blackout"]
    assert desk.received[0][1] is not None
    assert desk.received[0][1].sample_id == "a"


def test_an_empty_mask_is_answered_in_place_and_not_sent(opened: Page, desk: Desk) -> None:
    settled(opened)
    opened.get_by_role("button", name="black out from outside").click()

    opened.get_by_text("Nothing is painted yet.").wait_for()
    assert desk.received == []


def test_keys_do_nothing_while_someone_types(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (40, 40))
    settled(opened)
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


# ---- hide and keep ----


def pressed(page: Page) -> list[str]:
    return [str(b.text_content()) for b in page.locator("#painter [aria-pressed=true]").all()]


def test_in_keep_what_is_painted_is_what_alone_stays(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (50, 50))
    hidden = sent(opened, desk).irrelevant
    opened.get_by_label("Clear the mask").click()

    opened.get_by_role("button", name="Keep", exact=True).click()
    expect(opened.locator("#painter .hint")).to_have_text("Paint what alone should matter")
    expect(opened.locator("#painter .area")).to_have_text("nothing hidden")
    drag(opened, "a", (10, 10), (50, 50))

    assert np.array_equal(sent(opened, desk).irrelevant, ~hidden)


def test_changing_between_hide_and_keep_turns_what_was_painted_round_and_says_so(
    opened: Page, desk: Desk
) -> None:
    drag(opened, "a", (10, 10), (50, 50))
    hidden = sent(opened, desk).irrelevant

    opened.keyboard.press("m")
    expect(opened.locator("#painter .hint")).to_have_text("What you painted is now all that stays")
    turned = sent(opened, desk).irrelevant
    opened.keyboard.press("m")
    expect(opened.locator("#painter .hint")).to_have_text("What you painted is now hidden")
    back = sent(opened, desk).irrelevant
    opened.keyboard.press("z")

    assert np.array_equal(turned, ~hidden)
    assert np.array_equal(back, hidden)
    assert np.array_equal(sent(opened, desk).irrelevant, ~hidden)
    assert "Keep" in pressed(opened)


def test_a_saved_mask_hides_the_same_in_either_mode(opened: Page, desk: Desk) -> None:
    opened.keyboard.press("m")

    show(opened, "masked")

    assert np.array_equal(sent(opened, desk).irrelevant, np.indices((64, 64)).sum(0) < 20)


def test_a_draft_comes_back_in_the_mode_it_was_painted_in(opened: Page, desk: Desk) -> None:
    opened.keyboard.press("m")
    drag(opened, "a", (10, 10), (50, 50))
    drawn = sent(opened, desk).irrelevant

    opened.reload()
    show(opened, "a")

    expect(opened.locator("#painter .hint")).to_have_text("Your unfinished mask is back")
    assert "Keep" in pressed(opened)
    assert np.array_equal(sent(opened, desk).irrelevant, drawn)


def test_keeping_almost_nothing_is_answered_in_place(opened: Page, desk: Desk) -> None:
    opened.keyboard.press("m")
    set_size(opened, 5)
    drag(opened, "a", (10, 10), (12, 10))

    settled(opened)
    opened.keyboard.press("Enter")

    expect(opened.locator("#painter .hint")).to_contain_text("Paint more of what should matter")
    assert desk.received == []


# ---- the box ----


def test_a_box_is_placed_sized_and_painted_by_keys_and_erased_too(opened: Page, desk: Desk) -> None:
    paint(opened).focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft", "Control+ArrowDown", "Shift+ArrowRight"):
        opened.keyboard.press(key)

    opened.keyboard.press("Space")

    # It appears in the middle, a quarter as large; a press moves it by 1/40 of the longer side.
    irrelevant = np.zeros((64, 64), np.bool_)
    irrelevant[25:41, 20:38] = True
    assert np.array_equal(sent(opened, desk).irrelevant, irrelevant)
    opened.keyboard.press("e")
    opened.keyboard.press("Space")
    assert not sent(opened, desk).irrelevant.any()


# ---- the window ----


def grey(page: Page, x: int, y: int) -> list[int]:
    values: list[int] = page.evaluate(
        """async ([x, y]) => {
          await new Promise(requestAnimationFrame);
          const film = document.querySelector("#painter .film").getContext("2d");
          return [...film.getImageData(x, y, 1, 1).data].slice(0, 3);
        }""",
        [x, y],
    )
    return values


def test_sixteen_bits_are_seen_through_a_window_that_no_mask_knows_of(
    opened: Page, desk: Desk
) -> None:
    show(opened, "deep")  # 0 to 3999, row by row
    read_out = opened.locator("#painter .wl")
    expect(read_out).to_have_text("W 3959 L 2000")  # auto
    drag(opened, "deep", (10, 10), (50, 20))
    painted = sent(opened, desk).irrelevant

    opened.keyboard.press("1")
    expect(read_out).to_have_text("W 3999 L 2000")
    assert grey(opened, 0, 20) == [128, 128, 128]
    opened.keyboard.press("2")
    expect(read_out).to_have_text("W 2573 L 1307")
    # From 2593 on it is white; 8 bits through the same window would have 166 steps of grey.
    assert grey(opened, 0, 30) == [255, 255, 255]
    assert grey(opened, 0, 20)[0] == round((2000 - 20) / 2573 * 255)

    assert np.array_equal(sent(opened, desk).irrelevant, painted)


def test_the_window_is_set_by_sliders_and_by_dragging_with_the_right_button(opened: Page) -> None:
    show(opened, "deep")
    read_out = opened.locator("#painter .wl")

    read_out.click()
    opened.get_by_role("slider", name="Width").fill("100")
    opened.get_by_role("slider", name="Level").fill("2000")
    expect(read_out).to_have_text("W 100 L 2000")
    assert grey(opened, 60, 19)[0] == round((1960 - 1950) / 100 * 255)
    assert "Full" not in pressed(opened)
    opened.keyboard.press("Escape")

    box = paint(opened).bounding_box()
    assert box is not None
    opened.mouse.move(box["x"] + 40, box["y"] + 40)
    opened.mouse.down(button="right")
    opened.mouse.move(box["x"] + 140, box["y"] + 40, steps=4)
    opened.mouse.up(button="right")
    expect(read_out).not_to_have_text("W 100 L 2000")
    expect(opened.locator("#painter .area")).to_have_text("nothing hidden")


def test_colour_has_no_presets_and_is_shown_as_it_is(opened: Page) -> None:
    show(opened, "colour")

    expect(opened.get_by_role("button", name="Lung")).to_have_count(0)
    assert grey(opened, 5, 7) == stored("colour")[7, 5].tolist()


# ---- where the model looks ----


def test_where_the_model_looks_is_asked_for_when_it_is_wanted_and_once(
    opened: Page, desk: Desk
) -> None:
    opened.wait_for_timeout(500)
    assert desk.received == []
    lit = (
        "document.querySelector('#painter .heat').getContext('2d').getImageData(3, 0, 1, 1).data[3]"
    )

    opened.keyboard.press("o")
    opened.wait_for_function(f"{lit} > 200")
    opened.keyboard.press("o")
    opened.keyboard.press("o")
    opened.wait_for_timeout(500)

    assert [act for act, _ in desk.received] == ["saliency"]
    heat = opened.locator("#painter .heat")
    expect(heat).to_have_css("opacity", "0.45")
    show(opened, "c")
    opened.wait_for_function(f"{lit} > 200")
    assert [painted.sample_id for _, painted in desk.received if painted] == ["a", "c"]


# ---- keys ----


def test_the_keys_are_listed_and_can_be_switched_off(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (50, 50))
    opened.keyboard.press("?")
    expect(opened.get_by_role("dialog")).to_contain_text("label is wrong")
    opened.get_by_role("checkbox").uncheck()
    opened.keyboard.press("Escape")
    expect(opened.get_by_role("dialog")).to_be_hidden()

    settled(opened)
    for key in ("s", "m", "l", "e"):
        opened.keyboard.press(key)
    opened.wait_for_timeout(300)
    assert desk.received == []
    assert "Keep" not in pressed(opened)

    opened.get_by_role("button", name="all keys").click()
    opened.get_by_role("checkbox").check()
    opened.keyboard.press("Escape")
    opened.keyboard.press("l")
    wait_until(opened, lambda: bool(desk.received))
    assert desk.received[0][0] == "suspect"


def test_holding_v_shows_the_image_blacked_out(opened: Page) -> None:
    drag(opened, "a", (10, 10), (50, 50))

    opened.keyboard.down("v")
    expect(paint(opened)).to_have_css("opacity", "1")
    expect(paint(opened)).to_have_css("filter", "brightness(0)")
    opened.keyboard.up("v")

    expect(paint(opened)).to_have_css("opacity", "0.58")


def test_what_is_undone_can_be_done_again(opened: Page, desk: Desk) -> None:
    drag(opened, "a", (10, 10), (50, 50))
    drawn = sent(opened, desk).irrelevant

    opened.keyboard.press("Control+z")
    expect(opened.locator("#painter .area")).to_have_text("nothing hidden")
    opened.keyboard.press("Control+Shift+z")

    assert np.array_equal(sent(opened, desk).irrelevant, drawn)


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
