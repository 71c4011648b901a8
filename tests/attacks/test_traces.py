"""What an upload says of patients is nowhere once it was read, and a deleted study is nowhere.

`tests/app/test_names.py` looks for it after trainings, downloads and restarts.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from imil.app.results.results_tab import build_results_tab
from imil.app.review.outliers_tab import build_outliers_tab
from imil.app.screen import Screen
from imil.app.server.served_files import KEEP_SECONDS, Uploads, download_folder, forget_downloads
from imil.app.server.updates import html
from imil.app.train.source_handlers import SourceHandlers
from imil.app.train.source_picker import build_reading_watch
from imil.app.train.train_tab import build_train_tab
from imil.study.library.imports import Imports, ImportStatus
from tests.app.conftest import leftovers_of_gradio  # noqa: F401  # a fixture
from tests.browser.serving import Server, serve
from tests.standins.dicoms import write_dicom
from tests.standins.hostile import encoded, files_in, studies_at
from tests.standins.search import found_in

pytestmark = [
    # Gradio and its client leave sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# In a file's name, EXIF, a DICOM tag, and a column of a table that nothing reads.
MARKERS = ("NameMarker", "ExifMarker", "TagMarker", "ColumnMarker")


def telling(path: Path, *, films: int = 24) -> Path:
    """Write a zip that says whose images it holds in every way that there is."""
    exif = Image.Exif()
    exif[270] = "ExifMarker"
    with zipfile.ZipFile(path, "w") as archive:
        rows = ["file_name,label,remark"]
        for n in range(films):
            pixels = np.random.default_rng(n).integers(0, 256, (24, 24), np.uint8)
            name = f"NameMarker_{n}.jpg"
            content = encoded(Image.fromarray(pixels), "JPEG", exif=exif.tobytes())
            archive.writestr(f"NameMarker/{name}", content)
            rows.append(f"{name},{'ab'[n % 2]},ColumnMarker")
        made = write_dicom(path.with_suffix(".dcm"), pixels, PatientName="TagMarker^Jane")
        archive.writestr("NameMarker/NameMarker.dcm", made.read_bytes())
        archive.writestr("NameMarker/NameMarker_broken.png", b"no image")
        rows += ["NameMarker.dcm,a,ColumnMarker", "NameMarker_broken.png,b,ColumnMarker"]
        archive.writestr("NameMarker/metadata.csv", "\n".join(rows))
    return path


def useless(path: Path) -> Path:
    """Write a zip of the same names of which no study can be begun."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("NameMarker/NameMarker.txt", b"ExifMarker TagMarker ColumnMarker")
    return path


# ---- The running app -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("home"), demo=False) as started:
        yield started


@pytest.mark.slow
def test_an_upload_is_gone_once_it_was_read_refused_or_looked_into_and_a_study_once_deleted(
    server: Server, tmp_path: Path
) -> None:
    archive = handle_file(str(telling(tmp_path / "NameMarker.zip")))
    client = Client(server.url, verbose=False)
    home = server.home
    client.predict(archive, api_name="/look_at_archive")
    assert found_in(home, MARKERS) == []
    bad = handle_file(str(useless(tmp_path / "NameMarker_bad.zip")))
    with pytest.raises(AppError):
        client.predict(bad, "", "", api_name="/open_archive")
    assert found_in(home, MARKERS) == []

    begun = client.predict(archive, "", "", api_name="/open_archive")
    study = begun["study"]
    with pytest.raises(AppError):
        client.predict("0" * 32, archive, api_name="/bring_images")
    assert found_in(home, MARKERS) == []
    assert begun["images"] == 25

    with httpx.Client(base_url=server.url, timeout=60) as http:
        address = f"/gradio_api/file={exported(client, study, tmp_path)}"
        whole = served(home)
        assert http.get(f"/gradio_api/file={whole}").status_code == 200
        client.predict(study, "", api_name="/delete_study")
        assert http.get(f"/gradio_api/file={whole}").status_code >= 400
        assert http.get(address).status_code >= 400
    assert not any(study in name for name in files_in(home / "work"))
    assert list((home / "uploads").rglob("*.zip")) == []
    assert found_in(home, MARKERS) == []


def exported(client: Client, study: str, folder: Path) -> str:
    """Have the study's own file made, and return where the client put it."""
    client.output_dir = str(folder / "downloads")
    made: Any = client.predict(study, "study", "", api_name="/download")
    return str(made if isinstance(made, str) else made["path"])


def served(home: Path) -> Path:
    """Return where the app serves the study's own file from."""
    (file,) = (home / "uploads").rglob("study.zip")
    return file


# ---- A page ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desk:
    """A page's acts on uploads, and the folders that they leave something in."""

    acts: SourceHandlers
    home: Path
    folder: Path

    def upload(self, make: Callable[[Path], Path] = telling, *, owner: str = "0") -> str:
        """Put a file where Gradio would."""
        folder = self.folder / (owner * 64)
        folder.mkdir(parents=True, exist_ok=True)
        made = make(folder.parent.parent / "NameMarker.zip")
        return str(made.rename(folder / made.name))

    def press(self, file: str) -> str:
        """Press the button that begins a reading, and return its id."""
        picked = (None, 1, False, ())
        begun = self.acts.open_archive(page(), file, None, None, *picked)
        return str(begun[self.acts.picker.reading])

    def ended(self, import_id: str) -> ImportStatus:
        """Wait until a reading has ended, and return how it did."""
        while (status := self.acts.imports.status(import_id)) is None or status.active:
            time.sleep(0.02)
        return status

    def left(self) -> list[tuple[str, str]]:
        """Return what is still told, and where."""
        return found_in(self.home, MARKERS) + found_in(self.folder, MARKERS)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, folder = tmp_path / "home", tmp_path / "uploads"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    with gr.Blocks():
        header, study_id, reader = html(), gr.BrowserState(""), gr.BrowserState("")
        with gr.Tabs() as tabs, gr.Tab("x") as place:
            parts = (
                build_train_tab(build_reading_watch()),
                build_outliers_tab(place),
                build_results_tab(),
            )
        timer, news = gr.Timer(1, active=False), gr.Timer(1, active=False)
    screen = Screen(studies_at(home), study_id, reader, header, tabs, timer, news, *parts, html())
    return Desk(SourceHandlers(screen, Imports(), Uploads(folder)), home, folder)


def page(name: str = "p") -> gr.Request:
    return gr.Request(session_hash=name)


def test_a_page_keeps_its_upload_until_it_is_read_and_then_shows_none(desk: Desk) -> None:
    file = desk.upload()
    desk.acts.new_file(file, None, page())
    assert Path(file).exists()

    ended = desk.ended(desk.press(file))

    assert ended.error is None
    assert desk.left() == []
    assert desk.acts._without_files(page())[desk.acts.picker.file] is None


def test_an_upload_that_is_refused_or_stopped_is_gone_as_well(desk: Desk) -> None:
    refused = desk.ended(desk.press(desk.upload(useless)))
    assert refused.error is not None
    assert desk.left() == []

    import_id = desk.press(desk.upload())
    desk.acts.stop(import_id)

    assert "stopped" in str(desk.ended(import_id).error)
    assert desk.left() == []


def test_an_upload_goes_when_its_page_shows_another_or_none_or_is_closed(desk: Desk) -> None:
    first, second, third = (desk.upload(owner=owner) for owner in "123")
    desk.acts.new_file(first, None, page())
    desk.acts.new_file(second, None, page())
    assert [Path(file).exists() for file in (first, second)] == [False, True]
    desk.acts.new_file(None, None, page())
    assert not Path(second).exists()
    desk.acts.new_brought(third, page())
    assert Path(third).exists()

    desk.acts.leave(page())

    assert desk.left() == []


def test_a_file_that_two_pages_show_goes_with_the_second(desk: Desk) -> None:
    file = desk.upload()
    for name in "ab":
        desk.acts.new_brought(file, page(name))

    desk.acts.leave(page("a"))
    assert Path(file).exists()
    desk.acts.leave(page("b"))

    assert not Path(file).exists()


def test_a_newer_file_is_not_taken_from_a_page_whose_reading_ends(desk: Desk) -> None:
    first, second = desk.upload(owner="1"), desk.upload(owner="2")
    desk.acts.new_brought(second, page())

    with desk.acts.uploads.reading(first):
        pass

    bring = desk.acts.screen.train.bring
    assert bring.file not in desk.acts._without_files(page())
    assert Path(second).exists()


def test_what_lies_there_for_long_is_swept_unless_it_is_read(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    old, read, new = (tmp_path / name / "NameMarker.zip" for name in ("old", "read", "new"))
    for path in (old, read, new):
        path.parent.mkdir()
        path.write_bytes(b"x")
    long_ago = time.time() - KEEP_SECONDS - 1
    for path in (old, old.parent, read):
        os.utime(path, (long_ago, long_ago))
    uploads.show("page", str(old))

    with uploads.reading(read):
        uploads.sweep()

        assert set(files_in(tmp_path)) == {"read/NameMarker.zip", "new/NameMarker.zip"}
    assert set(files_in(tmp_path)) == {"new/NameMarker.zip"}


def test_nothing_outside_of_the_uploads_is_ever_deleted(tmp_path: Path) -> None:
    uploads, other = Uploads(tmp_path / "uploads"), tmp_path / "other" / "film.zip"
    other.parent.mkdir()
    other.write_bytes(b"x")

    with uploads.reading(other, str(tmp_path / "uploads" / ".." / "other" / "film.zip")):
        uploads.show("page", str(other))
    uploads.show("page")
    uploads.sweep(keep=-9)

    assert other.exists()


def test_what_was_handed_out_of_a_study_goes_with_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    made = [download_folder(study) for study in ("one", "one", "two")]
    for folder in made:
        (folder / "study.zip").write_bytes(b"x")

    forget_downloads("one")

    assert [folder.exists() for folder in made] == [False, False, True]
    assert not any("one" in folder.name or "two" in folder.name for folder in tmp_path.iterdir())
