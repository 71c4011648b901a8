"""The hint on a newcomer's first film: what to paint, and where; gone with the first stroke."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from imil.report.parts.markup import ASSETS, icon
from imil.study.study import Study

COACH_MARKER = (
    "Paint over this marker: drag across it. It says nothing about the finding, yet the model may "
    "have learned it."
)
COACH_NO_MARKER = (
    "There is no marker on this film: the finding is there, and the model missed it. Nothing to "
    "hide? Press Skip."
)
COACH = "Paint over what should not matter: drag across it. Then press Black out & next."
COACH_CLOSE = "Close the hint"


def build_coach(**kwargs: Any) -> gr.HTML:
    """Place the hint where Gradio stands now: in the card of the painter, over its film."""
    return gr.HTML(
        html_template=_markup(),
        js_on_load=(ASSETS / "coach.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def coach(study: Study, sample_id: str) -> dict[str, Any]:
    """Return the hint for a film; the browser shows it until something was painted once."""
    hint = study.hint(sample_id)
    if hint is None:
        return {"sample": sample_id, "words": COACH, "marker": None}
    if hint.marker is None:
        return {"sample": sample_id, "words": COACH_NO_MARKER, "marker": None}
    return {"sample": sample_id, "words": COACH_MARKER, "marker": list(hint.marker)}


def _markup() -> str:
    return (
        '<div class="coach" hidden><span class="coachring"></span>'
        '<div class="coachbox" role="note"><p></p>'
        f'<button type="button" aria-label="{escape(COACH_CLOSE)}" '
        f'title="{escape(COACH_CLOSE)}">{icon("x")}</button></div></div>'
    )
