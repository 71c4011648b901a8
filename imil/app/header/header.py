"""The line above the tabs: what this is, whose study is open, where it is saved, words, theme."""

from __future__ import annotations

import base64
from typing import Any

import gradio as gr

from imil.report.parts import text
from imil.report.parts.markup import ASSETS, render
from imil.report.parts.numbers import count, roughly
from imil.storage.base import Saved
from imil.study.study import Study

SAVED_HERE = "Saved on this server · no backup set up"
SAVED_FOR_OWNER = "This is for whoever runs this app to mend. You can go on meanwhile."
SAVED_SILENT_WHY = (
    "The Hugging Face Hub does not answer.",
    "What is saved here goes to {repo} there as soon as it can.",
    "Nothing is to be done and nothing is lost: it is kept on this machine, and sent by itself.",
)
NO_STUDY = "No study open"
UNSENT_WHY = (
    "What you masked is not saved yet.",
    "The app did not answer when it was handed in. It is kept in this browser, and not lost.",
    "Open the Outliers tab and leave it open: it is sent from there by itself, and this line goes.",
)
GLOSSARY = (
    ("Study", "One set of images and those who review it, from the first training to the last."),
    ("Round", "Outliers, masks, training on, comparison. The first training comes before round 1."),
    ("Outlier", "A training image that the model gets wrong: its prediction is not the label."),
    ("Label", "The class that an image is filed under. It can be wrong, too."),
    ("Mask", "The region of an image that you painted, because it should not matter."),
    ("Blackout", "The image with its mask set to black. Training goes on with it."),
    ("Budget", "How many training images may be masked: 4 % by default, as in the paper."),
    ("Queue", "An ordered list of training images to look at, such as the mispredicted ones."),
    ("Label suspect", "An image whose label looks wrong. You decide; masks are not for it."),
    ("Wrong reason", "A right answer that rests on what should not matter."),
    ("Shortcut", "Something that goes with the label in these images, but is not the finding."),
    ("Arm", "One way of training on. All arms start from one checkpoint, under one plan."),
    ("Control", "The arm without masks: the same extra epochs, and nothing else changed."),
    ("Plan", "The settings of training. Fixed once it begins, so that arms can be compared."),
    ("Epoch", "One pass of training over all training images."),
    ("Seed", "A number that makes chance repeatable. Five seeds are five runs."),
    ("Split", "What an image is used for: training, validation, or test, opened at the end."),
    ("Verdict", "Helps, trade-off, no clear difference or harmful: what the two questions say."),
    ("Interval", "The range that a figure may plausibly have, 95 % unless another level is named."),
    ("Points", "Hundredths of accuracy: from .80 to .85 is +5 points."),
    (
        "Saliency",
        "A map of where a prediction looks. A nicer map is no evidence of a better model.",
    ),
    (
        "Predicted mask",
        "What your masks suggest to hide in another image. You look before it counts.",
    ),
    (
        "Finding check",
        "Warns when a mask takes more from the label than masks elsewhere do. It never blocks.",
    ),
)


def build_header(*, sign_in: bool = False, **kwargs: Any) -> gr.HTML:
    """Place the header where Gradio stands now.

    Its value is `header`'s, `saved_value`'s or `gone_studies`'. It triggers `choose` (data: study)
    for another study of this browser's list, `begin` for a new one, and `check` (data: studies)
    once, to hear which of the list are gone.
    """
    return gr.HTML(
        None,
        html_template=_markup(sign_in=sign_in),
        js_on_load=(ASSETS / "header.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def header(study: Study | None) -> dict[str, Any]:
    """Return the header's value for the open study; the browser adds it to its list."""
    if study is None:
        return {"study": "", "name": NO_STUDY, "created": "", "saved": None}
    return {
        "study": study.study_id,
        "name": study.name,
        "created": study.created,
        "saved": saved_told(study.saved),
    }


def saved_value(study: Study) -> dict[str, Any]:
    """Return the header's value that says anew how far a study is saved, and changes no more."""
    return {"saved": saved_told(study.saved), "of": study.study_id}


def saved_told(saved: Saved) -> dict[str, Any]:
    """Return what the header says of where a study is kept.

    `words`, `brief` for a phone, and `why` with the way out where the Hub does not take it; None
    where it does, or was never meant to.
    """
    return {"words": saved_words(saved), "brief": _brief(saved), "why": _why(saved)}


def saved_words(saved: Saved) -> str:
    """Return in a few words where a study is kept, and how far it has got there."""
    if saved.trouble is not None:
        return "Saved here only · {}".format(saved.trouble.what.rstrip("."))
    if saved.repo is None:
        return SAVED_HERE
    if saved.silent is not None:
        return f"Saved here · Hub unreachable for {roughly(saved.silent)}"
    if saved.waiting:
        return f"Saved here, {count(saved.waiting)} waiting for the Hub"
    if saved.ago is None:
        return f"Saved here, then in {saved.repo} on the Hub"
    return f"Saved here · Hub {roughly(saved.ago)} ago"


def _brief(saved: Saved) -> str:
    if saved.repo is None or saved.trouble is not None or saved.silent is not None:
        return "Saved here only"
    if saved.waiting:
        return f"Saved here · {count(saved.waiting)} waiting"
    if saved.ago is None:
        return "Saved here"
    return f"Saved · Hub {roughly(saved.ago)} ago"


def _why(saved: Saved) -> list[str] | None:
    """Return sentences: what is in the way, why, and what to do."""
    if (trouble := saved.trouble) is not None:
        return [trouble.what, trouble.why, trouble.fix, SAVED_FOR_OWNER]
    if saved.repo is not None and saved.silent is not None:
        return [line.format(repo=saved.repo) for line in SAVED_SILENT_WHY]
    return None


def gone_studies(study_ids: list[str]) -> dict[str, Any]:
    """Return the header's value that takes studies off the browser's list."""
    return {"gone": study_ids}


def _markup(*, sign_in: bool) -> str:
    logo = base64.b64encode((ASSETS / "logo.svg").read_bytes()).decode()
    return str(
        render(
            "header.html",
            opening=text.OPENING,
            unsent=UNSENT_WHY,
            sign_in=sign_in,
            logo=logo,
            glossary=GLOSSARY,
        )
    )
