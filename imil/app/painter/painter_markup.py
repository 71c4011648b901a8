"""The painter's template: rendered once, since it names no value, and never touched again."""

from __future__ import annotations

from html import escape

from imil.core.review.masks import MAX_COVERAGE
from imil.core.windows import Window
from imil.report.parts import text
from imil.report.parts.markup import icon


def painter_markup() -> str:
    """Return the template. No text from outside goes in: only words of `text.py`."""
    data = " ".join(f'data-{key}-word="{escape(word)}"' for key, word in text.PAINTER_WORDS.items())
    return f"""
<div class="painter none" data-mode="hide" data-ready="" data-most="{MAX_COVERAGE}" {data}>
 {_head()}{_tools()}{_stage()}{_under()}{_keys()}
</div>"""


def _head() -> str:
    return f"""<div class="head"><h2><span class="name"></span><span class="place"></span></h2>
  <span class="pair">{_panel_button("more", text.PAINTER_MORE)}
  {_button("act", "previous", text.PREVIOUS, "left")}
  {_button("act", "next", text.NEXT, "right")}</span></div>"""


def _tools() -> str:
    modes = "".join(
        f'<button type="button" class="imil-btn" data-mode-of="{mode}" '
        f'aria-pressed="{str(mode == "hide").lower()}" title="{escape(title)}">'
        f"{escape(label)}</button>"
        for mode, label, title in text.PAINTER_MODES
    )
    tools = "".join(
        _button("tool", name, label, name, word=True)
        for name, label in (("brush", text.BRUSH), ("box", text.BOX), ("erase", text.ERASE))
    )
    return f"""<div class="tools" role="toolbar" aria-label="{escape(text.PAINTER_TOOLS)}">
  <span class="seg mode" role="group" aria-label="{escape(text.PAINTER_MODE)}">{modes}</span>
  <span class="seg" role="group" aria-label="{escape(text.PAINTER_TOOL)}">{tools}</span>
  <label class="rng">{escape(text.SIZE)} {_size("data-size")}</label>
  <span class="pair">{_button("act", "undo", text.UNDO, "undo")}
  {_button("act", "clear", text.CLEAR, "trash")}</span></div>"""


def _stage() -> str:
    return f"""<div class="stage">
  <canvas class="film" width="1" height="1" aria-hidden="true"></canvas>
  <canvas class="heat" width="1" height="1" aria-hidden="true"></canvas>
  <canvas class="paint" width="1" height="1" tabindex="0" role="img"
   aria-label="{escape(text.PAINTER_WORDS["canvas"])}"></canvas>
  <span class="ring" hidden></span><span class="outline" hidden></span>
  <div class="notice" role="status" hidden><span></span>
   <button type="button" class="imil-btn" hidden></button></div>
  <p class="hint" role="status" hidden></p>
  <button type="button" class="wl" aria-expanded="false" aria-controls="painter-levels"
   title="{escape(text.PAINTER_LEVELS)}"></button>
  <span class="area"></span>
  {_levels()}{_panel()}
  <p class="nofilm">{escape(text.PAINTER_NO_FILM)}</p></div>"""


def _levels() -> str:
    sliders = "".join(
        f'<label class="rng"><span>{escape(label)}</span><input type="range" '
        f'data-level="{name}" min="0" max="255" value="128"></label>'
        for name, label in text.PAINTER_LEVEL.items()
    )
    return (
        f'<div class="levels" id="painter-levels" role="group" hidden '
        f'aria-label="{escape(text.PAINTER_LEVELS)}">{sliders}</div>'
    )


def _panel() -> str:
    rows = "".join(
        f"<div><dt>{_caps(pair)}</dt><dd>{escape(what)}</dd></div>"
        for pair, what in text.PAINTER_ALL_KEYS
    )
    return f"""<div class="panel" id="painter-panel" role="dialog" tabindex="-1" hidden
   aria-label="{escape(text.PAINTER_PANEL)}">
   <div class="phead"><h3>{escape(text.PAINTER_PANEL)}</h3>
    <button type="button" class="imil-btn" data-close aria-label="{escape(text.CLOSE)}">
    {icon("x")}</button></div>
   <div class="pacts"><label class="rng">{escape(text.SIZE)} {_size("data-size-too")}</label>
    {_button("act", "redo", text.REDO, "redo", word=True)}
    <button type="button" class="imil-btn peekbtn">{icon("eye")}
    <span>{escape(text.PAINTER_PEEK)}</span></button></div>
   <label class="keyson"><input type="checkbox" data-keys checked>
    {escape(text.PAINTER_KEYS_ON)}</label>
   <dl>{rows}</dl></div>"""


def _under() -> str:
    presets = "".join(
        f'<button type="button" class="imil-btn" data-window="{window}" aria-pressed="false" '
        f'title="{escape(text.PAINTER_WINDOW_TITLE.format(name=text.WINDOWS[window], key=key))}">'
        f"{escape(text.WINDOWS[window])}</button>"
        for key, window in enumerate(Window, start=1)
    )
    return f"""<div class="under">
  <span class="seg windows" role="group" aria-label="{escape(text.PAINTER_WINDOW)}">{presets}</span>
  <label class="rng"><span class="wide">{escape(text.PAINTER_LOOKS)}</span><span class="narrow"
   >{escape(text.PAINTER_LOOKS_SHORT)}</span> <input type="range" data-looks min="0" max="100"
   value="0" aria-label="{escape(text.PAINTER_LOOKS_LABEL)}"></label></div>"""


def _keys() -> str:
    keys = "".join(
        f'<span aria-hidden="true">{_caps(pair)} {escape(what)}</span>'
        for pair, what in text.PAINTER_KEYS
    )
    return f"""<div class="keys">{keys}
  <button type="button" class="allkeys" aria-expanded="false" aria-controls="painter-panel">
  <kbd aria-hidden="true">?</kbd> {escape(text.PAINTER_ALL)}</button></div>"""


def _size(name: str) -> str:
    return (
        f'<input type="range" {name} min="5" max="150" value="35" '
        f'aria-label="{escape(text.PAINTER_SIZE)}">'
    )


def _caps(pair: tuple[str, ...]) -> str:
    return "".join(f"<kbd>{escape(key)}</kbd>" for key in pair)


def _panel_button(picture: str, label: str) -> str:
    return (
        f'<button type="button" class="imil-btn morebtn" aria-expanded="false" '
        f'aria-controls="painter-panel" aria-label="{escape(label)}" title="{escape(label)}">'
        f"{icon(picture)}</button>"
    )


def _button(kind: str, name: str, label: str, picture: str, *, word: bool = False) -> str:
    pressed = f' aria-pressed="{str(name == "brush").lower()}"' if kind == "tool" else ""
    inside = f'<span class="lbl">{escape(label)}</span>' if word else ""
    return (
        f'<button type="button" class="imil-btn" data-{kind}="{name}"{pressed} '
        f'aria-label="{escape(label)}" title="{escape(text.PAINTER_TITLES[name])}">'
        f"{icon(picture)}{inside}</button>"
    )
