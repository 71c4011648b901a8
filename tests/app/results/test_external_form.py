from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from imil.app.results.external_handlers import ExternalHandlers
from imil.app.results.results_handlers import ResultsHandlers
from imil.app.screen import Screen
from imil.app.server.served_files import Uploads
from imil.study.library.studies import Studies
from tests.datasets.hub_sets import image_folder
from tests.standins.sound_zip import zipped
from tests.standins.trained import as_if_trained

pytestmark = [
    pytest.mark.slow,
    # Gradio leaves an event loop open for each Blocks.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

REQUEST = gr.Request(session_hash="visitor")


@pytest.fixture
def acts(screen: Screen, tmp_path: Path) -> ExternalHandlers:
    return ExternalHandlers(screen, Uploads(tmp_path / "uploads"))


@pytest.fixture
def graz(tmp_path: Path) -> str:
    """A zip as Gradio keeps an upload."""
    folder = tmp_path / "uploads" / "0123"
    folder.mkdir(parents=True)
    files = image_folder(4, splits=("test",), classes=("normal", "lump"))
    return str(zipped(folder / "graz.zip", files))


def test_a_set_is_shown_beside_the_training_images_and_its_upload_is_deleted(
    acts: ExternalHandlers, studies: Studies, graz: str
) -> None:
    study, form = as_if_trained(studies.demo()), acts.form
    rules = "normal = no finding; lump = finding"

    shown = acts.add(REQUEST, study.study_id, "dr", "Graz & Umgebung", rules, graz, "")

    assert "Graz &amp; Umgebung" in shown[form.shown]
    assert "Not opened yet" in shown[form.shown]
    assert shown[form.trouble] == ""
    assert shown[form.file] is None
    assert shown[form.which]["choices"] == ["Graz & Umgebung"]
    assert not Path(graz).exists()


def test_what_is_wrong_with_a_set_is_said_in_place_with_the_labels_there_are(
    acts: ExternalHandlers, studies: Studies, graz: str
) -> None:
    study, form = as_if_trained(studies.demo()), acts.form

    shown = acts.add(REQUEST, study.study_id, "", "Graz", "", graz, "")

    said = shown[form.trouble]
    assert "“lump”" in said
    assert "“normal”" in said
    assert "“no finding”" in said
    assert form.name not in shown  # what was filled in stays
    assert study.external.sets == ()


def test_neither_a_file_nor_a_data_set_is_asked_for_again(
    acts: ExternalHandlers, studies: Studies
) -> None:
    study = as_if_trained(studies.demo())

    shown = acts.add(REQUEST, study.study_id, "", "Graz", "", None, " ")

    assert "<b>" in shown[acts.form.trouble]
    assert study.external.sets == ()


def test_whoever_opens_the_test_set_is_told_which_sets_are_opened_with_it(
    acts: ExternalHandlers, studies: Studies, graz: str, screen: Screen
) -> None:
    study = as_if_trained(studies.demo())
    rules = "normal = no finding; lump = finding"
    acts.add(REQUEST, study.study_id, "", "Graz", rules, graz, "")

    asked = ResultsHandlers(screen).ask_final(study.study_id)

    assert "Graz" in asked[screen.results.question.words]


def test_a_removed_set_is_shown_no_more(
    acts: ExternalHandlers, studies: Studies, graz: str
) -> None:
    study, form = as_if_trained(studies.demo()), acts.form
    rules = "normal = no finding; lump = finding"
    acts.add(REQUEST, study.study_id, "", "Graz", rules, graz, "")

    shown = acts.remove(study.study_id, "", "Graz")

    assert "Graz" not in shown[form.shown]
    assert shown[form.which]["visible"] is False
    assert "no external set" in acts.remove(study.study_id, "", "Graz")[form.trouble]
