"""The line above the tabs: what this is, whose study is open, where it is saved, words, theme."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import gradio as gr

from imil.ui import text
from imil.ui.markup import ASSETS, icon
from imil.workflow.study import Study


def build_header(**kwargs: Any) -> gr.HTML:
    """Place the header where Gradio stands now.

    Its value is `header`'s or `gone_studies`'. It triggers `choose` (data: study) for another study
    of this browser's list, `begin` for a new one, and `check` (data: studies) once, to hear which
    of the list are gone.
    """
    return gr.HTML(
        header(None),
        html_template=_markup(),
        js_on_load=(ASSETS / "header.js").read_text("utf-8"),
        apply_default_css=False,
        **kwargs,
    )


def header(study: Study | None) -> dict[str, Any]:
    """Return the header's value for the open study; the browser adds it to its list."""
    if study is None:
        return {"study": "", "name": text.NO_STUDY, "created": "", "saved": ""}
    return {
        "study": study.study_id,
        "name": study.name,
        "created": study.created,
        "saved": text.SAVED_HERE,
    }


def gone_studies(study_ids: list[str]) -> dict[str, Any]:
    """Return the header's value that takes studies off the browser's list."""
    return {"gone": study_ids}


def _markup() -> str:
    """Return the template. It names no value, so it is rendered once and never touched again."""
    logo = base64.b64encode((ASSETS / "logo.svg").read_bytes()).decode()
    words = {
        "none": text.NO_STUDY,
        "new": text.NEW_STUDY,
        "offline": text.OFFLINE,
        "unfinished": text.UNFINISHED,
        "unfinished-one": text.UNFINISHED_ONE,
    }
    data = " ".join(f'data-{key}-word="{escape(word)}"' for key, word in words.items())
    return f"""
<div class="bar" {data}><h1 class="logo"><img alt="" src="data:image/svg+xml;base64,{logo}">
  <span>{escape(text.TITLE)}</span></h1>
 <p class="value">{escape(text.VALUE)}</p>
 <label class="picker"><span class="study" aria-hidden="true">{escape(text.NO_STUDY)}</span>
  {icon("chevron")}<select aria-label="{escape(text.STUDY)}"></select></label>
 <span class="saved" role="status" hidden>{icon("check")}<span></span></span>
 <span class="headacts">{_button("next", text.NEXT_VISITOR, "visitor", word=True)}
  {_button("glossary", text.GLOSSARY_TITLE, "book")}{_button("theme", text.THEME, "theme")}</span>
</div><p class="ruo">{escape(text.RESEARCH_ONLY)}</p>
<dialog class="glossary" aria-labelledby="glossary-title"><header>
  <h2 id="glossary-title">{escape(text.GLOSSARY_TITLE)}</h2>
  {_button("close", text.CLOSE, "x")}</header><p class="sub">{escape(text.GLOSSARY_WORDS)}</p>
 <dl tabindex="0">{_glossary()}</dl></dialog>
<dialog class="leaving" aria-labelledby="leaving-title">
 <h2 id="leaving-title">{escape(text.NEXT_VISITOR_ASK)}</h2>
 <p><span data-count></span> {escape(text.NEXT_VISITOR_KEPT)}</p>
 <p class="headacts"><button type="button" class="imil-btn" data-act="close">{escape(text.STAY)}
  </button>
  <button type="button" class="imil-btn primary" data-act="reset">{escape(text.NEXT_VISITOR)}
  </button></p></dialog>"""


def _glossary() -> str:
    return "".join(
        f"<div><dt>{escape(word)}</dt><dd>{escape(meaning)}</dd></div>"
        for word, meaning in text.GLOSSARY
    )


def _button(act: str, label: str, picture: str, *, word: bool = False) -> str:
    inside = f"<span>{escape(label)}</span>" if word else ""
    return (
        f'<button type="button" class="imil-btn" data-act="{act}" aria-label="{escape(label)}" '
        f'title="{escape(text.HEADER_TITLES[act])}">{icon(picture)}{inside}</button>'
    )
