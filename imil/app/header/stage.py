"""The app on a stage (`?present=1`): large, without what only its makers need, with a QR code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gradio as gr
import segno

from imil.app.screen import Screen
from imil.app.server.input_checks import event_value
from imil.app.server.updates import QUIET_EVENT
from imil.core.bounds import quoted
from imil.errors import PlanError
from imil.report.parts.markup import ASSETS, render

# A page's address without what follows the path.
_PAGE = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}(?:/[A-Za-z0-9._~/-]{0,200})?")


def build_stage(**kwargs: Any) -> gr.HTML:
    """Place what a stage needs where Gradio stands now; it is seen with `?present=1` alone.

    Its value is `qr_value`'s. It triggers `qr` (data: page) for the code of the open study.
    """
    return gr.HTML(
        html_template=str(render("stage.html")),
        js_on_load=(ASSETS / "stage.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def qr_value(page: str, study_id: str) -> dict[str, str]:
    """Return the link to a study, and its QR code as a picture.

    Raises:
        PlanError: the page is no address of a page.
    """
    if not _PAGE.fullmatch(page):
        raise PlanError(
            f"{quoted(page)} is no address of a page.",
            why="The QR code leads to where the app is open.",
            fix="Reload the page, and try again.",
        )
    link = f"{page}?study={study_id}"
    # Read from some metres away, at an angle: a quarter of it may be hidden.
    code = segno.make(link, error="q", micro=False)
    return {"link": link, "picture": code.svg_data_uri(scale=8, border=2)}


@dataclass(frozen=True, slots=True, eq=False)
class StageHandlers:
    """Callbacks of the stage."""

    screen: Screen
    stage: gr.HTML

    def wire(self) -> None:
        """Attach the callbacks to their component."""
        self.stage.qr(self.show_qr, self.screen.study_id, self.stage, queue=False, **QUIET_EVENT)

    def show_qr(self, study_id: str, event: gr.EventData) -> dict[str, str]:
        """Return the code of the study that is open."""
        study = self.screen.studies.open(study_id)
        return qr_value(event_value(event, "page", str), study.study_id)
