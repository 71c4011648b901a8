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
        return {"study": "", "name": text.NO_STUDY, "created": "", "saved": None}
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
        return text.SAVED_TROUBLE.format(saved.trouble.what.rstrip("."))
    if saved.repo is None:
        return text.SAVED_HERE
    if saved.silent is not None:
        return text.SAVED_SILENT.format(roughly(saved.silent))
    if saved.waiting:
        return text.SAVED_WAITING.format(count(saved.waiting))
    if saved.ago is None:
        return text.SAVED_HUB.format(saved.repo)
    return text.SAVED_ALL.format(roughly(saved.ago))


def _brief(saved: Saved) -> str:
    if saved.repo is None or saved.trouble is not None or saved.silent is not None:
        return text.SAVED_ONLY_BRIEF
    if saved.waiting:
        return text.SAVED_WAITING_BRIEF.format(count(saved.waiting))
    if saved.ago is None:
        return text.SAVED_HUB_BRIEF
    return text.SAVED_ALL_BRIEF.format(roughly(saved.ago))


def _why(saved: Saved) -> list[str] | None:
    """Return sentences: what is in the way, why, and what to do."""
    if (trouble := saved.trouble) is not None:
        return [trouble.what, trouble.why, trouble.fix, text.SAVED_FOR_OWNER]
    if saved.repo is not None and saved.silent is not None:
        return [line.format(repo=saved.repo) for line in text.SAVED_SILENT_WHY]
    return None


def gone_studies(study_ids: list[str]) -> dict[str, Any]:
    """Return the header's value that takes studies off the browser's list."""
    return {"gone": study_ids}


def _markup(*, sign_in: bool) -> str:
    """Return the template. It names no value, so it is rendered once and never touched again."""
    logo = base64.b64encode((ASSETS / "logo.svg").read_bytes()).decode()
    words = {
        "none": text.NO_STUDY,
        "new": text.NEW_STUDY,
        "offline": text.OFFLINE,
        "offline-brief": text.OFFLINE_BRIEF,
        "unsent-one": text.UNSENT_ONE,
        "unsent": text.UNSENT_MANY,
        "unsent-one-brief": text.UNSENT_BRIEF_ONE,
        "unsent-brief": text.UNSENT_BRIEF_MANY,
        "unsent-why": "\n".join(text.UNSENT_WHY),
        "unfinished": text.UNFINISHED,
        "unfinished-one": text.UNFINISHED_ONE,
    }
    data = " ".join(f'data-{key}-word="{escape(word)}"' for key, word in words.items())
    data += " data-sign-in" if sign_in else ""
    return f"""
<div class="bar" {data}><h1 class="logo"><img alt="" src="data:image/svg+xml;base64,{logo}">
  <span>{escape(text.TITLE)}</span></h1>
 <p class="value">{escape(text.VALUE)}</p>
 <label class="picker"><span class="study" aria-hidden="true">{escape(text.NO_STUDY)}</span>
  {icon("chevron")}<select aria-label="{escape(text.STUDY)}"></select></label>
 <div class="band"><p class="ruo">{escape(text.RESEARCH_ONLY)}</p>
  <p class="saved" hidden>{icon("check", kind="fine")}{icon("warn", kind="amiss")}
   <span class="whole"></span><span class="brief"></span>
   <button type="button" class="why" data-act="why" aria-label="{escape(text.SAVED_WHY_LABEL)}"
    hidden>{escape(text.SAVED_WHY)}</button></p><span class="aloud" role="status"></span></div>
 <span class="headacts">{_button("next", text.NEXT_VISITOR, "visitor", word=True)}
  {_button("menu", text.MENU, "more")}
  {_button("glossary", text.GLOSSARY_TITLE, "book")}{_button("theme", text.THEME, "theme")}</span>
</div>
<dialog class="glossary" aria-labelledby="glossary-title"><header>
  <h2 id="glossary-title">{escape(text.GLOSSARY_TITLE)}</h2>
  {_button("close", text.CLOSE, "x")}</header><p class="sub">{escape(text.GLOSSARY_WORDS)}</p>
 <dl tabindex="0">{_glossary()}</dl></dialog>
<dialog class="small keeping" aria-labelledby="keeping-title"><h2 id="keeping-title"></h2>
 <div data-lines></div><p class="headacts"><button type="button" class="imil-btn" data-act="close">
  {escape(text.CLOSE)}</button></p></dialog>
<dialog class="small leaving" aria-labelledby="leaving-title">
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
