from __future__ import annotations

import gradio as gr
import pytest

from imil.app.header.stage import StageHandlers, qr_value
from imil.app.screen import Screen
from imil.app.server.updates import html
from imil.errors import ImilError, PlanError
from imil.study.library.studies import Studies

# Gradio leaves an event loop open for each Blocks.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_the_code_leads_to_the_study_on_the_page_where_it_is_open(
    screen: Screen, studies: Studies
) -> None:
    study = studies.demo()
    acts = StageHandlers(screen, html())

    shown = acts.show_qr(study.study_id, gr.EventData(None, {"page": "https://a-b.hf.space/"}))

    assert shown["link"] == f"https://a-b.hf.space/?study={study.study_id}"
    assert shown["picture"].startswith("data:image/svg+xml")


@pytest.mark.parametrize(
    "page", ["", "javascript:alert(1)", "https://a.b/?x=1", "https://a.b/" + "a" * 9999, "ftp://a"]
)
def test_a_code_leads_nowhere_else(page: str) -> None:
    with pytest.raises(PlanError):
        qr_value(page, "0" * 32)


def test_a_study_that_is_gone_has_no_code(screen: Screen) -> None:
    page = gr.EventData(None, {"page": "http://127.0.0.1:7860/"})

    with pytest.raises(ImilError):
        StageHandlers(screen, html()).show_qr("0" * 32, page)
