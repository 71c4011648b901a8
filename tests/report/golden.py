"""Pages as files to compare with: markup and words, a line a block or row."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
# Elements that stand within a line of words.
INLINE = frozenset({"a", "b", "i", "em", "small", "span", "code", "label", "svg", "img", "button"})
# What stands in the line of its row; before it, words have a bar.
CELLS = frozenset({"td", "th", "dd", "dt", "text"})
# What has no end tag.
VOID = frozenset({"meta", "img", "br", "hr", "col", "input", "link", "path", "circle", "line"})
# An image's content, which another release of Pillow writes in other bytes.
_CONTENT = re.compile(r"base64,[A-Za-z0-9+/=]+")


class Page(HTMLParser):
    """A page taken apart: `markup` and `words`, a line a block or row.

    Style is left out. Of a plot only its label and texts are kept, unless `plots` are
    wanted; an icon is kept.
    """

    def __init__(self, html: str, *, plots: bool = False) -> None:
        super().__init__()
        self.markup: list[str] = []
        self._lines = [""]
        self._style, self._plot, self._plots = False, False, plots
        self._depth = 0
        self.feed(str(html))
        self.close()

    @property
    def words(self) -> list[str]:
        """The words, a line a block, as a browser puts blanks."""
        bars = (re.sub(r"(\s*\|\s*)+", " | ", line) for line in self._lines)
        lines = (re.sub(r"\s+", " ", line).strip("| ") for line in bars)
        return [line for line in lines if line]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        self._block(tag)
        if self._plot and not self._plots and tag != "text":
            return
        self._plot = self._plot or (tag == "svg" and "class" not in dict(attrs))
        known = ((name, _settled(value)) for name, value in attrs)
        named = "".join(
            f" {name}" if value is None else f' {name}="{value}"'
            for name, value in known
            if (name, value) != ("class", "")
        )
        self._put(f"<{tag}{named}>", new=tag not in INLINE | CELLS)
        self._depth += tag not in VOID

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._style = False
        self._block(tag)
        if tag in VOID or (self._plot and not self._plots and tag not in {"svg", "text"}):
            return
        self._plot = self._plot and tag != "svg"
        self._depth -= 1
        self._put(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._style:
            return
        self._lines[-1] += data
        if words := _settled(data):
            self._put(words)

    def _block(self, tag: str) -> None:
        if tag in CELLS:
            self._lines[-1] += " | "
        elif tag not in INLINE:
            self._lines.append("")

    def _put(self, part: str, *, new: bool = False) -> None:
        if new or not self.markup:
            self.markup.append(" " * self._depth + part)
        else:
            self.markup[-1] += part


def check(case: str, content: str, *, bless: bool, suffix: str) -> None:
    """Compare a text with its golden file, or write that where it is to be blessed."""
    path = GOLDEN / f"{case}.{suffix}"
    if bless:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    # Split, so that a failure shows the lines that differ.
    assert content.splitlines() == path.read_text("utf-8").splitlines(), f"{path}; see --bless"


def check_page(
    case: str, html: str, *, bless: bool, plots: bool = False, markup: bool = True
) -> None:
    """Compare a page with its golden words, and its golden markup unless that is another's."""
    page = Page(html, plots=plots)
    if markup:
        check(case, "\n".join(page.markup) + "\n", bless=bless, suffix="html")
    check(case, "\n".join(page.words) + "\n", bless=bless, suffix="txt")


def _settled(value: str | None) -> str | None:
    if value is None:
        return None
    settled = escape(re.sub(r"\s+", " ", value).strip())
    return _CONTENT.sub("base64,…", settled)
