from __future__ import annotations

import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from imil.app.screen import Screen
from imil.app.train.source_handlers import SourceHandlers
from imil.app.train.zip_options import QUESTIONS, choices_of, show_look, show_mending
from imil.datasets.archive.inspect import ArchiveSummary
from imil.datasets.archive.preview import ClassPreview
from imil.datasets.choices import Choices
from imil.datasets.layout.reading import Question
from imil.datasets.listing import Skipped
from imil.errors import DataError
from imil.study.library.imports import Imports

# Gradio leaves sockets and event loops open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LABEL = Question("label", "Which of these is the label?", ("column dx", "column <b>"), "column dx")
PREVIEWS = (ClassPreview("<b>", 8, {"test": 8}), ClassPreview("x", 12, {"train": 12}, ("/9j/",)))
LOOK = ArchiveSummary(
    20,
    2,
    3,
    {"x": 12, "<b>": 8},
    ("label: column “<b>”.",),
    (LABEL,),
    previews=PREVIEWS,
)


def _export(folder: Path) -> Path:
    archive = folder / "export.zip"
    rows = ["bild,dx"]
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(archive, "w") as zipped:
        for number in range(60):
            file = folder / "x.png"
            Image.fromarray(draw.integers(0, 99, (40, 40), np.uint8)).save(file)
            zipped.write(file, f"p{number // 3:02}_{number}.png")
            rows.append(f"p{number // 3:02}_{number},{'xy'[number // 3 % 2]}")
        zipped.writestr("liste.csv", "\n".join(rows))
    return archive


def test_classes_evidence_and_a_control_for_each_question_are_shown(screen: Screen) -> None:
    options = screen.train.picker.zip

    shown = show_look(options, LOOK)

    has = re.sub(r"\s+", " ", shown[options.has])
    assert '<th scope="row">&lt;b&gt;</th><td>8</td><td>0</td><td>8</td>' in has
    assert '<th scope="row">x</th><td>12</td><td>12</td><td>0</td>' in has
    assert has.count("data:image/jpeg;base64,/9j/") == 1
    assert "label: column “&lt;b&gt;”." in has
    assert shown[options.questions[0]]["value"] == "column dx"
    assert [shown[control]["visible"] for control in options.questions[1:]] == [False] * (
        len(options.questions) - 1
    )
    assert "Asked before" not in shown[options.has]


def test_an_open_question_is_said_and_nothing_is_picked_for_it(screen: Screen) -> None:
    options = screen.train.picker.zip

    shown = show_look(options, replace(LOOK, questions=(replace(LABEL, chosen=None),)))

    assert "Asked before anything is read: Which of these is the label?" in shown[options.has]
    assert shown[options.questions[0]]["value"] is None
    assert shown[options.box]["open"]


def test_what_will_be_left_out_of_a_zip_is_listed_before_it_is_read(screen: Screen) -> None:
    options = screen.train.picker.zip
    lost = (Skipped("a/<b>.png", "It is damaged in the zip."), Skipped("x.zip", "Not unpacked."))

    shown = show_look(options, replace(LOOK, skipped=lost))[options.has]
    untried = show_look(options, replace(LOOK, tried=False))[options.has]

    assert "2 files of the zip will be left out" in shown
    assert "<li>a/&lt;b&gt;.png: It is damaged in the zip.</li>" in shown
    assert "left out" not in untried
    assert "which of its files are damaged is told once it is read" in untried
    assert "once it is read" not in shown


def test_what_is_picked_is_what_is_read() -> None:
    answers = (("label", "column dx"), ("frame", "frame 2"))

    assert choices_of((None, 0, True, answers)) == Choices(
        answers=answers, preset=0, black_corners=True
    )
    assert choices_of((None, 1, False, ())) == Choices()


@pytest.mark.slow
def test_a_zip_is_looked_into_and_read_with_its_patients(screen: Screen, tmp_path: Path) -> None:
    acts, archive = SourceHandlers(screen, Imports()), str(_export(tmp_path))
    options = screen.train.picker.zip
    looked = acts.new_file(archive, None, gr.Request(session_hash="s"))
    assert looked[screen.train.picker.positive]["choices"] == ["", "x", "y"]
    answered = acts.answer_of("patient")(
        archive, None, (), "{patient}_*", gr.Request(session_hash="s")
    )
    assert answered[options.answers] == (("patient", "{patient}_*"),)
    picked = (None, 1, False, answered[options.answers])

    begun = acts.open_archive(gr.Request(session_hash="s"), archive, "mine", None, *picked)
    import_id = begun[screen.train.picker.reading]
    while (status := acts.imports.status(import_id)) is not None and status.active:
        time.sleep(0.05)

    assert status is not None
    assert status.error is None
    study = screen.studies.open(status.study_id or "")
    assert study.proof.patients == 20
    assert study.images.classes == ("x", "y")


def test_an_error_that_an_answer_mends_opens_its_control(screen: Screen) -> None:
    options = screen.train.picker.zip
    error = DataError("x", why="y", fix="z", question="split")

    shown = show_mending(options, error)

    control = options.questions[QUESTIONS.index("split")]
    assert shown[options.box]["open"]
    assert shown[control]["visible"]
    assert show_mending(options, DataError("x", why="y", fix="z")) == {}
