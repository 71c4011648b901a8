"""The line above the tabs."""

from __future__ import annotations

import base64
from html import escape

from imil.ui import text
from imil.ui.markup import ASSETS, icon
from imil.workflow.study import Study


def header(study: Study | None) -> str:
    """Return the line above the tabs: what this is, which study is open, that it is saved."""
    logo = base64.b64encode((ASSETS / "logo.svg").read_bytes()).decode()
    name = text.NO_STUDY if study is None else study.name
    saved = "" if study is None else f"{icon('check')}{escape(text.SAVED_HERE)}"
    return (
        f'<div class="bar"><h1 class="logo"><img alt="" src="data:image/svg+xml;base64,{logo}">'
        f'{escape(text.TITLE)}</h1><p class="value">{escape(text.VALUE)}</p>'
        f'<span class="study" title="{escape(name)}">{escape(name)}</span>'
        f'<span class="saved" role="status">{saved}</span>'
        f'<button type="button" class="themebtn" aria-label="{escape(text.THEME)}">'
        f'{icon("theme")}</button></div><p class="ruo">{escape(text.RESEARCH_ONLY)}</p>'
    )


def theme_script() -> str:
    """Return the JavaScript of the light-or-dark button; the choice stays in the browser."""
    return """
const dark = () => document.body.classList.contains("dark");
const set = (on) => document.body.classList.toggle("dark", on);
try { const kept = localStorage.getItem("imil-theme"); if (kept) set(kept === "dark"); } catch {}
element.addEventListener("click", (event) => {
  if (!event.target.closest(".themebtn")) return;
  set(!dark());
  try { localStorage.setItem("imil-theme", dark() ? "dark" : "light"); } catch {}
});
"""
