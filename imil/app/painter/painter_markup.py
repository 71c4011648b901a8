"""The painter's template: rendered once, since it names no value, and never touched again."""

from __future__ import annotations

from html import escape

from imil.core.review.masks import MAX_COVERAGE
from imil.core.windows import Window
from imil.report.parts import text
from imil.report.parts.markup import icon

PREVIOUS = "Previous image"
NEXT = "Next image"
SIZE = "Size"
UNDO = "Undo"
REDO = "Redo"
CLEAR = "Clear the mask"
PAINTER_MODES = (
    ("hide", "Hide", "Hide what I paint (M)"),
    ("keep", "Keep", "Keep only what I paint (M)"),
)
PAINTER_MORE = "More: brush size, preview, keys"
PAINTER_TITLES = {
    "brush": "Brush (B)",
    "box": "Box (X)",
    "erase": "Erase (E)",
    "undo": "Undo (Z)",
    "redo": "Redo (Y)",
    "clear": "Clear the mask",
    "previous": "Previous image (P)",
    "next": "Next image (N)",
}
PAINTER_WINDOW_TITLE = "{name} window ({key})"
WINDOWS = {
    Window.FULL: "Full",
    Window.LUNG: "Lung",
    Window.BONE: "Bone",
    Window.AUTO: "Auto",
}
PAINTER_LEVELS = "Set the window: its width and its centre; or drag with the right button"
PAINTER_LEVEL = {"width": "Width", "centre": "Level"}
PAINTER_PANEL = "More and keys"
PAINTER_KEYS_ON = "Single keys. Without them, Ctrl Z and the keys of the focused image still work."
# What the painter says by itself, in the browser.
PAINTER_WORDS = {
    "canvas": "Image to mask. Drag to paint. With the keyboard: arrows move a box, Shift and "
    "arrows size it, Space paints it.",
    "hidden": "% of the image hidden",
    "nothing": "nothing hidden",
    "start": "Paint over what should not matter",
    "start-keep": "Paint what alone should matter",
    "turned-keep": "What you painted is now all that stays",
    "turned-hide": "What you painted is now hidden",
    "box": "Space paints the box, Shift and arrows size it",
    "box-erase": "Space erases the box, Shift and arrows size it",
    "empty": "Nothing is painted yet. Paint what should not matter, or press Skip.",
    "erased": "Nothing is left of the mask. The one saved before stays until you save another.",
    "much": "Almost all of the image is hidden. Erase part, so that the finding stays visible.",
    "much-keep": "Almost all of the image is hidden. Paint more of what should matter.",
    "none": "Nothing is predicted irrelevant in this image.",
    "draft": "Your unfinished mask is back",
    "storage": "This browser has no room for unfinished masks. Save this one before you go on.",
    "looking": "Asking where the model looks …",
    "offline": "The connection is lost. You can go on painting: your mask is kept in this browser.",
    "offline-move": "The connection is lost. The next image can be opened when it is back.",
    "unsent": "Not saved yet: the connection is lost. Your mask is kept in this browser, and is "
    "sent when the connection is back.",
    "unanswered": "Not saved yet: the server does not answer. Your mask is kept in this browser. "
    "Reload the page to send it again.",
    "sent": "Saved: your mask of {sample}, which had waited for the connection.",
    "other": "Another tab has saved a mask for this image. Yours is shown and not saved: "
    "“Black out & next” replaces the saved one.",
    "other-act": "Show the saved mask",
}
PAINTER_KEYS = (
    (("N", "P"), "next, previous"),
    (("M",), "hide or keep"),
    (("[", "]"), "size"),
    (("Z",), "undo"),
    (("V",), "hold to preview"),
)
PAINTER_ALL_KEYS = (
    (("N", "P"), "next, previous image"),
    (("Enter",), "black out & next"),
    (("S",), "skip"),
    (("L",), "label is wrong"),
    (("M",), "hide or keep"),
    (("B", "X", "E"), "brush, box, erase"),
    (("[", "]"), "size"),
    (("Z", "Y"), "undo, redo; also with Ctrl"),
    (("V",), "hold to preview"),
    (("O",), "where the model looks"),
    (("1", "2", "3", "4"), "window"),
    (("?",), "this list"),
    (("←", "↑", "→", "↓"), "move a box; with Shift size it, with Ctrl by a pixel"),
    (("Space",), "paint the box"),
    (("Right drag",), "set the window"),
)


def painter_markup() -> str:
    """Return the template. No text from outside goes in: only our own words."""
    data = " ".join(f'data-{key}-word="{escape(word)}"' for key, word in PAINTER_WORDS.items())
    return f"""
<div class="painter none" data-mode="hide" data-ready="" data-most="{MAX_COVERAGE}" {data}>
 {_head()}{_tools()}{_stage()}{_under()}{_keys()}
</div>"""


def _head() -> str:
    return f"""<div class="head"><h2><span class="name"></span><span class="place"></span></h2>
  <span class="pair">{_panel_button("more", PAINTER_MORE)}
  {_button("act", "previous", PREVIOUS, "left")}
  {_button("act", "next", NEXT, "right")}</span></div>"""


def _tools() -> str:
    modes = "".join(
        f'<button type="button" class="imil-btn" data-mode-of="{mode}" '
        f'aria-pressed="{str(mode == "hide").lower()}" title="{escape(title)}">'
        f"{escape(label)}</button>"
        for mode, label, title in PAINTER_MODES
    )
    tools = "".join(
        _button("tool", name, label, name, word=True)
        for name, label in (("brush", "Brush"), ("box", "Box"), ("erase", "Erase"))
    )
    return f"""<div class="tools" role="toolbar" aria-label="Mask tools">
  <span class="seg mode" role="group" aria-label="Mode">{modes}</span>
  <span class="seg" role="group" aria-label="Tool">{tools}</span>
  <label class="rng">{escape(SIZE)} {_size("data-size")}</label>
  <span class="pair">{_button("act", "undo", UNDO, "undo")}
  {_button("act", "clear", CLEAR, "trash")}</span></div>"""


def _stage() -> str:
    return f"""<div class="stage">
  <canvas class="film" width="1" height="1" aria-hidden="true"></canvas>
  <canvas class="heat" width="1" height="1" aria-hidden="true"></canvas>
  <canvas class="paint" width="1" height="1" tabindex="0" role="img"
   aria-label="{escape(PAINTER_WORDS["canvas"])}"></canvas>
  <span class="ring" hidden></span><span class="outline" hidden></span>
  <div class="notice" role="status" hidden><span></span>
   <button type="button" class="imil-btn" hidden></button></div>
  <p class="hint" role="status" hidden></p>
  <button type="button" class="wl" aria-expanded="false" aria-controls="painter-levels"
   title="{escape(PAINTER_LEVELS)}"></button>
  <span class="area"></span>
  {_levels()}{_panel()}
  <p class="nofilm">Pick an image on the left.</p></div>"""


def _levels() -> str:
    sliders = "".join(
        f'<label class="rng"><span>{escape(label)}</span><input type="range" '
        f'data-level="{name}" min="0" max="255" value="128"></label>'
        for name, label in PAINTER_LEVEL.items()
    )
    return (
        f'<div class="levels" id="painter-levels" role="group" hidden '
        f'aria-label="{escape(PAINTER_LEVELS)}">{sliders}</div>'
    )


def _panel() -> str:
    rows = "".join(
        f"<div><dt>{_caps(pair)}</dt><dd>{escape(what)}</dd></div>"
        for pair, what in PAINTER_ALL_KEYS
    )
    return f"""<div class="panel" id="painter-panel" role="dialog" tabindex="-1" hidden
   aria-label="{escape(PAINTER_PANEL)}">
   <div class="phead"><h3>{escape(PAINTER_PANEL)}</h3>
    <button type="button" class="imil-btn" data-close aria-label="{escape(text.CLOSE)}">
    {icon("x")}</button></div>
   <div class="pacts"><label class="rng">{escape(SIZE)} {_size("data-size-too")}</label>
    {_button("act", "redo", REDO, "redo", word=True)}
    <button type="button" class="imil-btn peekbtn">{icon("eye")}
    <span>Hold to preview</span></button></div>
   <label class="keyson"><input type="checkbox" data-keys checked>
    {escape(PAINTER_KEYS_ON)}</label>
   <dl>{rows}</dl></div>"""


def _under() -> str:
    presets = "".join(
        f'<button type="button" class="imil-btn" data-window="{window}" aria-pressed="false" '
        f'title="{escape(PAINTER_WINDOW_TITLE.format(name=WINDOWS[window], key=key))}">'
        f"{escape(WINDOWS[window])}</button>"
        for key, window in enumerate(Window, start=1)
    )
    return f"""<div class="under">
  <span class="seg windows" role="group" aria-label="Window">{presets}</span>
  <label class="rng"><span class="wide">Where the model looks</span><span class="narrow"
   >Saliency</span> <input type="range" data-looks min="0" max="100"
   value="0" aria-label="Where the model looks: opacity, key O"></label></div>"""


def _keys() -> str:
    keys = "".join(
        f'<span aria-hidden="true">{_caps(pair)} {escape(what)}</span>'
        for pair, what in PAINTER_KEYS
    )
    return f"""<div class="keys">{keys}
  <button type="button" class="allkeys" aria-expanded="false" aria-controls="painter-panel">
  <kbd aria-hidden="true">?</kbd> all keys</button></div>"""


def _size(name: str) -> str:
    return (
        f'<input type="range" {name} min="5" max="150" value="35" '
        f'aria-label="Brush size, keys [ and ]">'
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
        f'aria-label="{escape(label)}" title="{escape(PAINTER_TITLES[name])}">'
        f"{icon(picture)}{inside}</button>"
    )
