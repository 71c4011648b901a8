"""A zip with a table and DICOM: what it seems to hold is shown, corrected, and read so."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image
from playwright.sync_api import Page, expect

from imil.settings import Settings
from tests.browser.fresh import PATIENCE
from tests.browser.hosting import host
from tests.browser.looks import look
from tests.standins.dicoms import write_dicom
from tests.standins.fakehub import TOKEN, FakeHub

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # The server runs in this process here, and Gradio's own code warns.
    pytest.mark.filterwarnings("default"),
]

REPO = "alice/state"
SIDE = 48
FILMS = 40
# What would run in a page that took names for markup.
EVIL = '<img src=x onerror="window.hit=1">'


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app with its state on the Hub, which lets go of what nobody visits."""
    home = tmp_path_factory.mktemp("home")
    with FakeHub() as hub:
        hub.put(REPO, {}, kind="datasets", private=True)
        settings = Settings(
            home, state_repo=REPO, token=TOKEN, endpoint=hub.endpoint, idle_days=30, demo=False
        )
        with host(settings) as url:
            yield url


def picture(number: int, *, level: int = 60) -> np.ndarray:
    """Return a film unlike that of any other number."""
    draw = np.random.default_rng(number)
    return draw.integers(level - 40, level + 40, (SIDE, SIDE), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hospital's export: pictures named by patient, a DICOM series, and a workbook."""
    folder = tmp_path_factory.mktemp("export")
    path = folder / "export.zip"
    book = Workbook()
    book.active.append(["Image", "Finding", "Reader's finding", "Ward"])
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(FILMS):
            name = f"p{number // 2:02}_{number:02}"
            label = ("healthy", "sick")[number // 2 % 2]
            archive.writestr(f"films/{name}.png", png(picture(number)))
            book.active.append([name, label, label.upper(), f"W{number % 3}"])
        frames = np.stack([picture(900 + n) for n in range(3)])
        made = write_dicom(folder / "x.dcm", frames, PatientID="p99")
        archive.writestr("films/p99_99.dcm", made.read_bytes())
        book.active.append(["p99_99", "sick", "SICK", "W0"])
        book.save(folder / "labels.xlsx")
        archive.writestr("labels.xlsx", (folder / "labels.xlsx").read_bytes())
    return path


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip whose class, files and table's columns are named as markup is written."""
    path = tmp_path_factory.mktemp("evil") / "evil.zip"
    rows = [f"file,label,{EVIL.replace(',', '')}"]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(24):
            name = f"<b onclick=alert(1)>{number}<-b>.png"
            archive.writestr(name, png(picture(number)))
            rows.append(f"{name},{('plain', EVIL)[number % 2]},x")
        archive.writestr(f"{EVIL.replace('/', '')}.png", b"no image")
        rows.append(f"{EVIL}.png,plain,x")
        archive.writestr("list.csv", "\n".join(rows))
    return path


def bring(page: Page, online: str, archive: Path) -> None:
    """Open the app and drop a zip, as far as the app's word on what it holds."""
    page.goto(online)
    page.get_by_role("radio", name="Zip").check()
    page.locator("#archive input[type=file]").set_input_files(archive)
    expect(page.locator("#zip-has")).to_contain_text("in the zip", timeout=PATIENCE)


def test_guessed_columns_are_shown_corrected_and_read_so(
    page: Page, online: str, export: Path, screens: Path, faults: list[str]
) -> None:
    bring(page, online, export)
    options = page.locator("#zip-options")

    expect(page.locator("#zip-has")).to_contain_text("40 images in the zip, 1 of them DICOM")
    expect(page.locator("#zip-file input")).to_have_value("column Image")
    expect(page.locator("#zip-label input")).to_have_value("column Finding")
    has = page.locator("#zip-has")
    expect(has).to_contain_text("“{patient}_*” sorts the 41 images into 21 groups")
    expect(page.locator("#zip-patient input")).to_have_value("none")
    look(page, screens, "zip-guessed", whole=True)
    page.locator("#zip-label input").click()
    page.locator("#zip-label").get_by_role("option", name="column Reader's finding").click()
    expect(has).to_contain_text("label: column “Reader's finding”", timeout=PATIENCE)
    page.locator("#zip-group input").click()
    page.locator("#zip-group").get_by_role("option", name="column Ward").click()
    expect(page.locator("#zip-group input")).to_have_value("column Ward")
    page.locator("#zip-patient input").click()
    page.locator("#zip-patient").get_by_role("option", name="file name {patient}_*").click()
    expect(has).to_contain_text("patients: by file name {patient}_*: 21 of 41", timeout=PATIENCE)
    expect(has).to_contain_text("1 of 41 files hold several; they are left out")
    page.locator("#zip-frame input").click()
    page.locator("#zip-frame").get_by_role("option", name="frame 2").click()
    expect(has).to_contain_text("“frame 2” is read of each", timeout=PATIENCE)
    expect(has).to_contain_text("41 images in the zip")
    expect(options).to_be_visible()
    look(page, screens, "zip-corrected", whole=True)
    page.locator("#name textarea, #name input").fill("Export")
    page.locator("#open-archive").click()

    card = page.locator("#study")
    expect(page.locator("#header")).to_contain_text("Export", timeout=PATIENCE)
    expect(card).to_contain_text("HEALTHY")
    expect(card).to_contain_text("No patient in two splits. 21 patients checked")
    expect(card).to_contain_text("41 images compared")
    consent = page.locator("#consent")
    expect(consent).to_contain_text("Without the tick no image leaves this server")
    expect(consent).to_contain_text("30 days after its last visit the study's images and models")
    consent.get_by_role("checkbox").check()
    expect(consent).to_contain_text(
        f"Images are kept in {REPO}, and the first model in a private repo"
    )
    look(page, screens, "zip-read", whole=True)
    assert faults == []


def test_what_can_not_be_read_of_a_zip_is_named_before_and_after_the_others_are_read(
    page: Page, online: str, tmp_path: Path, screens: Path, faults: list[str]
) -> None:
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for number in range(24):
            made.writestr(f"{'ab'[number % 2]}/{number}.png", png(picture(number)))
        made.writestr("a/huge.png", png(np.zeros((9000, 9000), np.uint8)))
        made.writestr("a/notes.docx", b"?")
    content = png(picture(5))
    damaged = content[:99] + bytes(9) + content[108:]
    archive.write_bytes(archive.read_bytes().replace(content, damaged))

    bring(page, online, archive)
    expect(page.locator("#zip-has")).to_contain_text("24 images in the zip")
    page.locator("#zip-has").get_by_text("2 files of the zip will be left out").click()
    expect(page.locator("#zip-has")).to_contain_text("b/5.png: It is damaged in the zip.")
    look(page, screens, "zip-damaged", whole=True)
    page.locator("#name textarea, #name input").fill("Damaged")
    page.locator("#open-archive").click()

    card = page.locator("#study")
    expect(page.locator("#header")).to_contain_text("Damaged", timeout=PATIENCE)
    expect(card).to_contain_text("No near duplicate across splits. 23 images compared.")
    card.get_by_text("23 images taken, 3 files skipped").click()
    expect(card).to_contain_text("b/5.png: It is damaged in the zip.")
    expect(card).to_contain_text("a/huge.png: It has 9000 × 9000 pixels")
    assert faults == []


def test_markup_in_labels_columns_and_file_names_is_shown_as_text(
    page: Page, online: str, evil: Path, screens: Path, faults: list[str]
) -> None:
    bring(page, online, evil)
    page.locator("#zip-patient input").click()
    expect(page.get_by_role("option", name=EVIL)).to_be_visible()
    page.keyboard.press("Escape")

    page.locator("#name textarea, #name input").fill(EVIL)
    page.locator("#open-archive").click()

    card = page.locator("#study")
    expect(card.locator(".samples")).to_contain_text(EVIL, timeout=PATIENCE)
    expect(page.locator("#header")).to_contain_text(EVIL)
    card.get_by_text("skipped").first.click()
    expect(card).to_contain_text(f"{EVIL}.png")
    look(page, screens, "zip-evil", whole=True)
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x]").count() == 0
    assert faults == []
