"""Chinese and Japanese texts that older Windows programs wrote, told from Western ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# Code pages, the likelier first, with the lead bytes of the characters that most texts are made of
# (level 1 of GB 2312, of Shift JIS and of Big5), and a page that has these alone.
_PAGES = {
    "gb18030": (range(0xB0, 0xD8), "gb2312"),
    "cp932": (range(0x88, 0x98), "cp932"),
    "big5": (range(0xA4, 0xC7), "big5"),
}
# Characters of these languages, of which a Western text gives none or single ones.
_CHARACTERS = "\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f"
_RUN, _ONE = re.compile(f"[{_CHARACTERS}]{{2,}}"), re.compile(f"[{_CHARACTERS}]")
_KANA, _HALF_WIDTH_KANA = range(0x3040, 0x3100), range(0xFF66, 0xFFA0)
# Share of its characters that must be usual ones. Our choice.
_LEAST = 0.5


def code_page(texts: Iterable[bytes]) -> str | None:
    """Return the code page of Chinese or Japanese texts; None where they are Western, or UTF-8.

    All have to be texts in it, save those that are UTF-8; of several pages, the one counts whose
    characters are the most usual ones.
    """
    others = [text for text in texts if not _decoded(text, "utf-8")]
    usual = {page: _usual(others, page) for page in _PAGES}
    best = max(usual, key=lambda page: usual[page])
    return best if usual[best] >= _LEAST else None


def _usual(texts: list[bytes], page: str) -> float:
    """Return the share of usual characters, 0–1; 0 where a text can't be of this page."""
    decoded = [_decoded(text, page) for text in texts]
    if not all(decoded) or not any(_RUN.search(text or "") for text in decoded):
        return 0.0
    signs = Counter(sign for text in decoded for sign in _ONE.findall(text or ""))
    return sum(count * _weight(sign, page) for sign, count in signs.items()) / signs.total()


def _weight(sign: str, page: str) -> float:
    if ord(sign) in _KANA:
        return float(page == "cp932")
    if ord(sign) in _HALF_WIDTH_KANA:
        return 0.5  # every other byte is one, so that any text of another page may give them
    leads, narrow = _PAGES[page]
    try:
        return float(sign.encode(narrow)[0] in leads)
    except UnicodeError:
        return 0.0


def _decoded(text: bytes, page: str) -> str | None:
    try:
        return text.decode(page)
    except UnicodeError:
        return None
