"""What the demo tells a newcomer: what is wrong with its model, and what to paint, and where."""

from __future__ import annotations

from typing import Any

import gradio as gr

from imil.report.parts import numbers
from imil.report.parts.markup import ASSETS, render
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
STORY = (
    "This model is {right} right, partly by reading an “L” in the corner; "
    "on films where the L misleads it is {misled} right."
)
STORY_ASIDE = "{films} validation films, {misled} of them misleading"


def build_coach(**kwargs: Any) -> gr.HTML:
    """Place the hint where Gradio stands now: in the card of the painter, over its film."""
    return gr.HTML(
        html_template=str(render("coach.html")),
        js_on_load=(ASSETS / "coach.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def coach(study: Study, sample_id: str) -> dict[str, Any]:
    """Return the hint for a film; the browser shows it until something was painted once."""
    hint = study.pictures.hint(sample_id)
    if hint is None:
        return {"sample": sample_id, "words": COACH, "marker": None}
    if hint.marker is None:
        return {"sample": sample_id, "words": COACH_NO_MARKER, "marker": None}
    return {"sample": sample_id, "words": COACH_MARKER, "marker": list(hint.marker)}


def story(study: Study) -> str:
    """Return the demo's one sentence as HTML: how right its model is, and why; "" elsewhere.

    The figures are those of the study's own model. A model that doesn't read the marker, as one
    that a visitor trains on other films may not, has no such story.
    """
    figures = study.model.shortcut_figures()
    if figures is None or not figures.reads_marker:
        return ""
    words = STORY.format(
        right=numbers.percent(figures.right), misled=numbers.percent(figures.misled_right)
    )
    aside = STORY_ASIDE.format(
        films=numbers.count(figures.films), misled=numbers.count(figures.misled_films)
    )
    return render("story.html", words=words, aside=aside)
