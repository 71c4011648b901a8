"""The guided start: three steps, a tab each, above the tabs, so that nothing is covered."""

from __future__ import annotations

from typing import Any

import gradio as gr

from imil.report.parts.markup import ASSETS, render

# Of each tab in turn: its name, what happens there, and what leads on from it.
GUIDE = (
    (
        "Train",
        (
            "Choose images, and train a model on them. In the demo this is done: see “Validation "
            "accuracy”."
        ),
        "Next: mask",
    ),
    (
        "Mask",
        (
            "The model gets these training images wrong. Paint over what should not matter, such "
            "as a marker. Then press Black out & next."
        ),
        "Next: test",
    ),
    (
        "Test",
        (
            "“Test my masks” trains two copies, with and without your masks. Here you see whether "
            "the masks helped, and by how much."
        ),
        "Begin to mask",
    ),
)


def build_guide(**kwargs: Any) -> gr.HTML:
    """Place the three steps where Gradio stands now, which is above the tabs.

    The browser offers them, goes from tab to tab with them, and keeps that they were skipped.
    """
    return gr.HTML(
        html_template=str(render("guide.html", steps=GUIDE)),
        js_on_load=(ASSETS / "guide.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )
