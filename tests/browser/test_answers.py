"""The painter with the answer beside it: late answers, and a predicted mask to begin from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from imil.app.painter.painter import (
    Painted,
    PainterImage,
    build_painter,
    decode_painted,
    encode_image,
    encode_painter_image,
    kept_value,
    offer,
)
from imil.app.review.answer_card import build_answer
from imil.app.server.page import Page as OurPage
from imil.app.server.theme import launch_options
from imil.report.parts.markup import ASSETS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

SIDE = 64
# How long the model takes over its first answer here, s: far longer than the next stroke.
SLOW = 1.5
# Between the ends of two strokes, ms: nearly from here on the model may be asked.
RESTED = 100


@dataclass
class Desk:
    """A server with a painter and an answer, and what it was asked."""

    url: str = ""
    asked: list[Painted] = field(default_factory=list)
    kept: list[Painted] = field(default_factory=list)


def film(name: str) -> dict[str, Any]:
    return encode_painter_image(
        PainterImage("study", name, encode_image(np.zeros((SIDE, SIDE), np.uint8)))
    )


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    made = Desk()

    def answer(payload: Any) -> dict[str, str]:
        painted = decode_painted(payload)
        assert painted is not None
        made.asked.append(painted)
        pixels = int(painted.irrelevant.sum())
        if painted.sample_id == "slow" and 0 < pixels < 200:
            time.sleep(SLOW)
        html = f"<p>{painted.sample_id} hides {pixels}</p>"
        return {"sample": painted.sample_id, "stroke": painted.stroke, "html": html}

    def start(payload: Any) -> Any:
        painted = decode_painted(payload)
        assert painted is not None
        predicted = np.zeros((SIDE, SIDE), np.bool_)
        predicted[:8, :8] = True
        return gr.update(
            offered=offer("study", painted.sample_id, predicted, stroke=painted.stroke)
        )

    def keep(payload: Any) -> Any:
        painted = decode_painted(payload)
        assert painted is not None
        made.kept.append(painted)
        return gr.update(kept=kept_value(painted, base=""))

    with OurPage(analytics_enabled=False) as demo:
        painter = build_painter(elem_id="painter")
        shown = build_answer(elem_id="answer")
        quiet: dict[str, Any] = {"show_progress": "hidden"}
        for name in ("slow", "other"):
            opening = gr.Button(f"open {name}")
            opening.click(lambda name=name: film(name), None, painter, **quiet)
        gr.Button("start").click(start, painter, painter, **quiet)
        painter.stroke(answer, painter, shown, trigger_mode="always_last", **quiet)
        # Each Enter counts, even where the browser has not yet heard of the one before.
        painter.blackout(keep, painter, painter, trigger_mode="multiple", **quiet)
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
    desk.asked.clear()
    desk.kept.clear()
    page.goto(desk.url)
    page.add_style_tag(content="#painter .painter {height: 600px}")
    page.locator("#answer .answer").wait_for()
    # Every answer that was ever shown, in order.
    page.evaluate(
        """() => {
          window.seen = [];
          const box = document.querySelector("#answer .answer");
          new MutationObserver(() => window.seen.push(box.innerText)).observe(
            box, {childList: true});
        }"""
    )
    show(page, "slow")
    return page


def show(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"open {name}").click()
    page.wait_for_selector(f"#painter .painter[data-ready='{name}']")
    expect(page.locator("#answer")).to_contain_text(f"{name} hides 0")
    page.wait_for_timeout(450)  # a film that has just opened ignores the rest of a double click


def drag(page: Page, *points: tuple[float, float]) -> None:
    box = page.locator("#painter .paint").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def seen(page: Page) -> list[str]:
    shown: list[str] = page.evaluate("() => window.seen")
    return shown


def asked_about(page: Page, desk: Desk) -> int:
    """Wait until the model is asked about a stroke; return how many pixels it hides."""
    for _ in range(400):
        hidden = int(desk.asked[-1].irrelevant.sum()) if desk.asked else 0
        if hidden:
            return hidden
        page.wait_for_timeout(25)
    raise AssertionError("the model was not asked")


def sent(page: Page, desk: Desk) -> Painted:
    before = len(desk.kept)
    page.locator("#painter .paint").focus()
    page.keyboard.press("Enter")
    for _ in range(100):
        if len(desk.kept) > before:
            # Until the browser has heard so too, another Enter is the same one pressed twice.
            page.wait_for_function(
                "!Object.keys(localStorage).some(key => key.startsWith('imil-unsent:'))"
            )
            return desk.kept[-1]
        page.wait_for_timeout(50)
    raise AssertionError("nothing was sent")


def test_an_answer_to_an_older_stroke_is_never_shown(opened: Page, desk: Desk) -> None:
    drag(opened, (0.2, 0.2), (0.3, 0.2))
    first = asked_about(opened, desk)
    for _ in range(3):
        drag(opened, (0.1, 0.6), (0.9, 0.6), (0.9, 0.9), (0.1, 0.9))

    opened.wait_for_timeout(int(1000 * SLOW) + 800)

    last = int(desk.asked[-1].irrelevant.sum())
    assert 0 < first < 200 < last
    expect(opened.locator("#answer")).to_contain_text(f"slow hides {last}")
    assert f"slow hides {first}" not in seen(opened)


def test_an_answer_to_another_film_is_never_shown(opened: Page, desk: Desk) -> None:
    drag(opened, (0.2, 0.2), (0.3, 0.2))
    late = f"slow hides {asked_about(opened, desk)}"

    show(opened, "other")
    opened.wait_for_timeout(int(1000 * SLOW) + 300)

    expect(opened.locator("#answer")).to_contain_text("other hides 0")
    assert late not in seen(opened)


def test_quick_strokes_are_asked_about_once_when_the_hand_rests(opened: Page, desk: Desk) -> None:
    show(opened, "other")
    before = len(desk.asked)
    opened.evaluate(
        """() => {
          window.ends = [];
          addEventListener("pointerup", () => window.ends.push(performance.now()), true);
        }"""
    )

    for y in (0.2, 0.4, 0.6, 0.8):
        drag(opened, (0.1, y), (0.9, y))
    opened.wait_for_timeout(800)

    # On a busy machine this hand is slow, and rests on its way.
    ends = opened.evaluate("() => window.ends")
    rests = sum(later - end >= RESTED for end, later in pairwise(ends))
    assert len(ends) == 4
    assert len(desk.asked) - before <= rests + 2


def test_a_predicted_mask_begins_the_painting_and_undo_takes_it_back(
    opened: Page, desk: Desk
) -> None:
    drag(opened, (0.5, 0.5), (0.6, 0.5))
    painted = sent(opened, desk)
    assert painted.origin == "painted"

    opened.get_by_role("button", name="start").click()
    expect(opened.locator("#painter .area")).to_contain_text("1.6 % of the image hidden")
    predicted = sent(opened, desk)
    drag(opened, (0.8, 0.8), (0.9, 0.8))
    corrected = sent(opened, desk)
    opened.keyboard.press("z")
    undone = sent(opened, desk)
    opened.keyboard.press("z")
    before = sent(opened, desk)

    assert predicted.irrelevant.sum() == 64
    kept = (predicted, corrected, undone, before)
    assert [one.origin for one in kept] == ["predicted", "corrected", "predicted", "painted"]
    assert np.array_equal(before.irrelevant, painted.irrelevant)


def test_what_is_painted_after_clearing_a_predicted_mask_is_painted(
    opened: Page, desk: Desk
) -> None:
    opened.get_by_role("button", name="start").click()
    expect(opened.locator("#painter .area")).to_contain_text("1.6 %")
    opened.get_by_label("Clear the mask").click()
    drag(opened, (0.5, 0.5), (0.6, 0.5))

    assert sent(opened, desk).origin == "painted"


def test_a_draft_begun_from_a_predicted_mask_is_still_one_after_a_reload(
    opened: Page, desk: Desk
) -> None:
    opened.get_by_role("button", name="start").click()
    expect(opened.locator("#painter .area")).to_contain_text("1.6 %")
    drag(opened, (0.8, 0.8), (0.9, 0.8))

    opened.reload()
    opened.get_by_role("button", name="open slow").click()
    opened.wait_for_selector("#painter .painter[data-ready='slow']")
    opened.wait_for_timeout(450)

    assert sent(opened, desk).origin == "corrected"
