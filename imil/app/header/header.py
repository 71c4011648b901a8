"""The line above the tabs: what this is, whose study is open, where it is saved, words, theme."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import gradio as gr

from imil.report.parts import text
from imil.report.parts.markup import ASSETS, icon
from imil.report.parts.numbers import count, roughly
from imil.storage.base import Saved
from imil.study.study import Study

VALUE = "Show an image classifier what to ignore, and measure whether it helped."
SAVED_HERE = "Saved here only · no Hub repo set"
SAVED_WHY_LABEL = "Why it is not saved further, and what to do"
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
NEXT_VISITOR = "Next visitor"
NEXT_VISITOR_KEPT = "The study stays in the list of studies, where it can be gone on with."
UNFINISHED = "{n} images have strokes that are not blacked out yet; they stay in this browser."
UNFINISHED_ONE = "1 image has strokes that are not blacked out yet; they stay in this browser."
GLOSSARY_TITLE = "Words"
GLOSSARY_WORDS = "What the words on this screen mean here."
GLOSSARY = (
    ("Study", "One set of images and those who review it, from the first training to the last."),
    ("Round", "Outliers, masks, training on, comparison. The first training comes before round 1."),
    ("Outlier", "A training image that the model gets wrong: its prediction is not the label."),
    ("Label", "The class that an image is filed under. It can be wrong, too."),
    ("Mask", "The region of an image that you painted, because it should not matter."),
    ("Blackout", "The image with its mask set to black. Training goes on with it."),
    ("Budget", "How many training images may be masked: at most 4 % by default, as in the paper."),
    ("Queue", "An ordered list of training images to look at, such as the mispredicted ones."),
    ("Label suspect", "An image whose label looks wrong. You decide; masks are not for it."),
    ("Wrong reason", "A right answer that rests on what should not matter."),
    ("Shortcut", "Something that goes with the label in these images, but is not the finding."),
    ("Arm", "One way of training on. All arms start from one checkpoint, under one plan."),
    ("Control", "The arm without masks: the same extra epochs, and nothing else changed."),
    ("Plan", "The settings of training. Fixed once it begins, so that arms can be compared."),
    ("Epoch", "One pass of training over all training images."),
    ("Seed", "The number that fixes chance. Five seeds are five repetitions."),
    ("Split", "What an image is used for: training, validation, or test, opened at the end."),
    ("Verdict", "Shown, not shown or harmful: whether masks helped, read from the interval."),
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
    ("Finding check", "A warning when a mask seems to hide the finding itself. It never blocks."),
)


def build_header(*, sign_in: bool = False, **kwargs: Any) -> gr.HTML:
    """Place the header where Gradio stands now.

    Its value is `header`'s, `saved_value`'s or `gone_studies`'. It triggers `choose` (data: study)
    for another study of this browser's list, `begin` for a new one, and `check` (data: studies)
    once, to hear which of the list are gone.
    """
    return gr.HTML(
        header(None),
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
    """Return the template. It names no value, so it is rendered once and never touched again."""
    logo = base64.b64encode((ASSETS / "logo.svg").read_bytes()).decode()
    words = {
        "none": NO_STUDY,
        "new": "+ New study",
        "offline": "Offline · strokes are kept in this browser",
        "offline-brief": "Offline · strokes kept",
        "unsent-one": "1 mask waits in this browser",
        "unsent": "{n} masks wait in this browser",
        "unsent-one-brief": "1 mask not saved yet",
        "unsent-brief": "{n} masks not saved yet",
        "unsent-why": "\n".join(UNSENT_WHY),
        "unfinished": UNFINISHED,
        "unfinished-one": UNFINISHED_ONE,
    }
    data = " ".join(f'data-{key}-word="{escape(word)}"' for key, word in words.items())
    data += " data-sign-in" if sign_in else ""
    return f"""
<div class="bar" {data}><h1 class="logo"><img alt="" src="data:image/svg+xml;base64,{logo}">
  <span>{escape(text.TITLE)}</span></h1>
 <p class="value">{escape(VALUE)}</p>
 <label class="picker"><span class="study" aria-hidden="true">{escape(NO_STUDY)}</span>
  {icon("chevron")}<select aria-label="Study"></select></label>
 <div class="band"><p class="ruo">Research use only, not for diagnosis</p>
  <p class="saved" hidden>{icon("check", kind="fine")}{icon("warn", kind="amiss")}
   <span class="whole"></span><span class="brief"></span>
   <button type="button" class="why" data-act="why" aria-label="{escape(SAVED_WHY_LABEL)}"
    hidden>Why?</button></p><span class="aloud" role="status"></span></div>
 <span class="headacts">{_button("next", NEXT_VISITOR, "visitor", word=True)}
  {_button("menu", text.MENU, "more")}
  {_button("glossary", GLOSSARY_TITLE, "book")}{_button("theme", text.THEME, "theme")}</span>
</div>
<dialog class="glossary" aria-labelledby="glossary-title"><header>
  <h2 id="glossary-title">{escape(GLOSSARY_TITLE)}</h2>
  {_button("close", text.CLOSE, "x")}</header><p class="sub">{escape(GLOSSARY_WORDS)}</p>
 <dl tabindex="0">{_glossary()}</dl></dialog>
<dialog class="small keeping" aria-labelledby="keeping-title"><h2 id="keeping-title"></h2>
 <div data-lines></div><p class="headacts"><button type="button" class="imil-btn" data-act="close">
  {escape(text.CLOSE)}</button></p></dialog>
<dialog class="small leaving" aria-labelledby="leaving-title">
 <h2 id="leaving-title">Begin for the next visitor?</h2>
 <p><span data-count></span> {escape(NEXT_VISITOR_KEPT)}</p>
 <p class="headacts"><button type="button" class="imil-btn" data-act="close">Stay here
  </button>
  <button type="button" class="imil-btn primary" data-act="reset">{escape(NEXT_VISITOR)}
  </button></p></dialog>"""


def _glossary() -> str:
    return "".join(
        f"<div><dt>{escape(word)}</dt><dd>{escape(meaning)}</dd></div>"
        for word, meaning in GLOSSARY
    )


def _button(act: str, label: str, picture: str, *, word: bool = False) -> str:
    inside = f"<span>{escape(label)}</span>" if word else ""
    return (
        f'<button type="button" class="imil-btn" data-act="{act}" aria-label="{escape(label)}" '
        f'title="{escape(text.HEADER_TITLES[act])}">{icon(picture)}{inside}</button>'
    )
