"""Where images come from, what is wrong with them, and plans by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from app import _trained_demo
from imil.settings import Settings
from tests.browser.acts import set_plan, upload
from tests.browser.fresh import PATIENCE
from tests.browser.hosting import host
from tests.browser.serving import foreign
from tests.datasets.hub_sets import image_folder, parquet, picture
from tests.standins.fakehub import FakeHub, Fault

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

# A reading starts a process, which takes its time on a busy machine.


def chest_films() -> dict[str, bytes]:
    """Return a stand-in for the first public set: its columns and splits, other images."""
    rows = [{"image": picture(n), "label": n % 2} for n in range(56)]
    # One film is there twice, in two splits.
    rows[40] = {"image": rows[2]["image"], "label": 0}
    parts = {"train": rows[:40], "validation": rows[52:], "test": rows[40:52]}
    return {
        f"data/{split}-00000-of-00001.parquet": parquet(part, names=["NORMAL", "PNEUMONIA"])
        for split, part in parts.items()
    }


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.put("hf-vision/chest-xray-pneumonia", chest_films(), kind="datasets")
        running.put("lab/films", image_folder(14), kind="datasets")
        yield running


@dataclass(frozen=True, slots=True)
class Online:
    """The app beside a Hub."""

    url: str
    home: Path


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[Online]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home, endpoint=hub.endpoint)
    with host(settings, workers=1, trained=_trained_demo()) as url:
        yield Online(url, home)


@pytest.fixture
def ready(page: Page, online: Online) -> Page:
    page.goto(online.url)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator("#study .samples img")).to_have_count(12, timeout=PATIENCE)
    return page


def choose(page: Page, source: str) -> None:
    page.locator("#source").get_by_role("radio", name=source).check()


def image_folders(online: Online) -> int:
    """Return how many studies have images of their own."""
    return len(list((online.home / "work" / "studies").glob("*/images")))


def test_a_public_set_is_one_click_away_and_says_on_what_terms(
    ready: Page, online: Online, requests: list[str], faults: list[str]
) -> None:
    before = image_folders(online)

    choose(ready, "Public set")
    facts = ready.locator("#public-facts")
    expect(facts).to_contain_text("hf-vision/chest-xray-pneumonia · licence CC BY 4.0")
    expect(facts).to_contain_text("Cite: Kermany")
    ready.locator("#open-public").dblclick()
    expect(ready.locator("#reading")).to_contain_text("Reading images")
    expect(ready.locator("#open-public")).to_be_disabled()

    expect(ready.locator("#header")).to_contain_text("Chest X-rays, pneumonia", timeout=PATIENCE)
    card = ready.locator("#study")
    expect(card).to_contain_text("Patients unknown.")
    expect(card).to_contain_text("1 image was moved to the stricter split")
    expect(card).to_contain_text("Few images of “NORMAL”")
    card.get_by_text("Show them").click()
    expect(card.locator(".twins li").first).to_contain_text(re.compile(r"Image \d+, Test, NORMAL"))
    expect(ready.locator("#open-public")).to_be_enabled()
    assert image_folders(online) == before + 1
    assert foreign(requests, online.url) == []
    assert faults == []


def test_a_hub_out_of_reach_is_said_in_place_and_the_films_remain(
    ready: Page, hub: FakeHub
) -> None:
    hub.faults.append(Fault("GET /api/datasets/hf-vision", status=503))

    choose(ready, "Public set")
    ready.locator("#open-public").click()

    alert = ready.locator(".card .note.bad[role=alert]")
    expect(alert).to_contain_text("can't be fetched now.", timeout=PATIENCE)
    expect(alert).to_contain_text("the demo's films and your own zip need no network")
    expect(ready.locator("#study .samples img")).to_have_count(12)
    expect(ready.locator("#open-public")).to_be_enabled()


def test_a_reading_goes_on_through_a_reload_and_makes_one_study(
    ready: Page, hub: FakeHub, online: Online
) -> None:
    before = image_folders(online)
    hub.faults.append(Fault("GET .*/train/a/doe_jane_0.png", stall=6.0))

    choose(ready, "Hub id")
    ready.locator("#hub-id input, #hub-id textarea").fill("lab/films")
    ready.locator("#open-hub").click()
    expect(ready.locator("#reading")).to_contain_text("of 28", timeout=PATIENCE)
    ready.reload()

    expect(ready.locator("#reading")).to_contain_text("Reading images")
    expect(ready.locator("#header")).to_contain_text("lab/films", timeout=PATIENCE)
    expect(ready.locator("#reading")).to_be_empty()
    assert image_folders(online) == before + 1

    # What has been read does not come back over what was opened since.
    ready.get_by_role("button", name="Next visitor").click()
    expect(ready.locator("#header .study")).to_contain_text("Demo study", timeout=PATIENCE)
    ready.reload()
    expect(ready.locator("#header .study")).to_contain_text("Demo study", timeout=PATIENCE)
    ready.wait_for_timeout(2000)  # the page looks for a reading every .7 s
    expect(ready.locator("#header .study")).to_contain_text("Demo study")


def test_what_a_data_set_has_can_be_looked_at_before_it_is_fetched(ready: Page) -> None:
    choose(ready, "Hub id")
    ready.locator("#hub-id input, #hub-id textarea").fill("hf-vision/chest-xray-pneumonia")
    ready.locator("#hub-look").click()

    expect(ready.locator("#hub-has")).to_contain_text("Label: label.", timeout=PATIENCE)
    expect(ready.locator("#hub-has")).to_contain_text("train, validation, test")
    expect(ready.get_by_label("Label column")).to_have_value("label")
    ready.locator("#hub-id input, #hub-id textarea").fill("no id at all")
    ready.locator("#hub-look").click()
    expect(ready.locator(".card .note.bad[role=alert]")).to_contain_text("no id of a Hub data set")


def test_a_preset_is_one_click_and_a_wrong_setting_is_said_where_it_stands(ready: Page) -> None:
    ready.locator("#open-untrained").click()
    expect(ready.locator("#train")).to_be_visible(timeout=PATIENCE)
    preset = ready.locator("#preset")
    expect(preset.get_by_role("radio", name="Recommended")).to_be_checked(timeout=PATIENCE)

    preset.get_by_role("radio", name="Paper").check()
    expect(ready.locator("#plan-summary")).to_contain_text("resnet50", timeout=PATIENCE)
    expect(ready.locator("#plan-summary")).to_contain_text("224 px", timeout=PATIENCE)
    ready.get_by_role("button", name="Advanced").click()
    ready.locator("#plan-epochs input").fill("0")
    trouble = ready.locator("#plan-trouble")
    expect(trouble).to_contain_text("It must be a whole number from 1 to 1000.", timeout=PATIENCE)
    expect(preset.locator("label.selected")).to_have_count(0, timeout=PATIENCE)
    ready.locator("#plan-size input").fill("")
    expect(trouble).to_contain_text("The field “Image size, px” is empty.", timeout=PATIENCE)
    preset.get_by_role("radio", name="Recommended").check()
    expect(trouble).to_be_empty(timeout=PATIENCE)
    expect(ready.locator("#plan-summary")).to_contain_text("film_net", timeout=PATIENCE)


def test_a_program_takes_the_same_steps(online: Online) -> None:
    client = Client(online.url, verbose=False)

    offered = client.predict(api_name="/public_sets")
    choice = client.predict("lab/films", api_name="/look_at_hub")
    about = client.predict("lab/films", None, None, None, "b", 20, api_name="/open_hub")
    plan = client.predict(about["study"], "paper", api_name="/set_preset")

    assert {known["licence"] for known in offered} == {"CC BY 4.0", "CC0 1.0"}
    assert (choice["label"], choice["licence"]) == ("label", "cc-by-4.0")
    assert about["classes"] == ["not b", "b"]
    assert about["near_duplicates"]["across"] == 0
    assert (plan["backbone"], plan["size"]) == ("resnet50", 224)
    with pytest.raises(AppError, match="owner/name"):
        client.predict("no id", api_name="/look_at_hub")


def test_nothing_moves_while_training(ready: Page, archive: Path) -> None:
    upload(ready, archive, "steady")
    expect(ready.locator("#header")).to_contain_text("steady", timeout=PATIENCE)
    set_plan(ready, epochs="500", size="32")
    seen = [heights(ready)]

    ready.locator("#train").click()
    expect(ready.locator("#training")).to_contain_text("left", timeout=PATIENCE)
    expect(ready.locator("#training")).to_contain_text("Valid.", timeout=PATIENCE)
    seen.append(heights(ready))
    ready.locator("#stop").dblclick()
    expect(ready.locator("#training")).to_contain_text("Stopped", timeout=PATIENCE)
    seen.append(heights(ready))

    assert seen[1:] == seen[:1] * 2


def heights(page: Page) -> list[int]:
    """Return the height of the card on a large screen and on a phone; neither scrolls sideways."""
    found = []
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.locator(".card.training").bounding_box()
        assert box is not None
        found.append(round(box["height"]))
    return found
