"""What a browser or a program may send, and what is refused before a callback sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.block_function import BlockFunction
from gradio.events import api

from imil.app.server.input_checks import check_json, check_sent, study_among
from imil.errors import PlanError

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MARK = {"_type": "gradio.FileData"}


def endpoint(
    study: str, k: int = 5, share: float = 0.5, names: list[str] | None = None, sure: bool = True
) -> str:
    return f"{study} {k} {share} {names} {sure}"


def widgets(file: str | None, name: str, number: float, kind: str, study_id: str) -> str:
    return f"{file} {name} {number} {kind} {study_id}"


@pytest.fixture(scope="module")
def app() -> Iterator[gr.Blocks]:
    with gr.Blocks() as made:
        api(endpoint, concurrency_limit=None)
        inputs = [
            gr.File(),
            gr.Textbox(),
            gr.Number(0),
            gr.Radio(["a", "b"], value="a"),
            gr.BrowserState(""),
        ]
        gr.Button().click(widgets, inputs, gr.Textbox())
    yield made
    made.close()


def event(app: gr.Blocks, name: str) -> BlockFunction:
    return next(each for each in app.fns.values() if each.fn and each.fn.__name__ == name)


def test_values_of_their_types_go_through_and_empty_ones_are_the_usual_ones(app: gr.Blocks) -> None:
    called = event(app, "endpoint")

    assert check_sent(called, ["s", 1, 2, ["a"], False]) == ["s", 1, 2, ["a"], False]
    assert check_sent(called, ["s", None, None, None, None]) == ["s", 5, 0.5, None, True]
    assert check_sent(called, ["s", 1, 0.5, "a", True])[3] == ["a"]
    assert study_among(called, ["s", 1]) == "s"


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, None), (0, 5), (1, 1.0), (1, True), (2, float("nan")), (3, {}), (3, [1]), (4, 1)],
)
def test_a_value_of_another_type_is_named_and_refused(
    app: gr.Blocks, place: int, value: Any
) -> None:
    values: list[Any] = ["s", 1, 0.5, ["a"], True]
    values[place] = value

    with pytest.raises(
        PlanError, match=f"The {('study', 'k', 'share', 'names', 'sure')[place]} is"
    ):
        check_sent(event(app, "endpoint"), values)


def test_only_a_file_that_was_uploaded_is_taken_for_one(
    app: gr.Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    called, uploaded = event(app, "widgets"), str(tmp_path / "uploads" / "x" / "a.zip")
    rest = ["name", 1, "a", "s"]

    taken = check_sent(called, [{"path": uploaded, "meta": MARK}, *rest])

    assert taken[0]["path"] == uploaded
    outside = [
        "/etc/passwd",
        "http://192.0.2.1/a.zip",
        f"{tmp_path}/uploads/../b",
        "\0",
        "x" * 10**5,
    ]
    for path in outside:
        with pytest.raises(PlanError, match="a file that was uploaded here"):
            check_sent(called, [{"path": path, "meta": MARK}, *rest])


def test_a_file_is_fetched_for_no_other_value_yet_an_event_may_name_one() -> None:
    named = {"chosen": [{"path": "http://192.0.2.1/a.zip", "meta": MARK}]}

    check_json("event", named, files=True)
    with pytest.raises(PlanError, match="without files"):
        check_json("value", named)


def test_a_choice_can_not_be_taken_back_and_a_kept_text_is_bounded(app: gr.Blocks) -> None:
    called = event(app, "widgets")

    with pytest.raises(PlanError, match="kind is empty"):
        check_sent(called, [None, "name", 1, None, "s"])
    with pytest.raises(PlanError, match="study id is"):
        check_sent(called, [None, "name", 1, "a", "s" * 10**6])
    with pytest.raises(PlanError, match="number is"):
        check_sent(called, [None, "name", float("inf"), "a", "s"])
